"""A small OpenID provider over real HTTP: it keeps the rules of the code flow, and lies in its tokens when a test asks for it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "celestra-test", "a secret of the client"

Claims = dict[str, Any]


@cache
def _make_key() -> RSAKey:
    """Return the provider's usual key, made once because that takes long."""
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


class OidcProvider:
    """
    Serves discovery, keys, authorization and tokens for one client.

    `person` is who is signed in at the provider; `redirect_uri` the only one that it accepts. `change_claims` and
    `write_token` replace what it puts into the identity token and how it signs it; `change_answer` what it sends back through
    the browser; `change_document` what it publishes of itself.
    """

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self.person: Claims = {"sub": "person-1", "email": "ada@example.org", "email_verified": True}
        self.change_claims: Callable[[Claims], Claims] = dict
        self.change_answer: Callable[[dict[str, str]], dict[str, str]] = dict
        self.change_document: Callable[[Claims], Claims] = dict
        self.write_token: Callable[[Claims], str] = self.sign
        self.key = _make_key()
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        """The address that it calls itself."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Close the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def sign(self, claims: Claims) -> str:
        """Return claims as a token with the provider's own key."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def sign_with_other_key(self, claims: Claims) -> str:
        """Return a forged token: the name of the right key, and the signature of another one."""
        other = RSAKey.generate_key(2048, {"kid": "one"})
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, other)

    def sign_with_client_secret(self, claims: Claims) -> str:
        """Return a token with a symmetric signature, which whoever knows the client could make."""
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET), algorithms=["HS256"])

    def sign_with_public_key(self, claims: Claims) -> str:
        """Return a token whose symmetric signature was made with the published key as its secret."""
        secret = OctKey.import_key(self.key.as_pem(private=False))
        return jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret, algorithms=["HS256"])

    def leave_unsigned(self, claims: Claims) -> str:
        """Return a token of the algorithm `none`."""
        parts = (json.dumps({"alg": "none", "kid": "one"}), json.dumps(claims))
        return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."

    def authorize(self, address: str) -> dict[str, str]:
        """Do what the browser does at the provider, and return the values with which it is sent back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["redirect_uri"] == self.redirect_uri, "a provider accepts one address only"
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 32
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return self.change_answer({"code": code, "state": asked["state"], "iss": self.issuer})

    def publish(self) -> Claims:
        """Return the document of discovery."""
        return self.change_document(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    def publish_keys(self) -> Claims:
        """Return the public keys."""
        return dict(KeySet([self.key]).as_dict(private=False))

    def give_token(self, body: dict[str, str], authorization: str) -> tuple[int, Claims]:
        """Trade a code for a token, once, with the right verifier, client and address."""
        asked = self._codes.pop(body.get("code", ""), None)
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        digest = hashlib.sha256(body.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or body.get("redirect_uri") != self.redirect_uri:
            return 400, {"error": "invalid_grant"}
        if (unquote(name), unquote(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.person}
        token = self.write_token(self.change_claims(claims))
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": token}


def _make_handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents = {"/.well-known/openid-configuration": provider.publish, "/keys": provider.publish_keys}
            make = documents.get(urlsplit(self.path).path)
            self._answer(200 if make else 404, make() if make else {})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            body = {name: values[0] for name, values in parse_qs(text).items()}
            self._answer(*provider.give_token(body, self.headers.get("Authorization", "")))

        def _answer(self, status: int, data: Claims) -> None:
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler

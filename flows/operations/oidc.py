"""
Single sign-on by OpenID Connect: the authorization code with PKCE, state and nonce, and what the provider then says.

Who that is here, and what they may do: `oidc_accounts.py`.
"""

from __future__ import annotations

import hmac
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.oauth2 import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from flows.conf import get_settings
from flows.models.encryption import DecryptionError, seal_text, unseal_text
from flows.primitives.errors import FlowsError, ForbiddenError, NotFoundError

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a key of the provider's. Never `none`, and none that is made with the client's own secret."""

CALLBACK_PATH = "/ui/login/oidc/callback"
ATTEMPT_SECONDS = 600
LEEWAY_SECONDS = 60
KEPT_SECONDS = 3600.0
REFRESH_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0
MAX_DOCUMENT_BYTES = 1024 * 1024
_PURPOSE = "single sign-on attempt"


class SingleSignOnError(ForbiddenError):
    """Signing in through the provider did not work; the message says why, without a word of what the provider sent."""

    code = "single-sign-on"


class ProviderUnreachableError(FlowsError):
    """The provider of single sign-on does not answer as it should."""

    code = "provider-unreachable"


@dataclass(slots=True)
class Provider:
    """What the provider publishes of itself. `keys` are those that sign, `read_at` is of the monotonic clock."""

    document: Mapping[str, Any]
    keys: KeySet
    read_at: float
    tried_at: float = field(default=0.0)


class Attempt(NamedTuple):
    """The address to which a browser goes, and what it keeps in a cookie until it comes back."""

    address: str
    sealed: str


class Identity(NamedTuple):
    """Who the provider says it is. `claims` are those of the checked token; `next_url` and `link_to` are of the attempt."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    next_url: str
    link_to: int | None


class _Client(OAuth2Client):
    """The library's client over a plain `httpx` session, which its own adapter no longer takes without a warning."""

    def _fetch_token(self, url: str, body: str = "", headers: Any = None, auth: Any = None, **_: Any) -> dict[str, Any]:
        url, headers, body = auth.prepare("POST", url, dict(headers or {}), body)
        token: dict[str, Any] = self.parse_response_token(self.session.post(url, content=body, headers=headers))
        return token


_lock = Lock()
_known: dict[str, Provider] = {}


def is_configured() -> bool:
    """Tell whether there is a provider."""
    given = get_settings()
    return bool(given.oidc_issuer and given.oidc_client_id)


def redirect_address() -> str:
    """Return the one address to which the provider may send browsers back; it never follows from a request."""
    return get_settings().public_url + CALLBACK_PATH


def forget_provider() -> None:
    """Read the provider's documents anew with the next use."""
    with _lock:
        _known.clear()


def begin_sign_in(*, next_url: str, at: datetime, link_to: int | None = None) -> Attempt:
    """
    Begin an attempt.

    Args:
        next_url: own path to which the browser goes in the end.
        link_to: account whose signed-in person connects it with the provider.

    Raises:
        NotFoundError: no provider is configured.
        ProviderUnreachableError: it does not answer.

    Source: security, S-09.
    """
    provider = _get_provider()
    state, nonce, verifier = generate_token(43), generate_token(43), generate_token(64)
    with _open_http() as http:
        address, _ = _make_client(provider, http).create_authorization_url(
            _endpoint(provider, "authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
        )
    kept = {"state": state, "nonce": nonce, "verifier": verifier, "next": next_url, "link": link_to, "at": int(at.timestamp())}
    return Attempt(address, seal_text(json.dumps(kept), purpose=_PURPOSE))


def finish_sign_in(answer: Mapping[str, str], sealed: str, *, at: datetime) -> Identity:
    """
    Check what the browser brought back, fetch the token and check it.

    Args:
        answer: `code`, `state`, `iss` or `error` of the address.
        sealed: the cookie of the attempt.

    Raises:
        SingleSignOnError: anything that is not right.
        ProviderUnreachableError: the provider does not answer.
    """
    kept = _open_attempt(sealed, at)
    if not hmac.compare_digest(str(kept["state"]).encode(), answer.get("state", "").encode()):
        raise SingleSignOnError("This answer of the provider belongs to no sign-in of this browser. Start again.")
    provider = _get_provider()
    issuer = str(provider.document["issuer"])
    # RFC 9207: an answer that names its sender must name the one who was asked.
    named = answer.get("iss", "")
    if (named and named != issuer) or (not named and provider.document.get("authorization_response_iss_parameter_supported")):
        raise SingleSignOnError("The answer comes from another provider than the one that was asked.")
    if answer.get("error") or not answer.get("code"):
        log.info("oidc.refused", extra={"reason": str(answer.get("error", ""))[:80]})
        raise SingleSignOnError("The provider did not let you in. Try again, or ask whoever runs it.")
    token = _fetch_token(provider, answer["code"], str(kept["verifier"]))
    claims = _check_token(provider, token, str(kept["nonce"]), at)
    return Identity(issuer, str(claims["sub"]), claims, str(kept["next"]), kept["link"])


def _open_attempt(sealed: str, at: datetime) -> dict[str, Any]:
    if not sealed:
        raise SingleSignOnError("This browser has no sign-in under way. Start again.")
    try:
        kept: dict[str, Any] = json.loads(unseal_text(sealed, purpose=_PURPOSE))
    except (DecryptionError, ValueError) as error:
        raise SingleSignOnError("The cookie of this sign-in cannot be read. Start again.") from error
    if not 0 <= int(at.timestamp()) - kept["at"] <= ATTEMPT_SECONDS:
        raise SingleSignOnError("The sign-in took too long. Start again.")
    return kept


def _fetch_token(provider: Provider, code: str, verifier: str) -> str:
    try:
        with _open_http() as http:
            answer = _make_client(provider, http).fetch_token(
                _endpoint(provider, "token_endpoint"), code=code, code_verifier=verifier, grant_type="authorization_code"
            )
    except AuthlibBaseError as error:
        log.warning("oidc.code_refused", extra={"reason": str(error)[:200]})
        raise SingleSignOnError("The provider did not accept its own code: it was used already, or is too old.") from error
    except (httpx.HTTPError, ValueError) as error:
        raise _unreachable(error) from error
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise SingleSignOnError('The provider sent no identity token. Its client needs the scope "openid".')
    return token


def _check_token(provider: Provider, text: str, nonce: str, at: datetime) -> dict[str, Any]:
    offered = provider.document.get("id_token_signing_alg_values_supported") or ["RS256"]
    algorithms = [name for name in ALGORITHMS if name in offered]
    try:
        try:
            token = jwt.decode(text, provider.keys, algorithms=algorithms)
        except (JoseError, ValueError):
            # The provider may have changed its keys since we read them.
            provider = _get_provider(anew=True)
            token = jwt.decode(text, provider.keys, algorithms=algorithms)
        client_id = get_settings().oidc_client_id
        rules = jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": str(provider.document["issuer"])},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        rules.validate(token.claims)
    except (JoseError, ValueError, TypeError) as error:
        log.warning("oidc.token_refused", extra={"reason": f"{type(error).__name__}: {error}"[:200]})
        raise SingleSignOnError("The identity token of the provider is not valid for this installation.") from error
    claims = dict(token.claims)
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp")
    if (len(audience) > 1 or party is not None) and party != client_id:
        raise SingleSignOnError("The identity token was made for another application.")
    if not 0 < len(str(claims["sub"])) <= 255:
        raise SingleSignOnError("The identity token names nobody.")
    return claims


def _open_http() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)


def _make_client(provider: Provider, http: httpx.Client) -> _Client:
    given = get_settings()
    offered = provider.document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
    return _Client(
        http,
        client_id=given.oidc_client_id,
        client_secret=given.oidc_client_secret or None,
        token_endpoint_auth_method=method if given.oidc_client_secret else "none",
        scope=" ".join(given.oidc_scopes),
        redirect_uri=redirect_address(),
        code_challenge_method="S256",
    )


def _endpoint(provider: Provider, name: str) -> str:
    address = provider.document.get(name)
    if not isinstance(address, str) or not _is_safe(address):
        raise ProviderUnreachableError(f'The provider publishes no https address as "{name}".')
    return address


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))


def _get_provider(*, anew: bool = False) -> Provider:
    given = get_settings()
    if not is_configured():
        raise NotFoundError("Single sign-on is not set up here.", code="single-sign-on-missing")
    issuer, now = given.oidc_issuer, time.monotonic()
    with _lock:
        known = _known.get(issuer)
        # However many broken tokens come in, the provider is asked again only now and then.
        if known is not None and now - known.read_at < (REFRESH_SECONDS if anew else KEPT_SECONDS):
            return known
        provider = _read_provider(issuer, now)
        _known[issuer] = provider
        return provider


def _read_provider(issuer: str, now: float) -> Provider:
    if not _is_safe(issuer):
        raise ProviderUnreachableError("CELESTRA_OIDC_ISSUER must be an https address.")
    document = _read_json(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise ProviderUnreachableError(
            "The provider calls itself otherwise than CELESTRA_OIDC_ISSUER does; they must be the same, letter by letter."
        )
    provider = Provider(document, KeySet([]), now)
    try:
        # What a provider sends is checked there.
        provider.keys = KeySet.import_key_set(_signing_keys(_read_json(_endpoint(provider, "jwks_uri"))))  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderUnreachableError("The keys of the provider cannot be read.") from error
    return provider


def _signing_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public keys that sign; symmetric ones and those of unknown kinds are left out."""
    keys = [key for key in document["keys"] if key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"]
    return {"keys": keys}


def _read_json(address: str) -> dict[str, Any]:
    try:
        with (
            _open_http() as http,
            http.stream("GET", address, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise ProviderUnreachableError("A document of the provider is larger than 1 MiB.")
        document = json.loads(content)
    except (httpx.HTTPError, ValueError) as error:
        raise _unreachable(error) from error
    if not isinstance(document, dict):
        raise ProviderUnreachableError("A document of the provider is no JSON object.")
    return document


def _unreachable(error: Exception) -> ProviderUnreachableError:
    log.warning("oidc.unreachable", extra={"reason": f"{type(error).__name__}: {error}"[:200]})
    return ProviderUnreachableError("The provider of single sign-on does not answer. Try again in a moment.")

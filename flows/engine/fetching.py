"""The `http()` function of expressions: one guarded request with short limits, and the body parsed by its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import yaml

from flows.expressions import ExpressionError, Kind
from flows.plugin_api.egress import EgressPolicy, GuardedTransport
from flows.primitives.errors import ForbiddenError

_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024
_MOST_REDIRECTS = 5


def fetch_parsed(request: Mapping[str, Any]) -> Any:
    """
    Send the request that an expression asks for and return the body: JSON or YAML parsed, other text as it is.

    `request` has `uri`, `method`, `query`, `body`, `contentType`, `headers`, `accept`, absent ones None. Raises
    ExpressionError for an error status, a connection that fails, a body that is too large or cannot be parsed.
    """
    headers = {str(key): str(value) for key, value in dict(request.get("headers") or {}).items()}
    if request.get("contentType"):
        headers["Content-Type"] = str(request["contentType"])
    if request.get("accept"):
        headers["Accept"] = str(request["accept"])
    body = request.get("body")
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    uri = str(request["uri"])
    client = httpx.Client(
        transport=GuardedTransport(EgressPolicy()), timeout=_TIMEOUT_SECONDS, follow_redirects=True, max_redirects=_MOST_REDIRECTS
    )
    try:
        with (
            client,
            client.stream(
                str(request.get("method") or "GET"), uri, params=request.get("query"), content=content, headers=headers
            ) as response,
        ):
            if response.status_code >= 400:
                raise ExpressionError(
                    Kind.BAD_VALUE, f"The request to {response.url.host} was answered with {response.status_code}."
                )
            raw = _read(response)
            return _parse(raw, response)
    except ForbiddenError as error:
        raise ExpressionError(Kind.FORBIDDEN, error.message) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ExpressionError(Kind.BAD_VALUE, f"The request to {uri} failed: {error}.") from error


def _read(response: httpx.Response) -> bytes:
    raw = bytearray()
    for piece in response.iter_bytes():
        raw += piece
        if len(raw) > _MOST_BYTES:
            raise ExpressionError(
                Kind.BAD_VALUE, f"The answer is longer than {_MOST_BYTES:,} bytes: use a Download task instead."
            )
    return bytes(raw)


def _parse(raw: bytes, response: httpx.Response) -> Any:
    text = raw.decode(response.encoding or "utf-8", "replace")
    kind = response.headers.get("Content-Type", "").lower()
    try:
        if "json" in kind:
            return json.loads(text)
        if "yaml" in kind:
            return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ExpressionError(Kind.BAD_VALUE, f"The answer says it is {kind} but cannot be parsed: {error}.") from error
    return text

"""A second port that shows the state and the figures of the system and nothing else, for probes and monitoring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

SHOWN = ("/health", "/ping", "/info", "/prometheus", "/metrics")


def limit_to_management(application: Application, *, port: int) -> Application:
    """Return an application that answers 404 on this port to everything but `SHOWN`, and is `application` on all others."""

    async def serve(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        server = scope.get("server") or (None, None)
        if scope["type"] == "http" and server[1] == port and not _is_shown(str(scope["path"])):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await application(scope, receive, send)

    return serve


def _is_shown(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in SHOWN)

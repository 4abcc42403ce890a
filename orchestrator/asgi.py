"""The web part for ASGI servers such as uvicorn: waiting requests run as coroutines, all others in a few threads."""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connections

from flows.engine.presence import announce_part
from orchestrator.slow_clients import read_body_ahead

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

# A stream's look at the database runs in whatever thread is free, so a connection kept per thread would be opened again
# and again; a small pool serves streams and requests alike.
_database = connections.settings["default"]
_database["CONN_MAX_AGE"] = 0
_database["OPTIONS"].setdefault("pool", {"min_size": 1, "max_size": 12, "timeout": 10, "max_idle": 120})

_THREADS = 8
_STREAM_ENDINGS = ("/follow", "/follow-dependencies")
_LIVE_PAGES = "/ui/live/"
_REQUESTS_UNTIL_SETTLED = 50
_settling = iter(range(_REQUESTS_UNTIL_SETTLED))

_streams = get_asgi_application()
# Django's middleware is synchronous: as coroutines each of them costs a change of threads, together more than the work.
_requests = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=_THREADS)

# Only now, because it reads models.
from flows.api.deferring import DeferredSend, let_server_defer  # noqa: E402 - see above


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request: as a coroutine when it waits for something, else in a thread."""
    # With the first request and not before: the process that loads this module may be another one than the one that serves.
    announce_part("web")
    let_server_defer()
    _settle_memory()
    if scope["type"] == "http":
        body = await read_body_ahead(scope, receive, send)
        if body is None:
            return
        receive = body
    if scope["type"] != "http":
        await _streams(cast(Any, scope), cast(Any, receive), cast(Any, send))
        return
    serve = _streams if waits(scope) else _requests
    answering = DeferredSend(send)
    await serve(cast(Any, scope), cast(Any, receive), cast(Any, answering.send))
    await answering.finish(receive)


def _settle_memory() -> None:
    """
    After some requests, leave what this process has loaded for good out of later garbage collections.

    A whole collection looks at every module, template and plugin, which takes a tenth of a second in the middle of a large page.
    """
    if next(_settling, None) == _REQUESTS_UNTIL_SETTLED - 1:
        gc.collect()
        gc.freeze()


def waits(scope: Scope) -> bool:
    """
    Tell whether a request may stay open for long (event streams, `wait=true`), or has a body of unknown length, which
    WSGI cannot read.
    """
    path = scope["path"]
    if path.rstrip("/").endswith(_STREAM_ENDINGS) or _LIVE_PAGES in path or b"wait=true" in scope["query_string"]:
        return True
    names = {name for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and b"content-length" not in names

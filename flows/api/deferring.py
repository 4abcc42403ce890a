"""Answers that are made after the end of an execution: meanwhile no thread is held, where the server can wait as a coroutine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_urlsafe
from typing import Any

from django.db import connection
from django.http import HttpResponse

from flows.streams import POLL_SECONDS, ask_database, hub

LONGEST_WAIT_SECONDS = 600.0
HEADER = "X-Deferred-Answer"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Look = Callable[[bool], HttpResponse | None]
"""Makes the answer, or returns None while it is too early; its argument says that there is no more time to wait."""

_server_defers = False
_deferred: dict[str, tuple[str, Look, float]] = {}


def let_server_defer() -> None:
    """Note that this process serves through `answer_later`. Without it a request waits in its own thread."""
    global _server_defers  # the server knows, the views do not
    _server_defers = True


def answer_after(execution_id: str, look: Look) -> HttpResponse:
    """
    Return the answer of `look` once it gives one; `look` is called again after every change of the execution.

    Where the server can wait, an empty answer is returned at once, which stands for the one that comes later.
    """
    found = look(False)
    if found is not None:
        return found
    if not _server_defers:
        return _wait_here(look)
    now = time.monotonic()
    for token in [token for token, (_, _, until) in _deferred.items() if until + LONGEST_WAIT_SECONDS < now]:
        # Its client left between the view and the server.
        _deferred.pop(token, None)
    token = token_urlsafe(16)
    _deferred[token] = (execution_id, look, now + LONGEST_WAIT_SECONDS)
    return HttpResponse(status=202, headers={HEADER: token})


def _wait_here(look: Look) -> HttpResponse:
    until = time.monotonic() + LONGEST_WAIT_SECONDS
    while (found := look(time.monotonic() > until)) is None:
        # A caller that waits must not keep a database connection from others.
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(POLL_SECONDS / 2)
    return found


class DeferredSend:
    """Passes an answer on to the client, but for one that stands for a later one: that is kept until `finish`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._token = ""

    async def send(self, message: Message) -> None:
        """Take one event of the answer."""
        if message["type"] == "http.response.start":
            name = HEADER.lower().encode()
            self._token = next((value.decode() for key, value in message["headers"] if key.lower() == name), "")
            if self._token in _deferred:
                self._start = message
        if self._start is None:
            await self._send(message)

    async def finish(self, receive: Receive) -> None:
        """Wait for the answer that comes later, if there is one, and send it; give up when the client leaves."""
        if self._start is None:
            return
        execution_id, look, until = _deferred.pop(self._token)
        answer = asyncio.ensure_future(_wait_for_answer(execution_id, look, until))
        leaving = asyncio.ensure_future(_wait_until_left(receive))
        try:
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await self._send_answer(self._start, answer.result())
        finally:
            for task in (answer, leaving):
                task.cancel()

    async def _send_answer(self, start: Message, answer: HttpResponse) -> None:
        # What the middleware put onto the stand-in is right for the answer, too.
        replaced = {
            b"content-length",
            b"content-type",
            HEADER.lower().encode(),
            *(name.lower().encode() for name in answer.headers),
        }
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in replaced]
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(len(answer.content)).encode()))
        await self._send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await self._send({"type": "http.response.body", "body": answer.content})


async def _wait_for_answer(execution_id: str, look: Look, until: float) -> HttpResponse:
    async with hub().listen(execution_id) as changes:
        while True:
            found: HttpResponse | None = await ask_database(look, time.monotonic() > until)
            if found is not None:
                return found
            await changes.wait(at_most=max(0.0, until - time.monotonic()))


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

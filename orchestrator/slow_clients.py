"""
Clients that send too slowly: cut before they hold a thread, and never taken for clients that sent everything (S-17).

The start of a body is read here, in the event loop, where waiting costs nothing; a thread gets the request when that is complete.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import TimerHandle, Transport
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADER_SECONDS = 20.0
"""How long the head of a request may take from its first byte, or from the opening of the connection."""

GRACE_SECONDS = 20.0
"""How long a body may take whatever its size; from then on it has to come at `LEAST_BYTES_PER_SECOND` on average."""

LEAST_BYTES_PER_SECOND = 4096
READ_AHEAD_BYTES = 1024 * 1024

_TOLD = {
    "status": 408,
    "title": "Request Timeout",
    "detail": f"The body came too slowly: after {GRACE_SECONDS:g} seconds at least {LEAST_BYTES_PER_SECOND:,} bytes a second are "
    "expected. Nothing was done; send it again.",
    "code": "body-too-slow",
}
_TOLD["message"] = _TOLD["detail"]


class ClientGoneError(ConnectionError):
    """The body of a request will never be complete; what came of it must not be used."""


class Body:
    """
    The body of one request as it arrives, with a limit of time.

    Attributes:
        is_complete: whether its last part has come; what the client does afterwards is told as it happens.
    """

    def __init__(self, receive: Receive) -> None:
        self.is_complete = False
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._byte_count = 0
        self._ahead: list[Message] = []

    async def read_ahead(self) -> None:
        """Read up to `READ_AHEAD_BYTES`. Raises TimeoutError, and ClientGoneError when the client left before the end."""
        while not self.is_complete and self._byte_count < READ_AHEAD_BYTES:
            self._ahead.append(await self._read())

    async def receive(self) -> Message:
        """Return the next event of the request, as ASGI wants it. Raises ClientGoneError instead of a body cut short."""
        if self._ahead:
            return self._ahead.pop(0)
        if self.is_complete:
            return await self._receive()
        try:
            return await self._read()
        except TimeoutError:
            raise ClientGoneError("The body of the request came too slowly.") from None

    async def _read(self) -> Message:
        allowed = GRACE_SECONDS + self._byte_count / LEAST_BYTES_PER_SECOND
        async with asyncio.timeout_at(self._began_at + allowed):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("The client left before the body of the request was complete.")
        self._byte_count += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        return message


async def read_body_ahead(scope: Message, receive: Receive, send: Send) -> Receive | None:
    """Return from where to read the rest of a request, or None when its client is too slow or gone and has its answer."""
    if not _has_body(scope):
        return receive
    body = Body(receive)
    try:
        await body.read_ahead()
    except (TimeoutError, ClientGoneError):
        # Who has left does not hear it, but the server wants every request answered.
        await _answer_too_slow(send)
        return None
    return body.receive


def _has_body(scope: Message) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0") for name, value in scope["headers"]
    )


async def _answer_too_slow(send: Send) -> None:
    content = json.dumps(_TOLD).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class PatientProtocol(HttpToolsProtocol):
    """The server's protocol, which closes connections whose request does not get beyond its head in time."""

    _head_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # narrower, as asyncio calls it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the end of a head: also of a later request on the same connection."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the body has its own limit."""
        self._forget_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._close)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

"""Clients that send a byte now and then cost no thread, and a body cut short is never taken for a whole one (S-17)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from orchestrator import slow_clients
from orchestrator.slow_clients import ClientGoneError, Message, PatientProtocol, Receive, Send, read_body_ahead
from tests.support import eventually

HEAD = b"POST /save HTTP/1.1\r\nHost: a\r\n"


class Site:
    """A server of the product's own protocol, with an application that keeps the bodies which it was given whole."""

    def __init__(self) -> None:
        self.saved: list[bytes] = []
        self.given_up: list[str] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(self.serve, interface="asgi3", http=PatientProtocol, lifespan="off", log_config=None)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)
        self.thread.start()
        eventually(lambda: self.server.started, within=10)

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """Read a request to its end and keep it."""
        body = await read_body_ahead(scope, receive, send)
        if body is None:
            self.given_up.append("before it began")
            return
        content, more = b"", True
        try:
            while more:
                message = await body()
                content, more = content + message.get("body", b""), message.get("more_body", False)
        except ClientGoneError:
            self.given_up.append("on the way")
            return
        self.saved.append(content)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def connect(self) -> socket.socket:
        """Open a connection whose reads give up after ten seconds."""
        return socket.create_connection(self.listening.getsockname(), timeout=10)

    def stop(self) -> None:
        """Stop the server."""
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(slow_clients, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(slow_clients, "HEADER_SECONDS", 0.5)
    started = Site()
    yield started
    started.stop()


def _read_to_end(connection: socket.socket) -> bytes:
    content = b""
    while block := connection.recv(65536):
        content += block
    return content


def _drip(connection: socket.socket, until: Callable[[], bool]) -> None:
    def drop() -> bool:
        connection.send(b"x")
        return until()

    eventually(drop, within=10, every=0.05)


def test_a_body_of_single_bytes_is_cut_and_told_why(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        _drip(connection, lambda: bool(site.given_up))
        answer = _read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body-too-slow" in answer
    assert site.saved == []


def test_a_client_that_leaves_in_the_middle_has_saved_nothing(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nid: half\nnamespace: a\n")

    eventually(lambda: site.given_up == ["before it began"], within=10)
    assert site.saved == []


def test_a_large_body_that_stops_is_an_error_for_who_reads_it_and_no_end(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 9000000\r\n\r\n" + b"x" * (slow_clients.READ_AHEAD_BYTES + 500_000))

    eventually(lambda: site.given_up == ["on the way"], within=10)
    assert site.saved == []


@pytest.mark.parametrize("start", [b"", b"POST /save HT", HEAD], ids=["nothing", "half a line", "half a head"])
def test_a_connection_without_a_whole_head_is_closed(site: Site, start: bytes) -> None:
    with site.connect() as connection:
        connection.sendall(start)

        assert _read_to_end(connection) == b""


def test_whole_bodies_arrive_as_they_were_sent(site: Site) -> None:
    large = b"y" * (3 * slow_clients.READ_AHEAD_BYTES)
    with site.connect() as connection:
        for content in (b"small", large):
            connection.sendall(HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    assert site.saved == [b"small", large]


def test_what_comes_after_a_body_is_told_as_it_happens() -> None:
    events: list[dict[str, Any]] = [{"type": "http.request", "body": b"all"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return events.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def run() -> list[Message]:
        body = await read_body_ahead({"headers": [(b"content-length", b"3")]}, receive, send)
        assert body is not None
        return [await body(), await body()]

    assert [message["type"] for message in asyncio.run(run())] == ["http.request", "http.disconnect"]

"""The doctor's look at our own port: who answers there, however the answer is cut into packets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from flows.management.diagnosis import check_port

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"


@contextmanager
def _listening(*pieces: bytes) -> Iterator[int]:
    """A server for one call that sends the pieces one by one; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            caller, _ = server.accept()
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with caller:
                caller.recv(4096)
                for piece in pieces:
                    caller.sendall(piece)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((_HEAD + b"pong",), "Celestra answers"),
        ((_HEAD, b"pong"), "Celestra answers"),
        ((_HEAD + b"else",), "Another program answers"),
    ],
)
def test_the_port_check_reads_the_whole_answer(settings: Any, pieces: tuple[bytes, ...], words: str) -> None:
    with _listening(*pieces) as port:
        settings.CELESTRA = {**settings.CELESTRA, "host": "127.0.0.1", "port": port}

        finding = check_port(5.0)

    assert finding.detail.startswith(words)

"""What a container prints, read by threads of its own, so that whoever follows it can look at the clock in between."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import docker

from plugins.scripts.containers.connection import ENGINE_ERRORS, explain
from plugins.scripts.lines import LineSplitter

_PIECES_AHEAD = 256
_JOIN_SECONDS = 2.0
_WORDS = {False: {"stdout": True, "stderr": False}, True: {"stdout": False, "stderr": True}}


class ContainerOutput:
    """
    The two output streams of a container as lines.

    `attach` reads what a container prints from now on, both streams in their order; `replay` what it printed from its start, each
    stream for itself. `fault` says why reading ended early, if it did; `heard_at` is when something came last.
    """

    def __init__(self, client: docker.APIClient, container_id: str) -> None:
        self._client, self._id = client, container_id
        self._pieces: queue.Queue[tuple[bool, bytes] | None] = queue.Queue(_PIECES_AHEAD)
        self._splitters = {False: LineSplitter(), True: LineSplitter()}
        self._reading: list[tuple[Any, threading.Thread]] = []
        self._is_closed = threading.Event()
        self._readers = 0
        self.fault = ""
        self.heard_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """True when everything was read."""
        return self._readers == 0

    def attach(self) -> None:
        """Read from now on. To miss nothing, attach before the start."""
        stream = self._client.attach(self._id, stdout=True, stderr=True, stream=True, logs=False, demux=True)

        def split() -> Iterator[tuple[bool, bytes]]:
            for pair in stream:
                for is_error, piece in enumerate(pair):
                    if piece:
                        yield bool(is_error), piece

        self._read_in_background(stream, split())

    def replay(self) -> None:
        """Read from the start of the container until its end."""
        for is_error, words in _WORDS.items():
            stream = self._client.logs(self._id, stream=True, follow=True, **words)

            self._read_in_background(stream, zip(itertools.repeat(is_error), stream, strict=False))

    def read_lines(self, timeout: float) -> Iterator[tuple[str, bool]]:
        """Yield the lines that came, and whether from standard error; wait `timeout` seconds at most when none did."""
        try:
            item = self._pieces.get(timeout=timeout)
        except queue.Empty:
            return
        self.heard_at = time.monotonic()
        if item is None:
            self._readers -= 1
            if self.is_over:
                yield from self.read_rest()
            return
        is_error, piece = item
        yield from ((line, is_error) for line in self._splitters[is_error].feed(piece))

    def read_rest(self) -> Iterator[tuple[str, bool]]:
        """Yield what has no line end yet, as the last line of each stream."""
        for is_error, splitter in self._splitters.items():
            yield from ((line, is_error) for line in splitter.finish())

    def close(self) -> None:
        """Have the readers end; what they still have is dropped."""
        self._is_closed.set()
        for stream, thread in self._reading:
            _interrupt(stream)
            thread.join(_JOIN_SECONDS)

    def _read_in_background(self, stream: Any, pieces: Iterator[tuple[bool, bytes]]) -> None:
        self._readers += 1
        thread = threading.Thread(target=self._read, args=(stream, pieces), name="container-output", daemon=True)
        self._reading.append((stream, thread))
        thread.start()

    def _read(self, stream: Any, pieces: Iterator[tuple[bool, bytes]]) -> None:
        try:
            for piece in pieces:
                self._put(piece)
                if self._is_closed.is_set():
                    return
        except (*ENGINE_ERRORS, OSError, ValueError) as error:
            self.fault = explain(error)
        finally:
            _interrupt(stream)
            # Only the answer itself gives the connection back; the library has no other way to it.
            stream._response.close()
            self._put(None)

    def _put(self, item: tuple[bool, bytes] | None) -> None:
        while not self._is_closed.is_set():
            try:
                return self._pieces.put(item, timeout=1)
            except queue.Full:
                continue


def _interrupt(stream: Any) -> None:
    """Shut the connection below a stream down, which wakes whoever reads it; one that the engine closed first is gone already."""
    with contextlib.suppress(OSError, AttributeError, UnboundLocalError):
        stream.close()

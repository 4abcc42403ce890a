"""Splitting what a script prints into lines, with a bound on how long one may get."""

from __future__ import annotations

from collections.abc import Iterator

LINE_LIMIT = 1024 * 1024


class LineSplitter:
    """
    Turns pieces of bytes into lines of text. A line over `limit` bytes is cut there; what follows up to its end is dropped.

    Bytes that are not UTF-8 and NUL characters become the replacement character.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.limit = limit
        self._rest = bytearray()
        self._is_cut = False

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that `piece` completes, without their line ends."""
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            yield from self._take(piece[start:end])
            if not self._is_cut:
                yield _to_text(self._rest)
            self._rest.clear()
            self._is_cut = False
            start = end + 1
        yield from self._take(piece[start:])

    def finish(self) -> Iterator[str]:
        """Yield the last line when it has no line end."""
        if self._rest and not self._is_cut:
            yield _to_text(self._rest)
        self._rest.clear()

    def _take(self, part: bytes) -> Iterator[str]:
        if self._is_cut:
            return
        self._rest += part
        if len(self._rest) > self.limit:
            yield _to_text(self._rest[: self.limit]) + f" [line cut after {self.limit} bytes]"
            self._rest.clear()
            self._is_cut = True


def _to_text(line: bytearray) -> str:
    return line.decode("utf-8", "replace").rstrip("\r").replace("\0", "\ufffd")

"""The one log of all parts: each line with the name of its part in front, coloured on a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLOURS = {"celestra": 1, "postgres": 34, "valkey": 35, "setup": 90, "web": 32, "worker": 33, "beat": 36, "listener": 95}
_WIDTH = max(map(len, _COLOURS))
_LONGEST_LINE_BYTES = 64 * 1024


class Console:
    """Writes whole lines only, so that two parts never share one."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._begun: dict[str, bytes] = {}

    def say(self, text: str) -> None:
        """Write a message of the supervisor itself; it may have several lines."""
        for line in text.splitlines():
            self._write("celestra", line)

    def feed(self, part: str, data: bytes, muted: tuple[str, ...] = ()) -> None:
        """Take output of a part; the rest without an end of line waits for more. Lines with a muted text are dropped."""
        *lines, rest = (self._begun.pop(part, b"") + data).split(b"\n")
        if len(rest) > _LONGEST_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        if rest:
            self._begun[part] = rest
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if text and not any(each in text for each in muted):
                self._write(part, text)

    def finish(self, part: str) -> None:
        """Write what a part left without an end of line."""
        self.feed(part, b"\n")

    def _write(self, part: str, line: str) -> None:
        prefix = f"{part:<{_WIDTH}} |"
        if self._is_coloured:
            prefix = f"\033[{_COLOURS.get(part, 37)}m{prefix}\033[0m"
        try:
            self._stream.write(f"{prefix} {line}\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            # Whoever read the log has gone; the system runs on, and its stop must not fail because of that.
            self._stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (stays open as long as we run)

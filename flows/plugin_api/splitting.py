"""Cutting a text file into parts by lines: the rules of `storage.Split` and of the batches of ForEachItem."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import regex

from flows.plugin_api.tasks import TaskFailure

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_MAX_PARTITIONS = 500
_SECONDS_PER_LINE = 1.0


def read_size(text: str, name: str = "bytes") -> int:
    """Return the bytes of a size such as `10MB` (powers of 1024) or `4096`. Raises TaskFailure naming the property."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _FACTORS[match[2].lower()]) if match else 0
    if size < 1:
        raise TaskFailure(f'"{name}" must be a size such as 10MB; got "{text}".', permanent=True)
    return size


def read_lines(stream: IO[bytes], *, charset: str = "utf-8", name: str = "The file") -> Iterator[str]:
    """Yield the lines of a text, without their ends; any of the three kinds of line ends counts. Raises TaskFailure."""
    text = io.TextIOWrapper(stream, encoding=charset, newline=None)
    try:
        for line in text:
            yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise TaskFailure(f"{name} is no {charset} text: {error.reason} at byte {error.start}.", permanent=True) from None
    finally:
        # A reader that stops early is closed after its stream was.
        if not stream.closed:
            text.detach()


@dataclass(frozen=True, slots=True)
class Cut:
    """
    How a file is cut. The first given of `bytes`, `partitions`, `rows`, `regex_pattern` counts.

    `bytes`: a part ends once it has reached this size. `partitions`: line by line round robin into so many parts. `rows`: so
    many lines each. `regex_pattern`: one part per text of its first group; lines that do not match are left out.
    """

    bytes: int | None = None
    partitions: int | None = None
    rows: int | None = None
    regex_pattern: str | None = None
    separator: str = "\n"


def split_lines(stream: IO[bytes], cut: Cut, folder: Path, *, extension: str = ".tmp") -> list[Path]:
    """
    Write the parts of a text into `folder` and return them in order; empty parts are left out, an empty text has none.

    Args:
        stream: UTF-8 text, read once and never held whole.
        cut: how to cut; every line is written with `cut.separator` behind it.
        folder: an existing folder for the parts.
        extension: with the dot.

    Raises:
        TaskFailure: no way of cutting is given, or the file is no text.

    Source: core tasks, 6.3, Split.
    """
    lines = read_lines(stream)
    if cut.bytes:
        return _split_by(lines, cut, folder, extension, is_full=lambda size, _count: size >= (cut.bytes or 0))
    if cut.partitions:
        return _split_round_robin(lines, cut, folder, extension)
    if cut.rows:
        return _split_by(lines, cut, folder, extension, is_full=lambda _size, count: count >= (cut.rows or 0))
    if cut.regex_pattern:
        return _split_by_group(lines, cut, folder, extension)
    raise TaskFailure("To cut a file, give one of bytes, partitions, rows or regexPattern.", permanent=True)


def _split_by(lines: Iterator[str], cut: Cut, folder: Path, extension: str, *, is_full: Callable[[int, int], bool]) -> list[Path]:
    parts: list[Path] = []
    with ExitStack() as files:
        target: IO[bytes] | None = None
        size = count = 0
        for line in lines:
            if target is None or is_full(size, count):
                files.close()
                parts.append(folder / f"part-{len(parts)}{extension}")
                target = files.enter_context(parts[-1].open("wb"))
                size = count = 0
            size += target.write(f"{line}{cut.separator}".encode())
            count += 1
    return parts


def _split_round_robin(lines: Iterator[str], cut: Cut, folder: Path, extension: str) -> list[Path]:
    number = cut.partitions or 1
    if number > _MAX_PARTITIONS:
        raise TaskFailure(f'"partitions" may be at most {_MAX_PARTITIONS}; got {number}. Use "rows" or "bytes".', permanent=True)
    parts = [folder / f"part-{index}{extension}" for index in range(number)]
    with ExitStack() as files:
        targets = [files.enter_context(part.open("wb")) for part in parts]
        for index, line in enumerate(lines):
            targets[index % number].write(f"{line}{cut.separator}".encode())
    return [part for part in parts if part.stat().st_size]


def _split_by_group(lines: Iterator[str], cut: Cut, folder: Path, extension: str) -> list[Path]:
    try:
        pattern = regex.compile(cut.regex_pattern or "")
    except regex.error as error:
        raise TaskFailure(f'"regexPattern" is no regular expression: {error}.', permanent=True) from None
    if pattern.groups < 1:
        raise TaskFailure('"regexPattern" needs a group in parentheses, whose text names the part.', permanent=True)
    parts: dict[str, Path] = {}
    with ExitStack() as files:
        targets: dict[str, IO[bytes]] = {}
        for line in lines:
            try:
                match = pattern.search(line, timeout=_SECONDS_PER_LINE)
            except TimeoutError:
                raise TaskFailure('"regexPattern" takes too long on one line. Make it simpler.', permanent=True) from None
            if match is None or match[1] is None:
                continue
            if match[1] not in targets:
                if len(targets) >= _MAX_PARTITIONS:
                    raise TaskFailure(f'"regexPattern" gives more than {_MAX_PARTITIONS} different parts.', permanent=True)
                parts[match[1]] = folder / f"part-{len(parts)}{extension}"
                targets[match[1]] = files.enter_context(parts[match[1]].open("wb"))
            targets[match[1]].write(f"{line}{cut.separator}".encode())
    return list(parts.values())


def copy_to_temporary(stream: IO[bytes]) -> IO[bytes]:
    """Return a copy of a stream in an unnamed temporary file, at its start; closing it removes it."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    shutil.copyfileobj(stream, copy, 1 << 20)
    copy.seek(0)
    return copy

"""Row files: UTF-8 text, one value per line, JSON where JSON can say it and Ion text elsewhere. Both directions stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import IO, Any

from flows.plugin_api.ion import IonError, read_ion, write_ion
from flows.primitives.errors import InvalidError, TooLargeError

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_WHOLE_BYTES = 256 * 1024 * 1024
"""How much of a file is read at once when its values span lines and it cannot be streamed."""

_BINARY_ION = b"\xe0\x01\x00\xea"


class RowError(InvalidError):
    """A line of a row file is no value; the message names file, line and column."""

    code = "row-file"


def _read_number(text: str) -> float | Decimal:
    return float(text) if "e" in text or "E" in text else Decimal(text)


_DECODER = json.JSONDecoder(parse_float=_read_number)


def read_rows(stream: IO[bytes], *, name: str = "the row file", max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Any]:
    """
    Yield the values of a row file.

    Args:
        stream: open for reading bytes; read line by line, never held whole unless its values span lines.
        name: what messages call the file.
        max_line_bytes: a longer line is refused.

    Raises:
        RowError: a line is no JSON or Ion value, or the file is binary Ion.
        TooLargeError: a line is too long.

    Source: plugins, 1.12.
    """
    for number, line in enumerate(iter(lambda: stream.readline(max_line_bytes + 1), b""), start=1):
        if len(line) > max_line_bytes:
            raise TooLargeError(f"Line {number} of {name} is longer than {max_line_bytes} bytes. Write one value per line.")
        if number == 1 and line.startswith(_BINARY_ION):
            raise RowError(f"{name} is binary Ion, which is not read here. Write it as Ion text or JSON lines.")
        text = _decode(line, name, number).strip()
        if not text:
            continue
        try:
            yield _DECODER.decode(text)
        except (ValueError, RecursionError):
            values, rest = _read_line(text, name, number)
            yield from values
            if rest:
                yield from _read_whole(line, stream, name, number)
                return


def _decode(data: bytes, name: str, number: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError(f"{name}, line {number}, byte {error.start + 1}: this is no UTF-8 text.") from None


def _read_line(text: str, name: str, number: int) -> tuple[list[Any], bool]:
    """Return the Ion values of one line, and whether a value goes on over the following lines."""
    try:
        return list(read_ion(text)), False
    except IonError as error:
        if error.is_incomplete:
            return [], True
        raise RowError(f"{name}, line {number}, column {error.offset + 1}: {error}.") from None


def _read_whole(first: bytes, stream: IO[bytes], name: str, number: int) -> Iterator[Any]:
    data = first + stream.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise TooLargeError(f"The values of {name} span lines and the file has more than {MAX_WHOLE_BYTES} bytes.")
    text = _decode(data, name, number)
    try:
        yield from read_ion(text)
    except IonError as error:
        before = text[: error.offset]
        line, column = number + before.count("\n"), error.offset - (before.rfind("\n") + 1) + 1
        raise RowError(f"{name}, line {line}, column {column}: {error}.") from None


def write_row(value: Any) -> bytes:
    """Return one line of a row file, newline included. Raises RowError for a value that is nested too deeply."""
    try:
        return write_ion(value).encode("utf-8", "replace") + b"\n"
    except (IonError, RecursionError) as error:
        raise RowError(f"A row cannot be written: {error}.") from None


def write_rows(stream: IO[bytes], rows: Iterable[Any]) -> int:
    """Write rows to an open stream and return how many; they are taken one at a time."""
    count = 0
    for row in rows:
        stream.write(write_row(row))
        count += 1
    return count

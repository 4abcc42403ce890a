"""Ion text, as far as row files need it: a reader for any Ion text value and a writer that stays JSON where JSON can say it."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from flows.primitives.durations import format_duration

MAX_DEPTH = 100


class IonError(ValueError):
    """Text that is no Ion value. `offset` counts characters from 0; `is_incomplete` tells that the text ended too early."""

    def __init__(self, message: str, offset: int, *, is_incomplete: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.is_incomplete = is_incomplete


def read_ion(text: str) -> Iterator[Any]:
    """
    Yield the top-level values of Ion text.

    Decimals become `Decimal`, floats `float`, timestamps `datetime` (aware, UTC when the offset is unknown) or `date`, blobs and
    clobs `bytes`, symbols `str`, lists and s-expressions `list`, structs `dict`; annotations are dropped.

    Raises:
        IonError: the text is no Ion, or is nested deeper than 100 levels.
    """
    parser = _Parser(text)
    while parser.skip_space():
        value = parser.value(0)
        if value != _VERSION_MARKER or not parser.ended_on_symbol:
            yield value


_VERSION_MARKER = "$ion_1_0"
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TIMESTAMP = re.compile(
    r"\d{4}(?:-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[-+]\d\d:\d\d)|-\d\d-\d\dT?|-\d\dT|T)(?![\w:+.-])"
)
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eEdD][-+]?\d+)?)(?![\w.])")
_SYMBOL = re.compile(r"[A-Za-z_$][\w$]*")
_OPERATOR = re.compile(r"[!#%&*+\-./;<=>?@^`|~]+")
_NULL_TYPE = re.compile(r"\.[a-z]+")
_INFINITY = re.compile(r"[-+]inf\b")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v", "\n": ""}
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False, "nan": math.nan}


class _Parser:
    """Recursive descent over one text. `position` is the next character to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.ended_on_symbol = False

    def skip_space(self) -> bool:
        """Pass white space and comments; return whether something is left."""
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return self.position < len(self.text)

    def fail(self, message: str) -> IonError:
        return IonError(message, self.position, is_incomplete=self.position >= len(self.text))

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.position)
        if match is None or match.end() == match.start():
            return None
        self.position = match.end()
        return match.group()

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.fail(f"the value is nested deeper than {MAX_DEPTH} levels")
        if not self.skip_space():
            raise self.fail("a value was expected")
        self.ended_on_symbol = False
        char = self.text[self.position]
        if char == "{":
            return self.blob() if self.text.startswith("{{", self.position) else self.struct(depth)
        if char == "[":
            return self.sequence("]", depth, separated=True)
        if char == "(":
            return self.sequence(")", depth, separated=False)
        if char == '"':
            return self.quoted('"')
        if char == "'":
            return self.long_text() if self.text.startswith("'''", self.position) else self.annotated(self.quoted("'"), depth)
        if char.isdigit() or char in "+-":
            return self.number()
        return self.symbol(depth)

    def number(self) -> Any:
        if (found := self.take(_INFINITY)) is not None:
            return math.inf if found[0] == "+" else -math.inf
        if (found := self.take(_TIMESTAMP)) is not None:
            return self.timestamp(found)
        if (found := self.take(_NUMBER)) is None:
            if (operator := self.take(_OPERATOR)) is not None:
                return operator
            raise self.fail("this is no number, date or other value")
        text = found.replace("_", "")
        lower = text.lower().lstrip("-")
        try:
            if lower.startswith(("0x", "0b")):
                return int(text, 0)
            if "e" in lower:
                return float(text)
            if "." in lower or "d" in lower:
                return Decimal(text.lower().replace("d", "e"))
            return int(text)
        except (ValueError, InvalidOperation):
            raise self.fail(f'"{found[:40]}" is no number that can be read') from None

    def timestamp(self, text: str) -> datetime | date:
        try:
            if "T" not in text or text.endswith("T"):
                parts = [int(part) for part in text.rstrip("T").split("-")]
                year, month, day = [*parts, 1, 1][:3]
                return date(year, month, day)
            found = datetime.fromisoformat(text.upper().replace("-00:00", "Z"))
        except ValueError:
            raise self.fail(f'"{text}" is no date that exists') from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def symbol(self, depth: int) -> Any:
        found = self.take(_SYMBOL)
        if found is None:
            if (operator := self.take(_OPERATOR)) is not None:
                return operator
            raise self.fail(f'"{self.text[self.position]}" does not start a value')
        if found == "null":
            self.take(_NULL_TYPE)
            return None
        if found in _WORDS:
            return _WORDS[found]
        return self.annotated(found, depth)

    def annotated(self, word: str, depth: int) -> Any:
        """Return the word, or the value behind it when the word is an annotation (`word::value`)."""
        self.skip_space()
        if self.text.startswith("::", self.position):
            self.position += 2
            return self.value(depth + 1)
        self.ended_on_symbol = True
        return word

    def struct(self, depth: int) -> dict[str, Any]:
        self.position += 1
        found: dict[str, Any] = {}
        while True:
            if not self.skip_space():
                raise self.fail('a "}" is missing')
            if self.text[self.position] == "}":
                self.position += 1
                return found
            name = self.field_name()
            self.expect(":")
            found[name] = self.value(depth + 1)
            self.skip_space()
            if not self.text.startswith("}", self.position):
                self.expect(",")

    def field_name(self) -> str:
        char = self.text[self.position]
        if char == '"':
            return self.quoted('"')
        if char == "'":
            return self.long_text() if self.text.startswith("'''", self.position) else self.quoted("'")
        found = self.take(_SYMBOL)
        if found is None:
            raise self.fail("a field name was expected")
        return found

    def sequence(self, end: str, depth: int, *, separated: bool) -> list[Any]:
        self.position += 1
        found: list[Any] = []
        while True:
            if not self.skip_space():
                raise self.fail(f'a "{end}" is missing')
            if self.text[self.position] == end:
                self.position += 1
                return found
            found.append(self.value(depth + 1))
            self.skip_space()
            if separated and not self.text.startswith(end, self.position):
                self.expect(",")

    def expect(self, char: str) -> None:
        self.skip_space()
        if not self.text.startswith(char, self.position):
            raise self.fail(f'a "{char}" was expected')
        self.position += 1

    def quoted(self, quote: str) -> str:
        self.position += 1
        return self.escaped_until(quote)

    def long_text(self) -> str:
        """Read `'''...'''`; several in a row are one text."""
        text = ""
        while self.text.startswith("'''", self.position):
            self.position += 3
            text += self.escaped_until("'''")
            self.skip_space()
        return text

    def escaped_until(self, end: str) -> str:
        pieces: list[str] = []
        start = self.position
        while True:
            close = self.text.find(end, self.position)
            if close < 0:
                self.position = len(self.text)
                raise self.fail(f"the text has no closing {end}")
            slash = self.text.find("\\", self.position, close)
            if slash < 0:
                pieces.append(self.text[start:close])
                self.position = close + len(end)
                return "".join(pieces)
            pieces.append(self.text[start:slash])
            self.position = slash + 1
            pieces.append(self.escape())
            start = self.position

    def escape(self) -> str:
        if self.position >= len(self.text):
            raise self.fail("the text ends within an escape")
        char = self.text[self.position]
        self.position += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        length = {"x": 2, "u": 4, "U": 8}.get(char)
        if length is None:
            return char
        digits = self.text[self.position : self.position + length]
        self.position += length
        try:
            code = chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise self.fail(f'"\\{char}{digits}" is no character') from None
        if "\ud800" <= code <= "\udbff" and self.text.startswith("\\u", self.position):
            low = self.text[self.position + 2 : self.position + 6]
            self.position += 6
            return (code + chr(int(low, 16))).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return code

    def blob(self) -> bytes:
        self.position += 2
        self.skip_space()
        if self.text.startswith('"', self.position):
            content = self.quoted('"').encode("latin-1", "replace")
            self.skip_space()
        elif self.text.startswith("'''", self.position):
            content = self.long_text().encode("latin-1", "replace")
        else:
            close = self.text.find("}}", self.position)
            if close < 0:
                self.position = len(self.text)
                raise self.fail('a "}}" is missing')
            try:
                content = base64.b64decode("".join(self.text[self.position : close].split()), validate=True)
            except binascii.Error:
                raise self.fail("the bytes between {{ and }} are no base64") from None
            self.position = close
        self.expect("}")
        if not self.text.startswith("}", self.position):
            raise self.fail('a "}}" was expected')
        self.position += 1
        return content


_JSON_SCALARS = frozenset({str, int, bool, type(None)})
_encode_json = json.JSONEncoder(ensure_ascii=False).encode


def write_ion(value: Any) -> str:
    """
    Return one value as Ion text on one line: JSON where JSON can say it, Ion for floats, decimals, dates and bytes.

    Durations, times of day and everything unknown become text; map keys become text.

    Raises:
        IonError: the value is nested deeper than 100 levels.
    """
    if type(value) is dict and all(type(item) in _JSON_SCALARS and type(key) is str for key, item in value.items()):
        return _encode_json(value)
    return _write(value, 0)


def _write(value: Any, depth: int) -> str:
    if type(value) in _JSON_SCALARS:
        return _encode_json(value)
    if depth > MAX_DEPTH:
        raise IonError(f"the value is nested deeper than {MAX_DEPTH} levels", 0)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_encode_json(str(k))}: {_write(v, depth + 1)}" for k, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(_write(item, depth + 1) for item in value)}]"
    return _write_scalar(value)


def _write_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, Decimal):
        return _write_decimal(value)
    if isinstance(value, datetime):
        return _write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{{{{{base64.b64encode(bytes(value)).decode('ascii')}}}}}"
    if isinstance(value, timedelta):
        return json.dumps(format_duration(value))
    if isinstance(value, time):
        return json.dumps(value.isoformat())
    return _encode_json(str(value))


def _write_float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "+inf" if value > 0 else "-inf"
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def _write_decimal(value: Decimal) -> str:
    if not value.is_finite():
        return "nan" if value.is_nan() else "+inf" if value > 0 else "-inf"
    text = format(value, "f")
    return text if "." in text else f"{text}."


def _write_moment(value: datetime) -> str:
    """Return a timestamp with milliseconds, or with microseconds when it has them; without offset it counts as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    text = aware.isoformat(timespec="microseconds" if aware.microsecond % 1000 else "milliseconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text

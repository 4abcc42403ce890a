"""Amazon Ion text: a writer for values and a reader for one value. Timestamps stay the text they are written as."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from flows.expressions.arguments import bad_value
from flows.expressions.limits import MAX_DEPTH, MAX_PARSED_VALUES, Budget, limit_error
from flows.expressions.values import format_decimal, format_scalar, is_list, quote_json

_SYMBOL = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_KEYWORDS = frozenset({"null", "true", "false", "nan"})
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_TIMESTAMP = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T(?:\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?|T)|\d{4}T", re.ASCII)
_NUMBER = re.compile(
    r"-?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eEdD][-+]?\d+)?)|[-+]inf|nan(?![A-Za-z0-9_$])", re.ASCII
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"', re.DOTALL)
_LONG_STRING = re.compile(r"'''((?:[^'\\]|\\.|'(?!''))*)'''", re.DOTALL)
_QUOTED_SYMBOL = re.compile(r"'((?:[^'\\\n]|\\.)*)'", re.DOTALL)
_BLOB = re.compile(r"\{\{\s*([A-Za-z0-9+/=\s]*)\}\}")
_CLOB = re.compile(r'\{\{\s*"((?:[^"\\]|\\.)*)"\s*\}\}', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v", "\n": "", "\r\n": ""}
_STOPS = re.compile(r"[\s,\]\[{}()\"':]|\Z")


def write_ion(budget: Budget, value: Any) -> str:
    """
    Return Ion text: `{a:1,b:"s"}`, names quoted only where needed, doubles as `1.5e0`, null entries kept.

    Source: expressions, 4.3 (toIon).
    """
    pieces: list[str] = []
    _write(budget, value, pieces, 0)
    return "".join(pieces)


def _write(budget: Budget, value: Any, pieces: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise limit_error("The nesting of a value", f"{MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        pieces.append("{")
        for index, (key, item) in enumerate(value.items()):
            pieces.append(("," if index else "") + _write_symbol("null" if key is None else format_scalar(key)) + ":")
            _write(budget, item, pieces, depth + 1)
        pieces.append("}")
    elif is_list(value):
        pieces.append("[")
        for index, item in enumerate(value):
            if index:
                pieces.append(",")
            _write(budget, item, pieces, depth + 1)
        pieces.append("]")
    else:
        pieces.append(_write_scalar(value))
    budget.tick()
    budget.spend(4 * len(pieces[-1]) + 8)


def _write_symbol(name: str) -> str:
    if _SYMBOL.fullmatch(name) and name not in _KEYWORDS:
        return name
    return "'" + quote_json(name)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _write_scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote_json(value)
    if isinstance(value, (bool, int)):
        return format_scalar(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, Decimal):
        text = format_decimal(value)
        return text if "." in text else text + "."
    return quote_json(format_scalar(value))


def _write_float(value: float) -> str:
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "+inf" if value > 0 else "-inf"
    text = float.__repr__(value)
    return text if "e" in text else text + "e0"


def read_ion(budget: Budget, text: str) -> Any:
    """
    Return the first value of an Ion text; a timestamp is the text it is written as, a blob its base64.

    Raises ExpressionError: bad_value ("Invalid ion: ...") when it cannot be read.
    """
    reader = _Reader(budget, text)
    reader.skip_space()
    if reader.position >= len(text):
        return None
    try:
        return reader.read_value(0)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise reader.fail("a number is out of range") from error


class _Reader:
    def __init__(self, budget: Budget, text: str) -> None:
        self.budget = budget
        self.text = text
        self.position = 0
        self.count = 0

    def fail(self, reason: str) -> Exception:
        line = self.text.count("\n", 0, self.position) + 1
        return bad_value(f"Invalid ion: {reason} at line {line}, character {self.position + 1}.")

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        if found is not None:
            self.position = found.end()

    def _take(self, mark: str) -> bool:
        self.skip_space()
        if self.text.startswith(mark, self.position):
            self.position += len(mark)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def read_value(self, depth: int) -> Any:
        """Read one value with its annotations, which are dropped."""
        self.count += 1
        self.budget.tick()
        self.budget.spend(64)
        if depth > MAX_DEPTH or self.count > MAX_PARSED_VALUES:
            raise limit_error("The size of an Ion text", f"{MAX_DEPTH} levels and {MAX_PARSED_VALUES} values")
        self.skip_space()
        text, start = self.text, self.position
        if text.startswith("{{", start):
            return self._read_lob()
        if self._take("{"):
            return self._read_struct(depth)
        if self._take("["):
            return self._read_sequence(depth, "]", ",")
        if self._take("("):
            return self._read_sequence(depth, ")", "")
        if text.startswith("'''", start):
            return self._read_long_string()
        found = self._match(_STRING)
        if found is not None:
            return _unescape(found[1])
        number = self._read_number()
        if number is not None:
            return number[0]
        return self._read_symbol(depth)

    def _read_number(self) -> tuple[Any] | None:
        for pattern, convert in ((_TIMESTAMP, str), (_NUMBER, _to_number)):
            found = pattern.match(self.text, self.position)
            if found is not None and _STOPS.match(self.text, found.end()):
                self.position = found.end()
                return (convert(found[0]),)
        return None

    def _read_symbol(self, depth: int) -> Any:
        quoted = self._match(_QUOTED_SYMBOL)
        plain = None if quoted is not None else self._match(_SYMBOL)
        if quoted is None and plain is None:
            raise self.fail("a value is missing or cannot be read")
        if self._take("::"):
            return self.read_value(depth + 1)
        if quoted is not None:
            return _unescape(quoted[1])
        word = plain[0] if plain is not None else ""
        if word == "null":
            if self.text.startswith(".", self.position):
                self.position += 1
                if self._match(_SYMBOL) is None:
                    raise self.fail("the type after null. is missing")
            return None
        return word == "true" if word in ("true", "false") else word

    def _read_struct(self, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        while not self._take("}"):
            self.skip_space()
            name = self._read_name()
            if not self._take(":"):
                raise self.fail("a colon is missing")
            built[name] = self.read_value(depth + 1)
            if not self._take(",") and not self.text.startswith("}", self.position):
                raise self.fail("a comma or a closing brace is missing")
        return built

    def _read_name(self) -> str:
        if self.text.startswith("'''", self.position):
            return self._read_long_string()
        for pattern in (_STRING, _QUOTED_SYMBOL):
            found = self._match(pattern)
            if found is not None:
                return _unescape(found[1])
        found = self._match(_SYMBOL)
        if found is None:
            raise self.fail("the name of a field is missing")
        return found[0]

    def _read_sequence(self, depth: int, end: str, separator: str) -> list[Any]:
        items: list[Any] = []
        while not self._take(end):
            items.append(self.read_value(depth + 1))
            if separator and not self._take(separator) and not self.text.startswith(end, self.position):
                raise self.fail("a comma or a closing bracket is missing")
        return items

    def _read_long_string(self) -> str:
        parts: list[str] = []
        while self.text.startswith("'''", self.position):
            found = self._match(_LONG_STRING)
            if found is None:
                raise self.fail("a long text is not closed")
            parts.append(_unescape(found[1]))
            self.skip_space()
        return "".join(parts)

    def _read_lob(self) -> str:
        found = self._match(_CLOB)
        if found is not None:
            return _unescape(found[1])
        found = self._match(_BLOB)
        if found is None:
            raise self.fail("a blob is not closed or not base64")
        data = "".join(found[1].split())
        base64.b64decode(data, validate=True)
        return data


def _to_number(text: str) -> Any:
    if text in ("nan", "+inf", "-inf"):
        return float(text)
    digits = text.replace("_", "")
    lowered = digits.lower()
    if lowered.lstrip("-").startswith(("0x", "0b")):
        return int(digits, 0)
    if "e" in lowered:
        return float(digits)
    if "d" in lowered or "." in lowered:
        return Decimal(lowered.replace("d", "e"))
    return int(digits)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescape_one, text) if "\\" in text else text


def _unescape_one(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is not None:
        number = int(code, 16)
        if number > 0x10FFFF:
            raise bad_value(f"Invalid ion: \\U{code} is no character.")
        return chr(number)
    return _ESCAPED.get(found[4], found[4])

"""Filters on numbers. Source: expressions, 4.2."""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal, InvalidOperation
from typing import Any

from flows.expressions.arguments import bad_argument, bad_input, bad_value, text_argument
from flows.expressions.library import register_filter
from flows.expressions.number_patterns import format_number
from flows.expressions.scope import Render
from flows.expressions.values import INTEGER_MAX, INTEGER_MIN, LONG_MAX, LONG_MIN, BigInteger, Float, Long, is_number

MAX_NUMBER_CHARACTERS = 1000
_HEX = re.compile(r"(?P<sign>[-+]?)(?:0[xX]|#)(?P<digits>[0-9a-fA-F]+)\Z")
_NUMBER = re.compile(r"(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(?P<suffix>[lLfFdD]?)\Z", re.ASCII)
_TYPES = ("INT", "LONG", "FLOAT", "DOUBLE", "BIGDECIMAL", "BIGINTEGER")


@register_filter("abs", takes_null=True)
def get_absolute(_: Render, value: Any) -> Any:
    """The number without its sign."""
    if not is_number(value):
        raise bad_input('filter "abs"', "a number", value)
    return type(value)(abs(value))


@register_filter("number", "type")
def to_number(_: Render, value: Any, type: Any = None) -> Any:
    """The number that a text stands for, of the given type or the smallest that holds it."""
    wanted = None if type is None else text_argument("type", type)
    if wanted is not None and wanted not in _TYPES:
        raise bad_argument(f'The argument "type" must be one of {", ".join(_TYPES)}, got "{wanted[:40]}".')
    if is_number(value):
        return value if wanted is None else _convert(str(value), wanted)
    if not isinstance(value, str):
        raise bad_input('filter "number"', "a text", value)
    if len(value) > MAX_NUMBER_CHARACTERS:
        raise bad_value(f"A text of {len(value)} characters is too long for a number; at most {MAX_NUMBER_CHARACTERS} are read.")
    text = value.strip()
    try:
        return _guess(text) if wanted is None else _convert(text, wanted)
    except (ValueError, InvalidOperation, OverflowError) as error:
        kind = "a number" if wanted is None else f"a number of type {wanted}"
        raise bad_value(f'"{value[:100]}" is not {kind}.') from error


def _convert(text: str, wanted: str) -> Any:
    if wanted == "BIGDECIMAL":
        return Decimal(text)
    if wanted in ("FLOAT", "DOUBLE"):
        number = float(text)
        return Float(number) if wanted == "FLOAT" else number
    integer = int(text)
    if wanted == "BIGINTEGER":
        return BigInteger(integer)
    low, high = (INTEGER_MIN, INTEGER_MAX) if wanted == "INT" else (LONG_MIN, LONG_MAX)
    if not low <= integer <= high:
        raise OverflowError(wanted)
    return integer if wanted == "INT" else Long(integer)


def _guess(text: str) -> Any:
    found = _HEX.match(text)
    if found is not None:
        return _fit(int(found["sign"] + found["digits"], 16))
    found = _NUMBER.match(text)
    if found is None:
        raise ValueError(text)
    number, suffix = found["number"], found["suffix"].upper()
    if suffix == "L":
        return Long(int(number))
    if suffix:
        return Float(float(number)) if suffix == "F" else float(number)
    if re.fullmatch(r"[-+]?\d+", number):
        return _fit(int(number))
    return _fit_decimal(number)


def _fit(integer: int) -> int:
    if INTEGER_MIN <= integer <= INTEGER_MAX:
        return integer
    return Long(integer) if LONG_MIN <= integer <= LONG_MAX else BigInteger(integer)


def _fit_decimal(text: str) -> Any:
    """Return the narrowest of the three decimal kinds that loses nothing of the written number."""
    exact, double = Decimal(text), float(text)
    if math.isinf(double) or (double == 0 and exact != 0) or Decimal(repr(double)) != exact:
        return exact
    return Float(double) if _is_exact_in_32_bits(double) else double


def _is_exact_in_32_bits(double: float) -> bool:
    try:
        narrowed = struct.unpack("f", struct.pack("f", double))[0]
    except OverflowError:
        return False
    for precision in range(1, 10):
        shortest = float(f"{narrowed:.{precision}g}")
        if struct.pack("f", shortest) == struct.pack("f", narrowed):
            return shortest == double
    return False


@register_filter("numberFormat", "format")
def number_format(render: Render, value: Any, format: Any = None) -> str:
    """The number written after a pattern such as #,##0.00."""
    if not is_number(value):
        raise bad_input('filter "numberFormat"', "a number", value)
    pattern = "#,##0.###" if format is None else text_argument("format", format)
    return format_number(value, pattern, render.environment.locale)

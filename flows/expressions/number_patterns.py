"""Numbers written after patterns of Java's DecimalFormat, rounded half-even, with the symbols of a locale."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any

from flows.expressions.arguments import bad_argument
from flows.expressions.limits import limit_error
from flows.expressions.locales import NumberSymbols, get_number_symbols

MAX_PATTERN_CHARACTERS = 400
MAX_DIGITS = 1000
_BODY = re.compile(r"(?P<whole>[#,0]*)(?:\.(?P<fraction>[0#]*))?(?:E(?P<exponent>0+))?")


@dataclass(frozen=True, slots=True)
class NumberPattern:
    """A parsed pattern: affixes of both signs, digit counts, grouping size (0 for none), scale (2 for %, 3 for per mille)."""

    prefix: str
    suffix: str
    negative_prefix: str
    negative_suffix: str
    min_whole: int
    max_whole: int
    min_fraction: int
    max_fraction: int
    grouping: int
    exponent_digits: int
    scale: int


@lru_cache(maxsize=256)
def parse_number_pattern(pattern: str) -> NumberPattern:
    """Return the parsed pattern. Raises ExpressionError of kind bad_argument for one that DecimalFormat would refuse."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise limit_error("A number pattern", f"{MAX_PATTERN_CHARACTERS} characters")
    prefix, body, suffix, rest = _split_pattern(pattern)
    negative_prefix, negative_suffix = "-" + prefix, suffix
    if rest is not None:
        negative_prefix, _, negative_suffix, extra = _split_pattern(rest)
        if extra is not None:
            raise bad_argument(f'The number pattern "{pattern}" has more than two parts.')
        if (negative_prefix, negative_suffix) == (prefix, suffix):
            negative_prefix = "-" + prefix
    found = _BODY.fullmatch(body)
    whole = found["whole"] if found is not None else ""
    digits = whole.replace(",", "")
    fraction = (found["fraction"] or "") if found is not None else ""
    if found is None or "0#" in digits or "#0" in fraction or whole.endswith(",") or not (digits or fraction):
        raise bad_argument(f'"{pattern}" is not a number pattern. Use 0 and # for digits, "," and "." between them.')
    exponent = found["exponent"]
    if exponent and "," in whole:
        raise bad_argument(f'The number pattern "{pattern}" cannot group digits and have an exponent.')
    affixes = prefix + suffix
    min_whole, min_fraction = digits.count("0"), fraction.count("0")
    if not min_whole and not min_fraction and "." in body:
        # Without any 0, Java takes the # in front of the point for one, or else the first behind it.
        min_whole, min_fraction = (1, 0) if digits else (0, 1)
    return NumberPattern(
        prefix=prefix,
        suffix=suffix,
        negative_prefix=negative_prefix,
        negative_suffix=negative_suffix,
        min_whole=min_whole,
        max_whole=len(digits),
        min_fraction=min_fraction,
        max_fraction=len(fraction),
        grouping=len(whole) - whole.rfind(",") - 1 if "," in whole else 0,
        exponent_digits=len(exponent or ""),
        scale=2 if _PERCENT in affixes else 3 if _PER_MILLE in affixes else 0,
    )


# Signs that count in an affix are kept apart from quoted ones.
_PERCENT, _PER_MILLE = "\ue000", "\ue001"


def _split_pattern(pattern: str) -> tuple[str, str, str, str | None]:
    """Return prefix, digits, suffix and what follows an unquoted semicolon."""
    parts: list[list[str]] = [[], [], []]
    stage, quoted, position = 0, False, 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "'":
            if pattern.startswith("'", position):
                parts[stage if stage != 1 else 2].append("'")
                position += 1
            else:
                quoted = not quoted
            continue
        if char == ";" and not quoted:
            return "".join(parts[0]), "".join(parts[1]), "".join(parts[2]), pattern[position:]
        is_digit = not quoted and (char in "#0,." or (char == "E" and stage == 1 and pattern.startswith("0", position)))
        if is_digit and stage == 2:
            raise bad_argument(f'The number pattern "{pattern}" has digits after its suffix.')
        if is_digit:
            stage = 1
        elif stage == 1:
            stage = 2
        if not quoted:
            char = {"%": _PERCENT, "\u2030": _PER_MILLE}.get(char, char)
        parts[stage].append(char)
    if quoted:
        raise bad_argument(f'The number pattern "{pattern}" has a quote that is not closed.')
    return "".join(parts[0]), "".join(parts[1]), "".join(parts[2]), None


def format_number(value: Any, pattern: str, locale: str) -> str:
    """
    Return a number as a pattern asks, for instance 1234567.891 after `#,##0.00` as `1,234,567.89`.

    Binary decimals are rounded by their exact value, half to even. Source: expressions, 4.2 (numberFormat).
    """
    parsed, symbols = parse_number_pattern(pattern), get_number_symbols(locale)
    number = Decimal(value)
    if not number.is_finite():
        return "NaN" if number.is_nan() else ("-" if number < 0 else "") + "\u221e"
    if abs(number.adjusted()) > MAX_DIGITS:
        raise limit_error("A formatted number", f"{MAX_DIGITS} digits")
    is_negative = number.is_signed()
    number = abs(number).scaleb(parsed.scale, Context(prec=MAX_DIGITS * 3))
    body = _write_exponent(number, parsed, symbols) if parsed.exponent_digits else _write_plain(number, parsed, symbols)
    prefix, suffix = (parsed.negative_prefix, parsed.negative_suffix) if is_negative else (parsed.prefix, parsed.suffix)
    return (prefix + body + suffix).replace(_PERCENT, "%").replace(_PER_MILLE, "\u2030")


def _round(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN, context=Context(prec=MAX_DIGITS * 3))


def _write_plain(number: Decimal, pattern: NumberPattern, symbols: NumberSymbols) -> str:
    whole, _, fraction = format(_round(number, pattern.max_fraction), "f").partition(".")
    return _assemble(whole, fraction, pattern, symbols)


def _assemble(whole: str, fraction: str, pattern: NumberPattern, symbols: NumberSymbols) -> str:
    whole = whole.lstrip("0").rjust(pattern.min_whole, "0")
    kept = fraction.rstrip("0").ljust(pattern.min_fraction, "0")
    if not whole and not kept:
        whole = "0"
    if pattern.grouping:
        start = len(whole) % pattern.grouping or pattern.grouping
        groups = [whole[:start], *(whole[i : i + pattern.grouping] for i in range(start, len(whole), pattern.grouping))]
        whole = symbols.group.join(group for group in groups if group)
    return whole + (symbols.decimal + kept if kept else "")


def _write_exponent(number: Decimal, pattern: NumberPattern, symbols: NumberSymbols) -> str:
    exponent = 0 if number == 0 else number.adjusted() - (max(pattern.min_whole, 1) - 1)
    if number != 0 and pattern.max_whole > pattern.min_whole and pattern.max_whole > 1:
        exponent = number.adjusted() // pattern.max_whole * pattern.max_whole
    mantissa = _round(number.scaleb(-exponent, Context(prec=MAX_DIGITS * 3)), pattern.max_fraction)
    whole, _, fraction = format(mantissa, "f").partition(".")
    sign = "-" if exponent < 0 else ""
    return f"{_assemble(whole, fraction, pattern, symbols)}E{sign}{abs(exponent):0{pattern.exponent_digits}d}"

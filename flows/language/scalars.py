"""Which plain YAML words are numbers, booleans or null. Everything else, dates and times included, is text."""

from __future__ import annotations

import math
import re

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_FIRST_OF_OTHERS = frozenset("~nNtTfF+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40


def resolve_scalar(text: str) -> str | int | float | bool | None:
    """
    Return the value of a plain (unquoted) scalar by the core schema of YAML 1.2.

    `true`, `null` and `~` in their three spellings, decimal, `0o` and `0x` integers and finite floats are values. `no`, `on`,
    `1_000`, `12:30` and `2031-05-04` are text, and so are numbers of more than 40 characters, infinity and not-a-number,
    because JSON could not hold them.

    Source: security S-12; our decision 0004.
    """
    if not text:
        return None
    if text[0] not in _FIRST_OF_OTHERS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text

"""A reader of the Ion text that row files hold: JSON, and beside it timestamps, decimals, blobs and Ion's words."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<mark>[\[\]{}:,()])
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<moment>\d{4}(?:T|-\d\d(?:T|-\d\d(?:T(?:\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?))(?=[\s,\]})]|$))
    | (?P<number>[-+]?(?:inf|\d[\d_]*(?:\.[\d_]*)?(?:[eEdD][-+]?\d+)?))
    | (?P<word>[A-Za-z_$][\w$.]*)
    )""",
    re.VERBOSE,
)
_WORDS = {"null": None, "true": True, "false": False, "nan": float("nan")}


def read_value(text: str) -> Any:
    """
    Return the value that one line holds. Timestamps become datetimes, decimals `Decimal`, blobs bytes.

    Raises:
        ValueError: the line is no Ion text that row files use.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    value, end = _read(text, 0)
    if text[end:].strip():
        raise ValueError(f"unexpected text at column {end + 1}")
    return value


def _read(text: str, at: int) -> tuple[Any, int]:
    stripped = re.compile(r"\s*").match(text, at)
    at = stripped.end() if stripped else at
    if text.startswith("{{", at):
        end = text.find("}}", at)
        if end < 0:
            raise ValueError(f"the blob at column {at + 1} has no end")
        return base64.b64decode(text[at + 2 : end].strip()), end + 2
    token = _TOKEN.match(text, at)
    if token is None:
        raise ValueError(f"unexpected text at column {at + 1}")
    kind, word = str(token.lastgroup), token[str(token.lastgroup)]
    if kind == "mark":
        if word == "{":
            return _read_map(text, token.end())
        if word == "[":
            return _read_list(text, token.end())
        raise ValueError(f'unexpected "{word}" at column {token.start("mark") + 1}')
    if kind == "word" and text.startswith("::", token.end()):
        return _read(text, token.end() + 2)
    return _read_scalar(kind, word), token.end()


def _read_scalar(kind: str, word: str) -> Any:
    if kind == "string":
        return json.loads(word, strict=False)
    if kind == "quoted":
        return word[1:-1].replace("\\'", "'")
    if kind == "moment":
        return _read_moment(word)
    if kind == "number":
        return _read_number(word.replace("_", ""))
    return None if word.startswith("null.") else _WORDS.get(word, word)


def _read_number(word: str) -> Any:
    if word.lstrip("+-") == "inf" or "e" in word.lower():
        return float(word)
    if "." in word or "d" in word.lower():
        return Decimal(re.sub("[dD]", "e", word))
    return int(word)


def _read_moment(word: str) -> datetime:
    """Return a datetime; one that Ion gives without a time is midnight without offset."""
    date, _, time = word.partition("T")
    date = (date + "-01-01")[:10]
    fraction = re.search(r"\.(\d+)", time)
    if fraction:
        time = time.replace(fraction[0], "." + fraction[1][:6].ljust(6, "0"))
    return datetime.fromisoformat(f"{date}T{time}" if time else date)


def _read_map(text: str, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while (closed := _close(text, at, "}")) is None:
        key, at = _read(text, at)
        at = _expect(text, at, ":")
        found[str(key)], at = _read(text, at)
        at = _skip_comma(text, at)
    return found, closed


def _read_list(text: str, at: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while (closed := _close(text, at, "]")) is None:
        value, at = _read(text, at)
        found.append(value)
        at = _skip_comma(text, at)
    return found, closed


def _close(text: str, at: int, mark: str) -> int | None:
    token = _TOKEN.match(text, at)
    if token is None:
        raise ValueError(f'"{mark}" is missing')
    return token.end() if token["mark"] == mark else None


def _skip_comma(text: str, at: int) -> int:
    token = _TOKEN.match(text, at)
    return token.end() if token and token["mark"] == "," else at


def _expect(text: str, at: int, mark: str) -> int:
    token = _TOKEN.match(text, at)
    if token is None or token["mark"] != mark:
        raise ValueError(f'"{mark}" is missing at column {at + 1}')
    return token.end()

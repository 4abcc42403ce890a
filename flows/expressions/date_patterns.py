"""Patterns of Java's DateTimeFormatter, taken apart once: fields, literals, optional parts. No moments here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from flows.expressions.arguments import bad_argument
from flows.expressions.limits import limit_error

MAX_PATTERN_CHARACTERS = 400
MAX_OPTIONAL_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Field:
    """
    A run of one letter.

    Letters are Java's. Four more exist for the named formats: `fraction` (a dot and as many digits as needed, nothing for
    zero), `groups` (the same in groups of three), `region` (`[Europe/Paris]` when the zone is one) and `gmt` (GMT or +0200).
    """

    letter: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Optional:
    """`[...]`: printed always, read when it is there."""

    items: tuple[Item, ...]


Item = Field | Optional | str

_MAX_COUNTS = {
    "G": 5, "u": 19, "y": 19, "Y": 19, "D": 3, "M": 5, "L": 5, "d": 2, "Q": 5, "q": 5, "w": 2, "W": 1, "E": 5, "e": 5, "c": 5,
    "F": 1, "a": 1, "B": 5, "h": 2, "K": 2, "H": 2, "k": 2, "m": 2, "s": 2, "S": 9, "A": 19, "n": 19, "N": 19, "V": 2, "z": 4,
    "O": 4, "X": 5, "x": 5, "Z": 5,
}  # fmt: skip

ISO_DATE = "yyyy-MM-dd"
NAMED_PATTERNS = {
    "iso": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "iso_sec": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "sql": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "sql_seq": "yyyy-MM-dd HH:mm:ss",
    "iso_local_date": ISO_DATE,
}
_TIME: tuple[Item, ...] = (Field("H", 2), ":", Field("m", 2), ":", Field("s", 2), Field("fraction"))
_DATE: tuple[Item, ...] = (Field("y", 4), "-", Field("M", 2), "-", Field("d", 2))
_OFFSET = Field("X", 5)
NAMED_ITEMS: dict[str, tuple[Item, ...]] = {
    "iso_local_time": _TIME,
    "iso_local_date_time": (*_DATE, "T", *_TIME),
    "iso_date": (*_DATE, Optional((_OFFSET,))),
    "iso_time": (*_TIME, Optional((_OFFSET,))),
    "iso_offset_date": (*_DATE, _OFFSET),
    "iso_offset_time": (*_TIME, _OFFSET),
    "iso_offset_date_time": (*_DATE, "T", *_TIME, _OFFSET),
    "iso_date_time": (*_DATE, "T", *_TIME, Optional((_OFFSET, Field("region")))),
    "iso_zoned_date_time": (*_DATE, "T", *_TIME, _OFFSET, Field("region")),
    "iso_instant": (*_DATE, "T", Field("H", 2), ":", Field("m", 2), ":", Field("s", 2), Field("groups"), _OFFSET),
    "iso_ordinal_date": (Field("y", 4), "-", Field("D", 3), Optional((_OFFSET,))),
    "iso_week_date": (Field("iso_week_year", 4), "-W", Field("iso_week", 2), "-", Field("iso_day", 1), Optional((_OFFSET,))),
    "basic_iso_date": (Field("y", 4), Field("M", 2), Field("d", 2), Optional((Field("X", 4),))),
    "rfc_1123_date_time": (
        Field("E", 3), ", ", Field("d", 1), " ", Field("M", 3), " ", Field("y", 4), " ", Field("H", 2), ":", Field("m", 2), ":",
        Field("s", 2), " ", Field("gmt"),
    ),
}  # fmt: skip
STYLES = frozenset({"full", "long", "medium", "short"})


@lru_cache(maxsize=512)
def parse_date_pattern(pattern: str) -> tuple[Item, ...]:
    """
    Return the items of a pattern or of a named format (any case; not the localized styles).

    Raises ExpressionError: bad_argument for letters or counts that Java does not know, limit beyond 400 characters.
    """
    name = pattern.lower()
    if name in NAMED_ITEMS:
        return NAMED_ITEMS[name]
    return _Parser(NAMED_PATTERNS.get(name, pattern)).parse()


class _Parser:
    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            raise limit_error("A date pattern", f"{MAX_PATTERN_CHARACTERS} characters")
        self.pattern = pattern
        self.position = 0

    def fail(self, reason: str) -> Exception:
        return bad_argument(f'"{self.pattern}" is no date pattern: {reason}. Patterns look like yyyy-MM-dd HH:mm:ss.')

    def parse(self) -> tuple[Item, ...]:
        items = self._read_items(0)
        if self.position < len(self.pattern):
            raise self.fail('"]" closes nothing')
        return items

    def _read_items(self, depth: int) -> tuple[Item, ...]:
        if depth > MAX_OPTIONAL_DEPTH:
            raise self.fail("optional parts nest too deeply")
        items: list[Item] = []
        pattern = self.pattern
        while self.position < len(pattern):
            char = pattern[self.position]
            if char == "]":
                break
            if char == "'":
                items.append(self._read_quoted())
            elif char == "[":
                self.position += 1
                items.append(Optional(self._read_items(depth + 1)))
                # Java accepts a pattern that ends inside an optional part.
                self.position += 1
            elif char.isascii() and char.isalpha():
                items.append(self._read_field(char))
            elif char in "{}#":
                raise self.fail(f'"{char}" is reserved')
            else:
                items.append(char)
                self.position += 1
            if depth == 0 and self.position < len(pattern) and pattern[self.position] == "]":
                raise self.fail('"]" closes nothing')
        return tuple(items)

    def _read_quoted(self) -> str:
        pattern, position = self.pattern, self.position + 1
        if pattern.startswith("'", position):
            self.position += 2
            return "'"
        text = ""
        while True:
            end = pattern.find("'", position)
            if end < 0:
                raise self.fail("a quote is not closed")
            text += pattern[position:end]
            if not pattern.startswith("'", end + 1):
                self.position = end + 1
                return text
            text += "'"
            position = end + 2

    def _read_field(self, letter: str) -> Field:
        end = self.position
        while end < len(self.pattern) and self.pattern[end] == letter:
            end += 1
        count = end - self.position
        if letter not in _MAX_COUNTS:
            raise self.fail(f'"{letter}" is not a known letter; put texts between single quotes')
        bad_count = count > _MAX_COUNTS[letter] or (letter == "V" and count != 2) or (letter == "O" and count not in (1, 4))
        if bad_count or (letter == "B" and count not in (1, 4, 5)) or (letter == "c" and count == 2):
            raise self.fail(f'"{letter * min(count, 20)}" has the wrong number of letters')
        self.position = end
        return Field(letter, count)

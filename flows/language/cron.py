"""Whether a text is a cron expression. When it is due is computed elsewhere."""

from __future__ import annotations

import re

NICKNAMES = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_PART = re.compile(r"(\*|([0-9]{1,4}|[A-Za-z]{3})(?:-([0-9]{1,4}|[A-Za-z]{3}))?)(?:/([0-9]{1,4}))?")


def find_cron_fault(text: str, *, with_seconds: bool = False) -> str | None:
    """
    Return why `text` is no cron expression, as the second half of a sentence, or None when it is one.

    Five fields, or six with the second first when `with_seconds`; `*`, lists, ranges, steps and English names; nicknames.

    Source: flow language, 13.2.
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return None if stripped in NICKNAMES else f"the only nicknames are {', '.join(sorted(NICKNAMES))}"
    fields = stripped.split()
    wanted = _FIELDS if with_seconds else _FIELDS[1:]
    if len(fields) != len(wanted):
        return f"it must have {len(wanted)} fields and has {len(fields)}"
    for value, (name, low, high, words) in zip(fields, wanted, strict=True):
        for part in value.split(","):
            fault = _find_part_fault(part, name, low, high, words)
            if fault is not None:
                return fault
    return None


def _find_part_fault(part: str, name: str, low: int, high: int, words: dict[str, int]) -> str | None:
    match = _PART.fullmatch(part)
    if match is None:
        return f'"{part[:20]}" is no {name}'
    _, first, last, step = match.groups()
    numbers = []
    for word in (first, last):
        if word is None:
            continue
        number = int(word) if word.isdigit() else words.get(word.upper())
        if number is None or not low <= number <= high:
            return f'"{word}" is no {name}, which goes from {low} to {high}'
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f'the range "{part}" of the {name} runs backwards'
    if step is not None and int(step) == 0:
        return f'the step of "{part}" must be at least 1'
    return None

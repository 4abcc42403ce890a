"""Names and symbols of locales, taken from CLDR data through Babel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")


@dataclass(frozen=True, slots=True)
class NumberSymbols:
    """The marks between digits."""

    decimal: str
    group: str


@lru_cache(maxsize=128)
def get_locale(name: str) -> Locale:
    """Return the locale of a name such as `fr`, `fr_FR` or `fr-FR`; English for one that is not known, as Java falls back."""
    if _LOCALE.match(name):
        parts = name.replace("-", "_").split("_")
        while parts:
            try:
                return Locale.parse("_".join(parts))
            except (UnknownLocaleError, ValueError):
                parts.pop()
    return Locale.parse("en")


@lru_cache(maxsize=128)
def get_number_symbols(name: str) -> NumberSymbols:
    """Return the decimal and grouping marks of a locale."""
    symbols = get_locale(name).number_symbols
    latin = symbols.get("latn", symbols)
    return NumberSymbols(str(latin.get("decimal", ".")), str(latin.get("group", ",")))

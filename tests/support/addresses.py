"""Every address of the installation, as its routes say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from django.urls import URLPattern, URLResolver, get_resolver

ANY_WORD = "abcdefgh12345678ab"
"""Stands for a value that a test does not name; it may be the id of an execution."""


def list_routes() -> Iterator[tuple[str, URLPattern]]:
    """Yield the whole pattern of every route, without a slash before it, and the route itself."""
    yield from _walk(get_resolver().url_patterns, "")


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        else:
            yield text, pattern


def fill_in(pattern: str, values: Mapping[str, str]) -> str:
    """Return an address of a route, with values by the names of its variables; others become `ANY_WORD`."""
    filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], ANY_WORD), pattern)
    return "/" + re.sub(r"\(\?P.*|\^|\$|\\Z", "x", filled)

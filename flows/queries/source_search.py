"""Search in the sources of flows, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import regex

from flows.models import FlowRevision
from flows.queries.criteria import CriteriaError

MOST_LINES = 50
PATTERN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SourceHit:
    """One revision with the lines that hold the text: pairs of line number, from 1, and line."""

    revision: FlowRevision
    lines: tuple[tuple[int, str], ...]


def search_texts(
    revisions: Iterable[FlowRevision], text: str, *, case_sensitive: bool, whole_word: bool, is_pattern: bool
) -> list[SourceHit]:
    """
    Return the revisions whose source holds `text`, in the given order, each with at most 50 lines. An empty text is in none.

    Raises:
        CriteriaError: `text` is no regular expression although `is_pattern` says so, or takes too long.
    """
    if not text:
        return []
    holds = _make_test(text, case_sensitive, whole_word, is_pattern)
    hits = []
    for revision in revisions:
        lines = [(number, line) for number, line in enumerate(revision.source.splitlines(), 1) if holds(line)]
        if lines:
            hits.append(SourceHit(revision, tuple(lines[:MOST_LINES])))
    return hits


def compile_search(text: str, *, case_sensitive: bool, whole_word: bool, is_pattern: bool) -> regex.Pattern[str]:
    """Return the pattern of a search. Raises CriteriaError when `text` is no regular expression although it should be one."""
    written = text if is_pattern else regex.escape(text)
    try:
        return regex.compile(rf"\b(?:{written})\b" if whole_word else written, 0 if case_sensitive else regex.IGNORECASE)
    except regex.error as error:
        raise CriteriaError(f'"{text[:100]}" is no regular expression: {error}.') from error


def _make_test(text: str, case_sensitive: bool, whole_word: bool, is_pattern: bool) -> Callable[[str], bool]:
    pattern = compile_search(text, case_sensitive=case_sensitive, whole_word=whole_word, is_pattern=is_pattern)

    def holds(line: str) -> bool:
        try:
            return pattern.search(line, timeout=PATTERN_SECONDS) is not None
        except TimeoutError as error:
            raise CriteriaError(f'The pattern "{text[:100]}" takes too long: write a simpler one.') from error

    return holds

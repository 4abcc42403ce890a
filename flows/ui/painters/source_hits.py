"""Hits of a search in the sources of flows: each with the lines around it, its number leads to the line in the editor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import regex
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.queries.source_search import SourceHit, compile_search

CONTEXT_LINES = 3
MOST_HITS = 8
LONGEST_LINE = 300
MARKING_SECONDS = 0.2


def paint_hits(hit: SourceHit, text: str, *, is_pattern: bool) -> SafeString:
    """Return the first hits of one flow, each with three lines before and after it; what lies close together is one piece."""
    flow, lines = hit.revision.flow, hit.revision.source.splitlines()
    pattern = compile_search(text, case_sensitive=False, whole_word=False, is_pattern=is_pattern)
    url = escape(reverse("ui:flow-tab", args=[flow.namespace, flow.flow_id, "edit"]))
    numbers = [number for number, _ in hit.lines[:MOST_HITS]]
    parts = []
    for first, last in list_pieces(numbers, len(lines)):
        parts.append('<div class="hits">')
        for number in range(first, last + 1):
            line = lines[number - 1][:LONGEST_LINE]
            is_hit = number in numbers
            shown = _mark(line, pattern) if is_hit else str(escape(line))
            parts.append(
                f'<div{" class=is-hit" if is_hit else ""}><a href="{url}?line={number}" aria-label="Line {number}">{number}</a>'
                f"<code>{shown}</code></div>"
            )
        parts.append("</div>")
    return SafeString("".join(parts))


def list_pieces(numbers: Iterable[int], length: int) -> Iterator[tuple[int, int]]:
    """Yield first and last line of each piece to show around the lines of these numbers, which rise from 1."""
    first = last = 0
    for number in numbers:
        begin, end = max(1, number - CONTEXT_LINES), min(length, number + CONTEXT_LINES)
        if first and begin > last + 1:
            yield first, last
            first = begin
        first = first or begin
        last = end
    if first:
        yield first, last


def _mark(line: str, pattern: regex.Pattern[str]) -> str:
    parts, done = [], 0
    try:
        for match in pattern.finditer(line, timeout=MARKING_SECONDS):
            if match.end() > match.start():
                parts += [escape(line[done : match.start()]), f"<mark>{escape(match[0])}</mark>"]
                done = match.end()
    except TimeoutError:
        return str(escape(line))
    return "".join([*parts, escape(line[done:])])

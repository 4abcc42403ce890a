"""Log lines as markup: escaped, colours of terminals by an allow-list, links, JSON and stack traces that open, marked hits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from html import escape

from django.utils.safestring import SafeString

from flows.models import LogEntry

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LONGEST_LINE = 8000
SHORT_ID = 8
CHUNK = 200

FOLD_AFTER = 3
_LINK = re.compile(r"https?://[^\s<>\"'`\x00-\x1f]+[^\s<>\"'`\x00-\x1f.,;:!?)\]}]")
_TRACE = re.compile(r"^\s+at |^\s*File \"|^Traceback |^Caused by: ", re.MULTILINE)
_NEVER = re.compile(r"(?!)")
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOURS = {"1": "a-bold", **{str(code): f"a-{code % 10}" for code in (*range(31, 38), *range(91, 98))}}


class Origin(StrEnum):
    """What a line of a log tells about where it comes from: nothing, its flow, or, where that is known, its execution."""

    NONE = ""
    FLOW = "flow"
    EXECUTION = "execution"


def paint_log_lines(entries: Iterable[LogEntry], *, origin: Origin = Origin.NONE, marked: str = "") -> SafeString:
    """
    Return rows of a log panel.

    Args:
        origin: what tells where a line comes from, for logs of many executions.
        marked: what was searched for; its words, its phrase in quotes or its pattern between slashes are marked.
    """
    hits = make_hit_pattern(marked)
    return SafeString("".join(_paint(entry, origin, hits) for entry in entries))


def paint_log_chunks(entries: Sequence[LogEntry], *, origin: Origin = Origin.NONE, marked: str = "") -> SafeString:
    """Return rows as `paint_log_lines` does, in boxes of 200: a browser leaves out those that are not to be seen."""
    chunks = (entries[start : start + CHUNK] for start in range(0, len(entries), CHUNK))
    painted = (paint_log_lines(chunk, origin=origin, marked=marked) for chunk in chunks)
    return SafeString("".join(f'<div class="l-chunk">{chunk}</div>' for chunk in painted))


def make_hit_pattern(text: str) -> re.Pattern[str]:
    """Return what to mark in messages for a searched text; a pattern that Python cannot read marks nothing."""
    text = text.strip()
    if not text:
        return _NEVER
    try:
        if len(text) > 2 and text[0] == text[-1] == "/":
            return re.compile(text[1:-1][:200], re.IGNORECASE)
        words = [text[1:-1]] if len(text) > 2 and text[0] == text[-1] == '"' else text.split()[:20]
        return re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)
    except re.error:
        return _NEVER


def _paint(entry: LogEntry, origin: Origin, hits: re.Pattern[str]) -> str:
    level = LEVELS[min(max(entry.level, 0), 4)]
    where = ""
    if origin:
        name = escape(f"{entry.namespace}/{entry.flow_id}")
        shown = escape(entry.flow_id if origin is Origin.FLOW else (entry.execution_id or "")[:SHORT_ID])
        where = f'<span class="l-flow" title="{name}">{shown}</span>'
        if entry.execution_id:
            link = f"/ui/e/{escape(entry.execution_id)}?tab=logs&amp;line={entry.id}"
            where = f'<a class="l-flow" href="{link}" title="{name}, execution {escape(entry.execution_id)}">{shown}</a>'
    task = escape(entry.task_id or entry.trigger_id or "")
    moment = entry.timestamp
    return (
        f'<div class="l l-{level.lower()}" id="l{entry.id}">'
        f'<time datetime="{moment.isoformat()}" data-form="clock">{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}</time>'
        f'<span class="l-level">{level}</span>{where}<span class="l-task">{task}</span>'
        f'<span class="l-text">{_paint_text(entry.message, hits)}</span></div>'
    )


def _paint_text(message: str, hits: re.Pattern[str]) -> str:
    if len(message) <= LONGEST_LINE:
        if (pretty := _read_json(message)) is not None:
            return f'<details class="l-open"><summary>{paint_message(message, hits)}</summary>{_clean(pretty)}</details>'
        lines = message.split("\n")
        if len(lines) > FOLD_AFTER + 1 and _TRACE.search(message):
            head, rest = "\n".join(lines[:FOLD_AFTER]), "\n".join(lines[FOLD_AFTER:])
            more = f"<summary>{len(lines) - FOLD_AFTER} more lines</summary>"
            return f'{paint_message(head, hits)}<details class="l-open">{more}{paint_message(rest, hits)}</details>'
    return paint_message(message, hits)


def _read_json(message: str) -> str | None:
    """Return a line that is a JSON map or list in its long form, None for any other line."""
    text = message.strip()
    if len(text) < 3 or (text[0], text[-1]) not in (("{", "}"), ("[", "]")):
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def paint_message(message: str, hits: re.Pattern[str] = _NEVER) -> SafeString:
    """Return the text of one line; everything that is no colour of the allow-list comes out as text."""
    text = (
        message if len(message) <= LONGEST_LINE else f"{message[:LONGEST_LINE]}… ({len(message):,} characters; download the log)"
    )
    parts: list[str] = []
    is_open = False
    last = 0
    for match in _COLOUR.finditer(text):
        parts.append(_paint_links(text[last : match.start()], hits))
        last = match.end()
        if is_open:
            parts.append("</span>")
            is_open = False
        classes = " ".join(_COLOURS[code] for code in match[1].split(";") if code in _COLOURS)
        if classes:
            parts.append(f'<span class="{classes}">')
            is_open = True
    parts.append(_paint_links(text[last:], hits))
    if is_open:
        parts.append("</span>")
    return SafeString("".join(parts))


def _paint_links(text: str, hits: re.Pattern[str]) -> str:
    if "://" not in text:
        return _mark(text, hits)
    parts = []
    last = 0
    for match in _LINK.finditer(text):
        parts.append(_mark(text[last : match.start()], hits))
        shown = _mark(match[0], hits)
        parts.append(f'<a href="{escape(match[0])}" target="_blank" rel="noopener noreferrer">{shown}</a>')
        last = match.end()
    return "".join([*parts, _mark(text[last:], hits)])


def _mark(text: str, hits: re.Pattern[str]) -> str:
    if hits is _NEVER:
        return _clean(text)
    parts = []
    last = 0
    for match in hits.finditer(text):
        if match.end() > match.start():
            parts += [_clean(text[last : match.start()]), f"<mark>{_clean(match[0])}</mark>"]
            last = match.end()
    return "".join([*parts, _clean(text[last:])])


def _clean(text: str) -> str:
    shown = _HIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] != "\r" else "", _OTHER_ESCAPES.sub("", text))
    return str(escape(shown))

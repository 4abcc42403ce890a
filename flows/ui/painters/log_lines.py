"""Log lines as markup: escaped, colours of terminals by an allow-list, control characters made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.models import LogEntry

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
LONGEST_LINE = 8000

_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOURS = {"1": "a-bold", **{str(code): f"a-{code % 10}" for code in (*range(31, 38), *range(91, 98))}}


def in_time_order(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Return lines as they happened. They are stored in batches of several processes, so their ids do not tell."""
    return sorted(entries, key=lambda entry: (entry.timestamp, entry.id))


def paint_log_lines(entries: Iterable[LogEntry], *, with_flow: bool = False) -> SafeString:
    """Return rows of a log panel. `with_flow` adds where a line comes from, for logs of many executions."""
    return SafeString("".join(_paint(entry, with_flow) for entry in entries))


def _paint(entry: LogEntry, with_flow: bool) -> str:
    level = LEVELS[min(max(entry.level, 0), 4)]
    where = ""
    if with_flow:
        name = escape(f"{entry.namespace}/{entry.flow_id}")
        link = f"/ui/e/{escape(entry.execution_id)}" if entry.execution_id else ""
        where = f'<a class="l-flow" href="{link}" title="{name}">{escape(entry.flow_id)}</a>' if link else f"<span>{name}</span>"
    task = escape(entry.task_id or entry.trigger_id or "")
    moment = entry.timestamp
    return (
        f'<div class="l l-{level.lower()}" id="l{entry.id}" data-id="{entry.id}">'
        f'<time datetime="{moment.isoformat()}" data-form="clock">{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}</time>'
        f'<span class="l-level">{level}</span>{where}<span class="l-task" title="{task}">{task}</span>'
        f'<span class="l-text">{paint_message(entry.message)}</span></div>'
    )


def paint_message(message: str) -> SafeString:
    """Return the text of one line; everything that is no colour of the allow-list comes out as text."""
    text = (
        message if len(message) <= LONGEST_LINE else f"{message[:LONGEST_LINE]}… ({len(message):,} characters; download the log)"
    )
    parts: list[str] = []
    is_open = False
    last = 0
    for match in _COLOUR.finditer(text):
        parts.append(_clean(text[last : match.start()]))
        last = match.end()
        if is_open:
            parts.append("</span>")
            is_open = False
        classes = " ".join(_COLOURS[code] for code in match[1].split(";") if code in _COLOURS)
        if classes:
            parts.append(f'<span class="{classes}">')
            is_open = True
    parts.append(_clean(text[last:]))
    if is_open:
        parts.append("</span>")
    return SafeString("".join(parts))


def _clean(text: str) -> str:
    shown = _HIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] != "\r" else "", _OTHER_ESCAPES.sub("", text))
    return str(escape(shown))

"""Reads a flow text around the cursor, also while it is broken: what is typed right now is seldom valid YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.language.source import read_document

_ITEM_ID = re.compile(r"^(\s*)-\s+id\s*:\s*[\"']?([\w.-]+)")
_ID = re.compile(r"^(\s*)(?:-\s+)?id\s*:\s*[\"']?([\w.-]+)")
_TYPE = re.compile(r"^(\s*)(?:-\s+)?type\s*:\s*[\"']?([\w.]+)")
# An item in one line; the order of its keys is free.
_INLINE = re.compile(r"^\s*-\s+(?:task\s*:\s*)?\{")
_INLINE_ID = re.compile(r"[{,]\s*id\s*:\s*[\"']?([\w.-]+)")
_INLINE_TYPE = re.compile(r"[{,]\s*type\s*:\s*[\"']?([\w.]+)")
_TOP = re.compile(r"^([\w-]+)\s*:")
_KEY = re.compile(r"^(\s*(?:-\s+)*)([\w.-]+)\s*:")
_TASK_SECTIONS = frozenset({"tasks", "errors", "finally", "afterExecution"})
LONGEST_SOURCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Named:
    """A task (or trigger) as the text shows it: its id, its type, its first line from 1 and its top-level section."""

    id: str
    type: str
    line: int
    section: str


@dataclass(frozen=True, slots=True)
class Spot:
    """
    Where the cursor is. `expression` is the text of the `{{ }}` around it, None outside; `before` is its part left of the
    cursor; `key` is the property of the line; `owner` the type of the block around it, empty when it has none.
    """

    line: str
    key: str
    owner: str
    element: str
    section: str
    expression: str | None = None
    before: str = ""


def list_elements(source: str) -> list[Named]:
    """Return the tasks and triggers of a text, in order."""
    found: list[Named] = []
    section, pending = "", ("", 0)
    for number, line in enumerate(source.split("\n"), start=1):
        if (top := _TOP.match(line)) is not None:
            section, pending = top[1], ("", 0)
        if _INLINE.match(line) is not None and section in (*_TASK_SECTIONS, "triggers"):
            inline, kind = _INLINE_ID.search(line), _INLINE_TYPE.search(line)
            if inline is not None and kind is not None and "." in kind[1]:
                found.append(Named(inline[1], kind[1], number, section))
            continue
        if (named := _ITEM_ID.match(line)) is not None or ((named := _ID.match(line)) is not None and line.startswith(" ")):
            pending = (named[2], number)
        if (
            (typed := _TYPE.match(line)) is not None
            and pending[0]
            and section in (*_TASK_SECTIONS, "triggers")
            and "." in typed[2]
        ):
            found.append(Named(pending[0], typed[2], pending[1], section))
            pending = ("", 0)
    return found


def read_spot(source: str, line: int, column: int) -> Spot:
    """Return what stands at a place (from 1)."""
    lines = source.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    above = [element for element in list_elements(source) if element.line <= line]
    indent = len(text) - len(text.lstrip()) + (2 if text.lstrip().startswith("- ") else 0)
    section = next((top[1] for row in reversed(lines[:line]) if (top := _TOP.match(row)) is not None), "")
    element = above[-1] if above and above[-1].section == section and indent > 0 else None
    key = _KEY.match(text)
    start = text.rfind("{{", 0, max(0, column + 1))
    end = text.find("}}", start) if start >= 0 else -1
    expression, before = None, ""
    if start >= 0 and (end < 0 or end + 2 >= column):
        expression = text[start + 2 : end if end >= 0 else len(text)]
        before = text[start + 2 : column - 1]
    return Spot(
        text, key[2] if key else "", element.type if element else "", element.id if element else "", section, expression, before
    )


def read_data(source: str) -> Mapping[str, Any]:
    """Return the document as data, empty while it cannot be read."""
    data = read_document(source[:LONGEST_SOURCE]).data
    return data if isinstance(data, dict) else {}


def list_names(data: Mapping[str, Any], section: str) -> list[str]:
    """Return the ids of a list such as `inputs`, or the keys of a mapping such as `variables`."""
    value = data.get(section)
    if isinstance(value, list):
        return [str(one["id"]) for one in value if isinstance(one, dict) and "id" in one]
    return [str(key) for key in value] if isinstance(value, dict) else []

"""A stored value as a tree that opens by itself as far as it is small; large parts come when they are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.models.encryption import is_envelope

AT_ONCE = 200
OPEN_DEPTH = 2
MOST_NODES = 1500
LONGEST_TEXT = 4000
HIDDEN = "••••••"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

Way = tuple[str | int, ...]


def paint_tree(value: Any, *, owner: str, way: Way, root: str) -> SafeString:
    """
    Return a map or a list as nested parts that open and close.

    Args:
        owner: id of the task run that holds the value, or `flow`; stands in the addresses of parts that are left out. Empty
            for the content of a file, of which the rest is downloaded.
        way: keys and numbers from the outputs of the owner to the value.
        root: expression that gives the outputs of the owner, without braces.
    """
    return _Painter(owner, root).paint(value, way)


def paint_branch(value: Any, *, owner: str, way: Way, root: str, start: int) -> SafeString:
    """Return the members of one map or list from a number on, as a part to be put into a tree."""
    return SafeString("".join(_Painter(owner, root).paint_members(value, way, 0, start)))


def find_value(value: Any, way: Way) -> Any:
    """Return what a way leads to, None when it leads nowhere."""
    for step in way:
        if is_envelope(value):
            return None
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def write_step(step: str | int) -> str:
    """Return how an expression goes one step further: `.name`, `['other name']` or `[3]`."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_NAME.match(step) else "['{}']".format(step.replace("\\", "\\\\").replace("'", "\\'"))


class _Painter:
    def __init__(self, owner: str, root: str) -> None:
        self._owner = owner
        self._root = root
        self._count = 0

    def paint(self, value: Any, way: Way) -> SafeString:
        return SafeString(f'<div class="tree">{"".join(self.paint_members(value, way, 0, 0))}</div>')

    def paint_members(self, value: Any, way: Way, depth: int, start: int) -> Iterable[str]:
        members = _list_members(value)
        for step, member in members[start : start + AT_ONCE]:
            self._count += 1
            yield self._paint_member(step, member, (*way, step), depth)
        left = len(members) - start - AT_ONCE
        if left > 0 and not self._owner:
            yield f'<div class="t-leaf faint">{left:,} more; download the file</div>'
        elif left > 0:
            yield self._paint_rest(way, start + AT_ONCE, f"{left:,} more")

    def _paint_rest(self, way: Way, start: int, text: str) -> str:
        query = urlencode({"of": self._owner, "at": json.dumps(way), "start": start})
        return f'<a class="t-more" data-branch href="?{escape(query)}">{text}</a>'

    def _paint_member(self, step: str | int, value: Any, way: Way, depth: int) -> str:
        steps = "".join(write_step(one) for one in way)
        # A file has no expression; there the way inside it is copied.
        expression = escape("{{ " + self._root + steps + " }}" if self._root else steps.removeprefix("."))
        name = f'<button class="t-name" type="button" data-copy="{expression}" title="Copy {expression}">{escape(step)}</button>'
        if is_envelope(value):
            return f'<div class="t-leaf">{name}<span class="faint">{HIDDEN} secret</span></div>'
        if isinstance(value, Mapping | list | tuple) and value:
            is_map = isinstance(value, Mapping)
            noun = "key" if is_map else "item"
            size = f"{len(value):,} {noun if len(value) == 1 else noun + 's'}"
            if self._count > MOST_NODES and not self._owner:
                return f'<div class="t-leaf">{name}<span class="faint">{size}; download the file</span></div>'
            if self._count > MOST_NODES:
                return f'<div class="t-leaf">{name}{self._paint_rest(way, 0, f"show {size}")}</div>'
            inner = "".join(self.paint_members(value, way, depth + 1, 0))
            is_open = " open" if depth + 1 < OPEN_DEPTH and len(value) <= 20 else ""
            return f'<details{is_open}><summary>{name}<span class="faint">{size}</span></summary>{inner}</details>'
        kind, text = _write_leaf(value)
        return f'<div class="t-leaf">{name}<span class="t-{kind}">{escape(text)}</span></div>'


def _list_members(value: Any) -> Sequence[tuple[str | int, Any]]:
    if is_envelope(value):
        return []
    if isinstance(value, Mapping):
        return [(str(name), member) for name, member in value.items()]
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _write_leaf(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}… ({len(value):,} characters)"
        return "text", json.dumps(cut, ensure_ascii=False)
    return ("number" if isinstance(value, int | float) and not isinstance(value, bool) else "word"), json.dumps(
        value, default=str
    )

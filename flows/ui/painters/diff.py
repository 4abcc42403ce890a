"""The difference of two texts, side by side or in one column, with the changed words marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString

CONTEXT_LINES = 4
_WORDS = re.compile(r"\w+|\s+|.")


@dataclass(frozen=True, slots=True)
class _Row:
    left_number: int | None
    left: str
    right_number: int | None
    right: str
    kind: str


def paint_difference(old: str, new: str) -> SafeString:
    """Return a table with four columns: number and line before, number and line after. Empty when nothing differs."""
    if old == new:
        return SafeString("")
    # The widths stand in columns of their own: the first row may be one wide cell, from which a browser would take them.
    rows = ['<table class="diff"><colgroup><col class="d-no"><col><col class="d-no"><col></colgroup><tbody>']
    for row in _list_rows(old.splitlines(), new.splitlines()):
        if row.kind == "gap":
            rows.append(f'<tr class="d-gap"><td colspan="4">{escape(row.left)}</td></tr>')
            continue
        rows.append(
            f'<tr class="d-{row.kind}"><td class="d-no">{row.left_number or ""}</td><td class="d-old">{row.left}</td>'
            f'<td class="d-no">{row.right_number or ""}</td><td class="d-new">{row.right}</td></tr>'
        )
    rows.append("</tbody></table>")
    return SafeString("".join(rows))


def paint_unified(old: str, new: str) -> SafeString:
    """Return a table with three columns: number before, number after, line; what went stands above what came."""
    if old == new:
        return SafeString("")
    rows = ['<table class="diff is-one"><colgroup><col class="d-no"><col class="d-no"><col></colgroup><tbody>']
    gone: list[str] = []
    came: list[str] = []
    for row in _list_rows(old.splitlines(), new.splitlines()):
        if row.kind in ("same", "gap"):
            rows += [*gone, *came]
            gone, came = [], []
        if row.kind == "gap":
            rows.append(f'<tr class="d-gap"><td colspan="3">{escape(row.left)}</td></tr>')
        elif row.kind == "same":
            rows.append(_paint_line("same", row.left_number, row.right_number, "new", row.right))
        if row.kind in ("both", "del"):
            gone.append(_paint_line("del", row.left_number, None, "old", row.left))
        if row.kind in ("both", "add"):
            came.append(_paint_line("add", None, row.right_number, "new", row.right))
    return SafeString("".join([*rows, *gone, *came, "</tbody></table>"]))


def _paint_line(kind: str, before: int | None, after: int | None, side: str, line: str) -> str:
    return (
        f'<tr class="d-{kind}"><td class="d-no">{before or ""}</td><td class="d-no">{after or ""}</td>'
        f'<td class="d-{side}">{line}</td></tr>'
    )


def count_changes(old: str, new: str) -> tuple[int, int]:
    """Return how many lines were added and removed."""
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    added = removed = 0
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            added += new_end - new_start
            removed += end - start
    return added, removed


def _list_rows(old: list[str], new: list[str]) -> Iterator[_Row]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    last = 0
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        if group[0][1] > last:
            yield _Row(None, f"{group[0][1] - last} unchanged lines", None, "", "gap")
        for tag, start, end, new_start, new_end in group:
            yield from _list_block(tag, old, start, end, new, new_start, new_end)
        last = group[-1][2]
    if last < len(old):
        yield _Row(None, f"{len(old) - last} unchanged lines", None, "", "gap")


def _list_block(tag: str, old: list[str], start: int, end: int, new: list[str], new_start: int, new_end: int) -> Iterator[_Row]:
    for offset in range(max(end - start, new_end - new_start)):
        left = start + offset if start + offset < end else None
        right = new_start + offset if new_start + offset < new_end else None
        if tag == "replace" and left is not None and right is not None:
            before, after = _mark_words(old[left], new[right])
        else:
            before = str(escape(old[left])) if left is not None else ""
            after = str(escape(new[right])) if right is not None else ""
        kind = (
            "same" if tag == "equal" else "both" if left is not None and right is not None else "del" if right is None else "add"
        )
        yield _Row(left + 1 if left is not None else None, before, right + 1 if right is not None else None, after, kind)


def _mark_words(old: str, new: str) -> tuple[str, str]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    left, right = [], []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old_text, new_text = escape("".join(before[start:end])), escape("".join(after[new_start:new_end]))
        left.append(str(old_text) if tag == "equal" else f"<mark>{old_text}</mark>" if old_text else "")
        right.append(str(new_text) if tag == "equal" else f"<mark>{new_text}</mark>" if new_text else "")
    return "".join(left), "".join(right)

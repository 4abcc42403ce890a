"""What can be done about a problem of a flow with one click: the change of the text, or nothing. Problems come from elsewhere."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass

from flows.language.source import Path
from flows.language.text_edits import set_value
from flows.plugin_api.registry import Registry
from flows.primitives.errors import InvalidError
from flows.primitives.problems import Problem

_MEANT = re.compile(r'Did you mean "([^"]+)"')
_WRITE = re.compile(r'Write "([^"]+)"')
_MISSING = re.compile(r'must have a property "([^"]+)"')
_TYPE = re.compile(r"\b(?:[a-z0-9_-]+\.){2,}[A-Z]\w*")
_STEPS = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BARE = re.compile(r"^(\s*(?:-\s+)?[\w.-]+\s*:\s+)(\{\{.*\}\}.*?)\s*$")
_MISSPELT = frozenset(
    {
        "unknown-property",
        "unknown-task-type",
        "unknown-trigger-type",
        "unknown-condition-type",
        "unknown-runner-type",
        "invalid-type",
        "wrong-value",
    }
)
_BRANCHES = ("tasks", "then", "else", "cases", "errors", "finally")


@dataclass(frozen=True, slots=True)
class Fix:
    """One change: the text between two places (lines and columns from 1, the end not included) becomes `text`."""

    title: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


def find_fix(problem: Problem, source: str, registry: Registry) -> Fix | None:
    """Return what would mend a problem, or None when that needs a person's thought."""
    place = problem.place
    lines = source.split("\n")
    if place is None or not 0 < place.line <= len(lines):
        return None
    meant = _MEANT.search(problem.hint or "")
    match problem.code:
        case code if meant and code in _MISSPELT:
            return _replace_word(lines, place.line, place.column, meant[1], f"Change it to {meant[1].rpartition('.')[2]}")
        case "old-type" if (wanted := _WRITE.search(problem.hint or "")) is not None:
            return _replace_word(lines, place.line, place.column, wanted[1], f"Write {wanted[1].rpartition('.')[2]} by its name")
        case "deprecated":
            known = [name for name in _TYPE.findall(problem.hint or "") if registry.find(name) is not None]
            return (
                _replace_word(lines, place.line, place.column, known[0], f"Use {known[0].rpartition('.')[2]}") if known else None
            )
        case "required" if (missing := _MISSING.search(problem.message)) is not None:
            return _add_property(source, place.path, missing[1])
        case "yaml-key" | "yaml-syntax":
            return _mend_line(lines, place.line)
    return None


def _replace_word(lines: list[str], line: int, column: int, word: str, title: str) -> Fix | None:
    rest = lines[line - 1][column - 1 :]
    quote = rest[:1] if rest[:1] in ("'", '"') else ""
    body = rest[len(quote) :]
    # The pattern matches nothing, too.
    length = body.find(quote) if quote else len(re.match(r"[^\s:#,\]}]*", body)[0])  # type: ignore[index]
    if length <= 0:
        return None
    start = column + len(quote)
    return Fix(title, line, start, line, start + length, word)


def _add_property(source: str, path_text: str, name: str) -> Fix | None:
    path: Path = tuple(int(number) if number else word for word, number in _STEPS.findall(path_text))
    value = "[]" if name == "tasks" else '""'
    try:
        changed = set_value(source, (*path, name), value, is_yaml=True, before=_BRANCHES)
    except InvalidError:
        return None
    return between(source, changed, f'Add "{name}"')


def between(old: str, new: str, title: str) -> Fix:
    """Return the one change that turns a text into another: what lies between their equal beginnings and ends."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    stop = len(old) - end
    return Fix(title, *_place(old, start), *_place(old, stop), new[start : len(new) - end])


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _mend_line(lines: list[str], line: int) -> Fix | None:
    text = lines[line - 1]
    if "\t" in text[: len(text) - len(text.lstrip())]:
        return Fix("Indent with spaces", line, 1, line, len(text) + 1, text.replace("\t", "  "))
    bare = _BARE.match(text)
    if bare is not None:
        quoted = json.dumps(bare[2], ensure_ascii=False)
        return Fix("Quote the expression", line, len(bare[1]) + 1, line, len(text) + 1, quoted)
    return None


def count_touched_lines(old: str, new: str) -> int:
    """Return how many lines of the old text a change touches, for the message that a form shows."""
    opcodes = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()
    return sum(max(end - start, new_end - new_start) for tag, start, end, new_start, new_end in opcodes if tag != "equal")

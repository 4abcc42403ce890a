"""What `lint` can mend by itself without changing what a flow does: old names, unused variables, blanks at line ends."""

from __future__ import annotations

import re

from flows.language.lint import lint_flow
from flows.language.parse import parse_flow
from flows.language.quick_fixes import Fix, find_fix
from flows.language.text_edits import remove_value
from flows.plugin_api.registry import Registry
from flows.primitives.errors import InvalidError
from flows.primitives.problems import Problem

_RENAMED = frozenset({"old-type", "deprecated"})
_MOST_FIXES = 500
_BLANKS = re.compile(r"[ \t]+(?=\r?\n|\Z)")


def fix_flow(text: str, registry: Registry) -> tuple[str, list[Problem]]:
    """
    Return the document with everything mended that needs no thought, and the problems that this solved, in the order of mending.

    A document that cannot be read stays as it is. Blanks at line ends stay where a block text has them, because they are part
    of its value.
    """
    solved: list[Problem] = []
    for _ in range(_MOST_FIXES):
        found = _find_next(text, registry, solved)
        if found is None:
            break
        text, problem = found
        solved.append(problem)
    return _trim(text, registry), solved


def _find_next(text: str, registry: Registry, solved: list[Problem]) -> tuple[str, Problem] | None:
    result = parse_flow(text, registry)
    problems = [*result.problems, *(lint_flow(text, result.flow) if result.flow is not None else ())]
    for problem in problems:
        changed = _mend(text, problem, registry)
        if changed is not None and changed != text and problem not in solved:
            return changed, problem
    return None


def _mend(text: str, problem: Problem, registry: Registry) -> str | None:
    if problem.code in _RENAMED:
        fix = find_fix(problem, text, registry)
        return None if fix is None else _apply(text, fix)
    if problem.code == "unused-variable" and problem.place is not None:
        section, _, name = problem.place.path.partition(".")
        try:
            return remove_value(text, (section, name))
        except InvalidError:
            return None
    return None


def _apply(text: str, fix: Fix) -> str:
    lines = text.split("\n")
    before = [*lines[: fix.line - 1], lines[fix.line - 1][: fix.column - 1]]
    after = [lines[fix.end_line - 1][fix.end_column - 1 :], *lines[fix.end_line :]]
    return "\n".join(before) + fix.text + "\n".join(after)


def _trim(text: str, registry: Registry) -> str:
    trimmed = _BLANKS.sub("", text)
    trimmed = trimmed if trimmed.endswith("\n") or not trimmed else f"{trimmed}\n"
    before, after = (parse_flow(each, registry).flow for each in (text, trimmed))
    same = before is not None and after is not None and before.raw == after.raw
    return trimmed if same else text

"""What is allowed in a flow and yet probably a mistake: names that do not exist or are never used, and ids in mixed styles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError
from flows.expressions.statements import parse_template
from flows.expressions.syntax_check import check_syntax
from flows.language.flow import Flow
from flows.language.source import Document, Path, read_document
from flows.language.validate import list_task_ids
from flows.primitives.problems import Place, Problem, Severity

_PLAIN_ID = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_ROOTS = ("inputs", "vars", "outputs")


@dataclass(frozen=True, slots=True)
class _Use:
    """One `root.key` in an expression; the key is None where the whole map, or a computed key, is used."""

    root: str
    key: str | None
    place: Place


def lint_flow(text: str, flow: Flow) -> list[Problem]:
    """
    Return what a careful reader would ask about, by line.

    Args:
        text: the document that `flow` was read from.

    Returns:
        WARNING for what fails when it is evaluated, or for a declared name that nothing uses; INFO for matters of style. What
        validation reports already is left out.

    Source: command line, 2.2 (lint).
    """
    document = read_document(text)
    problems = list(_list_style_faults(document, flow))
    uses: list[_Use] = []
    for path, value in _walk_texts(document.data, ()):
        place = document.find_place(path)
        first = _first_line(text, place)
        for problem in check_syntax(value):
            if problem.severity is Severity.WARNING and problem.place is not None:
                moved = Place(first + problem.place.line - 1, place.column, place.path)
                problems.append(Problem(problem.code, problem.message, problem.hint, moved, Severity.WARNING))
        uses += _list_uses(value, Place(first, place.column, place.path))
    problems += _list_unknown_names(flow, uses)
    problems += _list_unused_names(document, flow, uses)
    return sorted(problems, key=lambda problem: (problem.place.line if problem.place else 0, problem.code))


def _walk_texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk_texts(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk_texts(item, (*path, position))


def _first_line(text: str, place: Place) -> int:
    """Return the line in which a value begins: that of a block text stands below its `|` or `>`."""
    lines = text.split("\n")
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return place.line + (line[place.column - 1 : place.column] in ("|", ">"))


def _list_uses(value: str, place: Place) -> Iterator[_Use]:
    try:
        tree = parse_template(value)
    except (ExpressionError, RecursionError):
        return
    named: set[int] = set()
    for node in nodes.walk(tree):
        if isinstance(node, nodes.Item) and isinstance(node.target, nodes.Name) and node.target.name in _ROOTS:
            named.add(id(node.target))
            key = node.key.value if isinstance(node.key, nodes.Literal) else None
            yield _Use(node.target.name, key if isinstance(key, str) else None, _at_line(place, node.line))
        elif isinstance(node, nodes.Name) and node.name in _ROOTS and id(node) not in named:
            yield _Use(node.name, None, _at_line(place, node.line))


def _at_line(place: Place, line: int) -> Place:
    return Place(place.line + line - 1, place.column, place.path)


def _list_unknown_names(flow: Flow, uses: list[_Use]) -> Iterator[Problem]:
    # A dynamic task makes outputs under names that no text shows.
    is_open = any(task.arrangement == "template" or "EachSequential" in task.type for task in flow.all_tasks())
    known = {
        "inputs": {one.id.partition(".")[0] for one in flow.inputs},
        "vars": set(flow.variables),
        "outputs": {name for task in flow.all_tasks() for name in list_task_ids(task)},
    }
    kinds = {"inputs": "input", "vars": "variable", "outputs": "task"}
    for use in uses:
        if use.key is None or use.key in known[use.root] or (use.root == "outputs" and is_open):
            continue
        names = ", ".join(sorted(known[use.root])) or "none"
        yield Problem(
            f"unknown-{kinds[use.root]}",
            f'"{use.root}.{use.key}" names no {kinds[use.root]} of the flow.',
            f"Known ones: {names}.",
            use.place,
            Severity.WARNING,
        )


def _list_unused_names(document: Document, flow: Flow, uses: list[_Use]) -> Iterator[Problem]:
    used = {(use.root, use.key) for use in uses}
    if ("vars", None) not in used:
        for name in flow.variables:
            if ("vars", name) not in used:
                place = document.find_place(("variables", name), of_key=True)
                yield _unused("variable", name, place)
    if ("inputs", None) not in used:
        for position, one in enumerate(flow.inputs):
            if ("inputs", one.id.partition(".")[0]) not in used:
                yield _unused("input", one.id, document.find_place(("inputs", position)))


def _unused(kind: str, name: str, place: Place) -> Problem:
    return Problem(f"unused-{kind}", f'No expression uses the {kind} "{name}".', "Remove it, or use it.", place, Severity.WARNING)


def _list_style_faults(document: Document, flow: Flow) -> Iterator[Problem]:
    if not flow.description:
        yield Problem("no-description", "The flow has no description.", "", document.find_place(("id",)), Severity.INFO)
    named = [(flow.id, ("id",)), *_list_ids(document.data, ())]
    joints: dict[str, str] = {}
    for name, path in named:
        place = document.find_place(path)
        if not _PLAIN_ID.fullmatch(name):
            hint = "Write ids in lower case, with - or _ between the words."
            yield Problem("id-style", f'The id "{name}" mixes cases or joints.', hint, place, Severity.INFO)
        for joint in "-_":
            if joint in name.removeprefix(joint):
                joints.setdefault(joint, name)
    if len(joints) > 1:
        yield Problem(
            "id-joints",
            f'Some ids join their words with "-" ("{joints["-"]}"), some with "_" ("{joints["_"]}").',
            'Keep to one; "_" needs no brackets in expressions.',
            document.find_place(("id",)),
            Severity.INFO,
        )


def _list_ids(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
    if isinstance(value, dict):
        if path and isinstance(value.get("id"), str) and isinstance(value.get("type"), str):
            yield value["id"], (*path, "id")
        for key, item in value.items():
            yield from _list_ids(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _list_ids(item, (*path, position))

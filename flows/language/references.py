"""Names that one part of a flow takes from another: inputs that a trigger must give, and ids with a dash in expressions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from flows.language.declared_inputs import list_flat
from flows.language.flow import Flow, Task
from flows.primitives.problems import Place, Problem, Severity

_ASKS_NOBODY = {"schedule": "Schedule", "webhook": "Webhook"}
"""Families of triggers whose executions get only the inputs that the trigger names."""

_READ = re.compile(r"\{\{-?\s*(?:inputs\.(?P<input>[\w.-]+)\s*\}\}|outputs\.(?P<task>[\w-]+)\.[^}]+\}\})", re.ASCII)
_NOT_RENDERED = re.compile(r"\{#.*?#\}|\{%-?\s*(raw|verbatim)\s*-?%\}.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)


def find_unsupplied_inputs(flow: Flow) -> Iterator[Problem]:
    """
    Yield a warning for each Schedule and Webhook that leaves out a required input without default: none of its executions can
    start. Older flows hold such triggers, so they are not refused. An input that depends on others may not be asked for.
    """
    needed = [
        name
        for name, one in list_flat(flow.inputs)
        if one.required and not one.has_default and not one.depends_on and "expression" not in one.options
    ]
    for trigger in flow.triggers:
        if trigger.family not in _ASKS_NOBODY or trigger.disabled:
            continue
        missing = [name for name in needed if not _is_supplied(trigger.inputs or {}, name)]
        if missing:
            names = ", ".join(f'"{name}"' for name in missing)
            yield Problem(
                "missing-trigger-inputs",
                f'{_ASKS_NOBODY[trigger.family]} trigger "{trigger.id}" does not give the required '
                f"{'input' if len(missing) == 1 else 'inputs'} {names}.",
                'Name the values under "inputs" of the trigger, or give the inputs defaults.',
                Place(*trigger.position, path=trigger.id),
                Severity.WARNING,
            )


def _is_supplied(supplied: Mapping[str, Any], name: str) -> bool:
    if name in supplied:
        return True
    level: Any = supplied
    for step in name.split("."):
        if not isinstance(level, Mapping) or step not in level:
            return False
        level = level[step]
    return True


def find_dashed_references(flow: Flow, tasks: Sequence[Task]) -> Iterator[Problem]:
    """Yield a problem for each task and output that reads `inputs.my-key`: that is a subtraction and fails in every execution."""
    dashed = {("inputs", one.id) for one in flow.inputs if "-" in one.id}
    dashed |= {("outputs", task.id) for task in tasks if "-" in task.id}
    if not dashed:
        return
    for task in tasks:
        place = Place(*task.position, path=task.id)
        yield from _find_dashes(task.properties, dashed, f'task "{task.id}"', place)
    for output in flow.outputs:
        yield from _find_dashes(output.value, dashed, f'output "{output.id}"', Place(1, 1, path="outputs"))


def _find_dashes(value: Any, dashed: Collection[tuple[str, str]], owner: str, place: Place) -> Iterator[Problem]:
    for root, name in dict.fromkeys(_list_read(value)):
        if (root, name) in dashed:
            yield Problem(
                "dashed-name",
                f'Invalid {root.removesuffix("s")} reference "{root}.{name}" in {owner}: a dash in a path is a minus sign.',
                f"Write {root}['{name}'].",
                place,
            )


def _list_read(value: Any) -> Iterator[tuple[str, str]]:
    for text in _list_texts(value):
        for found in _READ.finditer(_NOT_RENDERED.sub("", text) if "{%" in text or "{#" in text else text):
            yield ("inputs", found["input"]) if found["input"] else ("outputs", found["task"])


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _list_texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _list_texts(item)

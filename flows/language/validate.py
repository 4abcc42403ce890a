"""Rules that concern a whole flow: unique ids, references, circles, recursion. One element alone is checked where it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from flows.language.declared_inputs import find_circle
from flows.language.flow import Flow, Task, Trigger
from flows.language.reading import MAX_PROBLEMS, Reading, suggest_name
from flows.language.references import find_dashed_references, find_unsupplied_inputs
from flows.primitives.problems import Place, Problem

_ITEM_SUFFIXES = ("_split", "_items", "_merge")
_FIND_FLOW = frozenset({"subflow", "for-each-item"})


def validate_flow(flow: Flow, reading: Reading) -> None:
    """
    Report every breach of a rule between the parts of a flow.

    Args:
        flow: as far as it could be read.
        reading: takes the problems and knows where the parts stand.

    Source: flow language, 2.4.
    """
    for problem in islice(find_problems(flow), MAX_PROBLEMS):
        reading.add(problem)


def find_problems(flow: Flow) -> Iterator[Problem]:
    """Yield the problems of `validate_flow` as values; works on a flow without its document too."""
    tasks = list(flow.all_tasks())
    yield from _find_double_tasks(tasks)
    yield from _find_double_triggers(flow.triggers)
    yield from _find_double_preconditions(flow.triggers)
    yield from find_unsupplied_inputs(flow)
    yield from find_dashed_references(flow, tasks)
    for task in tasks:
        if task.arrangement == "dag":
            yield from _find_dag_problems(task)
        elif task.arrangement == "switch" and not _has_cases(task):
            yield _problem(
                task,
                "empty-switch",
                f"{task.id}: No task defined, neither cases or default have any tasks.",
                "Give the Switch a case with a task.",
            )
        elif task.arrangement == "working-directory":
            yield from _find_directory_problems(task)
        if task.role == "executable" or task.arrangement in _FIND_FLOW:
            yield from _find_recursion(task, flow)


def list_task_ids(task: Task) -> tuple[str, ...]:
    """Return the ids that a task takes up: its own and, for a ForEachItem, those of its hidden parts."""
    hidden = _ITEM_SUFFIXES if task.arrangement == "for-each-item" else ()
    return (task.id, *(f"{task.id}{suffix}" for suffix in hidden))


def _problem(task: Task | Trigger, code: str, message: str, hint: str = "") -> Problem:
    return Problem(code, message, hint, Place(*task.position, path=task.id))


def _find_double_tasks(tasks: list[Task]) -> Iterator[Problem]:
    first: dict[str, Task] = {}
    for task in tasks:
        for name in list_task_ids(task):
            other = first.setdefault(name, task)
            if other is not task and name:
                yield _problem(
                    task,
                    "duplicate-task",
                    f"Duplicate task id with name [{name}], first used in line {other.position[0]}.",
                    "Task ids are unique in the whole flow, all branches and error handlers included: rename one of the two.",
                )


def _find_double_triggers(triggers: tuple[Trigger, ...]) -> Iterator[Problem]:
    first: dict[str, Trigger] = {}
    for trigger in triggers:
        other = first.setdefault(trigger.id, trigger)
        if other is not trigger and trigger.id:
            yield _problem(
                trigger,
                "duplicate-trigger",
                f"Duplicate trigger id with name [{trigger.id}], first used in line {other.position[0]}.",
                "Rename one of the two.",
            )


def _find_double_preconditions(triggers: tuple[Trigger, ...]) -> Iterator[Problem]:
    first: dict[str, Trigger] = {}
    for trigger in triggers:
        block = trigger.properties.get("preconditions")
        name = block.get("id") if isinstance(block, Mapping) else None
        if isinstance(name, str) and first.setdefault(name, trigger) is not trigger:
            yield _problem(
                trigger,
                "duplicate-preconditions",
                f'Duplicate preconditions with id [{name}]: those of the trigger "{first[name].id}" have it, too.',
                "What is met is remembered under this id: rename one of the two.",
            )


def _has_cases(task: Task) -> bool:
    return any(tasks for name, tasks in task.branches.items() if name == "defaults" or name.startswith("case:"))


def _find_dag_problems(task: Task) -> Iterator[Problem]:
    names = set(task.depends_on)
    children = {child.id: child for child in task.branches.get("tasks", ())}
    for name, wanted in task.depends_on.items():
        for other in wanted:
            if other not in names:
                near = suggest_name(other, names)
                yield _problem(
                    children.get(name, task),
                    "unknown-dependency",
                    f'{task.id}: task "{name}" depends on "{other}", which is no task of this Dag.',
                    f'Did you mean "{near}"?' if near else "Name a task of the same Dag.",
                )
    circle = find_circle(task.depends_on)
    if circle:
        yield _problem(
            task,
            "dependency-cycle",
            f"{task.id}: Cyclic dependency detected: {', '.join(circle)}.",
            "Remove one of the dependencies.",
        )


def _find_directory_problems(task: Task) -> Iterator[Problem]:
    for child in task.branches.get("tasks", ()):
        if child.role != "runnable":
            yield _problem(
                child,
                "directory-child",
                f"{task.id}: Only runnable tasks are allowed as children of a WorkingDirectory task, "
                f'but "{child.id}" is of type {child.type}.',
                "Move it outside.",
            )
        if child.worker_group is not None:
            yield _problem(
                child,
                "directory-worker-group",
                f'{task.id}: "{child.id}" may not have a worker group, because all children share one directory.',
                "Set the group on the WorkingDirectory.",
            )


def _find_recursion(task: Task, flow: Flow) -> Iterator[Problem]:
    properties: Mapping[str, Any] = task.properties
    if properties.get("namespace") == flow.namespace and properties.get("flowId") == flow.id:
        yield _problem(
            task,
            "recursive-flow",
            f"{task.id}: Recursive call to flow [{flow.namespace}.{flow.id}].",
            "A flow cannot start itself without end: call another flow.",
        )

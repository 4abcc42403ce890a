"""Tasks and their children: YAML to `Task` values, every task list and special form of the flowables included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flows.language import definitions
from flows.language.declared_inputs import read_inputs
from flows.language.elements import check_name, read_duration, read_outputs, read_retry, read_worker_group
from flows.language.flow import Task
from flows.language.plugins import PluginReading, read_plugin
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import Path
from flows.primitives.identifiers import NameKind
from flows.primitives.problems import Severity

CASE_PREFIX = "case:"
_DAG_ITEM = definitions.record(
    {"task": {}, "dependsOn": definitions.many(definitions.text())},
    required=("task",),
    description="A task and what it waits for.",
)
_INPUT_PROPERTIES = {"pause": "onResume", "approval": "inputs"}


def read_tasks(reading: Reading, value: Any, path: Path, owner: str, *, needed: bool = False) -> tuple[Task, ...]:
    """
    Return the tasks of one list and report what is wrong with them.

    Args:
        owner: whom the list belongs to, in words.
        needed: True when the list must hold a task.

    Returns:
        The tasks that could be read, each with its children; may be fewer than are written when there are problems.
    """
    name = path[-1] if path and isinstance(path[-1], str) else "tasks"
    if value is None or value == []:
        if needed:
            reading.report("empty", f'Property "{name}" of {owner} must not be empty.', path, hint="Give it at least one task.")
        return ()
    if not isinstance(value, list):
        reading.report("wrong-type", f'Property "{name}" of {owner} must be a list of tasks.', path)
        return ()
    found = (read_task(reading, item, (*path, index)) for index, item in enumerate(value))
    return tuple(task for task in found if task is not None)


def read_task(reading: Reading, value: Any, path: Path) -> Task | None:
    """Return one task with its children, or None when it is no mapping or has no type. One of an unknown type has no children."""
    read = read_plugin(reading, value, path, "task", parts=_parts_of(reading, value))
    if read is None:
        if isinstance(value, dict):
            check_name(reading, NameKind.TASK, value.get("id"), (*path, "id"))
        return _read_unknown_task(reading, value, path)
    common, owner = read.common, read.owner
    check_name(reading, NameKind.TASK, common.get("id"), (*path, "id"))
    branches, depends_on = _read_branches(reading, read, path)
    own = dict(read.own)
    reading.document.adopt(own, value)
    arrangement = read.entry.arrangement
    reading.check_expressions(common.get("when"), (*path, "when"))
    cache = common.get("taskCache") or {}
    if common.get("version") is not None:
        reading.report(
            "ignored-property", f'Property "version" of {owner} is ignored: one version of a plugin is installed.',
            (*path, "version"), severity=Severity.WARNING,
        )  # fmt: skip
    place = reading.place(path)
    inputs_from = _INPUT_PROPERTIES.get(arrangement or "")
    return Task(
        id=str(common.get("id") or ""),
        type=read.entry.type,
        role=read.entry.role or "runnable",
        arrangement=arrangement,
        light=read.entry.light,
        properties=own,
        branches=branches,
        depends_on=depends_on,
        description=common.get("description"),
        retry=read_retry(reading, common.get("retry"), (*path, "retry"), owner),
        timeout=_read_timeout(reading, common.get("timeout"), (*path, "timeout")),
        when=common.get("when"),
        disabled=bool(common.get("disabled", False)),
        allow_failure=bool(common.get("allowFailure", False)),
        allow_warning=bool(common.get("allowWarning", False)),
        log_level=common.get("logLevel"),
        log_to_file=bool(common.get("logToFile", False)),
        worker_group=read_worker_group(reading, common, path),
        cache_enabled=bool(cache.get("enabled", False)),
        cache_ttl=read_duration(cache.get("ttl")),
        inputs=read_inputs(reading, own.get(inputs_from), (*path, inputs_from)) if inputs_from else (),
        outputs=read_outputs(reading, own.get("outputs"), (*path, "outputs")) if arrangement == "loop" else (),
        position=(place.line, place.column),
    )


def _read_unknown_task(reading: Reading, value: Any, path: Path) -> Task | None:
    """Return what a picture can show of a task whose type no installed plugin provides."""
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) and value[key] for key in ("id", "type")):
        return None
    place = reading.place(path)
    return Task(id=value["id"], type=value["type"], role="unknown", position=(place.line, place.column))


def _parts_of(reading: Reading, value: Any) -> tuple[str, ...]:
    """Return the properties of a task that are read here although the plugin does not call them branches."""
    entry = reading.registry.find(value["type"]) if isinstance(value, dict) and isinstance(value.get("type"), str) else None
    return ("cases",) if entry is not None and entry.arrangement == "switch" else ()


def _read_timeout(reading: Reading, value: Any, path: Path) -> str | timedelta | None:
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        reading.check_expressions(value, path)
        return value
    return read_duration(value)


def _read_branches(
    reading: Reading, read: PluginReading, path: Path
) -> tuple[dict[str, tuple[Task, ...]], dict[str, tuple[str, ...]]]:
    arrangement = read.entry.arrangement or ""
    needed = definitions.REQUIRED_BRANCHES.get(arrangement, ())
    branches: dict[str, tuple[Task, ...]] = {}
    depends_on: dict[str, tuple[str, ...]] = {}
    if arrangement == "switch":
        branches.update(_read_cases(reading, read, path))
    for name in read.entry.branches:
        value, here = read.branches.get(name), (*path, name)
        if name == "cases":
            continue
        if arrangement == "dag" and name == "tasks":
            branches[name], depends_on = _read_dag(reading, value, here, read.owner)
            continue
        if name == "onPause" and isinstance(value, dict):
            task = read_task(reading, value, here)
            branches[name] = (task,) if task else ()
        else:
            is_empty_default = arrangement == "switch" and name == "defaults" and value == []
            branches[name] = read_tasks(reading, value, here, read.owner, needed=name in needed or is_empty_default)
    return {name: tasks for name, tasks in branches.items() if tasks}, depends_on


def _read_cases(reading: Reading, read: PluginReading, path: Path) -> dict[str, tuple[Task, ...]]:
    """Return the cases of a Switch by `case:<key>`; the reader has already made every key a text."""
    value = read.branches.get("cases")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        reading.report("wrong-type", f'Property "cases" of {read.owner} must be a mapping from value to tasks.', (*path, "cases"))
        return {}
    return {
        f"{CASE_PREFIX}{key}": read_tasks(reading, tasks, (*path, "cases", key), read.owner, needed=True)
        for key, tasks in value.items()
    }


def _read_dag(reading: Reading, value: Any, path: Path, owner: str) -> tuple[tuple[Task, ...], dict[str, tuple[str, ...]]]:
    if not isinstance(value, list) or not value:
        return read_tasks(reading, value, path, owner, needed=True), {}
    tasks: list[Task] = []
    depends_on: dict[str, tuple[str, ...]] = {}
    for index, item in enumerate(value):
        here = (*path, index)
        checked = check_shape(reading, _DAG_ITEM, item, here, f"item {index} of {owner}")
        if not isinstance(checked, dict) or "task" not in checked:
            continue
        task = read_task(reading, checked["task"], (*here, "task"))
        if task is not None:
            tasks.append(task)
            names = checked.get("dependsOn")
            depends_on[task.id] = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
    return tuple(tasks), depends_on

"""Short words for the tasks of test flows: each returns one task as a mapping, ready for YAML."""

from __future__ import annotations

from typing import Any

CORE = "io.kestra.plugin.core"
Task = dict[str, Any]


def task(task_id: str, kind: str, /, **properties: Any) -> Task:
    """Return a task of a core type, such as `flow.If`. A final underscore lets a property be called `else_` or `from_`."""
    return {"id": task_id, "type": f"{CORE}.{kind}", **{name.rstrip("_"): value for name, value in properties.items()}}


def log(task_id: str, message: Any = "written", /, **properties: Any) -> Task:
    """Return a task that writes a log line."""
    return task(task_id, "log.Log", message=message, **properties)


def fail(task_id: str, /, **properties: Any) -> Task:
    """Return a task that fails, always or while `condition` holds."""
    return task(task_id, "execution.Fail", **properties)


def returned(task_id: str, text: str, /, **properties: Any) -> Task:
    """Return a task whose output `value` is a rendered text."""
    return task(task_id, "debug.Return", format=text, **properties)


def sleep(task_id: str, duration: str, /, **properties: Any) -> Task:
    """Return a task that takes a while without any process."""
    return task(task_id, "flow.Sleep", duration=duration, **properties)


def shell(task_id: str, /, *commands: str, **properties: Any) -> Task:
    """Return a task that runs shell commands as a child process of the worker."""
    return {
        "id": task_id,
        "type": "io.kestra.plugin.scripts.shell.Commands",
        "taskRunner": {"type": f"{CORE}.runner.Process"},
        "commands": list(commands),
        **properties,
    }


def subflow(task_id: str, flow_id: str, /, **properties: Any) -> Task:
    """Return a task that runs another flow of the same namespace."""
    return task(task_id, "flow.Subflow", namespace="{{ flow.namespace }}", flowId=flow_id, **properties)


def trigger(trigger_id: str, kind: str, /, **properties: Any) -> Task:
    """Return a trigger of a core type, such as `Schedule`."""
    return task(trigger_id, f"trigger.{kind}", **properties)


FIRST_ATTEMPT = "{{ taskrun.attemptsCount == 0 }}"
"""Holds in the first attempt only: the condition of a task that fails once."""


def retry_at_once(max_attempts: int, /, **properties: Any) -> dict[str, Any]:
    """Return a retry that hardly waits."""
    return {"type": "constant", "interval": "PT0.1S", "maxAttempts": max_attempts, **properties}

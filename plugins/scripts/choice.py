"""Which task runner a task gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Properties, load_properties
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.docker_runner import Docker
from plugins.scripts.properties import ExecProperties, LegacyRunner
from plugins.scripts.runners import Process, TaskRunner

_RUNNERS: dict[str, type[TaskRunner]] = {name: runner for runner in (Process, Docker) for name in (runner.type, *runner.aliases)}
_BY_WORD: dict[str, type[TaskRunner]] = {"process": Process, "docker": Docker}


def choose_runner(context: RunContext, props: ExecProperties) -> tuple[TaskRunner, Properties]:
    """
    Return the runner of a task and its properties, rendered.

    The old property `runner` goes before `taskRunner`; a task with neither gets the server's default (setting
    `scripts.default-runner`, `process` unless set).

    Raises:
        TaskFailure: the named runner does not exist.
        PropertyError: a property of the runner does not fit.
    """
    written: Mapping[str, Any] = {}
    chosen: type[TaskRunner]
    if props.runner is not None:
        chosen = Docker if props.runner is LegacyRunner.DOCKER else Process
        written = props.docker or {} if chosen is Docker else {}
    elif props.task_runner is not None:
        name = str(props.task_runner.get("type") or "")
        if name not in _RUNNERS:
            raise TaskFailure(
                f'The task runner "{name}" is not installed; known are {", ".join(sorted(r.type for r in _BY_WORD.values()))}. '
                'Change "type" of "taskRunner".',
                permanent=True,
            )
        chosen = _RUNNERS[name]
        written = {k: v for k, v in props.task_runner.items() if k != "type"}
        if chosen is Docker:
            written = {**written, **(props.docker or {})}
    else:
        word = str(context.config("scripts.default-runner", "process")).lower()
        if word not in _BY_WORD:
            raise TaskFailure(
                f'The server setting "scripts.default-runner" is "{word}"; it must be one of {", ".join(_BY_WORD)}.',
                permanent=True,
            )
        chosen = _BY_WORD[word]
    runner = chosen()
    return runner, load_properties(runner.Props, written, context.render)

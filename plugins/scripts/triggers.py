"""Triggers that run a script again and again and start an execution when its result matches a condition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Mark, Output, Prop, Properties, Static
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.triggers import PollingTrigger, PollResult
from flows.plugin_api.value_types import Duration, Text
from plugins.scripts.engine import CommandsTask, ExecTask, ScriptTask
from plugins.scripts.languages import BUN, DENO, DOTNET, GO, JULIA, NODE, POWERSHELL, PYTHON, RUBY, SHELL, Language, R
from plugins.scripts.properties import CommandsProperties, LegacyRunner, ScriptOutput, ScriptProperties

_EXIT = re.compile(r"\s*exit\s+(\d+)\s*", re.IGNORECASE)
_EXAMPLE = """\
id: watch
namespace: company.team
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "It ended with {{{{ trigger.exitCode }}}}"
triggers:
  - id: check
    type: {type}
    interval: PT1M
    exitCondition: exit 0
{sample}
"""
LANGUAGES = (PYTHON, NODE, SHELL, POWERSHELL, R, RUBY, GO, JULIA, BUN, DENO, DOTNET)


class WatchProperties(Properties):
    """What both script triggers have. Source: core tasks, 10.6."""

    exit_condition: Prop[str] = Field(
        min_length=1, description='"exit N" compares the exit code; other text is a regular expression searched in the result.'
    )
    interval: Static[Duration] = Field(default=timedelta(seconds=60), description="Time between two runs.")
    edge: Prop[bool] = Field(default=True, description="Fire only when a match begins; false fires at every match.")
    container_image: Prop[str] | None = Field(default=None, description="Accepted and not used: the script runs as a process.")


class ScriptTriggerProperties(WatchProperties):
    """An inline program that is run at each poll."""

    script: Annotated[Static[str], Mark(dynamic=True)] = Field(description="The program's text.")


class CommandsTriggerProperties(WatchProperties):
    """Lines that are run at each poll."""

    commands: Annotated[Static[list[Text]], Mark(dynamic=True, language="shell")] = Field(min_length=1, description="The lines.")


class WatchOutput(Output):
    """What `trigger.*` holds."""

    timestamp: str = Field(description="When the run ended, UTC.")
    condition: str = Field(description="The condition that matched.")
    exit_code: int = Field(description="Exit code of the run.")
    vars: dict[str, Any] = Field(default={}, description="Values that the script sent as outputs.")


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a run ended: its output and, when it failed, its message and what it logged."""

    output: ScriptOutput
    text: str = ""


class WatchTrigger(PollingTrigger):
    """Runs the script of its task class on the process runner and compares the result."""

    Output = WatchOutput
    task_class: type[ExecTask]

    def __init__(self) -> None:
        self._task = self.task_class()

    def kill(self) -> None:
        """Stop the running script."""
        self._task.kill()

    def poll(self, context: RunContext, props: Any, state: Mapping[str, Any]) -> PollResult:
        """Run once; fires on a match, with `edge` only when the last run did not match. `state` keeps whether it matched."""
        ended = self._run(context, props)
        matches = is_match(props.exit_condition, ended.output, ended.text)
        fires = matches and not (props.edge and state.get("matched", False))
        found = WatchOutput(
            timestamp=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            condition=props.exit_condition,
            exit_code=ended.output.exit_code,
            vars=ended.output.vars,
        )
        return PollResult(variables=found.dump() if fires else None, state={"matched": matches})

    def _run(self, context: RunContext, props: Any) -> _Ended:
        captured = _CapturingContext(context)
        try:
            output = self._task.run(captured, self._task_properties(props))
        except TaskFailure as failure:
            if not isinstance(failure.outputs, ScriptOutput) or context.cancelled.is_set():
                raise
            return _Ended(failure.outputs, "\n".join([failure.message, *captured.log.lines]))
        return _Ended(output)

    def _task_properties(self, props: Any) -> Any:
        if isinstance(props, ScriptTriggerProperties):
            return ScriptProperties.model_validate({"script": props.script, "runner": LegacyRunner.PROCESS})
        return CommandsProperties.model_validate({"commands": props.commands, "runner": LegacyRunner.PROCESS})


def is_match(condition: str, output: ScriptOutput, failure_text: str) -> bool:
    """
    Tell whether a run matches an exit condition.

    `exit N` compares the code. Other text is searched as a regular expression, or as plain text when it is none, in the
    values that the script sent and, after a failure, in its message and logs.
    """
    wanted = _EXIT.fullmatch(condition)
    if wanted:
        return output.exit_code == int(wanted[1])
    try:
        pattern = re.compile(condition)
    except re.error:
        pattern = re.compile(re.escape(condition))
    return any(pattern.search(text) for text in (*_texts(output.vars), failure_text) if text)


def _texts(values: Mapping[str, Any]) -> list[str]:
    return [str(dict(values)), *(str(value) for value in values.values())] if values else []


class _CapturingLog:
    """Passes entries on and keeps the last ones."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.lines: list[str] = []

    def log(self, level: str, message: str, *, at: datetime | None = None) -> None:
        self.lines = [*self.lines[-999:], message]
        self._inner.log(level, message, at=at)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _CapturingContext:
    """The context of a poll, with a log that can be read back."""

    def __init__(self, inner: RunContext) -> None:
        self._inner = inner
        self.log: Any = _CapturingLog(inner.log)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _make(language: Language, kind: str, task: type[ExecTask], props: type[WatchProperties], sample: str) -> type[WatchTrigger]:
    type_name = f"io.kestra.plugin.scripts.{language.package}.{kind}Trigger"
    example = _EXAMPLE.format(type=type_name, sample=sample)
    watched = f"{language.package.capitalize()}Watched{kind}"
    attributes = {
        "__module__": __name__,
        "__doc__": f"Runs {language.name} at an interval, as a process of the worker, and fires when the result matches.",
        "type": type_name,
        "title": f"Start when {'a script' if kind == 'Script' else 'commands'} in {language.name} give a result",
        "Props": props,
        "examples": (example,),
        "task_class": type(watched, (task,), {"language": language, "__module__": __name__}),
    }
    return type(f"{language.package.capitalize()}{kind}Trigger", (WatchTrigger,), attributes)


globals().update(
    {
        made.__name__: made
        for language in LANGUAGES
        for made in (
            _make(language, "Script", ScriptTask, ScriptTriggerProperties, "    script: exit 0"),
            _make(language, "Commands", CommandsTask, CommandsTriggerProperties, "    commands:\n      - test -e /tmp/ready"),
        )
    }
)

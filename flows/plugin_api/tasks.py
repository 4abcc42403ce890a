"""What a task plugin is: a class with typed properties, a typed output and `run`. Public and versioned; change with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Output
from flows.plugin_api.plugin_type import OutputClass, PluginType

RunResult: TypeAlias = Output | None


@dataclass(frozen=True, slots=True)
class RecordedMetric:
    """One metric that a task records by itself, for its page: name, kind, what it says, and its unit when it has one."""

    name: str
    type: Literal["counter", "timer", "gauge"]
    description: str
    unit: str = ""


class TaskFailure(Exception):  # noqa: N818  public name: a failure is an outcome, not a fault of the code
    """
    A task ended badly in a way its author foresaw.

    `outputs` are kept although the task failed (scripts keep their exit code); `permanent` tells the engine that another
    attempt cannot help, so no retry is made.
    """

    def __init__(self, message: str, *, outputs: Output | Mapping[str, Any] | None = None, permanent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.outputs = outputs
        self.permanent = permanent


class RunnableTask(PluginType):
    """
    A task that a worker runs.

    A subclass sets `type`, `title`, `Props` and, unless it has none, `Output`.
    `light` is True for a task that only computes or touches our own database: it runs inside the engine's visit and its
    effects commit together with its state. `kill` may be called from another thread at any time, also before `run`, must be
    idempotent and must not block longer than five seconds.
    """

    kind = "task"
    role: ClassVar[str] = "runnable"
    metrics: ClassVar[tuple[RecordedMetric, ...]] = ()
    light: ClassVar[bool] = False
    Output: ClassVar[OutputClass] = None

    def run(self, context: RunContext, props: Any) -> RunResult:
        """Do the work and return the output, or raise `TaskFailure`. `props` is a rendered and validated `Props`."""
        raise NotImplementedError

    def kill(self) -> None:
        """Stop the work of `run` as soon as possible."""


class UpdatingTask(RunnableTask):
    """A light task that changes its own execution through `context.update_execution`."""

    role = "updating"
    light = True


class FlowableTask(PluginType):
    """
    A task that arranges other tasks. It has no `run`: the engine knows its `arrangement`.

    `branches` names the properties that hold lists of tasks.
    """

    kind = "task"
    role: ClassVar[str] = "flowable"
    arrangement: ClassVar[str]
    branches: ClassVar[tuple[str, ...]] = ("tasks", "errors", "finally")
    Output: ClassVar[OutputClass] = None

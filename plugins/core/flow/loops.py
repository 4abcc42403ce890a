"""Flowable tasks that repeat their children. The engine carries out the arrangement; only properties live here."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Duration, Field, Mark, Prop, Properties, Static
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import FlowableTask

Expression = Annotated[Static[str], Mark(dynamic=True)]
Values = Annotated[Static[list[Any] | dict[str, Any] | str], Mark(dynamic=True)]
"""What is iterated over: a list, a map, JSON text or an expression; rendered once by the engine."""


class Loop(FlowableTask):
    """Run tasks once for each value, each time as an execution of its own."""

    type = "io.kestra.plugin.core.flow.Loop"
    title = "Repeat tasks for each value"
    arrangement = "loop"
    examples = (
        """
        id: greet
        namespace: company.team
        tasks:
          - id: each
            type: io.kestra.plugin.core.flow.Loop
            values: [Ada, Grace]
            concurrencyLimit: 1
            tasks:
              - {id: hello, type: io.kestra.plugin.core.log.Log, message: "Hello {{ item.value }}"}
        """,
    )

    class Props(Properties):
        values: Values
        concurrency_limit: Prop[int] = Field(default=0, ge=0, description="How many iterations run at once; 0 means no limit.")
        transmit_failed: Prop[bool] = Field(default=True, description="A failed iteration fails the loop.")
        outputs: Annotated[Static[list[dict[str, Any]]], Mark(dynamic=True)] = Field(
            default=[], description="Typed outputs, computed at the end of each iteration."
        )
        fetch_type: Prop[Literal["AUTO", "FETCH", "STORE"]] = "AUTO"
        break_when: Expression | None = Field(default=None, description="True after an iteration: no further one starts.")
        on_child_failure: Prop[Literal["CONTINUE", "CANCEL", "FAIL"]] | None = None

    class Output(TaskOutput):
        iteration_count: int
        running_iterations: int = 0
        terminated_iterations: dict[str, int] = {}
        outputs: list[dict[str, Any]] | None = None
        uri: str | None = None


class ForEach(FlowableTask):
    """Run tasks once for each value, in the same execution."""

    type = "io.kestra.plugin.core.flow.ForEach"
    title = "Repeat tasks for each value (same execution)"
    arrangement = "each"
    examples = (
        """
        id: per_country
        namespace: company.team
        tasks:
          - id: each
            type: io.kestra.plugin.core.flow.ForEach
            values: ["FR", "DE"]
            concurrencyLimit: 0
            tasks:
              - {id: show, type: io.kestra.plugin.core.debug.Return, format: "{{ taskrun.value }}"}
        """,
    )

    class Props(Properties):
        values: Annotated[Static[list[Any] | str], Mark(dynamic=True)]
        concurrency_limit: Prop[int] = Field(default=1, ge=0, description="How many values run at once; 0 means no limit.")


class EachSequential(FlowableTask):
    """Run tasks once for each value, one value after the other."""

    type = "io.kestra.plugin.core.flow.EachSequential"
    aliases = ("io.kestra.core.tasks.flows.EachSequential",)
    title = "Repeat tasks for each value, in order"
    deprecated = "Use io.kestra.plugin.core.flow.ForEach."
    arrangement = "each"

    class Props(Properties):
        value: Annotated[Static[list[Any] | str], Mark(dynamic=True)]


class EachParallel(FlowableTask):
    """Run tasks for all values at the same time; the tasks of one value run at the same time, too."""

    type = "io.kestra.plugin.core.flow.EachParallel"
    aliases = ("io.kestra.core.tasks.flows.EachParallel",)
    title = "Repeat tasks for each value, at the same time"
    deprecated = "Use io.kestra.plugin.core.flow.ForEach with concurrencyLimit: 0."
    arrangement = "each"

    class Props(Properties):
        value: Annotated[Static[list[Any] | str], Mark(dynamic=True)]
        concurrent: Prop[int] = Field(default=0, ge=0, description="How many tasks run at once; 0 means no limit.")


class CheckFrequency(Properties):
    """How often and how long a LoopUntil repeats."""

    interval: Prop[Duration] = Field(default=timedelta(seconds=1), description="Wait between two rounds.")
    max_iterations: Prop[int] | None = Field(default=None, ge=1, description="Rounds at most; no limit when absent.")
    max_duration: Prop[Duration] | None = Field(default=None, description="Time at most; no limit when absent.")


class LoopUntil(FlowableTask):
    """Repeat tasks until a condition holds."""

    type = "io.kestra.plugin.core.flow.LoopUntil"
    aliases = ("io.kestra.plugin.core.flow.WaitFor",)
    title = "Repeat tasks until a condition holds"
    arrangement = "loop-until"
    examples = (
        """
        id: poll_service
        namespace: company.team
        tasks:
          - id: until_ready
            type: io.kestra.plugin.core.flow.LoopUntil
            condition: "{{ outputs.ask.code == 200 }}"
            checkFrequency:
              interval: PT5S
              maxIterations: 20
            tasks:
              - {id: ask, type: io.kestra.plugin.core.http.Request, uri: "https://example.com/status", allowFailed: true}
        """,
    )

    class Props(Properties):
        condition: Expression = Field(description="Evaluated after each round; sees the outputs of that round.")
        fail_on_max_reached: Prop[bool] = Field(default=False, description="Reaching a limit fails the task.")
        check_frequency: CheckFrequency = CheckFrequency()

    class Output(TaskOutput):
        iteration_count: int

"""Small tasks for trying things out."""

from __future__ import annotations

from time import perf_counter
from typing import Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RecordedMetric, RunnableTask

_LONGEST_TAG = 100


class Return(RunnableTask):
    """Give a rendered text to later tasks."""

    type = "io.kestra.plugin.core.debug.Return"
    aliases = ("io.kestra.core.tasks.debugs.Return",)
    title = "Return a text"
    metrics = (
        RecordedMetric("length", "counter", "How long the text is.", "characters"),
        RecordedMetric("duration", "timer", "How long it took to write the text.", "seconds"),
    )
    light = True
    examples = (
        """
        id: hand_on
        namespace: company.team
        tasks:
          - id: now
            type: io.kestra.plugin.core.debug.Return
            format: "{{ flow.id }} at {{ execution.startDate }}"
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ outputs.now.value }}"}
        """,
    )

    class Props(Properties):
        format: Prop[str] | None = Field(default=None, description="The text; always text, never a typed value.")

    class Output(TaskOutput):
        value: str | None

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the text, or null when none was given."""
        began = perf_counter()
        text = props.format
        if text is not None:
            context.log.debug(text)
        tag = (text or "")[:_LONGEST_TAG]
        context.metrics.counter("length", len(text or ""), format=tag)
        context.metrics.timer("duration", perf_counter() - began, format=tag)
        return self.Output(value=text)


class Echo(RunnableTask):
    """Write a text to the log."""

    type = "io.kestra.plugin.core.debug.Echo"
    aliases = ("io.kestra.core.tasks.debugs.Echo",)
    title = "Write a text to the log"
    deprecated = "Use io.kestra.plugin.core.log.Log."
    light = True

    class Props(Properties):
        format: Prop[str] | None = None
        level: Prop[Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]] = "INFO"

    def run(self, context: RunContext, props: Props) -> None:
        """Write the text."""
        context.log.log(props.level, props.format or "")

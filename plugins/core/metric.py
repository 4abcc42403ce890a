"""The task that records metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties, Text
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.primitives.durations import parse_duration


class Metric(Properties):
    """One metric. A timer takes a duration or seconds, the others a number."""

    type: Prop[Literal["counter", "timer", "gauge"]]
    name: Prop[str]
    value: Prop[Any]
    description: Prop[str] | None = None
    tags: Prop[dict[str, Text]] = {}


class Publish(RunnableTask):
    """Record metrics on the task run, for charts and comparisons."""

    type = "io.kestra.plugin.core.metric.Publish"
    title = "Record metrics"
    light = True
    examples = (
        """
        id: measured
        namespace: company.team
        tasks:
          - id: rows
            type: io.kestra.plugin.core.metric.Publish
            metrics:
              - {type: counter, name: rows, value: 12, tags: {table: orders}}
              - {type: timer, name: load, value: PT1.5S}
        """,
    )

    class Props(Properties):
        metrics: Prop[list[Metric]] = Field(description="The metrics to record.")

    def run(self, context: RunContext, props: Props) -> None:
        """Record all metrics, or none when one has a wrong value."""
        values = [_read_value(metric) for metric in props.metrics]
        for metric, value in zip(props.metrics, values, strict=True):
            record = {"counter": context.metrics.counter, "timer": context.metrics.timer, "gauge": context.metrics.gauge}
            record[metric.type](metric.name, value, **metric.tags)


def _read_value(metric: Metric) -> float:
    value = metric.value
    if isinstance(value, timedelta) and metric.type == "timer":
        return value.total_seconds()
    try:
        if isinstance(value, bool):
            raise ValueError
        if metric.type == "timer" and isinstance(value, str) and value.strip().upper().startswith("P"):
            return parse_duration(value).total_seconds()
        return float(value)
    except (TypeError, ValueError):
        wanted = "a duration or a number of seconds" if metric.type == "timer" else "a number"
        raise TaskFailure(f'The {metric.type} "{metric.name}" needs {wanted}; got "{value}".', permanent=True) from None

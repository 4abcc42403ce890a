"""The task that gives values to later tasks."""

from __future__ import annotations

from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask


class OutputValues(RunnableTask):
    """Give named values to later tasks. Rendered texts stay text; numbers, lists and maps keep their type."""

    type = "io.kestra.plugin.core.output.OutputValues"
    title = "Output values"
    light = True
    examples = (
        """
        id: values
        namespace: company.team
        tasks:
          - id: facts
            type: io.kestra.plugin.core.output.OutputValues
            values:
              run: "{{ execution.id }}"
              limit: 10
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ outputs.facts.values.limit }}"}
        """,
    )

    class Props(Properties):
        values: Prop[dict[str, Any]] | None = Field(default=None, description="Names and values.")

    class Output(TaskOutput):
        values: dict[str, Any]

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the rendered values."""
        return self.Output(values=props.values or {})

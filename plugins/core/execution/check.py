"""The task that checks conditions."""

from __future__ import annotations

from typing import Annotated

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Mark, Prop, Properties, Static, Text
from flows.plugin_api.tasks import RecordedMetric, RunnableTask, TaskFailure
from flows.primitives.errors import FlowsError
from plugins.core.truth import is_true


class Assert(RunnableTask):
    """Check conditions and fail when one does not hold. All are checked."""

    type = "io.kestra.plugin.core.execution.Assert"
    title = "Check conditions"
    light = True
    metrics = (
        RecordedMetric("failed", "counter", "How many conditions do not hold.", "conditions"),
        RecordedMetric("success", "counter", "How many conditions hold.", "conditions"),
    )
    examples = (
        """
        id: checked
        namespace: company.team
        inputs:
          - {id: rows, type: INT, defaults: 3}
        tasks:
          - id: sane
            type: io.kestra.plugin.core.execution.Assert
            errorMessage: The number of rows is wrong.
            conditions:
              - "{{ inputs.rows > 0 }}"
              - "{{ inputs.rows < 1000 }}"
        """,
    )

    class Props(Properties):
        conditions: Annotated[Static[list[Text]], Mark(dynamic=True)] = Field(
            description="Each is rendered on its own; one that cannot be rendered counts as failed."
        )
        error_message: Prop[str] | None = None

    def run(self, context: RunContext, props: Props) -> None:
        """Log an error for each condition that does not hold. Raises TaskFailure when there was one."""
        failed = sum(not _holds(context, condition) for condition in props.conditions)
        context.metrics.counter("failed", failed)
        context.metrics.counter("success", len(props.conditions) - failed)
        if failed:
            raise TaskFailure(props.error_message or f"{failed} assertion{'' if failed == 1 else 's'} failed.")


def _holds(context: RunContext, condition: str) -> bool:
    try:
        if is_true(context.render(condition)):
            return True
        context.log.error(f"The condition does not hold: {condition}")
    except FlowsError as error:
        context.log.error(f"The condition cannot be evaluated: {condition} ({error.message})")
    return False

"""Tasks that count, resume, kill and delete executions, also those of other flows."""

from __future__ import annotations

from typing import Annotated, Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Mark, Moment, Prop, Properties, Static, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from plugins.core.log import check_flow_pair
from plugins.core.truth import as_condition_text


class FlowReference(Properties):
    """One flow."""

    namespace: Prop[str]
    flow_id: Prop[str]


class Count(RunnableTask):
    """Count executions of flows or namespaces and keep the rows for which an expression is true."""

    type = "io.kestra.plugin.core.execution.Count"
    aliases = ("io.kestra.core.tasks.executions.Counts", "io.kestra.plugin.core.execution.Counts")
    title = "Count executions"
    light = True
    examples = (
        """
        id: watch
        namespace: system
        tasks:
          - id: idle
            type: io.kestra.plugin.core.execution.Count
            flows:
              - {namespace: company.team, flowId: nightly}
            startDate: "{{ now() | dateAdd(-1, 'DAYS') }}"
            expression: "{{ count == 0 }}"
        """,
    )

    class Props(Properties):
        flows: Prop[list[FlowReference]] | None = None
        namespaces: Prop[list[Text]] | None = Field(default=None, description="Exact namespaces.")
        states: Prop[list[Text]] | None = Field(default=None, description="Only these states; all when absent.")
        start_date: Prop[Moment]
        end_date: Prop[Moment] | None = Field(default=None, description="Now when absent.")
        expression: Annotated[Static[str], Mark(dynamic=True)] = Field(description="Sees `count`; true keeps the row.")

    class Output(TaskOutput):
        results: list[dict[str, Any]] = Field(description="Rows of `namespace`, `flowId` (null for a namespace) and `count`.")
        total: int = Field(description="Sum of the kept rows.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Count. Raises TaskFailure when neither flows nor namespaces are given."""
        if not props.flows and not props.namespaces:
            raise TaskFailure('Give "flows" or "namespaces" to count executions of.', permanent=True)
        rows = context.platform.count_executions(
            flows=[{"namespace": flow.namespace, "flowId": flow.flow_id} for flow in props.flows] if props.flows else None,
            namespaces=props.namespaces,
            states=props.states,
            start=props.start_date,
            end=props.end_date,
        )
        kept = [row for row in rows if as_condition_text(context.render(props.expression, {"count": row["count"]})) == "true"]
        return self.Output(results=kept, total=sum(row["count"] for row in kept))


class Resume(RunnableTask):
    """Resume a paused execution."""

    type = "io.kestra.plugin.core.execution.Resume"
    aliases = ("io.kestra.core.tasks.executions.Resume",)
    title = "Resume a paused execution"
    examples = (
        """
        id: go_on
        namespace: company.team
        inputs:
          - {id: execution, type: STRING}
        tasks:
          - id: resume
            type: io.kestra.plugin.core.execution.Resume
            executionId: "{{ inputs.execution }}"
        """,
    )

    class Props(Properties):
        execution_id: Prop[str] | None = Field(default=None, description="The running execution when absent.")
        namespace: Prop[str] | None = None
        flow_id: Prop[str] | None = None
        inputs: Prop[dict[str, Any]] | None = Field(default=None, description="What the pause asks for.")

    def run(self, context: RunContext, props: Props) -> None:
        """Resume. Raises NotFoundError, ConflictError when it is not paused, InvalidError for wrong inputs."""
        check_flow_pair(props.namespace, props.flow_id)
        context.platform.resume_execution(
            props.execution_id or str(context.execution["id"]),
            props.inputs or {},
            namespace=props.namespace,
            flow_id=props.flow_id,
        )


class Kill(RunnableTask):
    """Kill an execution; its own too."""

    type = "io.kestra.plugin.kestra.executions.Kill"
    aliases = ("io.kestra.plugin.core.execution.Kill",)
    title = "Kill an execution"
    examples = (
        """
        id: stop_it
        namespace: company.team
        inputs:
          - {id: execution, type: STRING}
        tasks:
          - id: kill
            type: io.kestra.plugin.kestra.executions.Kill
            executionId: "{{ inputs.execution }}"
        """,
    )

    class Props(Properties):
        execution_id: Prop[str] | None = Field(default=None, description="The running execution when absent.")
        propagate_kill: Prop[bool] = Field(default=True, description="Kill its subflows, too.")

    def run(self, context: RunContext, props: Props) -> None:
        """Kill. Raises NotFoundError, or ConflictError when it has ended."""
        execution_id = props.execution_id or str(context.execution["id"])
        context.platform.kill_execution(execution_id, cascade=props.propagate_kill)


class PurgeExecutions(RunnableTask):
    """Delete ended executions with their logs, metrics and files."""

    type = "io.kestra.plugin.core.execution.PurgeExecutions"
    aliases = ("io.kestra.core.tasks.storages.Purge", "io.kestra.plugin.core.storage.Purge")
    title = "Delete executions"
    examples = (
        """
        id: tidy_executions
        namespace: system
        tasks:
          - id: purge
            type: io.kestra.plugin.core.execution.PurgeExecutions
            endDate: "{{ now() | dateAdd(-90, 'DAYS') }}"
            states: [SUCCESS]
        """,
    )

    class Props(Properties):
        namespace: Prop[str] | None = Field(default=None, description="With its children, unless `flowId` is given.")
        flow_id: Prop[str] | None = None
        start_date: Prop[Moment] | None = None
        end_date: Prop[Moment]
        states: Prop[list[Text]] | None = Field(default=None, description="Only these; executions that still run always stay.")
        purge_execution: Prop[bool] = True
        purge_log: Prop[bool] = True
        purge_metric: Prop[bool] = True
        purge_storage: Prop[bool] = True
        batch_size: Prop[int] | None = Field(default=None, ge=1, description="How many executions are deleted at a time.")

    class Output(TaskOutput):
        executions_count: int
        logs_count: int
        storages_count: int
        metrics_count: int

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the chosen executions and count what went."""
        counts = context.platform.purge_executions(
            namespace=props.namespace,
            flow_id=props.flow_id,
            start=props.start_date,
            end=props.end_date,
            states=props.states,
            execution=props.purge_execution,
            log=props.purge_log,
            metric=props.purge_metric,
            storage=props.purge_storage,
            batch_size=props.batch_size,
        )
        return self.Output(
            executions_count=counts["executions"],
            logs_count=counts["logs"],
            storages_count=counts["storages"],
            metrics_count=counts["metrics"],
        )

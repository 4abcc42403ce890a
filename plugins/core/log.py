"""Tasks that write, read and remove log entries."""

from __future__ import annotations

from typing import Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Moment, Prop, Properties, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class Log(RunnableTask):
    """Write one log entry per message. The level ERROR does not fail the task."""

    type = "io.kestra.plugin.core.log.Log"
    aliases = ("io.kestra.core.tasks.log.Log",)
    title = "Write to the log"
    light = True
    examples = (
        """
        id: hello
        namespace: company.team
        tasks:
          - id: say
            type: io.kestra.plugin.core.log.Log
            message: Hello from {{ flow.id }}
            level: WARN
        """,
    )

    class Props(Properties):
        message: Prop[str | list[Text]] = Field(description="One text, or a list of texts for one entry each.")
        level: Prop[Level] = "INFO"

    def run(self, context: RunContext, props: Props) -> None:
        """Write the messages."""
        for message in [props.message] if isinstance(props.message, str) else props.message:
            context.log.log(props.level, message)


class Fetch(RunnableTask):
    """Store the log entries of an execution as rows."""

    type = "io.kestra.plugin.core.log.Fetch"
    aliases = ("io.kestra.core.tasks.log.Fetch",)
    title = "Read the log of an execution"
    examples = (
        """
        id: keep_log
        namespace: company.team
        tasks:
          - {id: say, type: io.kestra.plugin.core.log.Log, message: Hello}
          - id: fetch
            type: io.kestra.plugin.core.log.Fetch
            tasksId: [say]
        """,
    )

    class Props(Properties):
        execution_id: Prop[str] | None = Field(default=None, description="The running execution when absent.")
        namespace: Prop[str] | None = None
        flow_id: Prop[str] | None = None
        tasks_id: Prop[list[Text]] | None = Field(default=None, description="Only these tasks, in this order.")
        level: Prop[Level] = Field(default="INFO", description="Lowest level to read.")

    class Output(TaskOutput):
        uri: str = Field(description="Row file of the entries.")
        size: int = Field(description="Number of entries.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Store the entries. Raises TaskFailure for a wrong combination of the three ids."""
        check_flow_pair(props.namespace, props.flow_id)
        if props.namespace is not None and props.execution_id is None:
            raise TaskFailure('"namespace" and "flowId" need "executionId". Add it, or leave all three out.', permanent=True)
        rows = context.platform.fetch_logs(
            execution_id=props.execution_id or str(context.execution["id"]),
            task_ids=props.tasks_id,
            min_level=props.level,
            namespace=props.namespace,
            flow_id=props.flow_id,
        )
        uri, size = context.storage.write_rows(rows, "logs.ion")
        return self.Output(uri=uri, size=size)


def check_flow_pair(namespace: str | None, flow_id: str | None) -> None:
    """Raise TaskFailure unless both or none of the two are given."""
    if (namespace is None) != (flow_id is None):
        raise TaskFailure('"namespace" and "flowId" go together. Give both or none.', permanent=True)


class PurgeLogs(RunnableTask):
    """Delete log entries, those of triggers too."""

    type = "io.kestra.plugin.core.log.PurgeLogs"
    title = "Delete log entries"
    examples = (
        """
        id: tidy_logs
        namespace: system
        tasks:
          - id: purge
            type: io.kestra.plugin.core.log.PurgeLogs
            endDate: "{{ now() | dateAdd(-30, 'DAYS') }}"
            logLevels: [TRACE, DEBUG]
        """,
    )

    class Props(Properties):
        namespace: Prop[str] | None = Field(default=None, description="With its children, unless `flowId` is given.")
        flow_id: Prop[str] | None = None
        execution_id: Prop[str] | None = None
        log_levels: Prop[list[Level]] | None = Field(default=None, description="Exactly these levels; all when absent.")
        start_date: Prop[Moment] | None = None
        end_date: Prop[Moment]

    class Output(TaskOutput):
        count: int

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the chosen entries and count them."""
        count = context.platform.purge_logs(
            namespace=props.namespace,
            flow_id=props.flow_id,
            execution_id=props.execution_id,
            levels=props.log_levels,
            start=props.start_date,
            end=props.end_date,
        )
        return self.Output(count=count)

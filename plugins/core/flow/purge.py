"""The task that removes old revisions of flows."""

from __future__ import annotations

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask
from plugins.core.purging import NamespaceChoice, VersionBehavior, namespace_options


class PurgeFlows(RunnableTask):
    """Delete old revisions of flows; the latest one always stays."""

    type = "io.kestra.plugin.core.flow.PurgeFlows"
    title = "Delete old revisions"
    examples = (
        """
        id: tidy_revisions
        namespace: system
        tasks:
          - id: purge
            type: io.kestra.plugin.core.flow.PurgeFlows
            behavior: {type: version, keepAmount: 10}
        """,
    )

    class Props(NamespaceChoice):
        flow_pattern: Prop[str] | None = Field(default=None, description="Glob of flow ids; all when absent.")
        behavior: VersionBehavior = VersionBehavior()

    class Output(TaskOutput):
        size: int = Field(description="Number of deleted revisions.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the revisions and count them."""
        options = {**namespace_options(props), "flow_pattern": props.flow_pattern, "behavior": props.behavior.to_options()}
        return self.Output(size=context.platform.purge_flows(**options))

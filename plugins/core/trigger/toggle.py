"""The task that switches a trigger on or off."""

from __future__ import annotations

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties
from flows.plugin_api.tasks import RunnableTask


class Toggle(RunnableTask):
    """Switch a trigger on or off. The source of the flow stays as it is."""

    type = "io.kestra.plugin.core.trigger.Toggle"
    aliases = ("io.kestra.core.tasks.trigger.Toggle",)
    title = "Switch a trigger on or off"
    light = True
    examples = (
        """
        id: stop_nightly
        namespace: company.team
        tasks:
          - id: off
            type: io.kestra.plugin.core.trigger.Toggle
            flowId: nightly
            trigger: at_two
            enabled: false
        """,
    )

    class Props(Properties):
        trigger: Prop[str] = Field(description="Id of the trigger.")
        namespace: Prop[str] | None = Field(default=None, description="The flow's own when absent.")
        flow_id: Prop[str] | None = Field(default=None, description="The running flow when absent.")
        enabled: Prop[bool] = False

    def run(self, context: RunContext, props: Props) -> None:
        """Set the `disabled` flag of the trigger. Raises NotFoundError when there is no such trigger."""
        context.platform.toggle_trigger(
            namespace=props.namespace or context.flow["namespace"],
            flow_id=props.flow_id or context.flow["id"],
            trigger_id=props.trigger,
            enabled=props.enabled,
        )

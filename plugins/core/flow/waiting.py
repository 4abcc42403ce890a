"""Flowable tasks that wait for a person or for time. The engine carries them out; only properties live here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Duration, Field, Mark, Prop, Properties, Static, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import FlowableTask

After = Literal["CONTINUE", "WARN", "FAIL", "SUCCEED", "CANCEL", "KILL"]


class Pause(FlowableTask):
    """Stop the execution until somebody resumes it or a time has passed."""

    type = "io.kestra.plugin.core.flow.Pause"
    aliases = ("io.kestra.core.tasks.flows.Pause",)
    title = "Wait for a person or a time"
    arrangement = "pause"
    branches = ("onPause", "tasks", "errors", "finally")
    examples = (
        """
        id: ask_first
        namespace: company.team
        tasks:
          - id: wait
            type: io.kestra.plugin.core.flow.Pause
            onResume:
              - {id: reason, type: STRING}
          - id: after
            type: io.kestra.plugin.core.log.Log
            message: "{{ outputs.wait.onResume.reason }}"
        """,
    )

    class Props(Properties):
        pause_duration: Prop[Duration] | None = Field(default=None, description="Time after which the pause ends by itself.")
        delay: Annotated[Prop[Duration] | None, Mark(deprecated='Use "pauseDuration".')] = None
        behavior: Prop[Literal["RESUME", "WARN", "FAIL", "CANCEL"]] = Field(
            default="RESUME", description="What happens when the pause ends by itself."
        )
        on_resume: Annotated[Static[list[dict[str, Any]]], Mark(dynamic=True)] = Field(
            default=[], description="Inputs asked of the person who resumes."
        )

    class Output(TaskOutput):
        on_resume: dict[str, Any] = {}
        resumed: dict[str, Any] | None = None


class Approval(FlowableTask):
    """Ask a person to approve or deny, then run the tasks for that decision."""

    type = "io.kestra.plugin.core.flow.Approval"
    title = "Ask for an approval"
    arrangement = "approval"
    branches = ("onWait", "onApprove", "onDeny", "errors", "finally")
    examples = (
        """
        id: release
        namespace: company.team
        tasks:
          - id: ask
            type: io.kestra.plugin.core.flow.Approval
            commentRequired: ON_DENY
            onApprove:
              - {id: go, type: io.kestra.plugin.core.log.Log, message: released}
            onDeny:
              - {id: stop, type: io.kestra.plugin.core.log.Log, message: held back}
        """,
    )

    class Props(Properties):
        inputs: Annotated[Static[list[dict[str, Any]]], Mark(dynamic=True)] = Field(
            default=[], description="Fields of the review form."
        )
        decisions: Prop[dict[str, Text]] = Field(
            default={"approve": "Approve", "deny": "Deny"}, description="Texts on the buttons, for `approve` and `deny`."
        )
        comment_required: Prop[Literal["NEVER", "ALWAYS", "ON_DENY", "ON_APPROVE"]] = "NEVER"
        auto_approve: Annotated[Static[str], Mark(dynamic=True)] = Field(
            default="false", description="True: approved at once, without asking."
        )
        approve_behavior: Prop[After] = "CONTINUE"
        deny_behavior: Prop[After] = "CANCEL"
        expire_behavior: Prop[After] = "CANCEL"

    class Output(TaskOutput):
        decision: Literal["APPROVED", "DENIED", "EXPIRED"]
        auto: bool = False
        by: str | None = None
        on: str | None = None
        comment: str | None = None
        inputs: dict[str, Any] = {}
        due: str | None = None
        url: str | None = None


class Sleep(FlowableTask):
    """Wait for a time. It is a timer of the engine and holds no worker."""

    type = "io.kestra.plugin.core.flow.Sleep"
    aliases = ("io.kestra.core.tasks.flows.Sleep",)
    title = "Wait for a time"
    arrangement = "sleep"
    branches = ()
    examples = (
        """
        id: patient
        namespace: company.team
        tasks:
          - id: wait
            type: io.kestra.plugin.core.flow.Sleep
            duration: PT5S
        """,
    )

    class Props(Properties):
        duration: Prop[Duration]

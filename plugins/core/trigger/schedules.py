"""Schedule triggers. The platform evaluates them; only properties live here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Duration, Field, Mark, Moment, Output, Prop, Properties, Static
from flows.plugin_api.triggers import TriggerType

Recover = Literal["ALL", "LAST", "NONE"]


class ScheduleOutput(Output):
    """`trigger.*` of an execution that a schedule started: dates with offset, in the zone of the trigger."""

    date: str
    next: str | None = None
    previous: str | None = None


class Schedule(TriggerType):
    """Start an execution at the dates of a cron expression."""

    type = "io.kestra.plugin.core.trigger.Schedule"
    aliases = ("io.kestra.core.models.triggers.types.Schedule",)
    title = "Start on a schedule"
    family = "schedule"
    Output = ScheduleOutput
    examples = (
        """
        id: nightly
        namespace: company.team
        triggers:
          - id: at_two
            type: io.kestra.plugin.core.trigger.Schedule
            cron: "0 2 * * *"
            timezone: Europe/Paris
        tasks:
          - {id: hello, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.date }}"}
        """,
    )

    class Props(Properties):
        cron: Static[str] = Field(description="Five fields, or a nickname such as @daily; six fields with seconds first.")
        timezone: Static[str] | None = Field(default=None, description="IANA zone name; the zone of the server when absent.")
        with_seconds: Static[bool] = False
        late_maximum_delay: Static[Duration] | None = Field(default=None, description="A date later than this is left out.")
        recover_missed_schedules: Static[Recover] | None = Field(
            default=None, description="What happens after a stop: all missed dates, the last one, or none."
        )
        schedule_conditions: Annotated[Static[list[dict[str, Any]]], Mark(deprecated='Use "when".')] = []
        backfill: Annotated[Static[dict[str, Any]] | None, Mark(deprecated="Start a backfill on the trigger's page.")] = None


class ScheduleOnDates(TriggerType):
    """Start an execution at each of some given dates."""

    type = "io.kestra.plugin.core.trigger.ScheduleOnDates"
    title = "Start on given dates"
    family = "schedule"
    Output = ScheduleOutput
    examples = (
        """
        id: jubilee
        namespace: company.team
        triggers:
          - id: days
            type: io.kestra.plugin.core.trigger.ScheduleOnDates
            dates: ["2031-05-04T10:00:00Z", "2032-05-04T10:00:00Z"]
        tasks:
          - {id: hello, type: io.kestra.plugin.core.log.Log, message: today}
        """,
    )

    class Props(Properties):
        dates: Prop[list[Moment]] = Field(description="Date-times with offset.")
        timezone: Static[str] | None = None
        recover_missed_schedules: Static[Recover] | None = None

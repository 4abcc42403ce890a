"""The legacy conditions of triggers. The platform evaluates them; only properties live here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Duration, Field, Mark, Prop, Properties, Static, Text
from flows.plugin_api.triggers import ConditionType

_CORE = "io.kestra.plugin.core.condition."
_OLD = "io.kestra.core.models.conditions.types."
_SUPERSEDED = 'Use the "when" property of the trigger.'

Expression = Annotated[Static[str], Mark(dynamic=True)]
Weekday = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
Conditions = list[dict[str, Any]]


def _older_names(name: str) -> tuple[str, ...]:
    return (f"{_OLD}{name}Condition", f"{_CORE}{name}Condition")


class Dated(Properties):
    """Properties of the conditions that look at a date."""

    date: Prop[str] = Field(default="{{ trigger.date }}", description="The date to test.")


class DateTimeBetween(ConditionType):
    """True between two date-times, bounds left out. At least one bound is needed."""

    type = f"{_CORE}DateTimeBetween"
    aliases = _older_names("DateTimeBetween")
    title = "Between two date-times"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Dated):
        after: Prop[str] | None = None
        before: Prop[str] | None = None


class TimeBetween(ConditionType):
    """True between two times of day, bounds left out. At least one bound is needed."""

    type = f"{_CORE}TimeBetween"
    aliases = _older_names("TimeBetween")
    title = "Between two times of day"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Dated):
        after: Prop[str] | None = Field(default=None, description="A time with offset, such as 16:00:00+02:00.")
        before: Prop[str] | None = None


class DayWeek(ConditionType):
    """True on one day of the week."""

    type = f"{_CORE}DayWeek"
    aliases = _older_names("DayWeek")
    title = "On a day of the week"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Dated):
        day_of_week: Prop[Weekday]


class DayWeekInMonth(ConditionType):
    """True on the n-th such weekday of a month."""

    type = f"{_CORE}DayWeekInMonth"
    aliases = _older_names("DayWeekInMonth")
    title = "On the n-th weekday of the month"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Dated):
        day_of_week: Prop[Weekday]
        day_in_month: Prop[Literal["FIRST", "SECOND", "THIRD", "FOURTH", "LAST"]]


class Weekend(ConditionType):
    """True on Saturday and Sunday."""

    type = f"{_CORE}Weekend"
    aliases = _older_names("Weekend")
    title = "At the weekend"
    deprecated = _SUPERSEDED
    for_schedules = True
    Props = Dated


class PublicHoliday(ConditionType):
    """True on a public holiday of a country."""

    type = f"{_CORE}PublicHoliday"
    aliases = _older_names("PublicHoliday")
    title = "On a public holiday"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Dated):
        country: Prop[str] | None = Field(default=None, description="ISO 3166-1 code of two letters.")
        sub_division: Prop[str] | None = Field(default=None, description="ISO 3166-2 code of the region, without the country.")


class ExpressionCondition(ConditionType):
    """True when an expression renders to something other than blank or `false`."""

    type = f"{_CORE}Expression"
    aliases = (f"{_OLD}VariableCondition", f"{_CORE}ExpressionCondition")
    title = "An expression holds"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Properties):
        expression: Expression


class ExecutionOutputs(ConditionType):
    """True when the source execution has outputs and an expression over `trigger.outputs` holds."""

    type = f"{_CORE}ExecutionOutputs"
    aliases = _older_names("ExecutionOutputs")
    title = "The outputs of the execution fit"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Properties):
        expression: Expression


class Not(ConditionType):
    """True when none of its conditions holds."""

    type = f"{_CORE}Not"
    aliases = _older_names("Not")
    title = "None of these conditions"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Properties):
        conditions: Static[Conditions] = Field(min_length=1)


class Or(ConditionType):
    """True when any of its conditions holds."""

    type = f"{_CORE}Or"
    aliases = _older_names("Or")
    title = "Any of these conditions"
    deprecated = _SUPERSEDED
    for_schedules = True

    class Props(Properties):
        conditions: Static[Conditions] = Field(min_length=1)


class ExecutionFlow(ConditionType):
    """True for executions of one flow."""

    type = f"{_CORE}ExecutionFlow"
    aliases = _older_names("ExecutionFlow")
    title = "An execution of a flow"
    deprecated = _SUPERSEDED

    class Props(Properties):
        namespace: Prop[str]
        flow_id: Prop[str]


class ExecutionNamespace(ConditionType):
    """True for executions of a namespace."""

    type = f"{_CORE}ExecutionNamespace"
    aliases = _older_names("ExecutionNamespace")
    title = "An execution of a namespace"
    deprecated = _SUPERSEDED

    class Props(Properties):
        namespace: Prop[str]
        comparison: Prop[Literal["EQUALS", "PREFIX", "SUFFIX"]] | None = Field(default=None, description="EQUALS when absent.")
        prefix: Annotated[Prop[bool] | None, Mark(deprecated='Use "comparison: PREFIX".')] = None


class ExecutionLabels(ConditionType):
    """True when the execution carries all of some labels."""

    type = f"{_CORE}ExecutionLabels"
    aliases = _older_names("ExecutionLabels")
    title = "An execution with labels"
    deprecated = _SUPERSEDED

    class Props(Properties):
        labels: Prop[list[dict[str, Any]] | dict[str, Any]]


class States(Properties):
    """Properties of the conditions that look at states."""

    in_: Static[list[Text]] | None = None
    not_in: Static[list[Text]] | None = None


class ExecutionStatus(ConditionType):
    """True when the state of the execution is one of `in` and none of `notIn`."""

    type = f"{_CORE}ExecutionStatus"
    aliases = _older_names("ExecutionStatus")
    title = "The state of the execution"
    deprecated = _SUPERSEDED
    Props = States


class HasRetryAttempt(ConditionType):
    """True when a task run with several attempts has one in such a state."""

    type = f"{_CORE}HasRetryAttempt"
    aliases = _older_names("HasRetryAttempt")
    title = "A task was tried again"
    deprecated = _SUPERSEDED
    Props = States


class FlowCondition(ConditionType):
    """True when the evaluated flow is this one."""

    type = f"{_CORE}FlowCondition"
    aliases = (f"{_OLD}FlowCondition",)
    title = "The flow itself"
    deprecated = _SUPERSEDED

    class Props(Properties):
        namespace: Prop[str]
        flow_id: Prop[str]


class FlowNamespaceCondition(ConditionType):
    """True when the evaluated flow is in this namespace."""

    type = f"{_CORE}FlowNamespaceCondition"
    aliases = (f"{_OLD}FlowNamespaceCondition",)
    title = "The namespace of the flow"
    deprecated = _SUPERSEDED

    class Props(Properties):
        namespace: Prop[str]
        prefix: Prop[bool] = Field(default=False, description="Compare the beginning of the text only.")


class MultipleCondition(ConditionType):
    """True when all of its named conditions held for executions within one window."""

    type = f"{_CORE}MultipleCondition"
    aliases = (f"{_OLD}MultipleCondition",)
    title = "Several conditions within a time"
    deprecated = 'Use "dependsOn" of the trigger.'

    class Props(Properties):
        id: Static[str]
        conditions: Static[dict[str, dict[str, Any]]] = Field(min_length=1)
        time_window: Static[dict[str, Any]] | None = None
        reset_on_success: Static[bool] = True
        window: Annotated[Static[Duration] | None, Mark(deprecated='Use "timeWindow".')] = None
        window_advance: Annotated[Static[Duration] | None, Mark(deprecated='Use "timeWindow".')] = None

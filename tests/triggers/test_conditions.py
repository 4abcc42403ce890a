"""The legacy conditions, `when`, and what happens when one cannot be answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from flows.language.flow import Trigger
from flows.triggers.conditions import (
    EVALUATORS,
    ConditionError,
    Situation,
    evaluate_all,
    evaluate_condition,
    evaluate_trigger,
    evaluate_when,
    has_filters,
    is_truthy,
)
from flows.triggers.upstream import UpstreamExecution, nest_labels

from .rendering import render

PREFIX = "io.kestra.plugin.core.condition."
# Wednesday, the first of May 2024: a holiday in France.
MAY_DAY = datetime.fromisoformat("2024-05-01T15:30:00+02:00")
UPSTREAM = UpstreamExecution(
    id="e1",
    namespace="company.team",
    flow_id="load",
    revision=3,
    state="SUCCESS",
    labels=(("team", "data"), ("env", "prod")),
    outputs={"rows": "12"},
    attempt_states=(("FAILED", "SUCCESS"), ("KILLED",)),
)


def at_date(date: datetime | None = MAY_DAY, **more: Any) -> Situation:
    return Situation(render=render, variables={"trigger": {"date": date}}, date=date, **more)


def after_execution(execution: UpstreamExecution = UPSTREAM) -> Situation:
    return Situation(
        render=render, variables={"flow": {"id": execution.flow_id}}, execution=execution, namespace="own.space", flow_id="me"
    )


def holds(name: str, situation: Situation, **properties: Any) -> bool:
    return bool(evaluate_condition({"type": PREFIX + name, **properties}, situation))


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("DateTimeBetween", {"after": "2024-05-01T13:29:59Z"}, True),
        ("DateTimeBetween", {"after": "2024-05-01T13:30:00Z"}, False),
        ("DateTimeBetween", {"before": "2024-05-01T13:30:00Z"}, False),
        ("DateTimeBetween", {"after": "2024-01-01T00:00:00Z", "before": "2025-01-01T00:00:00Z"}, True),
        ("TimeBetween", {"after": "15:00:00+02:00", "before": "16:00:00+02:00"}, True),
        ("TimeBetween", {"after": "15:00:00Z"}, False),
        ("TimeBetween", {"after": "15:30:00+02:00"}, False),
        ("DayWeek", {"dayOfWeek": "WEDNESDAY"}, True),
        ("DayWeek", {"dayOfWeek": "THURSDAY"}, False),
        ("DayWeekInMonth", {"dayOfWeek": "WEDNESDAY", "dayInMonth": "FIRST"}, True),
        ("DayWeekInMonth", {"dayOfWeek": "WEDNESDAY", "dayInMonth": "LAST"}, False),
        ("DayWeekInMonth", {"dayOfWeek": "WEDNESDAY", "dayInMonth": "LAST", "date": "2024-05-29"}, True),
        ("DayWeekInMonth", {"dayOfWeek": "FRIDAY", "dayInMonth": "FOURTH", "date": "2024-05-24T00:00:00Z"}, True),
        ("Weekend", {}, False),
        ("Weekend", {"date": "2024-05-04T00:00:00Z"}, True),
        ("PublicHoliday", {"country": "FR"}, True),
        ("PublicHoliday", {"country": "us"}, False),
        ("PublicHoliday", {"country": "DE", "subDivision": "DE-BY", "date": "2024-01-06T00:00:00Z"}, True),
        ("PublicHoliday", {"country": "DE", "subDivision": "HH", "date": "2024-01-06T00:00:00Z"}, False),
        ("PublicHoliday", {"country": "FR", "subDivision": "IDF"}, True),
        ("Expression", {"expression": "{{ trigger.date }}"}, True),
        ("Expression", {"expression": " false "}, False),
        ("Expression", {"expression": "  "}, False),
        ("Expression", {"expression": "0"}, True),
        ("Not", {"conditions": [{"type": PREFIX + "Weekend"}]}, True),
        ("Not", {"conditions": [{"type": PREFIX + "Weekend"}, {"type": PREFIX + "DayWeek", "dayOfWeek": "WEDNESDAY"}]}, False),
        ("Or", {"conditions": [{"type": PREFIX + "Weekend"}, {"type": PREFIX + "DayWeek", "dayOfWeek": "WEDNESDAY"}]}, True),
        ("Or", {"conditions": [{"type": PREFIX + "Weekend"}]}, False),
        ("FlowCondition", {"namespace": "own.space", "flowId": "me"}, True),
        ("FlowNamespaceCondition", {"namespace": "own"}, False),
        ("FlowNamespaceCondition", {"namespace": "own", "prefix": True}, True),
    ],
)
def test_a_condition_on_a_date_answers(name: str, properties: dict[str, Any], expected: bool) -> None:
    assert holds(name, at_date(namespace="own.space", flow_id="me"), **properties) is expected


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("ExecutionFlow", {"namespace": "company.team", "flowId": "load"}, True),
        ("ExecutionFlow", {"namespace": "company", "flowId": "load"}, False),
        ("ExecutionNamespace", {"namespace": "company.team"}, True),
        ("ExecutionNamespace", {"namespace": "company"}, False),
        ("ExecutionNamespace", {"namespace": "company", "prefix": True}, True),
        ("ExecutionNamespace", {"namespace": "comp", "comparison": "PREFIX"}, True),
        ("ExecutionNamespace", {"namespace": "team", "comparison": "SUFFIX"}, True),
        ("ExecutionLabels", {"labels": {"team": "data"}}, True),
        ("ExecutionLabels", {"labels": [{"key": "team", "value": "data"}, {"key": "env", "value": "dev"}]}, False),
        ("ExecutionStatus", {"in": ["SUCCESS"]}, True),
        ("ExecutionStatus", {"notIn": ["SUCCESS"]}, False),
        ("ExecutionStatus", {}, True),
        ("HasRetryAttempt", {"in": ["FAILED"]}, True),
        ("HasRetryAttempt", {"in": ["KILLED"]}, False),
        ("ExecutionOutputs", {"expression": "{{ trigger.outputs.rows == '12' }}"}, True),
        ("ExecutionOutputs", {"expression": "{{ trigger.outputs.rows == '13' }}"}, False),
    ],
)
def test_a_condition_on_an_execution_answers(name: str, properties: dict[str, Any], expected: bool) -> None:
    assert holds(name, after_execution(), **properties) is expected


def test_every_condition_of_the_catalogue_is_known() -> None:
    assert len(EVALUATORS) == 17


@pytest.mark.parametrize(
    "name",
    [
        "io.kestra.core.models.conditions.types.DayWeekCondition",
        "io.kestra.plugin.core.condition.DayWeekCondition",
        "io.kestra.plugin.core.condition.DayWeek",
    ],
)
def test_older_names_mean_the_same(name: str) -> None:
    assert evaluate_condition({"type": name, "dayOfWeek": "WEDNESDAY"}, at_date())


@pytest.mark.parametrize(
    ("name", "properties", "named"),
    [
        ("Weekend", {}, "needs a date"),
        ("DayWeek", {"dayOfWeek": "SOMEDAY", "date": "2024-05-01"}, "SOMEDAY"),
        ("DayWeekInMonth", {"dayOfWeek": "FRIDAY", "dayInMonth": "FIFTH", "date": "2024-05-24"}, "FIFTH"),
        ("DayWeek", {"date": "2024-05-01"}, "dayOfWeek"),
        ("DateTimeBetween", {"date": "2024-05-01"}, "at least one"),
        ("DateTimeBetween", {"date": "soon", "after": "2024-05-01"}, "soon"),
        ("TimeBetween", {"date": "2024-05-01", "after": "noon"}, "noon"),
        ("PublicHoliday", {"date": "2024-05-01", "country": "XX"}, "XX"),
        ("PublicHoliday", {"date": "2024-05-01"}, "country"),
        ("ExecutionStatus", {"in": ["SUCCESS"]}, "execution"),
        ("Expression", {"expression": "{{ missing.thing }}"}, "missing"),
        ("Expression", {}, "expression"),
        ("Not", {"conditions": []}, "conditions"),
        ("Or", {"conditions": ["text"]}, "list of conditions"),
        ("MultipleCondition", {}, "directly"),
        ("ExecutionsCondition", {}, "preconditions"),
        ("Wednesday", {}, "not a condition type"),
    ],
)
def test_what_cannot_be_answered_is_an_error_and_not_a_no(name: str, properties: dict[str, Any], named: str) -> None:
    with pytest.raises(ConditionError, match=named):
        holds(name, at_date(None), **properties)


def test_a_list_of_conditions_needs_all_and_says_which_one_fails() -> None:
    conditions = [{"type": PREFIX + "DayWeek", "dayOfWeek": "WEDNESDAY"}, {"type": PREFIX + "Weekend"}]

    verdict = evaluate_all(conditions, at_date())

    assert not verdict
    assert "Weekend" in verdict.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, False), ("", False), ("false", False), ("0", False), ("-0", False), (False, False), (0, False), (0.0, False),
     ("False", True), (" ", True), ("no", True), ("[]", True), (True, True), (2, True), ([], True)],
)  # fmt: skip
def test_when_counts_few_things_as_false(value: Any, expected: bool) -> None:
    assert is_truthy(value) is expected


def test_an_absent_when_holds_and_a_failing_one_is_an_error() -> None:
    assert evaluate_when(None, at_date())
    with pytest.raises(ConditionError):
        evaluate_when("{{ no.such }}", at_date())


def test_when_and_both_lists_of_conditions_must_hold() -> None:
    weekend = {"type": PREFIX + "Weekend"}
    plain = Trigger(id="t", type="Schedule", family="schedule")
    older = Trigger(id="t", type="Schedule", family="schedule", properties={"scheduleConditions": [weekend]})

    assert evaluate_trigger(plain, at_date())
    assert not has_filters(plain)
    assert not evaluate_trigger(older, at_date())
    assert has_filters(older)
    assert not evaluate_trigger(Trigger(id="t", type="Schedule", family="schedule", when="false"), at_date())


def test_labels_nest_at_dots_and_the_first_value_wins() -> None:
    nested = nest_labels((("a", "1"), ("a", "2"), ("system.correlationId", "x"), ("a.b", "lost")))

    assert nested == {"a": "1", "system": {"correlationId": "x"}}

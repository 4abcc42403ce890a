"""Flow triggers: which change of which execution starts another flow, and what the windows remember."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.language.flow import Trigger
from flows.primitives.errors import InvalidError
from flows.triggers.flow_entries import FlowTrigger, read_flow_trigger
from flows.triggers.flow_event import Memory, Outcome, decide_flow_trigger, mentions_task_outputs, trigger_variables
from flows.triggers.upstream import UpstreamExecution
from flows.triggers.windows import read_window, window_span

from .rendering import render

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CONDITION = "io.kestra.plugin.core.condition."
BOTH = [{"namespace": "n", "flowId": "a"}, {"namespace": "n", "flowId": "b"}]


def listen(**properties: Any) -> FlowTrigger:
    fields = {key: properties.pop(key) for key in ("when", "conditions") if key in properties}
    return read_flow_trigger(Trigger(id="listen", type="Flow", family="flow", properties=properties, **fields))


def ended(flow_id: str = "a", state: str = "SUCCESS", **more: Any) -> UpstreamExecution:
    return UpstreamExecution(
        id=f"{flow_id}-1", namespace=more.pop("namespace", "n"), flow_id=flow_id, revision=1, state=state, **more
    )


class Listener:
    """A flow trigger with its stored windows, as the database would keep them between events."""

    def __init__(self, trigger: FlowTrigger) -> None:
        self.trigger = trigger
        self.memories: dict[str, Memory] = {}

    def hear(self, event: UpstreamExecution, at: datetime = NOON) -> Outcome:
        outcome = decide_flow_trigger(self.trigger, event, self.memories, namespace="n", flow_id="me", render=render, at=at)
        for group_id, memory in outcome.memories.items():
            self.memories.pop(group_id, None)
            if memory is not None:
                self.memories[group_id] = memory
        return outcome


@pytest.mark.parametrize(
    ("event", "fires"),
    [
        (ended(), True),
        (ended(state="FAILED"), True),
        (ended(state="PAUSED"), True),
        (ended(state="RUNNING"), False),
        (ended(flow_id="me"), False),
        (ended(kind="LOOP"), False),
        (ended(kind="PLAYGROUND"), False),
    ],
)
def test_a_bare_trigger_hears_ends_and_pauses_of_other_flows(event: UpstreamExecution, fires: bool) -> None:
    assert Listener(listen()).hear(event).fires is fires


def test_the_states_of_the_trigger_are_the_first_filter() -> None:
    listener = Listener(listen(states=["RUNNING"]))

    assert listener.hear(ended(state="RUNNING")).fires
    assert not listener.hear(ended(state="SUCCESS")).fires


def test_legacy_conditions_all_count() -> None:
    listener = Listener(
        listen(
            conditions=(
                {"type": CONDITION + "ExecutionStatus", "in": ["SUCCESS"]},
                {"type": CONDITION + "ExecutionFlow", "namespace": "n", "flowId": "a"},
            )
        )
    )

    assert listener.hear(ended("a")).fires
    assert not listener.hear(ended("b")).fires
    assert not listener.hear(ended("a", "FAILED")).fires


def test_all_dependencies_are_needed_and_then_it_starts_anew() -> None:
    listener = Listener(listen(dependsOn=BOTH))

    answers = [listener.hear(ended(flow_id)).fires for flow_id in ("a", "a", "b", "b", "a")]

    assert answers == [False, False, True, False, True]


def test_any_dependency_is_enough_in_mode_any() -> None:
    listener = Listener(listen(dependsOn=BOTH, mode="ANY"))

    assert [listener.hear(ended(flow_id)).fires for flow_id in ("a", "c", "b")] == [True, False, True]


def test_at_least_counts_different_dependencies() -> None:
    three = [*BOTH, {"namespace": "n", "flowId": "c"}]
    listener = Listener(listen(dependsOn=three, mode="AT_LEAST", minSatisfied=2))

    assert [listener.hear(ended(flow_id)).fires for flow_id in ("a", "a", "c")] == [False, False, True]


def test_an_entry_checks_states_labels_and_when() -> None:
    entry = {
        "namespace": "n",
        "flowId": "a",
        "states": ["SUCCESS"],
        "labels": {"env": "prod"},
        "when": "{{ labels.team == 'data' }}",
    }
    listener = Listener(listen(dependsOn=[entry]))
    good = ended(labels=(("env", "prod"), ("team", "data")))

    assert listener.hear(good).fires
    assert not listener.hear(replace(good, state="FAILED")).fires
    assert not listener.hear(replace(good, labels=(("env", "prod"), ("team", "web")))).fires
    assert not listener.hear(replace(good, labels=(("team", "data"),))).fires
    assert not listener.hear(replace(good, namespace="n.sub")).fires


def test_a_failing_expression_counts_as_no_with_a_warning() -> None:
    single = Listener(listen(when="{{ nothing.here }}")).hear(ended())
    entry = Listener(listen(dependsOn=[{"flowId": "a", "when": "{{ nothing.here }}"}])).hear(ended())

    assert not single.fires and "nothing" in single.warning
    assert not entry.fires and "nothing" in entry.warning


def test_conditions_of_another_window_are_forgotten() -> None:
    listener = Listener(listen(dependsOn=BOTH, window={"every": "PT1H"}))
    listener.hear(ended("a"), NOON)

    assert not listener.hear(ended("b"), NOON + timedelta(hours=1)).fires
    assert listener.hear(ended("a"), NOON + timedelta(minutes=119)).fires


def test_a_rolling_window_forgets_what_is_too_old() -> None:
    listener = Listener(listen(dependsOn=BOTH, window={"lookback": "PT1H"}))
    listener.hear(ended("a"), NOON)

    assert not listener.hear(ended("b"), NOON + timedelta(minutes=61)).fires
    assert listener.hear(ended("a"), NOON + timedelta(minutes=90)).fires


def test_a_deadline_window_is_closed_after_the_deadline() -> None:
    listener = Listener(listen(dependsOn=[BOTH[0]], window={"deadline": "09:00:00"}))

    assert not listener.hear(ended("a"), NOON).fires
    assert listener.hear(ended("a"), NOON.replace(hour=8)).fires


def test_fire_once_fires_once_per_window() -> None:
    listener = Listener(listen(dependsOn=[BOTH[0]], window={"every": "P1D", "fireOnce": True}))

    answers = [listener.hear(ended("a"), NOON + timedelta(hours=hours)).fires for hours in (0, 1, 24)]

    assert answers == [True, False, True]


def test_without_reset_every_further_condition_fires_again() -> None:
    conditions = {"id": "p", "flows": BOTH, "resetOnSuccess": False}
    listener = Listener(listen(preconditions=conditions))

    assert [listener.hear(ended(flow_id)).fires for flow_id in ("a", "b", "b", "c")] == [False, True, True, False]


def where(*filters: dict[str, Any], operand: str = "AND") -> Listener:
    return Listener(listen(preconditions={"id": "p", "where": [{"id": "w", "operand": operand, "filters": list(filters)}]}))


@pytest.mark.parametrize(
    ("filter_", "fires"),
    [
        ({"field": "FLOW_ID", "type": "EQUAL_TO", "value": "a"}, True),
        ({"field": "FLOW_ID", "type": "NOT_EQUAL_TO", "value": "a"}, False),
        ({"field": "FLOW_ID", "type": "IN", "values": ["a", "b"]}, True),
        ({"field": "FLOW_ID", "type": "NOT_IN", "values": ["a", "b"]}, False),
        ({"field": "NAMESPACE", "type": "STARTS_WITH", "value": "company"}, True),
        ({"field": "NAMESPACE", "type": "ENDS_WITH", "value": "team"}, True),
        ({"field": "NAMESPACE", "type": "CONTAINS", "value": "y.t"}, True),
        ({"field": "NAMESPACE", "type": "REGEX", "value": r"company\..*"}, True),
        ({"field": "NAMESPACE", "type": "REGEX", "value": "company"}, False),
        ({"field": "STATE", "type": "EQUAL_TO", "value": "SUCCESS"}, True),
        ({"field": "EXPRESSION", "type": "IS_TRUE", "value": "{{ labels.env == 'prod' }}"}, True),
        ({"field": "EXPRESSION", "type": "IS_FALSE", "value": "{{ labels.env == 'prod' }}"}, False),
        ({"field": "EXPRESSION", "type": "IS_NOT_NULL", "value": "{{ labels.env }}"}, True),
        ({"field": "EXPRESSION", "type": "IS_NULL", "value": "{{ labels.env }}"}, False),
    ],
)
def test_a_filter_compares_one_fact(filter_: dict[str, Any], fires: bool) -> None:
    event = ended(namespace="company.team", labels=(("env", "prod"),))

    assert where(filter_).hear(event).fires is fires


def test_filters_are_joined_by_the_operand() -> None:
    wrong, right = ({"field": "FLOW_ID", "type": "EQUAL_TO", "value": value} for value in ("x", "a"))

    assert not where(wrong, right).hear(ended()).fires
    assert where(wrong, right, operand="OR").hear(ended()).fires


def test_a_filter_that_cannot_be_answered_warns() -> None:
    for filter_ in (
        {"field": "NAMESPACE", "type": "REGEX", "value": "("},
        {"field": "NAMESPACE", "type": "EQUAL_TO"},
        {"field": "COLOUR", "type": "EQUAL_TO", "value": "red"},
        {"field": "STATE", "type": "LIKE", "value": "red"},
        {"field": "NAMESPACE", "type": "REGEX", "value": "(a+)+b$" + "x" * 3},
    ):
        outcome = where(filter_).hear(ended(namespace="a" * 40))

        assert not outcome.fires


def test_a_multiple_condition_waits_for_all_its_children() -> None:
    children = {name: {"type": CONDITION + "ExecutionFlow", "namespace": "n", "flowId": name} for name in ("a", "b")}
    children["good"] = {"type": CONDITION + "ExecutionStatus", "in": ["SUCCESS"]}
    multiple = {
        "type": CONDITION + "MultipleCondition",
        "id": "m",
        "window": "P1D",
        "windowAdvance": "P0D",
        "conditions": children,
    }
    listener = Listener(listen(conditions=(multiple,)))

    assert [listener.hear(ended(flow_id)).fires for flow_id in ("a", "b")] == [False, True]
    assert listener.memories == {}


def test_outputs_are_scoped_by_flow_and_bare_for_a_single_one() -> None:
    single = trigger_variables(ended(outputs={"rows": 1}), {})
    listener = Listener(listen(dependsOn=BOTH))
    listener.hear(ended("a", outputs={"rows": 1}))
    both = listener.hear(ended("b", outputs={"rows": 2})).variables

    assert single["outputs"] == {"rows": 1, "a": {"rows": 1}}
    assert both["outputs"] == {"a": {"rows": 1}, "b": {"rows": 2}}


def test_variables_describe_the_last_execution() -> None:
    event = ended(
        labels=(("a.b", "c"),), start_at=NOON, end_at=NOON + timedelta(seconds=1), first_failed_task_id="t1", last_task_id="t2"
    )

    variables = trigger_variables(event, {})

    assert variables == {
        "executionId": "a-1",
        "executionLabels": {"a": {"b": "c"}},
        "state": "SUCCESS",
        "startDate": "2024-05-01T12:00:00Z",
        "endDate": "2024-05-01T12:00:01Z",
        "namespace": "n",
        "flowId": "a",
        "flowRevision": 1,
        "firstFailedTaskId": "t1",
        "lastTaskId": "t2",
        "outputs": {"a": {}},
    }


def test_task_outputs_are_loaded_only_when_an_expression_names_outputs() -> None:
    loads: list[int] = []
    event = ended(load_task_outputs=lambda: loads.append(1) or {"only": {"value": "x"}})

    Listener(listen(when="{{ state == 'SUCCESS' }}")).hear(event)
    assert loads == []
    assert Listener(listen(when="{{ outputs.only.value == 'x' }}")).hear(event).fires
    assert mentions_task_outputs({"a": ["{{ outputs.only.value }}"]})
    assert not mentions_task_outputs({"outputs": ["plain outputs"]})


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"dependsOn": BOTH, "mode": "SOME"}, "trigger-mode"),
        ({"dependsOn": BOTH, "mode": "AT_LEAST"}, "trigger-mode"),
        ({"dependsOn": BOTH, "mode": "AT_LEAST", "minSatisfied": 3}, "trigger-mode"),
        ({"dependsOn": BOTH, "window": {"every": "P1D", "lookback": "P1D"}}, "trigger-window"),
        ({"dependsOn": BOTH, "window": {"from": "09:00:00"}}, "trigger-window"),
        ({"dependsOn": BOTH, "window": {"deadline": "late"}}, "trigger-window"),
        ({"dependsOn": BOTH, "window": {"every": "PT0S"}}, "trigger-window"),
        ({"dependsOn": BOTH, "window": {"timezone": "No/Where"}}, "time-zone"),
        ({"dependsOn": ["a"]}, "trigger-condition"),
        ({"preconditions": {"id": "p"}}, "trigger-condition"),
        ({"preconditions": {"id": "p", "flows": BOTH, "timeWindow": {"type": "YEARLY"}}}, "trigger-window"),
    ],
)
def test_what_a_trigger_cannot_mean_is_refused(properties: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidError) as caught:
        listen(**properties)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        (None, "2024-05-01T00:00:00Z", "2024-05-01T23:59:59.999Z"),
        ({"every": "PT6H", "offset": "PT1H"}, "2024-05-01T07:00:00Z", "2024-05-01T12:59:59.999Z"),
        ({"every": "P1D", "offset": "PT13H"}, "2024-04-30T13:00:00Z", "2024-05-01T12:59:59.999Z"),
        ({"every": "P7D"}, "2024-04-29T00:00:00Z", "2024-05-05T23:59:59.999Z"),
        ({"every": "P1D", "timezone": "Asia/Tokyo"}, "2024-04-30T15:00:00Z", "2024-05-01T14:59:59.999Z"),
        (
            {"type": "DURATION_WINDOW", "window": "PT6H", "windowAdvance": "PT1H"},
            "2024-05-01T07:00:00Z",
            "2024-05-01T12:59:59.999Z",
        ),
        ({"type": "SLIDING_WINDOW", "window": "PT1H"}, "2024-05-01T11:00:00Z", "2024-05-01T12:00:00Z"),
        ({"type": "DAILY_TIME_WINDOW", "startTime": "10:00", "endTime": "13:00"}, "2024-05-01T10:00:00Z", "2024-05-01T13:00:00Z"),
        ({"type": "DAILY_TIME_DEADLINE", "deadline": "14:00:00+02:00"}, "2024-04-30T22:00:00Z", "2024-05-01T12:00:00Z"),
        ({"from": "22:00:00", "to": "13:00:00"}, "2024-04-30T22:00:00Z", "2024-05-01T13:00:00Z"),
    ],
)
def test_a_window_lies_where_it_should(written: dict[str, Any] | None, start: str, end: str) -> None:
    span = window_span(read_window(written), NOON)

    assert span is not None
    assert (span.start, span.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_daily_range_is_closed_outside() -> None:
    assert window_span(read_window({"from": "13:00:00", "to": "14:00:00"}), NOON) is None

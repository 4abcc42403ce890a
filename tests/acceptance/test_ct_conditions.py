"""Check 26 of the catalogue: every condition, once true and once false, and with the errors that the catalogue names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.building import CORE, FIRST_ATTEMPT, fail, log, retry_at_once, returned, trigger
from tests.acceptance.workspace import Workspace

SATURDAY, MONDAY = "2030-06-01T12:00:00Z", "2030-06-03T12:00:00Z"
HOLIDAY = "2030-07-14T12:00:00Z"


def condition(kind: str, /, **properties: Any) -> dict[str, Any]:
    """Return a condition. A final underscore lets a property be called `in_`."""
    return {"type": f"{CORE}.condition.{kind}", **{name.rstrip("_"): value for name, value in properties.items()}}


WEEKEND, WORKDAY = condition("Weekend", date=SATURDAY), condition("Weekend", date=MONDAY)
BEFORE_NOON = {"after": "11:00:00Z", "before": "12:30:00Z"}

ON_CALLS: list[tuple[str, dict[str, Any], bool]] = [
    ("after", condition("DateTimeBetween", date=MONDAY, after=SATURDAY), True),
    ("at-the-bound", condition("DateTimeBetween", date=MONDAY, after=MONDAY), False),
    ("within", condition("DateTimeBetween", date=MONDAY, after=SATURDAY, before=HOLIDAY), True),
    ("not-a-date", condition("DateTimeBetween", date="soon", after=SATURDAY), False),
    ("time-within", condition("TimeBetween", date=MONDAY, **BEFORE_NOON), True),
    ("time-too-early", condition("TimeBetween", date=MONDAY, after="13:00:00Z"), False),
    ("time-of-zone", condition("TimeBetween", date=MONDAY, after="13:30:00+02:00"), True),
    ("same-day", condition("DayWeek", date=MONDAY, dayOfWeek="MONDAY"), True),
    ("other-day", condition("DayWeek", date=MONDAY, dayOfWeek="TUESDAY"), False),
    ("first-monday", condition("DayWeekInMonth", date=MONDAY, dayOfWeek="MONDAY", dayInMonth="FIRST"), True),
    ("last-monday", condition("DayWeekInMonth", date=MONDAY, dayOfWeek="MONDAY", dayInMonth="LAST"), False),
    ("weekend", WEEKEND, True),
    ("workday", WORKDAY, False),
    ("no-date-at-all", condition("Weekend"), False),
    ("holiday", condition("PublicHoliday", date=HOLIDAY, country="FR"), True),
    ("no-holiday", condition("PublicHoliday", date=MONDAY, country="FR"), False),
    ("holds", condition("Expression", expression="{{ trigger.body.n == 1 }}"), True),
    ("zero-is-true", condition("Expression", expression="0"), True),
    ("false-with-blanks", condition("Expression", expression=" false "), False),
    ("cannot-render", condition("Expression", expression="{{ trigger.body.nothing.there }}"), False),
    ("none-holds", condition("Not", conditions=[WORKDAY]), True),
    ("one-holds", condition("Not", conditions=[WORKDAY, WEEKEND]), False),
    ("any", condition("Or", conditions=[WORKDAY, WEEKEND]), True),
    ("nothing", condition("Or", conditions=[WORKDAY]), False),
    ("of-this-flow", condition("FlowCondition", namespace="$NAMESPACE", flowId="called"), True),
    ("of-another-flow", condition("FlowCondition", namespace="$NAMESPACE", flowId="other"), False),
    ("of-this-namespace", condition("FlowNamespaceCondition", namespace="$NAMESPACE"), True),
    ("of-the-prefix", condition("FlowNamespaceCondition", namespace="accept", prefix=True), True),
    ("of-no-prefix", condition("FlowNamespaceCondition", namespace="accept"), False),
    ("no-execution", condition("ExecutionStatus", in_=["SUCCESS"]), False),
]


def test_ct_26_conditions_on_calls(workspace: Workspace) -> None:
    """A webhook answers 200 where its conditions hold and 204 where they do not or cannot be evaluated."""
    hooks = [trigger(name, "Webhook", key=f"ct-26-{name}", conditions=[_here(workspace, rule)]) for name, rule, _ in ON_CALLS]
    workspace.load("called", tasks=[log("a")], triggers=hooks)
    address = f"/executions/webhook/{workspace.namespace}/called/ct-26-"

    fired = {name: workspace.status_of("POST", address + name, {"n": 1})[0] for name, _, _ in ON_CALLS}

    assert fired == {name: 200 if holds else 204 for name, _, holds in ON_CALLS}


@pytest.mark.parametrize("kind", ["DateTimeBetween", "TimeBetween"])
def test_ct_26_a_condition_between_needs_a_bound(workspace: Workspace, kind: str) -> None:
    source = workspace.write(
        "unbounded", tasks=[log("a")], triggers=[trigger("t", "Webhook", key="ct-26", conditions=[condition(kind, date=MONDAY)])]
    )

    status, _ = workspace.status_of("POST", "/flows", source)
    called = workspace.status_of("POST", f"/executions/webhook/{workspace.namespace}/unbounded/ct-26", {})[0]

    assert (status, called) in ((422, 404), (200, 204))


AFTER_EXECUTIONS: list[tuple[str, dict[str, Any], bool]] = [
    ("flow", condition("ExecutionFlow", namespace="$NAMESPACE", flowId="upstream"), True),
    ("flow-other", condition("ExecutionFlow", namespace="$NAMESPACE", flowId="other"), False),
    ("namespace", condition("ExecutionNamespace", namespace="$NAMESPACE"), True),
    ("namespace-other", condition("ExecutionNamespace", namespace="acceptance"), False),
    ("namespace-prefix", condition("ExecutionNamespace", namespace="accept", comparison="PREFIX"), True),
    ("namespace-suffix", condition("ExecutionNamespace", namespace="executions", comparison="SUFFIX"), True),
    ("namespace-old-prefix", condition("ExecutionNamespace", namespace="accept", prefix=True), True),
    ("labels", condition("ExecutionLabels", labels={"team": "data", "tier": "2"}), True),
    ("labels-not-all", condition("ExecutionLabels", labels={"team": "data", "tier": "3"}), False),
    ("status", condition("ExecutionStatus", in_=["WARNING", "SUCCESS"]), True),
    ("status-excluded", condition("ExecutionStatus", notIn=["SUCCESS"]), False),
    ("outputs", condition("ExecutionOutputs", expression="{{ trigger.outputs.rows > 2 }}"), True),
    ("outputs-few", condition("ExecutionOutputs", expression="{{ trigger.outputs.rows > 3 }}"), False),
    ("outputs-unknown", condition("ExecutionOutputs", expression="{{ trigger.outputs.nothing.there }}"), False),
    ("retried", condition("HasRetryAttempt", in_=["FAILED"]), True),
    ("retried-otherwise", condition("HasRetryAttempt", in_=["KILLED"]), False),
    (
        "multiple",
        condition(
            "MultipleCondition",
            id="one",
            conditions={"up": condition("ExecutionFlow", namespace="$NAMESPACE", flowId="upstream")},
        ),
        True,
    ),
    (
        "multiple-half",
        condition(
            "MultipleCondition",
            id="two",
            conditions={
                "up": condition("ExecutionFlow", namespace="$NAMESPACE", flowId="upstream"),
                "other": condition("ExecutionFlow", namespace="$NAMESPACE", flowId="other"),
            },
        ),
        False,
    ),
]


def test_ct_26_conditions_on_executions(workspace: Workspace) -> None:
    """A flow trigger starts its flow where its conditions hold for the execution that ended."""
    workspace.load(
        "upstream",
        labels={"team": "data", "tier": 2},
        tasks=[fail("again", condition=FIRST_ATTEMPT, retry=retry_at_once(2)), returned("rows", "3")],
        outputs=[{"id": "rows", "type": "INT", "value": "{{ outputs.rows.value }}"}],
    )
    for name, rule, _ in AFTER_EXECUTIONS:
        after = trigger("after", "Flow", states=["SUCCESS"], conditions=[_here(workspace, rule), _after_upstream(workspace)])
        workspace.load(name, tasks=[log("a")], triggers=[after])

    workspace.wait_for(workspace.start("upstream"), "SUCCESS")
    expected = {name for name, _, holds in AFTER_EXECUTIONS if holds}
    for name in expected:
        workspace.wait_for_executions(name, 1)
    started = {name for name, _, _ in AFTER_EXECUTIONS if workspace.executions_of(name)}

    assert started == expected


def _after_upstream(workspace: Workspace) -> dict[str, Any]:
    """Keep the flows under test from firing each other."""
    return condition("ExecutionFlow", namespace=workspace.namespace, flowId="upstream")


def _here(workspace: Workspace, rule: Any) -> Any:
    """Put the namespace of the test into a condition."""
    if isinstance(rule, dict):
        return {key: _here(workspace, value) for key, value in rule.items()}
    if isinstance(rule, list):
        return [_here(workspace, value) for value in rule]
    return workspace.namespace if rule == "$NAMESPACE" else rule

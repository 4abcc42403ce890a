"""Deadlines of Flow triggers on real rows: told once when they pass unmet, to everybody who listens for failures."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from flows.engine.catalog import forget_flows
from flows.engine.rows import NewExecution, insert_execution
from flows.models import Execution, FlowRevision
from flows.operations.deadlines import fail_missed_deadlines
from flows.operations.flow_triggers import fire_flow_triggers
from flows.operations.triggers import set_trigger_disabled

from .trigger_flows import FLOW, NAMESPACE, START, end, executions, save, state

pytestmark = pytest.mark.django_db

DEADLINE = START.replace(hour=14, minute=0, second=0)


def wait_for(*flow_ids: str, **more: Any) -> dict[str, Any]:
    """Return a Flow trigger that must fire before 14:00."""
    entries = [{"namespace": NAMESPACE, "flowId": flow_id, "states": ["SUCCESS"]} for flow_id in flow_ids]
    missed = {"behavior": "FAIL", "labels": {"team": "data"}}
    return {"id": "after", "type": FLOW, "dependsOn": entries, "window": {"deadline": "14:00:00"}, "onMiss": missed, **more}


def succeed(flow_id: str, at: datetime) -> Execution:
    """Let an execution of a flow end at a moment, and tell it."""
    execution_id = insert_execution(NewExecution(namespace=NAMESPACE, flow_id=flow_id, flow_revision=1, at=at))
    row = end(Execution.objects.get(pk=execution_id), at=at)
    fire_flow_triggers(row, at=at)
    return row


def test_a_deadline_that_passes_unmet_leaves_a_failed_execution() -> None:
    save("report", wait_for("load", "clean"))
    succeed("load", START)

    early = fail_missed_deadlines(at=DEADLINE - timedelta(seconds=1))
    late = fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1))

    (missed,) = executions("report")
    assert (early, late) == (0, 1)
    assert (missed.state, {"key": "team", "value": "data"} in missed.labels) == ("FAILED", True)
    assert "deadline of 2031-05-04 14:00 UTC was missed" in missed.error
    assert missed.trigger["variables"]["missing"] == [f"{NAMESPACE}.clean with SUCCESS"]
    assert missed.announce_at is not None


def test_a_missed_deadline_is_told_once_and_the_next_one_is_waited_for() -> None:
    save("report", wait_for("load"))

    counts = [fail_missed_deadlines(at=DEADLINE + timedelta(seconds=second)) for second in (1, 2)]
    Execution.objects.update(announce_at=None)
    tomorrow = fail_missed_deadlines(at=DEADLINE + timedelta(days=1, seconds=1))

    row = state("report", "after")
    assert (counts, tomorrow) == ([1, 0], 1)
    assert row.next_at == DEADLINE + timedelta(days=2)
    assert row.evaluation["result"] == "FAILED" and "was missed" in row.evaluation["message"]


def test_a_deadline_that_is_met_says_nothing() -> None:
    save("report", wait_for("load"))
    succeed("load", START)

    assert fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1)) == 0
    assert [one.state for one in executions("report")] == ["CREATED"]
    assert fail_missed_deadlines(at=DEADLINE + timedelta(days=1, seconds=1)) == 1


def test_what_ended_in_time_but_was_not_told_yet_still_counts() -> None:
    save("report", wait_for("load"))
    execution_id = insert_execution(NewExecution(namespace=NAMESPACE, flow_id="load", flow_revision=1, at=START))
    row = end(Execution.objects.get(pk=execution_id), at=DEADLINE - timedelta(seconds=1), announce_at=DEADLINE)

    waited = fail_missed_deadlines(at=DEADLINE + timedelta(seconds=5))
    fire_flow_triggers(row, at=DEADLINE + timedelta(seconds=6))
    Execution.objects.filter(pk=row.pk).update(announce_at=None)
    after = fail_missed_deadlines(at=DEADLINE + timedelta(seconds=7))

    assert (waited, after) == (0, 0)
    assert [one.state for one in executions("report")] == ["CREATED"]


def test_without_on_miss_or_a_deadline_nothing_is_missed() -> None:
    save("quiet", wait_for("load", onMiss=None))
    save("daily", wait_for("load", window={"every": "P1D"}))

    assert (state("quiet", "after").next_at, state("daily", "after").next_at) == (None, None)
    assert fail_missed_deadlines(at=DEADLINE + timedelta(days=3)) == 0


def test_a_trigger_that_is_switched_off_misses_nothing() -> None:
    save("report", wait_for("load"))
    names = {"namespace": NAMESPACE, "flow_id": "report", "trigger_id": "after"}
    set_trigger_disabled(**names, disabled=True, at=START)

    missed = fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1))
    row = set_trigger_disabled(**names, disabled=False, at=DEADLINE + timedelta(hours=1))

    assert missed == 0
    assert row.next_at == DEADLINE + timedelta(days=1)


def test_a_trigger_that_could_not_be_read_for_a_while_waits_again_after_the_next_save() -> None:
    save("report", wait_for("load"))
    text = FlowRevision.objects.get().source
    FlowRevision.objects.update(source=text.replace("debug.Return", "debug.Gone"))
    forget_flows()
    unreadable = fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1))
    FlowRevision.objects.update(source=text)
    forget_flows()

    save("report", wait_for("load"), description="Another text, the same trigger.")

    assert unreadable == 0
    assert state("report", "after").next_at == DEADLINE


def test_a_condition_that_the_database_cannot_store_keeps_no_other_deadline_from_being_told() -> None:
    odd = wait_for("load", window={"deadline": "13:00:00"})
    odd["dependsOn"][0]["when"] = "{{ outputs.word == 'a\0b' }}"
    save("odd", odd)
    save("report", wait_for("load"))

    assert fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1)) == 2
    assert len(executions("odd")) == len(executions("report")) == 1


def test_deadlines_are_meant_in_their_zone() -> None:
    save("report", wait_for("load", window={"deadline": "20:00:00", "timezone": "Europe/Paris"}))

    assert state("report", "after").next_at == START.replace(hour=18, minute=0, second=0)


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_tell_a_missed_deadline_once() -> None:
    save("report", wait_for("load"))
    counts: list[int] = []

    def look() -> None:
        try:
            counts.append(fail_missed_deadlines(at=DEADLINE + timedelta(seconds=1)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 1
    assert len(executions("report")) == 1

"""The slots of a flow with a concurrency limit, on real rows: who gets one, in which order, and how each end gives it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.engine.concurrency import correct_counts, list_next_queued
from flows.models import Execution, Flow, TaskRun
from flows.operations import executions
from flows.primitives.states import TERMINAL, State
from tests.support.driving import (
    at_once,
    finish_waiting,
    heavy,
    pass_time,
    save,
    start,
    state_of,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> datetime:
    return datetime.now(UTC)


def kill(execution_id: str) -> str:
    return executions.kill_execution(execution_id, at=now(), actor="alice@example.org").state


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_of_a_flow_holds_however_fast_executions_come(limit: int) -> None:
    save(heavy("a"), concurrency={"limit": limit})
    ids = [start() for _ in range(12)]
    shares = [ids[position::4] for position in range(4)]

    at_once(*[lambda share=share: [visit(execution_id) for execution_id in share] for share in shares])

    running = Execution.objects.filter(state="RUNNING").count()
    held = Execution.objects.filter(slot_held=True).count()
    assert (running, held, Flow.objects.get(flow_id="driven").running_count) == (limit, limit, limit)
    assert Execution.objects.filter(state="QUEUED").count() == 12 - limit


def test_the_queue_drains_in_the_order_of_creation() -> None:
    save(heavy("a"), concurrency={"limit": 2})
    ids = [start() for _ in range(8)]
    for execution_id in reversed(ids[2:]):
        visit(execution_id)
    order, most = [], 0
    take_next()

    for _ in range(40):
        waiting = [*Execution.objects.filter(state="RUNNING").order_by("created_at").values_list("id", flat=True)]
        if not waiting:
            break
        most = max(most, len(waiting))
        order += [execution_id for execution_id in waiting if execution_id not in order]
        finish_waiting(waiting[0])
        take_next()

    assert (order, most) == (ids, 2)
    assert {state_of(execution_id) for execution_id in ids} == {"SUCCESS"}


def test_the_slot_of_what_was_created_first_stays_its_own() -> None:
    save(heavy("a"), concurrency={"limit": 1})
    first, second = start(), start()

    states = visit(second), visit(first)

    assert states == ("QUEUED", "RUNNING")


@pytest.mark.parametrize("change", [{"created_at": timedelta(minutes=-1)}, {"schedule_at": timedelta(hours=1)}])
def test_nobody_waits_for_an_execution_that_does_not_come(change: dict[str, timedelta]) -> None:
    """Its message was lost a while ago, or its date is still ahead."""
    save(heavy("a"), concurrency={"limit": 1})
    first, second = start(), start()
    Execution.objects.filter(id=first).update(**{name: now() + by for name, by in change.items()})

    assert visit(second) == "RUNNING"


def test_the_end_of_one_that_never_began_lets_the_next_one_go() -> None:
    save(heavy("a"), concurrency={"limit": 1})
    first, second = start(), start()
    visit(second)

    kill(first)
    take_next()

    assert (state_of(first), state_of(second)) == ("KILLED", "RUNNING")


def take_next() -> None:
    """Visit what the end of an execution, or the sweep, sends a message to: the oldest that fit."""
    for created_id in Execution.objects.filter(state="CREATED").order_by("created_at").values_list("id", flat=True):
        visit(created_id)
    for execution_id in list_next_queued("company.team", "driven"):
        visit(execution_id)


@pytest.mark.parametrize(("behavior", "end"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED")])
def test_an_execution_over_the_limit_ends_as_the_flow_says(behavior: str, end: str) -> None:
    save(heavy("a"), concurrency={"limit": 1, "behavior": behavior})
    first, second = start(), start()

    states = visit(first), visit(second)

    assert (states, TaskRun.objects.filter(execution_id=second).count()) == (("RUNNING", end), 0)


@pytest.mark.parametrize("end", ["success", "failure", "kill", "sla"])
def test_a_slot_is_given_back_by_every_end(end: str) -> None:
    limit = {"id": "s", "type": "MAX_DURATION", "duration": "PT1H", "behavior": "CANCEL"}
    save(heavy("a"), concurrency={"limit": 1}, sla=[limit])
    execution_id = start()
    visit(execution_id)

    if end == "kill":
        kill(execution_id)
    elif end == "sla":
        Execution.objects.update(created_at=now() - timedelta(hours=2))
        pass_time(execution_id)
        visit(execution_id)
    else:
        finish_waiting(execution_id, State.SUCCESS if end == "success" else State.FAILED)

    assert state_of(execution_id) in TERMINAL
    assert (Flow.objects.get(flow_id="driven").running_count, correct_counts()) == (0, 0)

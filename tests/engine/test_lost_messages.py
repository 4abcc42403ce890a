"""Messages that never left, that come to the wrong moment, or that no backend can count: the rows still decide."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from celery.canvas import Signature

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.engine import recovery
from flows.engine.canvas import compile_canvas
from flows.engine.worker import run_attempt
from flows.models import Execution, TaskRun
from flows.operations.executions import pause_execution, resume_execution
from flows.operations.services import SERVICES
from flows.primitives.errors import InvalidError
from tests.support import driving

from .families import children_of, settle, settle_visits_only
from .rehearsal import group, leaf, make_board, make_flow

pytestmark = pytest.mark.django_db(transaction=True)

_IN_A_MOMENT = timedelta(seconds=4)
_SOON = timedelta(seconds=6)


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """The broker of the run with an empty queue."""
    with redis.Redis.from_url(str(get_settings().redis_url)) as client:
        client.delete(DEFAULT_QUEUE)
        yield client
        client.delete(DEFAULT_QUEUE)


def test_a_message_that_is_not_in_the_queue_is_sent_again_after_five_seconds(broker: redis.Redis) -> None:
    """The process that made the work died between its commit and the publication."""
    driving.save(driving.heavy("a"))
    driving.visit(driving.start())
    broker.delete(DEFAULT_QUEUE)
    now = datetime.now(UTC)

    early, late = recovery.resend_unsent(now + _IN_A_MOMENT), recovery.resend_unsent(now + _SOON)

    assert (early, late, broker.llen(DEFAULT_QUEUE)) == (0, 1, 1)


def test_an_execution_whose_first_message_was_lost_is_sent_again_after_five_seconds(broker: redis.Redis) -> None:
    driving.save(driving.heavy("a"))
    driving.start()
    broker.delete(DEFAULT_QUEUE)
    now = datetime.now(UTC)

    early, late = recovery.resend_unsent(now + _IN_A_MOMENT), recovery.resend_unsent(now + _SOON)

    assert (early, late) == (0, 1)


def test_while_messages_wait_in_the_queue_nothing_is_sent_twice(broker: redis.Redis) -> None:
    driving.save(driving.heavy("a"))
    driving.visit(driving.start())
    now = datetime.now(UTC)

    sent = [recovery.resend_unsent(now + timedelta(seconds=seconds)) for seconds in (10, 30, 50)]

    assert (sent, broker.llen(DEFAULT_QUEUE)) == ([0, 0, 0], 2)


def test_a_task_of_a_worker_group_is_not_sent_again_because_another_queue_is_empty(broker: redis.Redis) -> None:
    driving.save(driving.heavy("a"))
    driving.visit(driving.start())
    TaskRun.objects.update(progress={"queues": ["gpu"]})
    broker.delete(DEFAULT_QUEUE)

    assert recovery.resend_unsent(datetime.now(UTC) + _SOON) == 0


def test_a_message_that_arrives_during_a_pause_by_hand_starts_nothing() -> None:
    driving.save(driving.heavy("a"), driving.heavy("b"))
    execution_id = driving.start()
    driving.visit(execution_id)
    run_id = driving.run_of(execution_id, "a").id
    pause_execution(execution_id, at=datetime.now(UTC))

    began = run_attempt(execution_id, run_id, SERVICES)
    paused = TaskRun.objects.get(id=run_id)
    resume_execution(execution_id, at=datetime.now(UTC))
    settle()

    assert (began, paused.state, paused.attempts, paused.lease_token) == (False, "CREATED", [], None)
    assert (driving.state_of(execution_id), driving.states_of(execution_id)) == ("SUCCESS", {"a": "SUCCESS", "b": "SUCCESS"})


def test_a_claim_that_meets_pause_and_resume_does_not_lose_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker reads that the execution is paused; before it gives the task back, a person has resumed."""
    driving.save(driving.heavy("a"))
    execution_id = driving.start()
    driving.visit(execution_id)
    run_id = driving.run_of(execution_id, "a").id
    pause_execution(execution_id, at=datetime.now(UTC))
    give_back = recovery.transitions.give_back_claim

    def resume_first(run_id: str, token: str) -> None:
        resume_execution(execution_id, at=datetime.now(UTC))
        give_back(run_id, token)

    monkeypatch.setattr("flows.engine.transitions.give_back_claim", resume_first)
    Execution.objects.update(dispatched_at=None)
    sent: list[str] = []
    monkeypatch.setattr("flows.engine.dispatch.send", lambda board, heavy, **_: sent.extend(run.task_id for run in heavy))

    run_attempt(execution_id, run_id, SERVICES)

    assert (sent, driving.states_of(execution_id)) == (["a"], {"a": "CREATED"})


def test_an_execution_that_is_set_aside_takes_what_it_started_along(monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.heavy("h"), flow_id="child")
    loop = driving.flowable("loop", "Loop", [driving.heavy("i")], values=["1", "2"])
    driving.save(driving.flowable("p", "Parallel", [driving.subflow("call", "child"), loop, driving.heavy("a")]))
    execution_id = driving.start()
    driving.visit(execution_id)
    settle_visits_only()

    def fail(*_: object, **__: object) -> None:
        raise InvalidError("the flow of this execution cannot be used any more")

    with monkeypatch.context() as patch:
        # Its flow, and with it that of its iterations, can no longer be read.
        patch.setattr("flows.engine.visits.load_board", fail)
        patch.setattr("flows.engine.children.load_board", fail)
        driving.visit(execution_id)

    assert driving.state_of(execution_id) == "FAILED"
    assert [child.state for child in children_of(execution_id)] == ["KILLED"] * 3
    assert not TaskRun.objects.exclude(state__in=["KILLED", "FAILED"]).exists()


def test_without_a_result_backend_parallel_tasks_are_joined_by_the_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery refuses a chord when nothing can count its header."""
    foreign = dataclasses.replace(get_settings(), redis_url=None)
    monkeypatch.setattr("flows.engine.canvas.get_settings", lambda: foreign)
    board = make_board(make_flow(group("p", "parallel", [leaf("a"), leaf("b")])))
    parent = board.create(board.graph.nodes["p"], None)
    children = [board.create(board.graph.nodes[name], parent) for name in ("a", "b")]

    canvases = compile_canvas(board, children)

    assert [type(canvas) for canvas in canvases] == [Signature, Signature]

"""What people do with executions, on real rows: kill, pause, resume, restart, replay, change, queue; and who wins a race."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from celery import current_app
from kombu import pools

from flows.engine import recovery
from flows.models import Execution, Flow, TaskRun
from flows.operations import executions
from flows.operations.services import SERVICES
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.states import State
from tests.support.driving import (
    at_once,
    claim,
    fail,
    finish_waiting,
    flowable,
    heavy,
    log,
    lose_worker,
    pass_time,
    pause,
    picture,
    report,
    run_of,
    save,
    start,
    state_of,
    states_of,
    subflow,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)

RETRY = {"type": "constant", "interval": "PT1H", "maxAttempts": 3}


def now() -> datetime:
    return datetime.now(UTC)


def kill(execution_id: str) -> str:
    return executions.kill_execution(execution_id, at=now(), actor="alice@example.org").state


def resume(execution_id: str) -> str:
    return executions.resume_execution(execution_id, at=now(), actor="alice@example.org").state


def restart(execution_id: str) -> str:
    executions.restart_execution(execution_id, at=now(), actor="alice@example.org")
    return visit(execution_id)


def disturb(execution_id: str) -> None:
    """Everything that might bring an execution back to life."""
    pass_time(execution_id)
    visit(execution_id)
    recovery.resend_unsent(now() + timedelta(hours=1))
    recovery.reap_lost_attempts(SERVICES)
    recovery.settle_kills(SERVICES, now())
    for run in TaskRun.objects.filter(execution_id=execution_id, state__in=["CREATED", "RESTARTED"]):
        claim(run.id)


def make_created() -> str:
    save(log("a"))
    return start()


def make_queued() -> str:
    save(heavy("a"), concurrency={"limit": 1})
    visit(start())
    execution_id = start()
    visit(execution_id)
    return execution_id


def make_waiting() -> str:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    return execution_id


def make_retrying() -> str:
    save(fail("a", retry=RETRY))
    execution_id = start()
    visit(execution_id)
    return execution_id


def make_paused() -> str:
    save(flowable("g", "Sequential", [pause("a")]))
    execution_id = start()
    visit(execution_id)
    return execution_id


def make_restarted() -> str:
    save(fail("a"))
    execution_id = start()
    visit(execution_id)
    executions.restart_execution(execution_id, at=now())
    return execution_id


def make_scheduled() -> str:
    save(log("a"))
    return start(schedule_at=now() + timedelta(days=1))


@pytest.mark.parametrize(
    "make",
    [make_created, make_scheduled, make_queued, make_waiting, make_retrying, make_paused, make_restarted],
    ids=lambda make: make.__name__,
)
def test_a_kill_ends_what_waits_and_nothing_brings_it_back(make: Callable[[], str]) -> None:
    execution_id = make()

    state = kill(execution_id)
    before = picture(execution_id)
    disturb(execution_id)

    assert (state, set(states_of(execution_id).values()) - {"KILLED"}) == ("KILLED", set())
    assert picture(execution_id) == before


def test_a_kill_of_a_running_task_waits_for_its_worker() -> None:
    execution_id = make_waiting()
    run_id = run_of(execution_id, "a").id
    token = claim(run_id)

    first = kill(execution_id)
    report(execution_id, run_id, token, State.SUCCESS)

    assert (first, state_of(execution_id), states_of(execution_id)) == ("KILLING", "KILLED", {"a": "KILLED"})


def test_a_kill_does_not_wait_for_a_worker_that_is_gone() -> None:
    execution_id = make_waiting()
    claim(run_of(execution_id, "a").id)
    kill(execution_id)

    lose_worker()
    recovery.settle_kills(SERVICES, now())

    assert (state_of(execution_id), states_of(execution_id)) == ("KILLED", {"a": "KILLED"})


def test_a_kill_runs_neither_errors_nor_finally() -> None:
    save(flowable("g", "Sequential", [pause("a")], errors=[log("e")]), **{"finally": [log("f")]})
    execution_id = start()
    visit(execution_id)

    kill(execution_id)

    assert states_of(execution_id) == {"g": "KILLED", "a": "KILLED"}


def test_a_kill_reaches_the_executions_that_were_started() -> None:
    save(pause("x"), flow_id="child")
    save(subflow("call", "child"))
    parent_id = start()
    visit(parent_id)
    child_id = Execution.objects.get(caller_execution_id=parent_id).id
    visit(child_id)

    kill(parent_id)

    assert (state_of(parent_id), state_of(child_id), states_of(parent_id)) == ("KILLED", "KILLED", {"call": "KILLED"})


def test_an_ended_execution_cannot_be_killed() -> None:
    execution_id = make_created()
    visit(execution_id)

    with pytest.raises(ConflictError, match="already finished"):
        kill(execution_id)


def test_of_resume_and_kill_at_the_same_moment_one_wins() -> None:
    save(pause("a"), log("b"))
    ends = []
    for _ in range(10):
        execution_id = start()
        visit(execution_id)

        answers = at_once(partial(resume, execution_id), partial(kill, execution_id))

        refused = [isinstance(answer, ConflictError) for answer in answers]
        ends.append((state_of(execution_id), refused))
    assert [end for end in ends if end not in (("SUCCESS", [False, True]), ("KILLED", [True, False]))] == []


def test_a_pause_is_resumed_once() -> None:
    save(pause("a"), pause("b"))
    execution_id = start()
    visit(execution_id)
    run_id = run_of(execution_id, "a").id

    answers = at_once(*[lambda: executions.resume_execution(execution_id, task_run_id=run_id, at=now())] * 3)

    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError", "ConflictError", "Execution"]
    assert (state_of(execution_id), states_of(execution_id)) == ("PAUSED", {"a": "SUCCESS", "b": "PAUSED"})


def test_a_pause_by_hand_lets_running_tasks_finish_and_starts_nothing() -> None:
    save(heavy("a"), log("b"))
    execution_id = start()
    visit(execution_id)
    token = claim(run_of(execution_id, "a").id)

    executions.pause_execution(execution_id, at=now())
    report(execution_id, run_of(execution_id, "a").id, token, State.SUCCESS)
    paused = (state_of(execution_id), states_of(execution_id))
    resume(execution_id)

    assert paused == ("PAUSED", {"a": "SUCCESS"})
    assert (state_of(execution_id), states_of(execution_id)) == ("SUCCESS", {"a": "SUCCESS", "b": "SUCCESS"})


def test_only_a_running_execution_can_be_paused() -> None:
    with pytest.raises(ConflictError):
        executions.pause_execution(make_created(), at=now())


def test_a_restart_runs_what_failed_again_and_keeps_the_rest() -> None:
    save(log("a"), flowable("p", "Parallel", [heavy("b"), log("c")]), log("d"), errors=[log("e")])
    execution_id = start()
    visit(execution_id)
    finish_waiting(execution_id, State.FAILED)
    failed = states_of(execution_id)
    kept = {run.task_id: run.histories for run in TaskRun.objects.filter(execution_id=execution_id, task_id__in=("a", "c"))}

    restart(execution_id)
    finish_waiting(execution_id)

    assert failed == {"a": "SUCCESS", "p": "FAILED", "b": "FAILED", "c": "SUCCESS", "e": "SUCCESS"}
    assert states_of(execution_id) == {"a": "SUCCESS", "p": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS", "d": "SUCCESS"}
    assert {run.task_id: run.histories for run in TaskRun.objects.filter(execution_id=execution_id, task_id__in=kept)} == kept
    assert [attempt["state"] for attempt in run_of(execution_id, "b").attempts] == ["FAILED", "SUCCESS"]


def test_restarts_at_the_same_moment_restart_once() -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    finish_waiting(execution_id, State.FAILED)

    answers = at_once(*[lambda: executions.restart_execution(execution_id, at=now())] * 3)

    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError", "ConflictError", "Execution"]


def test_nothing_of_a_success_can_be_restarted() -> None:
    execution_id = make_created()
    visit(execution_id)

    with pytest.raises(InvalidError) as refusal:
        restart(execution_id)

    assert (refusal.value.code, state_of(execution_id)) == ("nothing-to-restart", "SUCCESS")


def test_a_restarted_execution_takes_a_slot_again() -> None:
    save(heavy("a"), concurrency={"limit": 1})
    first, second = start(), start()
    visit(first)
    finish_waiting(first, State.FAILED)
    visit(second)

    state = restart(first)
    finish_waiting(second)
    after = visit(first)

    assert (state, after) == ("QUEUED", "RUNNING")
    assert finish_waiting(first) == 1
    assert (state_of(first), Flow.objects.get(flow_id="driven").running_count) == ("SUCCESS", 0)


def test_a_replay_from_a_task_keeps_what_came_before() -> None:
    save(log("a"), log("b"), log("c"))
    source_id = start()
    visit(source_id)
    before = picture(source_id)

    replay = executions.replay_execution(source_id, task_run_id=run_of(source_id, "b").id, at=now())
    visit(replay.id)

    ends = {run.task_id: len(run.attempts) for run in TaskRun.objects.filter(execution_id=replay.id)}
    assert (state_of(replay.id), ends) == ("SUCCESS", {"a": 1, "b": 2, "c": 1})
    assert (replay.parent_id, replay.original_id, picture(source_id)) == (source_id, source_id, before)


def test_a_replay_from_the_beginning_has_no_task_runs_yet() -> None:
    source_id = make_created()
    visit(source_id)

    replay = executions.replay_execution(source_id, at=now())

    assert (replay.state, TaskRun.objects.filter(execution_id=replay.id).count()) == ("CREATED", 0)


def test_a_task_run_that_is_given_success_lets_the_execution_go_on() -> None:
    save(fail("a"), log("b"))
    execution_id = start()
    visit(execution_id)

    executions.change_task_run_state(execution_id, task_run_id=run_of(execution_id, "a").id, state="SUCCESS", at=now())
    visit(execution_id)

    assert (state_of(execution_id), states_of(execution_id)) == ("SUCCESS", {"a": "SUCCESS", "b": "SUCCESS"})


def test_a_changed_status_touches_no_task_run() -> None:
    save(fail("a"))
    execution_id = start()
    visit(execution_id)

    executions.change_execution_status(execution_id, status="SUCCESS", at=now())

    assert (state_of(execution_id), states_of(execution_id)) == ("SUCCESS", {"a": "FAILED"})


def test_a_running_execution_can_be_given_no_status() -> None:
    with pytest.raises(ConflictError):
        executions.change_execution_status(make_paused(), status="SUCCESS", at=now())


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError) as refusal:
        kill("nothing")

    assert refusal.value.code == "execution-not-found"


def test_a_queued_execution_can_be_pushed_over_the_limit_and_gives_its_slot_back() -> None:
    execution_id = make_queued()

    executions.unqueue_execution(execution_id, at=now())
    over = Flow.objects.get(flow_id="driven").running_count
    finish_waiting(execution_id)

    assert (over, state_of(execution_id), Flow.objects.get(flow_id="driven").running_count) == (2, "SUCCESS", 1)


def test_an_execution_is_deleted_with_its_rows_only_when_it_ended() -> None:
    execution_id = make_waiting()
    with pytest.raises(ConflictError):
        executions.delete_execution(execution_id, at=now())
    finish_waiting(execution_id)

    executions.delete_execution(execution_id, at=now())

    assert (Execution.objects.count(), TaskRun.objects.count()) == (0, 0)


@pytest.fixture
def broker_away() -> Iterator[None]:
    """Celery finds nobody at the address of the broker."""
    conf = current_app.conf
    before = conf.broker_write_url
    conf.broker_write_url = "redis://127.0.0.1:1/0"
    forget_producers()
    yield
    conf.broker_write_url = before
    forget_producers()


def forget_producers() -> None:
    """Have the next message open a connection of its own."""
    pools.reset()
    current_app._after_fork()


def test_an_execution_is_accepted_while_the_broker_is_away(broker_away: None) -> None:
    save(log("a"))

    execution_id = start()

    execution = Execution.objects.get(id=execution_id)
    assert (execution.state, execution.dispatched_at) == ("CREATED", None)


def test_what_was_accepted_without_a_broker_is_sent_when_it_is_back(request: pytest.FixtureRequest) -> None:
    save(log("a"))
    request.getfixturevalue("broker_away")
    execution_id = start()
    while_away = recovery.resend_unsent(now() + timedelta(seconds=3))
    marked = Execution.objects.get(id=execution_id).dispatched_at
    current_app.conf.broker_write_url = None
    forget_producers()

    sent = recovery.resend_unsent(now() + timedelta(seconds=6))

    assert (while_away, marked, sent) == (1, None, 1)
    assert Execution.objects.get(id=execution_id).dispatched_at is not None

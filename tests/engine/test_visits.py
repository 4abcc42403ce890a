"""Visits on real rows: what one message causes, what a second one does not, and what is found again after a loss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.engine import recovery, transitions
from flows.models import Execution, LogEntry, TaskRun
from flows.operations.services import SERVICES
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, State
from tests.support.driving import (
    at_once,
    claim,
    fail,
    flowable,
    heavy,
    log,
    lose_worker,
    pass_time,
    pause,
    picture,
    report,
    run_of,
    run_to_end,
    save,
    start,
    state_of,
    states_of,
    subflow,
    visit,
    work,
)

from .rehearsal import check_history

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("in_process_worker")]


def list_due_now() -> list[str]:
    """Return the executions in which a timer is due."""
    return [execution_id for execution_id, _ in recovery.list_due(datetime.now(UTC))]


def test_a_flow_of_light_tasks_ends_in_one_visit_and_one_write() -> None:
    inner = flowable("each", "ForEach", [log("a"), log("b")], values=["1", "2", "3"], concurrencyLimit=0)
    save(log("first"), flowable("group", "Sequential", [inner, log("last")]))
    execution_id = start()

    state = visit(execution_id)

    execution = Execution.objects.get(id=execution_id)
    assert (state, execution.version) == ("SUCCESS", 1)
    assert TaskRun.objects.filter(execution_id=execution_id, state="SUCCESS").count() == 10


def test_every_history_of_an_execution_is_a_path_of_its_machine() -> None:
    group = flowable("g", "Parallel", [heavy("h"), fail("f", allowFailure=True)])
    save(log("a"), group, errors=[log("e")], **{"finally": [log("z")]})
    execution_id = start()

    state = run_to_end(execution_id)

    check_history(Execution.objects.get(id=execution_id).histories, EXECUTION_MACHINE)
    for run in TaskRun.objects.filter(execution_id=execution_id):
        check_history(run.histories, TASK_RUN_MACHINE)
        assert run.histories[-1][0] == run.state
    assert state == "WARNING"


@pytest.mark.parametrize("tasks", [[log("a")], [heavy("a")], [pause("a")], [fail("a")]], ids=["light", "heavy", "pause", "fail"])
def test_needless_visits_change_nothing(tasks: list[dict[str, str]]) -> None:
    save(*tasks)
    execution_id = start()
    visit(execution_id)
    before = picture(execution_id)

    for _ in range(3):
        visit(execution_id)

    assert picture(execution_id) == before


def test_visits_at_the_same_moment_do_the_work_once() -> None:
    save(log("a"), flowable("p", "Parallel", [log("b"), heavy("c")]), log("d"))
    execution_id = start()

    at_once(*[lambda: visit(execution_id)] * 4)

    assert states_of(execution_id) == {"a": "SUCCESS", "p": "RUNNING", "b": "SUCCESS", "c": "CREATED"}
    assert [len(run.attempts) for run in TaskRun.objects.filter(execution_id=execution_id, task_id__in=("a", "b"))] == [1, 1]


def test_a_visit_of_an_execution_that_is_gone_does_nothing() -> None:
    visit_of_nothing = transitions.read_root("no-such-execution", lock=False)

    assert visit_of_nothing is None
    assert recovery.reap_lost_attempts(SERVICES) == 0


def test_a_heavy_task_is_run_by_one_worker_only() -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)

    counts = at_once(*[lambda: work(execution_id)] * 4)

    assert sorted(counts) == [0, 0, 0, 1]
    assert (state_of(execution_id), len(run_of(execution_id, "a").attempts)) == ("SUCCESS", 1)


def test_a_chain_of_heavy_tasks_goes_on_by_itself() -> None:
    save(heavy("a"), log("b"), heavy("c"), flowable("g", "Parallel", [heavy("d"), heavy("e")]), log("f"))
    execution_id = start()

    assert run_to_end(execution_id) == "SUCCESS"
    assert set(states_of(execution_id).values()) == {"SUCCESS"}


def test_children_that_end_at_the_same_moment_are_joined_once() -> None:
    children = [heavy(f"h{number}") for number in range(6)]
    save(flowable("p", "Parallel", children), log("after"))
    execution_id = start()
    visit(execution_id)
    runs = list(TaskRun.objects.filter(execution_id=execution_id, state="CREATED"))
    tokens = {run.id: claim(run.id) for run in runs}

    at_once(*[lambda run_id=run.id: report(execution_id, run_id, tokens[run_id], State.SUCCESS) for run in runs])

    assert state_of(execution_id) == "SUCCESS"
    assert TaskRun.objects.filter(execution_id=execution_id, task_id="after").count() == 1


def test_a_lost_worker_s_attempt_is_taken_over_and_its_late_report_counts_for_nothing() -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    run_id = run_of(execution_id, "a").id
    stale = claim(run_id)
    lose_worker()
    fresh = claim(run_id)

    late, own = report(execution_id, run_id, stale, State.FAILED), report(execution_id, run_id, fresh, State.SUCCESS)

    run = run_of(execution_id, "a")
    assert (late, own, state_of(execution_id)) == (False, True, "SUCCESS")
    assert [attempt["state"] for attempt in run.attempts] == ["KILLED", "SUCCESS"]


def test_a_task_that_loses_three_workers_fails_with_the_reason() -> None:
    save(heavy("a", retry={"type": "constant", "interval": "PT1S", "maxAttempts": 5}))
    execution_id = start()
    visit(execution_id)
    run_id = run_of(execution_id, "a").id
    for _ in range(3):
        claim(run_id)
        lose_worker()

    logs = "\n".join(LogEntry.objects.filter(execution_id=execution_id).values_list("message", flat=True))
    assert (state_of(execution_id), run_of(execution_id, "a").state) == ("FAILED", "FAILED")
    assert "was lost 3 times" in logs


def test_a_report_is_never_taken_twice() -> None:
    save(heavy("a"), pause("b"))
    execution_id = start()
    visit(execution_id)
    run_id = run_of(execution_id, "a").id
    token = claim(run_id)
    first = report(execution_id, run_id, token, State.SUCCESS)
    before = picture(execution_id)

    second = report(execution_id, run_id, token, State.FAILED)

    assert (first, second, picture(execution_id)) == (True, False, before)


def test_a_failed_attempt_waits_for_its_retry_and_not_longer() -> None:
    save(fail("a", retry={"type": "constant", "interval": "PT1H", "maxAttempts": 2}), errors=[log("e")])
    execution_id = start()
    visit(execution_id)
    waiting = states_of(execution_id)
    too_early = visit(execution_id)
    not_due = list_due_now()
    pass_time(execution_id)
    due = list_due_now()

    visit(execution_id)

    assert (waiting, too_early, not_due, due) == ({"a": "RETRYING"}, "RUNNING", [], [execution_id])
    assert (state_of(execution_id), states_of(execution_id)) == ("FAILED", {"a": "FAILED", "e": "SUCCESS"})
    assert len(run_of(execution_id, "a").attempts) == 2


def test_a_message_that_was_never_sent_is_sent_by_the_sweep() -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    now = datetime.now(UTC)
    Execution.objects.update(dispatched_at=None)
    TaskRun.objects.update(dispatched_at=None)

    early, late = recovery.resend_unsent(now), recovery.resend_unsent(now + timedelta(seconds=3))

    assert (early, late) == (0, 1)
    assert TaskRun.objects.get().dispatched_at is not None


def test_a_message_that_nobody_answered_is_sent_again_after_a_minute() -> None:
    save(heavy("a"))
    visit(start())
    now = datetime.now(UTC)

    assert recovery.resend_unsent(now + timedelta(seconds=50)) == 0
    assert recovery.resend_unsent(now + timedelta(seconds=65)) == 1


def test_a_visit_that_died_half_way_is_gone_on_with() -> None:
    save(log("a"), heavy("b"))
    execution_id = start()
    visit(execution_id)
    Execution.objects.filter(id=execution_id).update(visit_until=datetime.now(UTC) - timedelta(seconds=1))
    due = list_due_now()

    visit(execution_id)
    work(execution_id)

    assert (due, state_of(execution_id)) == ([execution_id], "SUCCESS")


def test_a_duration_limit_ends_an_execution_that_waits() -> None:
    limit = {"id": "soon", "type": "MAX_DURATION", "duration": "PT1H", "behavior": "FAIL", "labels": {"late": "yes"}}
    save(pause("a"), sla=[limit])
    execution_id = start()
    visit(execution_id)
    Execution.objects.filter(id=execution_id).update(created_at=datetime.now(UTC) - timedelta(hours=2))
    pass_time(execution_id)

    state = visit(execution_id)

    execution = Execution.objects.get(id=execution_id)
    assert (state, states_of(execution_id)) == ("FAILED", {"a": "FAILED"})
    assert {"key": "late", "value": "yes"} in execution.labels


def test_an_assertion_that_does_not_hold_cancels_the_execution() -> None:
    assertion = {"id": "small", "type": "EXECUTION_ASSERTION", "assert": "{{ outputs.a.value == '1' }}", "behavior": "CANCEL"}
    save({"id": "a", "type": "io.kestra.plugin.core.debug.Return", "format": "2"}, pause("b"), sla=[assertion])
    execution_id = start()

    assert visit(execution_id) == "CANCELLED"


def test_the_end_of_a_subflow_is_taken_over_once() -> None:
    save(log("x"), flow_id="child")
    save(subflow("call", "child"), pause("after"))
    parent_id = start()
    visit(parent_id)
    child_id = Execution.objects.get(caller_execution_id=parent_id).id
    before = states_of(parent_id)

    at_once(lambda: visit(child_id), lambda: visit(child_id), lambda: recovery.announce_untold(SERVICES, datetime.now(UTC)))
    recovery.announce_untold(SERVICES, datetime.now(UTC) + timedelta(minutes=1))

    assert before == {"call": "RUNNING"}
    assert (state_of(parent_id), states_of(parent_id)) == ("PAUSED", {"call": "SUCCESS", "after": "PAUSED"})
    assert [name for name, _ in run_of(parent_id, "call").histories] == ["CREATED", "RUNNING", "SUCCESS"]
    assert Execution.objects.filter(flow_id="child").count() == 1


def test_a_failed_subflow_fails_its_caller() -> None:
    save(fail("x"), flow_id="child")
    save(subflow("call", "child"), log("never"))
    parent_id = start()
    visit(parent_id)

    visit(Execution.objects.get(caller_execution_id=parent_id).id)

    assert (state_of(parent_id), states_of(parent_id)) == ("FAILED", {"call": "FAILED"})

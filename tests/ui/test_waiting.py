"""Why an execution is not moving: one test per thing that an execution can wait for, with the words and the links."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows.models import Execution, Flow, TaskRun, Worker
from flows.queries.executions import list_task_runs
from flows.ui.waiting import Wait, explain_wait
from tests.ui.conftest import save_execution, save_flow, save_task_run

pytestmark = pytest.mark.django_db
APPROVAL = """id: daily
namespace: company.team
tasks:
  - id: sign
    type: io.kestra.plugin.core.flow.Approval
"""


@pytest.fixture
def now(flow: Flow) -> datetime:
    """The moment at which somebody looks."""
    return timezone.now()


def _save_run(execution: Execution, state: str, since: datetime, **fields: Any) -> TaskRun:
    histories = [["CREATED", since.isoformat()], *([[state, since.isoformat()]] if state != "CREATED" else [])]
    return save_task_run(execution, "hello", state=state, histories=histories, ended_at=None, **fields)


def _save_worker(now: datetime, **fields: Any) -> Worker:
    facts = {"name": "w1", "host": "h", "queues": ["default"], "started_at": now, "seen_at": now, **fields}
    return Worker.objects.create(**facts)


def _look(execution: Execution, at: datetime) -> Wait:
    wait = explain_wait(execution, list_task_runs(execution.id), at=at)
    assert wait is not None
    return wait


def test_a_queued_execution_names_those_that_hold_the_slots(flow: Flow, now: datetime) -> None:
    Flow.objects.update(concurrency_limit=1)
    save_execution("holder", state="RUNNING", slot_held=True)

    wait = _look(save_execution("waiter", state="QUEUED"), now)

    assert "allows 1 executions at once" in wait.text
    assert [text for text, _ in wait.links] == ["holder"]
    assert wait.links[0][1].endswith("/daily/holder")


def test_a_task_of_a_worker_group_that_nobody_serves_says_so(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    _save_run(execution, "CREATED", now - timedelta(minutes=1), progress={"queues": ["gpu"]})
    _save_worker(now)

    wait = _look(execution, now)

    assert 'no live worker serves the worker group "gpu"' in wait.text
    assert wait.links == (("Workers and queues", "/ui/system"),)


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ({}, "the 1 that is alive is busy"),
        ({"seen_at": -60}, "no worker is alive"),
        ({"stopped_at": -1}, "no worker is alive"),
        ({"drain_asked_at": -1}, "no worker is alive"),
    ],
)
def test_a_task_waits_for_live_workers_only(now: datetime, worker: dict[str, int], said: str) -> None:
    execution = save_execution(state="RUNNING")
    _save_run(execution, "CREATED", now - timedelta(minutes=1))
    _save_worker(now, **{name: now + timedelta(seconds=seconds) for name, seconds in worker.items()})

    assert said in _look(execution, now).text


def test_an_execution_that_nobody_begins_waits_for_a_worker(now: datetime) -> None:
    execution = save_execution(state="CREATED", created_at=now - timedelta(minutes=1))

    assert "No worker is alive" in _look(execution, now).text


def test_an_approval_says_since_when_and_leads_to_the_inbox(now: datetime) -> None:
    save_flow(APPROVAL, flow_id="signing")
    execution = save_execution(state="PAUSED", flow_id="signing")
    since = now - timedelta(minutes=5)
    save_task_run(execution, "sign", state="PAUSED", histories=[["CREATED", since.isoformat()], ["PAUSED", since.isoformat()]])

    wait = _look(execution, now)

    assert wait.text == 'Task "sign" waits for approval since 5 min.'
    assert wait.links == (("See the inbox", "/ui/inbox"),)


def test_a_pause_with_an_end_says_when_it_goes_on(now: datetime) -> None:
    execution = save_execution(state="PAUSED")
    _save_run(execution, "PAUSED", now, wake_at=now + timedelta(minutes=10))

    assert "goes on by itself in 10 min" in _look(execution, now).text


def test_a_pause_by_hand_says_who_ends_it(now: datetime) -> None:
    assert "by hand" in _look(save_execution(state="PAUSED", pause_asked=True), now).text


@pytest.mark.parametrize("state", ["RETRYING", "RUNNING"])
def test_a_retry_says_when_it_comes(now: datetime, state: str) -> None:
    execution = save_execution(state=state)
    due = now + timedelta(minutes=20)
    _save_run(execution, "RETRYING", now, wake_at=due)

    wait = _look(execution, now)

    assert wait.text == f'The next attempt of "hello" comes at {due:%Y-%m-%d %H:%M:%S} UTC, in 20 min.'


def test_a_caller_leads_to_the_execution_that_it_waits_for(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    _save_run(execution, "RUNNING", now)
    save_execution("callee", state="PAUSED", caller_execution_id=execution.id)

    wait = _look(execution, now)

    assert wait.text == "Waits for"
    assert wait.links[0][0] == "daily (PAUSED)"


def test_a_planned_execution_says_for_when(now: datetime) -> None:
    execution = save_execution(state="CREATED", schedule_at=now + timedelta(hours=2))

    assert "Planned for" in _look(execution, now).text


def test_long_work_names_its_worker(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    leased = {"lease_owner": "h:42", "lease_until": now + timedelta(seconds=20)}
    _save_run(execution, "RUNNING", now - timedelta(minutes=3), **leased)

    assert _look(execution, now).text == 'Task "hello" has been running for 3m 00s on worker h:42.'


def test_work_of_a_silent_worker_is_told_to_be_taken_over(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    leased = {"lease_owner": "h:42", "lease_until": now - timedelta(minutes=1)}
    _save_run(execution, "RUNNING", now - timedelta(minutes=3), **leased)

    assert "Another worker takes it over" in _look(execution, now).text


def test_a_running_execution_in_which_nothing_happens_is_told(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    long_ago = (now - timedelta(minutes=10)).isoformat()
    save_task_run(execution, "hello", histories=[["CREATED", long_ago], ["SUCCESS", long_ago]])

    assert "None of its tasks has run or waited for 10m 00s" in _look(execution, now).text


def test_an_execution_that_moves_has_nothing_to_explain(now: datetime) -> None:
    execution = save_execution(state="RUNNING")
    _save_run(execution, "RUNNING", now)

    assert explain_wait(execution, list_task_runs(execution.id), at=now) is None

"""Quotas: how many executions of a flow may begin within a period."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from flows.models import Execution, Flow, FlowStart, LogEntry
from flows.operations.executions import restart_execution
from tests.engine.whole_runs import LOG, run, save, start, visit, work_on

pytestmark = pytest.mark.django_db(transaction=True)


def _save(quotas: str, more: str = "", task: str = f"{{id: say, type: {LOG}, message: hi}}") -> None:
    save(f"id: often\nquotas: {quotas}\n{more}tasks:\n  - {task}\n")


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
def test_more_executions_than_the_quota_do_not_begin(behavior: str, state: str) -> None:
    _save(f"[{{duration: PT1H, limit: 2, behavior: {behavior}}}]")

    executions = [run("often") for _ in range(3)]

    assert [execution.state for execution in executions] == ["SUCCESS", "SUCCESS", state]
    assert LogEntry.objects.filter(execution_id=executions[2].id, message__contains="quota of 2 execution(s) in PT1H").exists()
    assert "RUNNING" not in [name for name, _ in executions[2].histories]


def test_the_period_rolls_on() -> None:
    _save("[{duration: PT1H, limit: 1}]")
    run("often")
    FlowStart.objects.update(started_at=datetime.now(UTC) - timedelta(hours=1))

    assert run("often").state == "SUCCESS"
    assert FlowStart.objects.count() == 1


def test_every_quota_holds() -> None:
    _save("[{duration: PT1M, limit: 1, behavior: CANCEL}, {duration: P1D, limit: 2, behavior: FAIL}]")
    states = []
    for _ in range(3):
        states.append(run("often").state)
        FlowStart.objects.update(started_at=datetime.now(UTC) - timedelta(minutes=5))

    assert states == ["SUCCESS", "SUCCESS", "FAILED"]


def test_what_was_refused_and_what_is_restarted_does_not_count() -> None:
    _save("[{duration: PT1H, limit: 1}]", task="{id: bad, type: io.kestra.plugin.core.execution.Fail}")
    failed = run("often")
    run("often")
    restart_execution(failed.id, at=datetime.now(UTC))

    assert work_on(failed.id).attempt_number == 2
    assert FlowStart.objects.count() == 1


def test_a_refused_execution_gives_its_slot_back() -> None:
    _save("[{duration: PT1H, limit: 1}]", more="concurrency: {limit: 1}\n")

    assert [run("often").state, run("often").state] == ["SUCCESS", "FAILED"]
    assert Flow.objects.get(flow_id="often").running_count == 0


def test_executions_that_begin_at_the_same_moment_do_not_overrun_the_quota() -> None:
    _save("[{duration: PT1H, limit: 2, behavior: CANCEL}]")
    ids = [start("often") for _ in range(6)]
    barrier = Barrier(len(ids))

    def begin(execution_id: str) -> None:
        try:
            barrier.wait()
            visit(execution_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(ids)) as pool:
        list(pool.map(begin, ids))

    states = list(Execution.objects.values_list("state", flat=True))
    assert sorted(states) == ["CANCELLED"] * 4 + ["SUCCESS"] * 2

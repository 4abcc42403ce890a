"""The random flows of the rehearsals on real rows: every event reads only what it needs and still comes to the same end."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.engine import catalog, recovery
from flows.engine.catalog import LoadedFlow
from flows.engine.graph import build_graph
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.transitions import claim_run
from flows.models import Execution, TaskRun
from flows.operations.services import SERVICES
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, TERMINAL, State
from tests.support.driving import claim, pass_time, picture, report, state_of, visit

from .flow_strategies import Case, cases
from .model import expect
from .rehearsal import Key, check_history

pytestmark = pytest.mark.django_db(transaction=True)

_OPTIONS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Rows:
    """An execution on real rows whose events come in an order that `random` chooses."""

    def __init__(self, case: Case, random: Random) -> None:
        flow, self.case, self.random = case.flow, case, random
        # The flow has tasks that no plugin offers, so it cannot be saved: the cache is its only home.
        catalog._cache[(flow.namespace, flow.id, 1)] = LoadedFlow(flow, 1, "", build_graph(flow))
        self.id = insert_execution(NewExecution(namespace=flow.namespace, flow_id=flow.id, flow_revision=1, at=datetime.now(UTC)))
        self.held: dict[str, str] = {}
        # A third loss fails a task run, which the model does not know.
        self.losses_left = 2

    def play(self) -> None:
        """Play events until nothing waits any more."""
        visit(self.id)
        for _ in range(500):
            waiting = list(self._rows("CREATED", "RESTARTED"))
            sleeping = list(self._rows("RETRYING"))
            choice = self.random.randrange(1 + len(waiting) + len(self.held) + bool(sleeping))
            if not waiting and not self.held and not sleeping:
                return
            if choice < len(waiting):
                self.held[waiting[choice].id] = claim(waiting[choice].id)
            elif choice < len(waiting) + len(self.held):
                self._report(list(self.held)[choice - len(waiting)])
            elif sleeping and choice == len(waiting) + len(self.held):
                pass_time(self.id)
                visit(self.id)
            else:
                self._disturb()
        raise AssertionError("the execution does not come to rest")

    def _report(self, run_id: str) -> None:
        run = TaskRun.objects.get(id=run_id)
        tried = sum(attempt["state"] != "KILLED" for attempt in run.attempts)
        report(self.id, run_id, self.held.pop(run_id), self.case.end_attempt((run.task_id, tuple(run.value_path)), tried))

    def _disturb(self) -> None:
        """A visit without need, a second claim, a worker that dies and reports later, a lost visit."""
        kind = self.random.randrange(4)
        if kind == 0:
            visit(self.id)
        elif kind == 1 and self.held:
            again = self.random.choice(list(self.held))
            assert not claim_run(again, token="x", owner="late:1", lease_seconds=30, at=datetime.now(UTC))
        elif kind == 2 and self.held and self.losses_left:
            self.losses_left -= 1
            recovery.expire_leases_of("gone:1")
            recovery.reap_lost_attempts(SERVICES)
            late = [report(self.id, run_id, token, State.FAILED) for run_id, token in self.held.items()]
            assert not any(late)
            self.held.clear()
        elif kind == 3:
            Execution.objects.filter(id=self.id, ended_at=None).update(visit_until=datetime(2020, 1, 1, tzinfo=UTC))
            visit(self.id)

    def _rows(self, *states: str) -> list[TaskRun]:
        return list(TaskRun.objects.filter(execution_id=self.id, state__in=states).order_by("seq"))

    def list_created(self) -> set[Key]:
        """Return every task run there is."""
        rows = TaskRun.objects.filter(execution_id=self.id).values_list("task_id", "value_path")
        return {(task_id, tuple(path)) for task_id, path in rows}


@settings(_OPTIONS, max_examples=25)
@given(case=cases(), seed=st.integers(0, 2**32))
def test_any_order_of_events_on_rows_comes_to_the_same_end(case: Case, seed: int) -> None:
    expected = expect(case.flow, case.results)
    rows = Rows(case, Random(seed))

    rows.play()

    created = rows.list_created()
    assert (state_of(rows.id), expected.must - created, created - expected.may) == (expected.state, set(), set())
    check_rows(rows.id)


def check_rows(execution_id: str) -> None:
    """Check what must hold at rest, and that a visit finds nothing to do."""
    execution = Execution.objects.get(id=execution_id)
    check_history(execution.histories, EXECUTION_MACHINE)
    for run in TaskRun.objects.filter(execution_id=execution_id):
        check_history(run.histories, TASK_RUN_MACHINE)
        assert (run.state in TERMINAL, run.lease_token, run.wake_at) == (True, None, None), run.task_id
    assert [kind for kind in ("live", "paused", "retrying") if execution.progress.get(kind)] == []
    before = picture(execution_id)
    visit(execution_id)
    assert picture(execution_id) == before

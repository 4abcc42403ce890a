"""An execution with all those that it starts, on real rows, whose events come in an order that a random generator chooses."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, note, settings

from flows.engine import catalog, dispatch, recovery, transitions, visits
from flows.engine.catalog import LoadedFlow
from flows.engine.graph import build_graph
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.transitions import claim_run
from flows.models import Execution, TaskRun
from flows.operations.executions import resume_execution
from flows.operations.services import SERVICES
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, TERMINAL, State
from tests.support import driving

from .flow_strategies import Case
from .model import expect
from .rehearsal import Key, check_history

RANDOM_FLOWS = settings(
    deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck)
)
"""How random flows are made: as in the tests of interleavings, a failure is not made smaller in every run."""

_numbers = itertools.count()
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_MOST_STEPS = 3_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task run that waits for somebody."""

    id: str
    execution_id: str
    task_id: str
    state: str
    value_path: list[str]
    is_timed: bool


class Family:
    """
    Plays what workers, timers, people and messages do to a flow and to the flows that it starts, until nothing is left to do.

    With `disturb`, workers die and report late, visits come without need or are lost, and what an execution has to tell its
    caller is lost with its process until a sweep finds it.
    """

    def __init__(self, case: Case, random: Random, *, namespace: str, disturb: bool = True) -> None:
        self.case, self.random, self.namespace, self.disturb = case, random, namespace, disturb
        for flow in (case.flow, *case.flows.values()):
            # The flows have tasks that no plugin offers, so they cannot be saved: the cache is their only home.
            flow = replace(flow, namespace=namespace)
            catalog._cache[(namespace, flow.id, 1)] = LoadedFlow(flow, 1, "", build_graph(flow))
        self.id = insert_execution(NewExecution(namespace=namespace, flow_id=case.flow.id, flow_revision=1, at=datetime.now(UTC)))
        tasks = [task for flow in (case.flow, *case.flows.values()) for task in flow.all_tasks()]
        self._leaves = {task.id for task in tasks if task.arrangement is None}
        self._pauses = {task.id for task in tasks if task.arrangement == "pause"}
        self._held: dict[str, tuple[Waiting, str]] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        # A third loss fails a task run, which the model does not know.
        self._losses_left = 2

    def play(self) -> None:
        """Play events until nothing waits any more."""
        for _ in range(_MOST_STEPS):
            moves = list(self._list_moves())
            if not moves:
                return
            if self.disturb and self.random.random() < 0.15:
                self._disturb()
                continue
            move, subject = self.random.choice(moves)
            self._losing_news(move, subject)
        raise AssertionError("the executions do not come to rest")

    def _list_moves(self) -> Iterator[tuple[Callable[[Any], object], Any]]:
        executions, runs = self._read()
        for execution_id, state, is_untold in executions:
            if state in ("CREATED", "QUEUED", "RESTARTED"):
                yield driving.visit, execution_id
            if is_untold:
                yield self._sweep_news, None
        states = {execution_id: state for execution_id, state, _ in executions}
        for run in runs:
            if run.state in ("CREATED", "RESTARTED"):
                yield (self._work, run) if run.task_id in self._leaves else (self._visit_lost, run.execution_id)
            elif run.is_timed:
                yield self._pass_time, run.execution_id
            elif run.state == "PAUSED" and states[run.execution_id] == "PAUSED" and run.task_id in self._pauses:
                yield self._resume, run
        for run_id in self._held:
            yield self._report, run_id

    def _read(self) -> tuple[list[tuple[str, str, bool]], list[Waiting]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, state, announce_at IS NOT NULL FROM flows_execution WHERE namespace = %s ORDER BY created_at, id",
                [self.namespace],
            )
            executions = cursor.fetchall()
            cursor.execute(
                "SELECT id, execution_id, task_id, state, value_path, wake_at IS NOT NULL FROM flows_taskrun"
                " WHERE execution_id = ANY(%s) AND (state IN ('CREATED', 'RESTARTED', 'PAUSED', 'RETRYING')"
                " OR wake_at IS NOT NULL) ORDER BY seq",
                [[row[0] for row in executions]],
            )
            runs = [Waiting(*row[:4], transitions._load(row[4]), row[5]) for row in cursor.fetchall()]
        return executions, runs

    # What happens

    def _work(self, run: Waiting) -> None:
        """A worker takes a task run, and reports at once or later."""
        self._held[run.id] = (run, driving.claim(run.id))
        if self.random.random() < 0.6:
            self._report(run.id)

    def _report(self, run_id: str) -> None:
        run, token = self._held.pop(run_id)
        row = TaskRun.objects.filter(id=run_id).values_list("attempts", flat=True).first()
        tried = sum(attempt["state"] != "KILLED" for attempt in row or ())
        key = (run.task_id, (*self._address_of(run.execution_id), *run.value_path))
        driving.report(run.execution_id, run_id, token, self.case.end_attempt(key, tried))

    def _pass_time(self, execution_id: str) -> None:
        driving.pass_time(execution_id)
        driving.visit(execution_id)

    def _resume(self, run: Waiting) -> None:
        resume_execution(run.execution_id, task_run_id=run.id, at=datetime.now(UTC))

    def _sweep_news(self, _: None) -> None:
        recovery.announce_untold(SERVICES, datetime.now(UTC) + timedelta(seconds=10))

    def _visit_lost(self, execution_id: str) -> None:
        Execution.objects.filter(id=execution_id).update(visit_until=_LONG_AGO)
        driving.visit(execution_id)

    def _losing_news(self, move: Callable[[Any], object], subject: Any) -> None:
        """Make a move; sometimes its process dies between its commit and what it tells others."""
        if not self.disturb or move == self._sweep_news or self.random.random() > 0.1:
            move(subject)
            return
        told, visits._after_commit = visits._after_commit, lambda turn: None
        try:
            move(subject)
        finally:
            visits._after_commit = told

    def _disturb(self) -> None:
        """A visit without need, a second claim, workers that die and report later, a lost visit."""
        executions, _ = self._read()
        some_id = self.random.choice(executions)[0]
        kind = self.random.randrange(4)
        if kind == 0:
            driving.visit(some_id)
        elif kind == 1 and self._held:
            again = self.random.choice(list(self._held))
            assert not claim_run(again, token="x", owner="late:1", lease_seconds=30, at=datetime.now(UTC))
        elif kind == 2 and self._held and self._losses_left:
            self._losses_left -= 1
            driving.lose_worker()
            late = [driving.report(run.execution_id, run.id, token, State.FAILED) for run, token in self._held.values()]
            assert not any(late)
            self._held.clear()
        elif kind == 3:
            self._visit_lost(some_id)

    # What came of it

    def _address_of(self, execution_id: str) -> tuple[str, ...]:
        """Return what the paths of an execution's task runs begin with, as the model tells executions apart."""
        if execution_id not in self._addresses:
            self._addresses[execution_id] = self._find_address(execution_id)
        return self._addresses[execution_id]

    def _find_address(self, execution_id: str) -> tuple[str, ...]:
        row = Execution.objects.values("caller_execution_id", "caller_task_run_id", "loop").get(id=execution_id)
        if row["caller_execution_id"] is None:
            return ()
        caller = TaskRun.objects.filter(id=row["caller_task_run_id"]).values_list("value_path", flat=True).first() or []
        before = (*self._address_of(row["caller_execution_id"]), *caller)
        if row["loop"]:
            return (*before, row["loop"]["item"]["value"])
        siblings = Execution.objects.filter(caller_task_run_id=row["caller_task_run_id"]).order_by("created_at", "id")
        return (*before, f"#{list(siblings.values_list('id', flat=True)).index(execution_id) + 1}")

    def list_ends(self) -> Counter[tuple[Key, State]]:
        """
        Return how often every task run is there in which state, of all executions whose caller's task run is still there: a
        LoopUntil takes those of earlier passes away.
        """
        found: Counter[tuple[Key, State]] = Counter()
        alive = {self.id}
        for row in (
            Execution.objects.filter(namespace=self.namespace).order_by("depth", "created_at").only("id", "caller_task_run_id")
        ):
            if row.id != self.id and not TaskRun.objects.filter(id=row.caller_task_run_id, execution_id__in=alive).exists():
                continue
            alive.add(row.id)
            address = self._address_of(row.id)
            for task_id, path, state in TaskRun.objects.filter(execution_id=row.id).values_list("task_id", "value_path", "state"):
                found[(task_id, (*address, *path)), State(state)] += 1
        return found

    def check_rest(self) -> None:
        """Check what must hold at rest: all ended, all counters at zero, every history legal, every join complete."""
        for execution in Execution.objects.filter(namespace=self.namespace):
            assert execution.state in TERMINAL, execution
            assert [kind for kind in ("live", "paused", "retrying") if execution.progress.get(kind)] == [], execution
            check_history(execution.histories, EXECUTION_MACHINE)
        for run in TaskRun.objects.filter(execution__namespace=self.namespace).select_related("execution"):
            assert (run.state in TERMINAL, run.lease_token, run.wake_at) == (True, None, None), run
            check_history(run.histories, TASK_RUN_MACHINE)
            if run.outputs and "runningIterations" in run.outputs and run.state not in ("KILLED", "CANCELLED"):
                children = Execution.objects.filter(caller_task_run_id=run.id)
                assert run.outputs["terminatedIterations"] == children.count(), run


@contextmanager
def send_nothing() -> Iterator[None]:
    """Send no messages: nobody would read them, since what a message causes is called by hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "send", lambda *_, **__: None)
        patch.setattr(dispatch, "send_execution", lambda _: True)
        yield


def play_and_check(case: Case, seed: int) -> None:
    """Play the events of one case in an order that follows from `seed`, and compare what is there then with the model."""
    note(f"seed {seed} of\n{case}")
    expected = expect(case.flow, case.results, case.flows)
    catalog.forget_flows()
    family = Family(case, Random(seed), namespace=f"company.n{next(_numbers)}")

    family.play()

    family.check_rest()
    before = driving.picture(family.id)
    driving.visit(family.id)
    assert driving.picture(family.id) == before
    ends = family.list_ends()
    created = {key for key, _ in ends}
    assert driving.state_of(family.id) == expected.state
    assert (expected.must - created, created - expected.may, expected.sure - set(ends)) == (set(), set(), set())
    assert [pair for pair, count in ends.items() if count > 1] == []

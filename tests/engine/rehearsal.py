"""An execution in memory: typed flows built by hand, and a stage on which any order of events can be played to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from flows.engine.arrangements.waits import Pause
from flows.engine.attempts import close_attempt, open_attempt
from flows.engine.board import Board, Root, Run
from flows.engine.graph import Graph, build_graph
from flows.engine.light import settle_outcome
from flows.engine.results import Outcome
from flows.engine.turn import Turn
from flows.engine.visits import begin, wake_run
from flows.language.flow import Flow, Retry, Task
from flows.operations.services import SERVICES
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, TERMINAL, State, StateMachine

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)

Key = tuple[str, tuple[str, ...]]
"""A task run by its task and the values of the loops around it."""


def leaf(task_id: str, **more: Any) -> Task:
    """Return a task that a worker runs."""
    return Task(id=task_id, type="test.Heavy", **more)


def group(task_id: str, arrangement: str, tasks: Sequence[Task], *, branch: str = "tasks", **more: Any) -> Task:
    """Return a flowable with `tasks` in one of its branches; `errors` and `finally_` are lists of tasks, too."""
    branches = {branch: tuple(tasks)}
    for name, key in (("errors", "errors"), ("finally_", "finally"), ("otherwise", "else")):
        if more.get(name):
            branches[key] = tuple(more[name])
        more.pop(name, None)
    return Task(
        id=task_id, type=more.pop("type", "test.Group"), role="flowable", arrangement=arrangement, branches=branches, **more
    )


def make_flow(*tasks: Task, **more: Any) -> Flow:
    """Return a flow of these tasks."""
    return Flow(id="rehearsed", namespace="company.team", tasks=tuple(tasks), **more)


def retry_of(attempts: int) -> Retry:
    """Return a policy with this many attempts, a second apart."""
    return Retry(type="constant", interval=timedelta(seconds=1), max_attempts=attempts)


def make_root(state: State = State.CREATED, **changes: Any) -> Root:
    """Return the row of an execution that asks the database nothing: no slot, no listener."""
    values: dict[str, Any] = {
        "id": "execution", "namespace": "company.team", "flow_id": "rehearsed", "flow_revision": 1, "kind": "TEST",
        "state": state, "seen": state, "histories": [[state.value, AT.isoformat()]], "created_at": AT, "ended_at": None,
        "inputs": {}, "outputs": None, "variables": {}, "labels": [], "trigger": None, "parent_id": None,
        "original_id": "execution", "original_created_at": AT, "schedule_at": None, "attempt_number": 1, "error": "",
        "breakpoints": [], "caller_execution_id": None, "caller_task_run_id": None, "caller_waits": False, "loop": None,
        "depth": 0, "slot_held": False, "pause_asked": False, "progress": {}, "version": 0, "dispatched_at": None,
        "wake_at": None, "announce_at": None, "visit_until": None, "failures": 0,
    }  # fmt: skip
    return Root(**{**values, **changes})


def make_board(flow: Flow, state: State = State.RUNNING) -> Board:
    """Return an empty board for a flow."""
    return Board(make_root(state), build_graph(flow), at=AT)


def graph_of(*tasks: Task, **more: Any) -> Graph:
    """Return the graph of a flow of these tasks."""
    return build_graph(make_flow(*tasks, **more))


class MemoryTurn(Turn):
    """A turn whose board is the only copy: everything is decided as always, nothing is written or sent."""

    def _flush_if_due(self) -> None:
        """One transaction holds any rehearsal."""


class Stage:
    """
    One execution with the messages that are on their way and the attempts that run.

    `outcomes` tells how attempt number n (from 1) of a task run ends. Every change goes through turns of the engine; after
    each of them it is checked that nothing left a final state.
    """

    def __init__(self, flow: Flow, outcomes: Callable[[Key, int], State], *, random: Random | None = None) -> None:
        self.board = Board(make_root(), build_graph(flow), at=AT)
        self.random = random or Random(0)
        self.messages: list[str] = []
        self._outcomes = outcomes
        self._ended: dict[str, int] = {}

    @property
    def state(self) -> State:
        """The state of the execution."""
        return self.board.root.state

    def take_turn(self, act: Callable[[Turn], None]) -> None:
        """Let `act` change the board, drive it, and keep what a worker must be asked for."""
        turn = MemoryTurn(self.board, SERVICES, atomic=None)
        act(turn)
        turn.drive()
        self.messages += [run.id for run in turn.heavy]
        self._check_ends()

    def begin(self) -> None:
        """Begin the execution."""
        self.take_turn(begin)

    def claim(self, run_id: str) -> bool:
        """A worker meets a message: it takes the run if that still waits, as the conditional update does."""
        run = self.board.runs.get(run_id)
        if run is None or run.state not in (State.CREATED, State.RESTARTED):
            return False
        open_attempt(run, owner="worker", at=self.board.at)
        self.board.move(run, State.RUNNING)
        return True

    def finish(self, run: Run) -> None:
        """A worker reports the end of the attempt that it holds; a run that ended meanwhile takes no report."""
        if run.is_terminal:
            return
        tried = sum(attempt["state"] != State.KILLED.value for attempt in run.attempts)
        end = State((run.progress or {}).get("interrupt") or self._outcomes(key_of(run), tried))
        self.take_turn(lambda turn: settle_outcome(turn, run, Outcome(end, None, "")))

    def lose_worker(self, run: Run) -> None:
        """The worker of an attempt dies: the attempt is closed and the run waits again, unless it is being stopped."""

        def give_back(turn: Turn) -> None:
            interrupt = (run.progress or {}).get("interrupt")
            if interrupt:
                turn.end_run(run, State(interrupt))
                return
            close_attempt(run, State.KILLED, at=self.board.at)
            self.board.move(run, State.CREATED)
            turn.take_in(run)

        self.take_turn(give_back)

    def wake(self, run: Run) -> None:
        """The moment has come for which a run waited."""
        assert run.wake_at is not None
        self.board.at = max(self.board.at, run.wake_at)
        self.take_turn(lambda turn: wake_run(turn, run))

    def resume(self, run: Run) -> None:
        """A person resumes a paused task run."""

        def release(turn: Turn) -> None:
            turn.board.move_root(State.RESTARTED)
            turn.board.move_root(State.RUNNING)
            Pause().release(turn, run, State.SUCCESS, by="alice", inputs={})

        self.take_turn(release)

    def recover(self) -> None:
        """A visit reads everything anew."""
        self.take_turn(lambda turn: turn.reopen())

    def repeat(self) -> None:
        """
        A visit comes twice or late: some scopes are looked at without need. Not those of one iteration, whose end is counted:
        only the end of a child leads there, and that happens once.
        """
        scopes = [scope for scope in self.board.scopes if scope[1] is None] or [(None, None)]
        chosen = [self.random.choice(scopes) for _ in range(2)]
        self.take_turn(lambda turn: [turn.mark_dirty(scope) for scope in chosen] and None)

    def kill(self) -> None:
        """A person kills the execution."""
        self.take_turn(lambda turn: turn.stop(State.KILLED))

    def list_running(self) -> list[Run]:
        """Return the runs that a worker holds."""
        return [run for run in self.board.runs.values() if run.state == State.RUNNING and is_leaf(run)]

    def list_sleeping(self) -> list[Run]:
        """Return the runs that wait for a moment."""
        return [run for run in self.board.runs.values() if run.wake_at is not None]

    def list_resumable(self) -> list[Run]:
        """Return the runs that wait for a person who can resume them now."""
        paused = [run for run in self.board.runs.values() if run.state == State.PAUSED and run.wake_at is None]
        return paused if self.state == State.PAUSED else []

    def list_created(self) -> set[Key]:
        """Return every task run there is."""
        return {key_of(run) for run in self.board.runs.values()}

    def list_ends(self) -> set[tuple[Key, State]]:
        """Return the state of every task run."""
        return {(key_of(run), run.state) for run in self.board.runs.values()}

    def is_quiet(self) -> bool:
        """True when nothing moves any more: no message, no attempt, no timer, nothing that a person could resume."""
        return not (self.messages or self.list_running() or self.list_sleeping() or self.list_resumable())

    def play(self, *, disturb: bool = True, kill_after: int | None = None) -> None:
        """
        Play events in an order that `random` chooses until nothing is left to do, then recover once, as the sweep would.

        With `disturb`, messages are lost and doubled, workers die, and scopes are looked at without need.
        """
        self.begin()
        for step in range(2_000):
            if kill_after == step and not self.board.root.is_terminal:
                self.kill()
            if self.is_quiet():
                before = self._picture()
                self.recover()
                if self.is_quiet() and self._picture() == before:
                    return
                continue
            self._play_one(disturb=disturb)
        raise AssertionError("the execution does not come to rest")

    def _play_one(self, *, disturb: bool) -> None:
        random = self.random
        if disturb and random.random() < 0.15:
            self._disturb()
            return
        moves: list[tuple[Callable[[Any], object], Any]] = [(self._deliver, run_id) for run_id in self.messages]
        moves += [(self.finish, run) for run in self.list_running()]
        moves += [(self.wake, run) for run in self.list_sleeping()]
        moves += [(self.resume, run) for run in self.list_resumable()]
        move, subject = random.choice(moves)
        move(subject)

    def _deliver(self, run_id: str) -> None:
        self.messages.remove(run_id)
        self.claim(run_id)

    def _disturb(self) -> None:
        random, running = self.random, self.list_running()
        kind = random.randrange(5)
        if kind == 0 and self.messages:
            self.messages.pop(random.randrange(len(self.messages)))
        elif kind == 1 and self.messages:
            self.messages.append(random.choice(self.messages))
        elif kind == 2:
            self.repeat()
        elif kind == 3:
            self.recover()
        elif running:
            self.lose_worker(random.choice(running))

    def _picture(self) -> tuple[State, tuple[tuple[str, int], ...]]:
        return self.state, tuple(sorted((run.id, len(run.histories)) for run in self.board.runs.values()))

    def _check_ends(self) -> None:
        """Nothing in a rehearsal is a person who restarts, so a final state is the last one for ever."""
        for run_id, length in list(self._ended.items()):
            if run_id not in self.board.runs:
                # A LoopUntil takes the task runs of its last pass away before the next one.
                del self._ended[run_id]
                continue
            assert len(self.board.runs[run_id].histories) == length, f"{self.board.runs[run_id].task_id} left its end"
        self._ended.update({run.id: len(run.histories) for run in self.board.runs.values() if run.is_terminal})


def is_leaf(run: Run) -> bool:
    """True for a run that a worker runs."""
    return run.node is not None and run.node.arrangement is None


def key_of(run: Run) -> Key:
    """Return the key of a run."""
    return run.task_id, tuple(run.value_path)


def check_history(histories: Sequence[Sequence[str]], machine: StateMachine) -> None:
    """Check that a recorded history is a path in the table of its machine."""
    states = [State(name) for name, _ in histories]
    wrong = [(before, after) for before, after in pairwise(states) if not machine.allows(before, after)]
    assert wrong == []


def check_stage(stage: Stage) -> None:
    """Check what must hold at rest: all ended, all counters at zero, every history legal."""
    board = stage.board
    assert stage.state in TERMINAL
    assert [run.task_id for run in board.runs.values() if not run.is_terminal] == []
    assert {kind: board.count_activity(kind) for kind in ("live", "paused", "retrying")} == {
        "live": 0,
        "paused": 0,
        "retrying": 0,
    }
    check_history(board.root.histories, EXECUTION_MACHINE)
    for run in board.runs.values():
        check_history(run.histories, TASK_RUN_MACHINE)


def outcomes_of(table: Mapping[str, Sequence[State]]) -> Callable[[Key, int], State]:
    """Return outcomes by task id: one for each attempt, the last one for all that follow; unnamed tasks succeed."""

    def find(key: Key, attempt: int) -> State:
        given = table.get(key[0], (State.SUCCESS,))
        return given[min(attempt, len(given)) - 1]

    return find

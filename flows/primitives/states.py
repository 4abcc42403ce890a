"""The states of executions and task runs: which moves are legal and why, which states are final, who wakes a waiting one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flows.primitives.errors import ConflictError


class State(StrEnum):
    """Every state that the API knows, exactly as it spells them. Source: flow language, 10.2."""

    CREATED = "CREATED"
    QUEUED = "QUEUED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    BREAKPOINT = "BREAKPOINT"
    RESTARTED = "RESTARTED"
    RETRYING = "RETRYING"
    KILLING = "KILLING"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    FAILED = "FAILED"
    KILLED = "KILLED"
    CANCELLED = "CANCELLED"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"
    RESUBMITTED = "RESUBMITTED"


TERMINAL = frozenset(
    {State.SUCCESS, State.WARNING, State.FAILED, State.KILLED, State.CANCELLED, State.RETRIED, State.SKIPPED, State.RESUBMITTED}
)
ENDED_WELL = frozenset({State.SUCCESS, State.WARNING, State.SKIPPED, State.RETRIED})
UNSUCCESSFUL = frozenset({State.FAILED, State.KILLED, State.CANCELLED})
# The ends that a flow or a flowable can have by its children.
_ENDS = (State.SUCCESS, State.WARNING, State.FAILED, State.KILLED, State.CANCELLED)


class ForbiddenTransitionError(ConflictError):
    """The object cannot go from its present state to the wanted one."""

    code = "forbidden-transition"


@dataclass(frozen=True, slots=True)
class StateMachine:
    """
    One printable machine. `moves` maps a state to its legal successors with the cause of each move; `woken_by` says for
    each state that is not final who makes the next move happen.
    """

    subject: str
    moves: Mapping[State, Mapping[State, str]]
    woken_by: Mapping[State, str]

    def allows(self, before: State, after: State) -> bool:
        """Tell whether the move is legal."""
        return after in self.moves.get(before, {})

    def check(self, before: State, after: State, *, name: str) -> None:
        """Raise ForbiddenTransitionError, naming the object and the way out, unless the move is legal."""
        if self.allows(before, after):
            return
        way_out = "Start a replay instead." if before in TERMINAL else f"From {before} it can only go to {self._choices(before)}."
        raise ForbiddenTransitionError(f"{self.subject} {name} is {before} and cannot go to {after}. {way_out}")

    def _choices(self, before: State) -> str:
        return ", ".join(self.moves.get(before, {})) or "no other state"

    def table(self) -> str:
        """Return the machine as text, one legal move per line: from, to, cause, who wakes the target."""
        lines = [f"{self.subject}: from | to | cause | woken by"]
        for before, targets in self.moves.items():
            lines += [
                f"{before} | {after} | {cause} | {self.woken_by.get(after, 'nobody: final')}" for after, cause in targets.items()
            ]
        return "\n".join(lines)


def _ended(cause: str) -> dict[State, str]:
    return dict.fromkeys(_ENDS, cause)


_RESTART = {State.RESTARTED: "a person restarts it, or changes the state of one of its task runs"}
_CHANGE = dict.fromkeys((*_ENDS, State.SKIPPED), "a person changes the status")

EXECUTION_MACHINE = StateMachine(
    "Execution",
    {
        State.CREATED: {
            State.RUNNING: "first visit",
            State.QUEUED: "no concurrency slot is free",
            **_ended("concurrency, check or engine error before the first task"),
            State.KILLING: "a person kills it",
            State.PAUSED: "a person pauses it",
        },
        State.QUEUED: {
            State.RUNNING: "a slot is free, or a person unqueues it",
            **_ended("a person unqueues it into this state, or the wait ends"),
            State.KILLING: "a person kills it",
        },
        State.RUNNING: {
            State.PAUSING: "an approval prepares to wait",
            State.PAUSED: "only paused task runs are left, or a person pauses it",
            State.BREAKPOINT: "a breakpoint is reached",
            State.RETRYING: "only retries are left",
            State.RETRIED: "a retry continues in a new execution",
            State.KILLING: "a person kills it",
            **_ended("all task runs ended, an SLA, or Exit"),
        },
        State.PAUSING: {
            State.PAUSED: "only paused task runs are left",
            State.RUNNING: "the wait is over before it began",
            State.KILLING: "a person kills it",
            **_ended("all task runs ended"),
        },
        State.PAUSED: {
            State.RESTARTED: "it is resumed or restarted",
            State.RUNNING: "a pause ends by its duration",
            State.KILLING: "a person kills it",
            **_ended("a pause or approval ends it, or an SLA"),
        },
        State.BREAKPOINT: {
            State.RESTARTED: "a person goes on",
            State.KILLING: "a person kills it",
            **_ended("an SLA or an engine error"),
        },
        State.RESTARTED: {
            State.RUNNING: "first visit after the restart, or a resume",
            State.QUEUED: "no concurrency slot is free",
            State.PAUSED: "other pauses are left",
            State.KILLING: "a person kills it",
            **_ended("nothing is left to run"),
        },
        State.RETRYING: {
            State.RUNNING: "a retry is due",
            State.KILLING: "a person kills it",
            **_ended("an SLA"),
        },
        State.KILLING: {
            State.KILLED: "no task run is alive any more",
            State.FAILED: "an SLA ends it",
            State.CANCELLED: "an SLA ends it",
        },
        **{state: {**_RESTART, **{s: c for s, c in _CHANGE.items() if s != state}} for state in (*_ENDS, State.SKIPPED)},
        State.RETRIED: dict(_CHANGE),
    },
    {
        State.CREATED: "its message, else the dispatch sweep; before a schedule date the timer sweep",
        State.QUEUED: "the end of an execution that holds a slot, else the queue sweep",
        State.RUNNING: "its task runs; each has a waker of its own",
        State.PAUSING: "the task runs of the approval",
        State.PAUSED: "a person, or the timer sweep when the pause has a duration",
        State.BREAKPOINT: "a person",
        State.RESTARTED: "its message, else the dispatch sweep",
        State.RETRYING: "the timer sweep",
        State.KILLING: "the workers that stop their tasks, else the lease sweep",
    },
)

TASK_RUN_MACHINE = StateMachine(
    "Task run",
    {
        State.CREATED: {
            State.RUNNING: "a worker claims it, or a visit opens it",
            State.SKIPPED: "its condition is false",
            State.BREAKPOINT: "a breakpoint is reached",
            **_ended("it cannot start, the execution is killed, or it ended within one visit"),
        },
        State.RUNNING: {
            State.PAUSED: "it waits for a person or a moment",
            State.RETRYING: "the attempt failed and another one is planned",
            State.RETRIED: "the retry continues in a new execution",
            State.CREATED: "its worker was lost",
            State.KILLING: "the execution is killed while children are alive",
            **_ended("the attempt or the children ended"),
        },
        State.PAUSED: {
            State.RUNNING: "it is resumed, or its time has come",
            State.RESTARTED: "the execution is restarted",
            **_ended("the pause ended in this state, or the execution is killed"),
        },
        State.BREAKPOINT: {
            State.CREATED: "a person goes on",
            **_ended("the execution is killed, or an SLA or engine error ends it"),
        },
        State.RETRYING: {
            State.CREATED: "the retry is due",
            State.RESTARTED: "the execution is restarted",
            State.KILLED: "the execution is killed",
            State.FAILED: "an SLA ends the execution",
            State.CANCELLED: "an SLA ends the execution",
        },
        State.RESTARTED: {
            State.RUNNING: "a worker claims it, or a visit opens it",
            State.SKIPPED: "its condition is false",
            **_ended("it cannot start, the execution is killed, or it ended within one visit"),
        },
        State.KILLING: {
            State.KILLED: "no child is alive any more",
            State.FAILED: "an SLA ends the execution",
            State.CANCELLED: "an SLA",
        },
        **{
            state: {
                State.RESTARTED: "a person restarts the execution",
                State.RUNNING: "a person restarts a child",
                **{s: "a person changes the state" for s in (*_ENDS, State.SKIPPED) if s != state},
            }
            for state in (*_ENDS, State.SKIPPED)
        },
    },
    {
        State.CREATED: "its message, else the dispatch sweep",
        State.RUNNING: "the worker that owns it, else the lease sweep; a flowable: its children",
        State.PAUSED: "a person, or the timer sweep when the pause has a duration",
        State.BREAKPOINT: "a person",
        State.RETRYING: "the timer sweep",
        State.RESTARTED: "its message, else the dispatch sweep",
        State.KILLING: "its children",
    },
)


def worst_of(states: set[State]) -> State:
    """
    Return the state of a parent whose children ended in `states`: KILLED, CANCELLED, FAILED, WARNING, else SUCCESS.

    An empty set is SUCCESS; SKIPPED counts as success. Source: flow language, 6.3.
    """
    for state in (State.KILLED, State.CANCELLED, State.FAILED, State.WARNING):
        if state in states:
            return state
    return State.SUCCESS

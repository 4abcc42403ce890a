"""Playing a flow in this process on a stage that is taken down afterwards, with results that stand in for some of its tasks."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from flows.engine.stand_ins import Chooser, StandIn, standing_in
from flows.language.source import read_document
from flows.management.following import Follower
from flows.management.inline_engine import InlineEngine
from flows.management.rehearsal import set_stage
from flows.management.selection import read_pairs
from flows.management.targets import local_target
from flows.management.targets.actor import ACTOR
from flows.management.terminal import Terminal, UsageError
from flows.models import Execution
from flows.operations.executions import kill_execution, start_execution
from flows.operations.flows import save_flow
from flows.primitives.states import TERMINAL, State

_LOOK_SECONDS = 0.25
_LOOK = timedelta(seconds=_LOOK_SECONDS)
_KILL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Play:
    """
    What is run on a stage.

    Attributes:
        sources: flows that are saved there first.
        name: namespace and id of the flow that is run.
        inputs, labels: what the execution is given.
        choose: task id to what stands in for the task, None for a task that runs.
        timeout: when the execution is killed.
    """

    sources: Sequence[str]
    name: tuple[str, str]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()
    choose: Chooser = lambda task_id: None
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """How it went: the execution, and why the engine stopped before its end, empty when it did not."""

    execution: Execution
    fault: str


@contextmanager
def play_flow(terminal: Terminal, play: Play, *, with_logs: bool) -> Iterator[Played]:
    """Run a flow on a stage of its own; inside the block its rows can still be read. Raises FlowsError when it cannot start."""
    with set_stage() as app, standing_in(play.choose):
        at = timezone.now()
        for text in play.sources:
            save_flow(text, at=at, actor=ACTOR, mode="upsert")
        row = start_execution(
            namespace=play.name[0], flow_id=play.name[1], inputs=play.inputs, labels=play.labels, at=at, actor=ACTOR
        )
        engine = InlineEngine(app, row.id)
        engine.start()
        try:
            row = _follow(terminal, engine, row.id, play.timeout, with_logs=with_logs)
        finally:
            engine.stop()
            engine.join(_KILL_SECONDS)
        yield Played(row, _explain_end(row, engine))


def _explain_end(row: Execution, engine: InlineEngine) -> str:
    if engine.error is not None:
        return f"The engine could not go on: {engine.error}"
    if row.state not in TERMINAL:
        return f"The flow is {row.state} and waits for a person: a test cannot resume it."
    return ""


def read_stand_ins(options: argparse.Namespace) -> Chooser:
    """Return what --mock and --no-tasks let stand in for tasks. Raises UsageError."""
    outputs: dict[str, StandIn] = {}
    for task_id, text in read_pairs(options.mock, option="--mock").items():
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UsageError(f"--mock {task_id}: the outputs are no valid JSON: {error}.") from error
        if not isinstance(value, dict):
            raise UsageError(f'--mock {task_id}: the outputs must be an object such as {{"rows": 3}}.')
        outputs[task_id] = StandIn(value)
    try:
        skipped = re.compile(options.no_tasks) if options.no_tasks else None
    except re.error as error:
        raise UsageError(f"--no-tasks is no regular expression: {error}.") from error

    def choose(task_id: str) -> StandIn | None:
        found = outputs.get(task_id)
        return StandIn() if found is None and skipped is not None and skipped.search(task_id) else found

    return choose


def name_flow(source: str) -> tuple[str, str]:
    """Return namespace and id of a flow document; empty where it has none, which saving it will refuse."""
    data = read_document(source).data
    names = data if isinstance(data, dict) else {}
    return str(names.get("namespace") or ""), str(names.get("id") or "")


def _follow(
    terminal: Terminal, engine: InlineEngine, execution_id: str, timeout: timedelta | None, *, with_logs: bool
) -> Execution:
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
    follower = Follower(terminal, local_target(), execution_id, logs=with_logs)
    while True:
        row = Execution.objects.get(pk=follower.wait(timeout=_LOOK)["id"])
        if row.state == State.RETRIED:
            successor = Execution.objects.filter(original_id=row.original_id).order_by("-attempt_number").first()
            if successor is not None and successor.id != row.id:
                follower = Follower(terminal, local_target(), successor.id, logs=with_logs)
                continue
        if row.state in TERMINAL or engine.is_stalled or engine.error is not None:
            return row
        if deadline is not None and time.monotonic() >= deadline:
            terminal.say(f"The time that --timeout allows is over: execution {row.id} is killed.")
            kill_execution(row.id, at=timezone.now(), actor=ACTOR)
            return _wait_for_kill(row.id)


def _wait_for_kill(execution_id: str) -> Execution:
    deadline = time.monotonic() + _KILL_SECONDS
    while True:
        row = Execution.objects.get(pk=execution_id)
        if row.state in TERMINAL or time.monotonic() >= deadline:
            return row
        time.sleep(_LOOK_SECONDS)

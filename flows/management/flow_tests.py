"""`flows test`: runs a flow in this process, on a stage that is taken down afterwards, and shows what came of it."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from flows.management.documents import STANDARD_INPUT, read_documents
from flows.management.following import Follower, exit_of
from flows.management.inline_engine import InlineEngine
from flows.management.presentation import (
    EXECUTION_COLUMNS,
    TASK_RUN_COLUMNS,
    describe_execution,
    describe_task_run,
    present_execution,
    present_log,
)
from flows.management.rehearsal import set_stage
from flows.management.running import ACTOR
from flows.management.selection import parse_span, read_inputs, read_pairs
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.models import Execution, LogEntry
from flows.operations.executions import kill_execution, start_execution
from flows.operations.flows import save_flow
from flows.primitives.states import TERMINAL, State
from flows.queries.executions import list_task_runs

PARTS = ("logs", "tasks", "outputs")
_LOOK_SECONDS = 0.25
_LOOK = timedelta(seconds=_LOOK_SECONDS)
_KILL_SECONDS = 20.0


def add_test(actions: Any) -> None:
    """Add the action `test FILE` and `test NS.ID`."""
    parser = add_action(
        actions, "test", run_test, about="Runs a flow in this process, without workers, and leaves nothing in the database."
    )
    parser.add_argument("flow", metavar="FILE|NS.ID", help="a file with flows, of which the first is run, or a stored flow")
    parser.add_argument("--input", action="append", default=[], metavar="K=V")
    parser.add_argument("--input-file", action="append", default=[], metavar="K=PATH")
    parser.add_argument("--inputs", metavar="JSON_OR_FILE")
    parser.add_argument("--label", action="append", default=[], metavar="K=V")
    parser.add_argument("--timeout", type=parse_span, help="kill the execution after this time, such as 10m")
    parser.add_argument("--show", default=",".join(PARTS), help="some of logs,tasks,outputs with commas between")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")


def run_test(terminal: Terminal, options: argparse.Namespace) -> int:
    """Run the flow to its end; status 0 for SUCCESS and WARNING."""
    shown = {part.strip() for part in options.show.split(",") if part.strip()}
    if unknown := shown - set(PARTS):
        raise UsageError(f'--show knows {", ".join(PARTS)}; got "{min(unknown)}".')
    sources = _read_sources(options.flow)
    stored = None if sources else _split_name(options.flow)
    with set_stage() as app:
        at = timezone.now()
        saved = [save_flow(text, at=at, actor=ACTOR, mode="upsert") for text in sources]
        namespace, flow_id = stored or (saved[0].flow.namespace, saved[0].flow.flow_id)
        row = start_execution(
            namespace=namespace,
            flow_id=flow_id,
            inputs=read_inputs(options),
            labels=list(read_pairs(options.label, option="--label").items()),
            at=at,
            actor=ACTOR,
        )
        engine = InlineEngine(app, row.id)
        engine.start()
        try:
            row = _follow(terminal, engine, row.id, options, with_logs="logs" in shown)
        finally:
            engine.stop()
            engine.join(_KILL_SECONDS)
        _show(terminal, row, shown)
        return _conclude(terminal, row, engine, strict=options.strict)


def _read_sources(text: str) -> list[str]:
    if text != STANDARD_INPUT and not Path(text).exists():
        return []
    documents = read_documents([text])
    if not documents:
        raise UsageError(f'"{text}" holds no flow.')
    return [document.text for document in documents]


def _split_name(text: str) -> tuple[str, str]:
    namespace, _, flow_id = text.replace("/", ".").rpartition(".")
    if not namespace or text.endswith((".yml", ".yaml")):
        raise UsageError(f'"{text}" is neither a file nor a stored flow such as company.team.daily.')
    return namespace, flow_id


def _follow(
    terminal: Terminal, engine: InlineEngine, execution_id: str, options: argparse.Namespace, *, with_logs: bool
) -> Execution:
    deadline = None if options.timeout is None else time.monotonic() + options.timeout.total_seconds()
    follower = Follower(terminal, execution_id, logs=with_logs)
    while True:
        row = follower.wait(timeout=_LOOK)
        if row.state == State.RETRIED:
            successor = Execution.objects.filter(original_id=row.original_id).order_by("-attempt_number").first()
            if successor is not None and successor.id != row.id:
                follower = Follower(terminal, successor.id, logs=with_logs)
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


def _show(terminal: Terminal, row: Execution, shown: set[str]) -> None:
    runs = list(list_task_runs(row.id))
    if terminal.output == "json":
        data = present_execution(row, runs if "tasks" in shown else None)
        if "outputs" not in shown:
            data.pop("outputs", None)
        if "logs" in shown:
            data["logs"] = [present_log(entry) for entry in LogEntry.objects.filter(execution_id=row.id).order_by("id")]
        terminal.show_json(data)
        return
    at = timezone.now()
    if "tasks" in shown and runs:
        terminal.show_rows(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in runs])
        terminal.write("")
    terminal.show_rows(EXECUTION_COLUMNS, [describe_execution(row, at=at)])
    if "outputs" in shown and row.outputs:
        terminal.show_json(row.outputs)


def _conclude(terminal: Terminal, row: Execution, engine: InlineEngine, *, strict: bool) -> int:
    if engine.error is not None:
        terminal.say(f"The engine could not go on: {engine.error}")
        return Exit.FAILED
    if row.state not in TERMINAL:
        terminal.say(f"The flow is {row.state} and waits for a person: a test cannot resume it.")
        return Exit.FAILED
    if row.error:
        terminal.say(row.error)
    return exit_of(row.state, strict=strict)

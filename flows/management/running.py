"""Starting an execution from the command line and waiting for its end; shared by `flows run` and `executions run`."""

from __future__ import annotations

import argparse
from typing import Any

from django.utils import timezone

from flows.management.following import Follower, exit_of
from flows.management.presentation import EXECUTION_COLUMNS, describe_execution, present_execution
from flows.management.selection import parse_count, parse_moment, parse_span, read_inputs, read_pairs
from flows.management.terminal import Exit, Terminal, add_action
from flows.models import Execution
from flows.operations.executions import start_execution
from flows.primitives.states import TERMINAL
from flows.queries.executions import list_task_runs

ACTOR = "command line"


def add_run(actions: Any) -> None:
    """Add the action `run NAMESPACE ID`."""
    parser = add_action(
        actions, "run", run_flow, about="Starts an execution and waits for its end.", aliases=("execute", "trigger")
    )
    parser.add_argument("namespace")
    parser.add_argument("id")
    parser.add_argument("--input", action="append", default=[], metavar="K=V")
    parser.add_argument("--input-file", action="append", default=[], metavar="K=PATH")
    parser.add_argument("--inputs", metavar="JSON_OR_FILE")
    parser.add_argument("--label", action="append", default=[], metavar="K=V")
    parser.add_argument("--revision", type=parse_count)
    parser.add_argument("--wait", "-w", action=argparse.BooleanOptionalAction, default=True, help="wait for the end")
    parser.add_argument("--follow", "-f", action="store_true", help="show the logs as well")
    parser.add_argument("--timeout", type=parse_span, help="how long to wait, such as 10m")
    parser.add_argument("--schedule-date", type=parse_moment, help="start at this moment")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")


def run_flow(terminal: Terminal, options: argparse.Namespace) -> int:
    """Start an execution; say its id at once, follow it, show its last state."""
    row = start_execution(
        namespace=options.namespace,
        flow_id=options.id,
        revision=options.revision,
        inputs=read_inputs(options),
        labels=list(read_pairs(options.label, option="--label").items()),
        schedule_at=options.schedule_date,
        at=timezone.now(),
        actor=ACTOR,
    )
    terminal.say(row.id)
    if not options.wait:
        show_execution(terminal, row)
        return Exit.DONE
    return follow_to_end(terminal, row.id, options)


def follow_to_end(terminal: Terminal, execution_id: str, options: argparse.Namespace, *, logs: bool = False) -> int:
    """Follow an execution, show its last state and return the exit status that belongs to it."""
    row = Follower(terminal, execution_id, logs=logs or getattr(options, "follow", False)).wait(timeout=options.timeout)
    show_execution(terminal, row, with_task_runs=True)
    if row.state not in TERMINAL:
        terminal.say(f"Execution {row.id} is still {row.state} after the time that --timeout allows.")
        return Exit.FAILED
    if row.error:
        terminal.say(row.error)
    return exit_of(row.state, strict=options.strict)


def show_execution(terminal: Terminal, row: Execution, *, with_task_runs: bool = False) -> None:
    """Show one execution: a table of one row, or one JSON object."""
    if terminal.output == "json":
        terminal.show_json(present_execution(row, list_task_runs(row.id) if with_task_runs else None))
    else:
        terminal.show_rows(EXECUTION_COLUMNS, [describe_execution(row, at=timezone.now())])

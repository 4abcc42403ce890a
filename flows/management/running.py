"""Starting an execution from the command line and waiting for its end; shared by `flows run` and `executions run`."""

from __future__ import annotations

import argparse
from typing import Any

from django.utils import timezone

from flows.management.columns import EXECUTION_COLUMNS, describe_execution
from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.following import Follower, exit_of
from flows.management.presenters import Json
from flows.management.selection import parse_count, parse_moment, parse_span, read_inputs, read_pairs
from flows.management.targets import Target
from flows.management.targets.executions import Start
from flows.management.terminal import Exit, Terminal
from flows.primitives.states import TERMINAL

INPUT_COLUMNS = ("input", "value", "errors")


def add_run(actions: Any) -> None:
    """Add the action `run NAMESPACE ID`."""
    parser = add_data_action(
        actions, "run", run_flow, about="Starts an execution and waits for its end.", aliases=("execute", "trigger")
    )
    parser.add_argument("namespace", help="namespace of the flow")
    parser.add_argument("id", help="id of the flow")
    add_inputs(parser)
    parser.add_argument("--label", action="append", default=[], metavar="K=V", help="a label; repeat it")
    parser.add_argument("--revision", type=parse_count, help="a revision instead of the newest one")
    parser.add_argument("--wait", "-w", action=argparse.BooleanOptionalAction, default=True, help="wait for the end")
    parser.add_argument("--follow", "-f", action="store_true", help="show the logs as well")
    parser.add_argument("--timeout", type=parse_span, help="how long to wait, such as 10m")
    parser.add_argument("--schedule-date", type=parse_moment, help="start at this moment")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")
    add_dry_run(parser)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that give inputs."""
    parser.add_argument("--input", action="append", default=[], metavar="K=V", help="an input; repeat it")
    parser.add_argument("--input-file", action="append", default=[], metavar="K=PATH", help="an input of the type FILE")
    parser.add_argument("--inputs", metavar="JSON_OR_FILE", help="all inputs as an object; --input goes before it")


def run_flow(terminal: Terminal, options: argparse.Namespace) -> int:
    """Start an execution; say its id at once, follow it, show its last state. A dry run checks the inputs only."""
    target = open_target(options)
    wanted = Start(
        options.namespace,
        options.id,
        options.revision,
        read_inputs(options),
        list(read_pairs(options.label, option="--label").items()),
        options.schedule_date,
    )
    if options.dry_run:
        return _show_inputs(terminal, options, target.executions.check_inputs(wanted))
    execution = target.executions.start(wanted)
    terminal.say(execution["id"])
    if not options.wait:
        show_execution(terminal, execution)
        return Exit.DONE
    return follow_to_end(terminal, target, execution["id"], options)


def follow_to_end(
    terminal: Terminal, target: Target, execution_id: str, options: argparse.Namespace, *, logs: bool = False
) -> int:
    """Follow an execution, show its last state and return the exit status that belongs to it."""
    follower = Follower(terminal, target, execution_id, logs=logs or getattr(options, "follow", False))
    execution = follower.wait(timeout=options.timeout)
    show_execution(terminal, execution)
    state = execution["state"]["current"]
    if state not in TERMINAL:
        terminal.say(f"Execution {execution_id} is still {state} after the time that --timeout allows.")
        return Exit.FAILED
    if execution.get("error"):
        terminal.say(execution["error"])
    return exit_of(state, strict=options.strict)


def show_execution(terminal: Terminal, execution: Json) -> None:
    """Show one execution: a table of one row, or one JSON object."""
    if terminal.output == "json":
        terminal.show_json(execution)
    else:
        terminal.show_rows(EXECUTION_COLUMNS, [describe_execution(execution, at=timezone.now())])


def _show_inputs(terminal: Terminal, options: argparse.Namespace, inputs: list[Json]) -> int:
    rows = [{"input": each["id"], "value": each["value"], "errors": "; ".join(each["errors"])} for each in inputs]
    terminal.show_rows(INPUT_COLUMNS, rows, json_rows=inputs)
    return Exit.FAILED if any(each["errors"] for each in inputs) else conclude(options, would_change=True)

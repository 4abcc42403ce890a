"""`manage.py executions ACTION`: start, list, follow and steer executions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from flows.management.columns import EXECUTION_COLUMNS, TASK_RUN_COLUMNS, describe_execution, describe_task_run
from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.execution_files import add_files
from flows.management.presenters import Json
from flows.management.running import add_run, follow_to_end, show_execution
from flows.management.selection import (
    add_page,
    add_selection,
    add_yes,
    has_selection,
    parse_count,
    parse_span,
    read_criteria,
    read_pairs,
    read_window,
)
from flows.management.targets import Target
from flows.management.targets.executions import Change, Purge
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, say_error, status_of
from flows.primitives.errors import FlowsError
from flows.queries.criteria import Condition, Operation

CHANGES = {
    "kill": "Kills executions and what they started.",
    "pause": "Pauses running executions.",
    "resume": "Resumes paused executions.",
    "restart": "Runs ended executions again from what failed.",
    "replay": "Runs executions again as new ones.",
    "force-run": "Starts executions that wait, over their limit if need be.",
    "unqueue": "Takes executions out of the queue and runs them.",
    "delete": "Deletes ended executions.",
}
COUNT_COLUMNS = ("what", "count")


class Command(GroupCommand):
    """The executions of an installation."""

    help = "Starts, lists, follows and steers executions."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        add_run(actions)
        _add_list(actions)
        _add_get(actions)
        _add_follow(actions)
        for name, about in CHANGES.items():
            _add_change(actions, name, about)
        add_files(actions)
        _add_labels(actions)
        _add_set_state(actions)
        _add_purge(actions)


def _add_list(actions: Any) -> None:
    parser = add_data_action(actions, "list", list_executions, about="Lists executions, newest first.")
    parser.add_argument("--state", help="one state, or several with commas between")
    parser.add_argument("--since", type=parse_span, help="only those that began within this time, such as 24h")
    add_selection(parser)
    add_page(parser)


def _add_get(actions: Any) -> None:
    parser = add_data_action(actions, "get", show, about="Shows one execution.")
    parser.add_argument("id", help="id of the execution")
    for name in ("tasks", "outputs", "inputs"):
        parser.add_argument(f"--{name}", action="store_true", help=f"show its {name}")


def _add_follow(actions: Any) -> None:
    parser = add_data_action(actions, "follow", follow, about="Follows an execution until it ends.")
    parser.add_argument("id", help="id of the execution")
    parser.add_argument("--logs", action="store_true", help="show the logs as well")
    parser.add_argument("--timeout", type=parse_span, help="how long to follow, such as 10m")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")


def _add_change(actions: Any, name: str, about: str) -> None:
    parser = add_data_action(actions, name, change_executions, about=about)
    parser.add_argument("id", nargs="*", help="ids of executions; or choose them by the options below")
    parser.add_argument("--state", help="with a selection: only executions in these states")
    add_selection(parser)
    add_yes(parser)
    add_dry_run(parser)
    parser.set_defaults(change=name)
    if name == "resume":
        parser.add_argument("--input", action="append", default=[], metavar="K=V", help="an input that the pause asks for")
    if name in ("restart", "replay"):
        parser.add_argument("--revision", type=parse_count, help="run another revision of the flow")
    if name == "restart":
        parser.add_argument("--task-run", metavar="ID", help="of all that failed, run only this task run again")
    if name == "replay":
        parser.add_argument("--task-run", metavar="ID", help="start again from this task run")
    if name == "kill":
        parser.add_argument("--no-cascade", action="store_true", help="leave the executions that it started alone")
    if name == "delete":
        for kept in ("logs", "metrics", "files"):
            parser.add_argument(f"--keep-{kept}", action="store_true", help=f"leave the {kept}")


def _add_labels(actions: Any) -> None:
    parser = add_data_action(actions, "labels", set_labels, about="Sets labels; those with other keys stay.")
    parser.add_argument("id", help="id of the execution")
    parser.add_argument("label", nargs="+", metavar="K=V", help="labels to set")
    add_dry_run(parser)


def _add_set_state(actions: Any) -> None:
    parser = add_data_action(actions, "set-state", set_state, about="Gives an ended execution another end state.")
    parser.add_argument("id", help="id of the execution")
    parser.add_argument("state", type=str.upper, help="SUCCESS, WARNING, FAILED, KILLED or CANCELLED")
    add_dry_run(parser)


def _add_purge(actions: Any) -> None:
    parser = add_data_action(actions, "purge", purge, about="Deletes old ended executions with their logs, metrics and files.")
    parser.add_argument("--older-than", type=parse_span, required=True, help="age by their start, such as 30d")
    parser.add_argument("--state", help="one end state, or several with commas between")
    parser.add_argument("-n", "--namespace", help="a namespace with its children")
    add_dry_run(parser)
    add_yes(parser)


def list_executions(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of executions."""
    at = timezone.now()
    extra = _read_states(options)
    if options.since:
        extra.append(Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, (at - options.since).isoformat()))
    _show_executions(
        terminal, open_target(options).executions.search(read_criteria(options, *extra), read_window(options)), at=at
    )


def _show_executions(terminal: Terminal, found: Sequence[Json], *, at: datetime) -> None:
    terminal.show_rows(EXECUTION_COLUMNS, [describe_execution(each, at=at) for each in found], json_rows=found)


def show(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one execution; its task runs, outputs and inputs as asked. JSON always holds all of them."""
    execution = open_target(options).executions.get(options.id)
    show_execution(terminal, execution)
    if terminal.output == "json":
        return
    if options.tasks:
        at = timezone.now()
        terminal.show_rows(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in execution["taskRunList"]])
    if options.inputs:
        terminal.show_json(execution.get("inputs", {}))
    if options.outputs:
        terminal.show_json(execution.get("outputs", {}))


def follow(terminal: Terminal, options: argparse.Namespace) -> int:
    """Follow until the end; the status is that of the execution."""
    return follow_to_end(terminal, open_target(options), options.id, options, logs=options.logs)


def change_executions(terminal: Terminal, options: argparse.Namespace) -> int:
    """Do one thing to every named or chosen execution; show how many it was done to and what was refused."""
    target = open_target(options)
    ids = _read_ids(target, options)
    if options.dry_run:
        _show_executions(terminal, [_get_light(target, each) for each in ids], at=timezone.now())
        return conclude(options, would_change=bool(ids))
    is_dangerous = options.change in ("kill", "delete") or not options.id
    if is_dangerous and not terminal.confirm(f"{options.change.capitalize()} {len(ids)} executions?", yes=options.yes):
        return Exit.FAILED
    change = _read_change(options)
    status, done, failures = Exit.DONE, [], []
    for position, execution_id in enumerate(ids, 1):
        try:
            done.append(target.executions.change(execution_id, change))
        except FlowsError as error:
            say_error(terminal, error)
            failures.append({"id": execution_id, "code": error.code, "message": error.message})
            status = status_of(error)
        terminal.report(options.change, position, len(ids))
    if terminal.output == "json":
        terminal.show_json({"count": len(done), "ids": done, "failures": failures})
    else:
        refused = [{"id": each["id"], "result": each["message"]} for each in failures]
        terminal.show_rows(("id", "result"), [*({"id": each, "result": "done"} for each in done), *refused])
    return status


def _get_light(target: Target, execution_id: str) -> Json:
    execution = target.executions.get(execution_id)
    execution.pop("taskRunList", None)
    return execution


def _read_change(options: argparse.Namespace) -> Change:
    kept = frozenset(part for part in ("logs", "metrics", "files") if getattr(options, f"keep_{part}", False))
    return Change(
        options.change,
        inputs=read_pairs(getattr(options, "input", ()), option="--input"),
        revision=getattr(options, "revision", None),
        task_run_id=getattr(options, "task_run", None),
        cascades=not getattr(options, "no_cascade", False),
        kept=kept,
    )


def set_labels(terminal: Terminal, options: argparse.Namespace) -> int:
    """Set labels and show the execution."""
    labels = list(read_pairs(options.label, option="labels").items())
    show_execution(terminal, open_target(options).executions.set_labels(options.id, labels, dry_run=options.dry_run))
    return conclude(options, would_change=True)


def set_state(terminal: Terminal, options: argparse.Namespace) -> int:
    """Change the end state and show the execution."""
    show_execution(terminal, open_target(options).executions.set_state(options.id, options.state, dry_run=options.dry_run))
    return conclude(options, would_change=True)


def purge(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete old ended executions; show the counts."""
    target = open_target(options)
    wanted = Purge(timezone.now() - options.older_than, options.namespace, _split_states(options.state))
    question = f"Delete every ended execution that began before {wanted.end:%Y-%m-%d %H:%M} UTC?"
    if not options.dry_run and not terminal.confirm(question, yes=options.yes):
        return Exit.FAILED
    terminal.say("counting" if options.dry_run else "deleting")
    counts = target.executions.purge(wanted, dry_run=options.dry_run)
    terminal.show_rows(COUNT_COLUMNS, [{"what": what, "count": count} for what, count in counts.items()], json_rows=counts)
    return conclude(options, would_change=any(counts.values()))


def _split_states(text: str | None) -> list[str]:
    return [state.strip().upper() for state in text.split(",")] if text else []


def _read_states(options: argparse.Namespace) -> list[Condition]:
    states = _split_states(options.state)
    return [Condition("state", Operation.IN, ",".join(states))] if states else []


def _read_ids(target: Target, options: argparse.Namespace) -> list[str]:
    if options.id:
        if has_selection(options) or options.state:
            raise UsageError("Give either ids or a selection, not both.")
        return list(dict.fromkeys(options.id))
    if not has_selection(options) and not options.state:
        raise UsageError("Name executions by id, or choose them with --state, --namespace, --query or --filter.")
    return target.executions.list_ids(read_criteria(options, *_read_states(options)))

"""`manage.py executions ACTION`: start, list, follow and steer executions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.execution_files import add_files
from flows.management.presentation import (
    EXECUTION_COLUMNS,
    TASK_RUN_COLUMNS,
    describe_execution,
    describe_task_run,
    present_execution,
)
from flows.management.running import ACTOR, add_run, follow_to_end, show_execution
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
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action, say_error, status_of
from flows.operations import executions as operations
from flows.operations.purges import purge_ended_executions
from flows.primitives.errors import FlowsError
from flows.queries.criteria import Condition, Operation
from flows.queries.executions import get_execution, list_execution_ids, list_task_runs, search_executions

Change = Callable[[str, argparse.Namespace], Any]


class Command(GroupCommand):
    """The executions of this installation."""

    help = "Starts, lists, follows and steers executions."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        add_run(actions)
        _add_list(actions)
        _add_get(actions)
        _add_follow(actions)
        for name, (about, _) in CHANGES.items():
            _add_change(actions, name, about)
        add_files(actions)
        _add_labels(actions)
        _add_set_state(actions)
        _add_purge(actions)


def _add_list(actions: Any) -> None:
    parser = add_action(actions, "list", list_executions, about="Lists executions, newest first.")
    parser.add_argument("--state", help="one state, or several with commas between")
    parser.add_argument("--since", type=parse_span, help="only those that began within this time, such as 24h")
    add_selection(parser)
    add_page(parser)


def _add_get(actions: Any) -> None:
    parser = add_action(actions, "get", show, about="Shows one execution.")
    parser.add_argument("id")
    for name in ("tasks", "outputs", "inputs"):
        parser.add_argument(f"--{name}", action="store_true", help=f"show its {name}")


def _add_follow(actions: Any) -> None:
    parser = add_action(actions, "follow", follow, about="Follows an execution until it ends.")
    parser.add_argument("id")
    parser.add_argument("--logs", action="store_true", help="show the logs as well")
    parser.add_argument("--timeout", type=parse_span, help="how long to follow, such as 10m")
    parser.add_argument("--strict", action="store_true", help="WARNING counts as failure")


def _add_change(actions: Any, name: str, about: str) -> None:
    parser = add_action(actions, name, change_executions, about=about)
    parser.add_argument("id", nargs="*")
    parser.add_argument("--dry-run", action="store_true", help="show which executions are meant")
    parser.add_argument("--state", help="with a selection: only executions in these states")
    add_selection(parser)
    add_yes(parser)
    parser.set_defaults(change=name)
    if name == "resume":
        parser.add_argument("--input", action="append", default=[], metavar="K=V")
    if name in ("restart", "replay"):
        parser.add_argument("--revision", type=parse_count)
    if name == "replay":
        parser.add_argument("--task-run", metavar="ID", help="start again from this task run")
    if name == "kill":
        parser.add_argument("--no-cascade", action="store_true", help="leave the executions that it started alone")
    if name == "delete":
        for kept in ("logs", "metrics", "files"):
            parser.add_argument(f"--keep-{kept}", action="store_true")


def _add_labels(actions: Any) -> None:
    parser = add_action(actions, "labels", set_labels, about="Sets labels; those with other keys stay.")
    parser.add_argument("id")
    parser.add_argument("label", nargs="+", metavar="K=V")
    add_dry_run(parser)


def _add_set_state(actions: Any) -> None:
    parser = add_action(actions, "set-state", set_state, about="Gives an ended execution another end state.")
    parser.add_argument("id")
    parser.add_argument("state", type=str.upper)
    add_dry_run(parser)


def _add_purge(actions: Any) -> None:
    parser = add_action(actions, "purge", purge, about="Deletes old ended executions with their logs, metrics and files.")
    parser.add_argument("--older-than", type=parse_span, required=True, help="age by their start, such as 30d")
    parser.add_argument("--state", help="one end state, or several with commas between")
    parser.add_argument("-n", "--namespace", help="a namespace with its children")
    parser.add_argument("--dry-run", action="store_true", help="count only")
    add_yes(parser)


def list_executions(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of executions."""
    at = timezone.now()
    extra = _read_states(options)
    if options.since:
        extra.append(Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, (at - options.since).isoformat()))
    page = search_executions(read_criteria(options, *extra), read_window(options), at=at)
    terminal.show_rows(
        EXECUTION_COLUMNS,
        [describe_execution(row, at=at) for row in page.results],
        json_rows=[present_execution(row) for row in page.results],
    )


def show(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one execution; its task runs, outputs and inputs as asked. JSON always holds all of them."""
    row = get_execution(options.id)
    show_execution(terminal, row, with_task_runs=True)
    if terminal.output == "json":
        return
    if options.tasks:
        at = timezone.now()
        terminal.show_rows(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in list_task_runs(row.id)])
    if options.inputs:
        terminal.show_json(row.inputs)
    if options.outputs:
        terminal.show_json(row.outputs or {})


def follow(terminal: Terminal, options: argparse.Namespace) -> int:
    """Follow until the end; the status is that of the execution."""
    return follow_to_end(terminal, options.id, options, logs=options.logs)


def change_executions(terminal: Terminal, options: argparse.Namespace) -> int:
    """Do one thing to every named or chosen execution; show how many it was done to and what was refused."""
    ids = _read_ids(options)
    if options.dry_run:
        terminal.show_rows(("id",), [{"id": each} for each in ids])
        return Exit.DONE
    is_dangerous = options.change in ("kill", "delete") or not options.id
    if is_dangerous and not terminal.confirm(f"{options.change.capitalize()} {len(ids)} executions?", yes=options.yes):
        return Exit.FAILED
    _, change = CHANGES[options.change]
    status, done, failures = Exit.DONE, [], []
    for execution_id in ids:
        try:
            result = change(execution_id, options)
            done.append(getattr(result, "id", None) or execution_id)
        except FlowsError as error:
            say_error(terminal, error)
            failures.append({"id": execution_id, "code": error.code, "message": error.message})
            status = status_of(error)
    if terminal.output == "json":
        terminal.show_json({"count": len(done), "ids": done, "failures": failures})
    else:
        terminal.show_rows(("id", "result"), [*({"id": each, "result": "done"} for each in done), *_describe_failures(failures)])
    return status


def set_labels(terminal: Terminal, options: argparse.Namespace) -> None:
    """Set labels and show the execution."""
    labels = list(read_pairs(options.label, option="labels").items())
    with undone_if_dry(options):
        show_execution(terminal, operations.set_execution_labels(options.id, labels=labels, at=timezone.now(), actor=ACTOR))


def set_state(terminal: Terminal, options: argparse.Namespace) -> None:
    """Change the end state and show the execution."""
    with undone_if_dry(options):
        show_execution(
            terminal, operations.change_execution_status(options.id, status=options.state, at=timezone.now(), actor=ACTOR)
        )


def purge(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete old ended executions; show the counts."""
    at = timezone.now()
    end = at - options.older_than
    states = _split_states(options.state)
    if options.dry_run:
        conditions = [Condition("startDate", Operation.LESS_THAN_OR_EQUAL_TO, end.isoformat()), *_read_states(options)]
        if options.namespace:
            conditions.append(Condition("namespace", Operation.PREFIX, options.namespace))
        options.query, options.filter, options.namespace = None, [], None
        terminal.show_json({"executions": len(list_execution_ids(read_criteria(options, *conditions), at=at))})
        return Exit.DONE
    if not terminal.confirm(f"Delete every ended execution that began before {end:%Y-%m-%d %H:%M} UTC?", yes=options.yes):
        return Exit.FAILED
    terminal.show_json(purge_ended_executions(end=end, namespace=options.namespace, states=states))
    return Exit.DONE


def _describe_failures(failures: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"id": each["id"], "result": each["message"]} for each in failures]


def _split_states(text: str | None) -> list[str] | None:
    return [state.strip().upper() for state in text.split(",")] if text else None


def _read_states(options: argparse.Namespace) -> list[Condition]:
    states = _split_states(options.state)
    return [Condition("state", Operation.IN, ",".join(states))] if states else []


def _read_ids(options: argparse.Namespace) -> list[str]:
    if options.id:
        if has_selection(options) or options.state:
            raise UsageError("Give either ids or a selection, not both.")
        return list(dict.fromkeys(options.id))
    if not has_selection(options) and not options.state:
        raise UsageError("Name executions by id, or choose them with --state, --namespace, --query or --filter.")
    return list_execution_ids(read_criteria(options, *_read_states(options)), at=timezone.now())


def _kill(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.kill_execution(execution_id, cascade=not options.no_cascade, at=timezone.now(), actor=ACTOR)


def _pause(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.pause_execution(execution_id, at=timezone.now(), actor=ACTOR)


def _resume(execution_id: str, options: argparse.Namespace) -> Any:
    inputs = read_pairs(options.input, option="--input")
    return operations.resume_execution(execution_id, inputs=inputs or None, at=timezone.now(), actor=ACTOR)


def _restart(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.restart_execution(execution_id, revision=options.revision, at=timezone.now(), actor=ACTOR)


def _replay(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.replay_execution(
        execution_id, task_run_id=options.task_run, revision=options.revision, at=timezone.now(), actor=ACTOR
    )


def _force_run(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.force_run_execution(execution_id, at=timezone.now(), actor=ACTOR)


def _unqueue(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.unqueue_execution(execution_id, at=timezone.now(), actor=ACTOR)


def _delete(execution_id: str, options: argparse.Namespace) -> Any:
    return operations.delete_execution(
        execution_id,
        logs=not options.keep_logs,
        metrics=not options.keep_metrics,
        files=not options.keep_files,
        at=timezone.now(),
        actor=ACTOR,
    )


CHANGES: dict[str, tuple[str, Change]] = {
    "kill": ("Kills executions and what they started.", _kill),
    "pause": ("Pauses running executions.", _pause),
    "resume": ("Resumes paused executions.", _resume),
    "restart": ("Runs ended executions again from what failed.", _restart),
    "replay": ("Runs executions again as new ones.", _replay),
    "force-run": ("Starts executions that wait, over their limit if need be.", _force_run),
    "unqueue": ("Takes executions out of the queue and runs them.", _unqueue),
    "delete": ("Deletes ended executions.", _delete),
}

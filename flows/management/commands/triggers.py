"""`manage.py triggers ACTION`: list, switch and unlock triggers, backfills, and the coming schedule dates."""

from __future__ import annotations

import argparse
from typing import Any

from django.utils import timezone

from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.presentation import describe_trigger, format_moment, present_trigger
from flows.management.running import ACTOR
from flows.management.selection import add_selection, add_yes, has_selection, parse_count, parse_moment, read_pairs
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action, say_error, status_of
from flows.models import TriggerState
from flows.operations import triggers as operations
from flows.primitives.errors import FlowsError

COLUMNS = ("namespace", "flow", "trigger", "kind", "disabled", "next", "last", "locked_by")


class Command(GroupCommand):
    """Triggers."""

    help = "Lists, switches and unlocks triggers and steers backfills."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_triggers, about="Lists triggers.")
        add_selection(parser)
        changes = {
            "enable": "Switches triggers on.",
            "disable": "Switches triggers off.",
            "unlock": "Frees triggers from the execution that holds them.",
            "restart": "Starts triggers afresh, as if they were new.",
        }
        for name, about in changes.items():
            parser = add_action(actions, name, change_triggers, about=about)
            parser.add_argument("trigger", nargs="*", metavar="NS FLOW TRIGGER")
            parser.add_argument("--dry-run", action="store_true", help="show which triggers are meant")
            add_selection(parser)
            add_yes(parser)
            parser.set_defaults(change=name)
        parser = add_action(actions, "backfill", backfill, about="Starts executions for past dates, or steers a backfill.")
        for name in ("namespace", "flow", "trigger"):
            parser.add_argument(name)
        parser.add_argument("--start", type=parse_moment)
        parser.add_argument("--end", type=parse_moment)
        parser.add_argument("--input", action="append", default=[], metavar="K=V")
        parser.add_argument("--label", action="append", default=[], metavar="K=V")
        steer = parser.add_mutually_exclusive_group()
        for name in ("pause", "unpause", "cancel"):
            steer.add_argument(f"--{name}", action="store_true", help=f"{name} the running backfill")
        add_dry_run(parser)
        parser = add_action(actions, "next", show_next, about="Shows the coming schedule dates.")
        parser.add_argument("--count", type=parse_count, default=10)
        parser.add_argument("-n", "--namespace", help="a namespace with its children")


def list_triggers(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the state of triggers."""
    rows = _select(options)
    terminal.show_rows(COLUMNS, [describe_trigger(row) for row in rows], json_rows=[present_trigger(row) for row in rows])


def change_triggers(terminal: Terminal, options: argparse.Namespace) -> int:
    """Enable, disable, unlock or restart triggers by name or selection."""
    names = _read_names(options)
    if options.dry_run:
        rows = [{"namespace": namespace, "flow": flow_id, "trigger": trigger_id} for namespace, flow_id, trigger_id in names]
        terminal.show_rows(("namespace", "flow", "trigger"), rows)
        return Exit.DONE
    if not options.trigger and not terminal.confirm(f"{options.change.capitalize()} {len(names)} triggers?", yes=options.yes):
        return Exit.FAILED
    status, changed = Exit.DONE, []
    for name in names:
        try:
            changed.append(_change(options.change, *name))
        except FlowsError as error:
            say_error(terminal, error)
            status = status_of(error)
    terminal.show_rows(COLUMNS, [describe_trigger(row) for row in changed], json_rows=[present_trigger(row) for row in changed])
    return status


def backfill(terminal: Terminal, options: argparse.Namespace) -> None:
    """Create, pause, continue or end a backfill and show the trigger."""
    with undone_if_dry(options):
        row = _steer_backfill(options)
    terminal.show_rows(COLUMNS, [describe_trigger(row)], json_rows=present_trigger(row))


def _steer_backfill(options: argparse.Namespace) -> TriggerState:
    name = {"namespace": options.namespace, "flow_id": options.flow, "trigger_id": options.trigger}
    at = timezone.now()
    if options.pause or options.unpause:
        row = operations.set_backfill_paused(**name, paused=options.pause, at=at, actor=ACTOR)
    elif options.cancel:
        row = operations.delete_backfill(**name, at=at, actor=ACTOR)
    else:
        if options.start is None:
            raise UsageError("triggers backfill needs --start, or one of --pause, --unpause and --cancel.")
        row = operations.create_backfill(
            **name,
            start=options.start,
            end=options.end,
            inputs=read_pairs(options.input, option="--input"),
            labels=list(read_pairs(options.label, option="--label").items()),
            at=at,
            actor=ACTOR,
        )
    return row


def show_next(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the stored next dates, earliest first."""
    rows = TriggerState.objects.filter(next_at__isnull=False, disabled=False, source_disabled=False)
    if options.namespace:
        rows = rows.filter(namespace=options.namespace) | rows.filter(namespace__startswith=f"{options.namespace}.")
    coming = [
        {"date": format_moment(row.next_at), "namespace": row.namespace, "flow": row.flow_id, "trigger": row.trigger_id}
        for row in rows.order_by("next_at")[: options.count]
    ]
    terminal.show_rows(("date", "namespace", "flow", "trigger"), coming)


def _change(change: str, namespace: str, flow_id: str, trigger_id: str) -> TriggerState:
    name = {"namespace": namespace, "flow_id": flow_id, "trigger_id": trigger_id}
    at = timezone.now()
    if change == "unlock":
        return operations.unlock_trigger(**name, at=at, actor=ACTOR)
    if change == "restart":
        return operations.restart_trigger(**name, at=at, actor=ACTOR)
    return operations.set_trigger_disabled(**name, disabled=change == "disable", at=at, actor=ACTOR)


def _select(options: argparse.Namespace) -> list[TriggerState]:
    if options.filter:
        raise UsageError("Triggers are chosen with --namespace and --query.")
    rows = TriggerState.objects.order_by("namespace", "flow_id", "trigger_id")
    if options.namespace:
        rows = rows.filter(namespace=options.namespace) | rows.filter(namespace__startswith=f"{options.namespace}.")
    if options.query:
        rows = rows.filter(trigger_id__icontains=options.query) | rows.filter(flow_id__icontains=options.query)
    return list(rows)


def _read_names(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    if options.trigger:
        if len(options.trigger) % 3:
            raise UsageError("Triggers are named by namespace, flow id and trigger id.")
        return list(zip(options.trigger[::3], options.trigger[1::3], options.trigger[2::3], strict=True))
    if not has_selection(options):
        raise UsageError("Name a trigger by namespace, flow id and trigger id, or choose some with --namespace or --query.")
    return [(row.namespace, row.flow_id, row.trigger_id) for row in _select(options)]

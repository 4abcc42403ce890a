"""`manage.py triggers ACTION`: list, switch and unlock triggers, backfills, and the coming schedule dates."""

from __future__ import annotations

import argparse
from datetime import UTC
from typing import Any

from flows.management.columns import describe_trigger
from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.presenters import Json, format_moment
from flows.management.selection import (
    add_page,
    add_selection,
    add_yes,
    has_selection,
    parse_count,
    parse_moment,
    read_criteria,
    read_pairs,
    read_window,
)
from flows.management.targets import Target
from flows.management.targets.triggers import Backfill, Name
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, say_error, status_of
from flows.primitives.errors import FlowsError
from flows.queries.criteria import Condition, Criteria, Operation

COLUMNS = ("namespace", "flow", "trigger", "kind", "disabled", "next", "last", "locked_by")
DATE_COLUMNS = ("date", "namespace", "flow", "trigger")
NAMES = {"namespace": "namespace of the flow", "flow": "id of the flow", "trigger": "id of the trigger"}
CHANGES = {
    "enable": "Switches triggers on.",
    "disable": "Switches triggers off.",
    "unlock": "Frees triggers from the execution that holds them.",
    "restart": "Starts triggers afresh, as if they were new.",
}


class Command(GroupCommand):
    """Triggers."""

    help = "Lists, switches and unlocks triggers and steers backfills."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_triggers, about="Lists triggers.")
        add_selection(parser)
        add_page(parser)
        for name, about in CHANGES.items():
            parser = add_data_action(actions, name, change_triggers, about=about)
            parser.add_argument("trigger", nargs="*", metavar="NS FLOW TRIGGER", help="triggers by their three names")
            add_selection(parser)
            add_yes(parser)
            add_dry_run(parser)
            parser.set_defaults(change=name)
        parser = add_data_action(actions, "backfill", backfill, about="Starts executions for past dates, or steers a backfill.")
        for name in ("namespace", "flow", "trigger"):
            parser.add_argument(name, help=NAMES[name])
        parser.add_argument("--start", type=parse_moment, help="the first date")
        parser.add_argument("--end", type=parse_moment, help="the last date, now when left out")
        parser.add_argument("--input", action="append", default=[], metavar="K=V", help="an input; repeat it")
        parser.add_argument("--label", action="append", default=[], metavar="K=V", help="a label; repeat it")
        steer = parser.add_mutually_exclusive_group()
        for name in ("pause", "unpause", "cancel"):
            steer.add_argument(f"--{name}", action="store_true", help=f"{name} the running backfill")
        add_dry_run(parser)
        parser = add_data_action(actions, "next", show_next, about="Shows the coming schedule dates, also without a scheduler.")
        parser.add_argument("--count", type=parse_count, default=10, help="how many dates")
        add_selection(parser)


def list_triggers(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of triggers."""
    _show(terminal, open_target(options).triggers.search(read_criteria(options), read_window(options)))


def _show(terminal: Terminal, found: list[Json]) -> None:
    terminal.show_rows(COLUMNS, [describe_trigger(each) for each in found], json_rows=found)


def change_triggers(terminal: Terminal, options: argparse.Namespace) -> int:
    """Enable, disable, unlock or restart triggers by name or selection."""
    target = open_target(options)
    names = _read_names(target, options)
    if options.dry_run:
        found = [target.triggers.get(name) for name in names]
        touched = [each for each in found if _would_change(options.change, each)]
        _show(terminal, touched)
        return conclude(options, would_change=bool(touched))
    if not options.trigger and not terminal.confirm(f"{options.change.capitalize()} {len(names)} triggers?", yes=options.yes):
        return Exit.FAILED
    status, changed = Exit.DONE, []
    for name in names:
        try:
            changed.append(target.triggers.change(name, options.change))
        except FlowsError as error:
            say_error(terminal, error)
            status = status_of(error)
    _show(terminal, changed)
    return status


def _would_change(change: str, trigger: Json) -> bool:
    if change == "unlock":
        return bool(trigger["locked"])
    return change == "restart" or trigger["disabled"] is (change == "enable")


def backfill(terminal: Terminal, options: argparse.Namespace) -> int:
    """Create, pause, continue or end a backfill and show the trigger."""
    name = (options.namespace, options.flow, options.trigger)
    word = next((each for each in ("pause", "unpause", "cancel") if getattr(options, each)), None)
    if word is None and options.start is None:
        raise UsageError("triggers backfill needs --start, or one of --pause, --unpause and --cancel.")
    triggers = open_target(options).triggers
    if word is not None:
        found = triggers.steer_backfill(name, word, dry_run=options.dry_run)
    else:
        labels = list(read_pairs(options.label, option="--label").items())
        wanted = Backfill(options.start, options.end, read_pairs(options.input, option="--input"), labels)
        found = triggers.start_backfill(name, wanted, dry_run=options.dry_run)
    terminal.show_rows(COLUMNS, [describe_trigger(found)], json_rows=found)
    return conclude(options, would_change=True)


def show_next(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the dates of all schedules that are on, earliest first, computed from their rules."""
    triggers = open_target(options).triggers
    on = [Condition("kind", Operation.EQUALS, "SCHEDULE"), Condition("triggerState", Operation.EQUALS, "ENABLED")]
    coming = []
    for each in triggers.list_all(read_criteria(options, *on)):
        names = {"namespace": each["namespace"], "flow": each["flowId"], "trigger": each["triggerId"]}
        coming += [(date, names) for date in triggers.list_dates(each, count=options.count)]
    coming.sort(key=lambda pair: (pair[0], *pair[1].values()))
    rows = [{"date": format_moment(date.astimezone(UTC)), **names} for date, names in coming[: options.count]]
    terminal.show_rows(DATE_COLUMNS, rows, json_rows=[_present_date(row) for row in rows])


def _present_date(row: dict[str, Any]) -> Json:
    return {"date": row["date"], "namespace": row["namespace"], "flowId": row["flow"], "triggerId": row["trigger"]}


def _read_names(target: Target, options: argparse.Namespace) -> list[Name]:
    if options.trigger:
        if has_selection(options):
            raise UsageError("Give either names or a selection, not both.")
        if len(options.trigger) % 3:
            raise UsageError("Triggers are named by namespace, flow id and trigger id.")
        return list(zip(options.trigger[::3], options.trigger[1::3], options.trigger[2::3], strict=True))
    if not has_selection(options):
        raise UsageError(
            "Name a trigger by namespace, flow id and trigger id, or choose some with --namespace, --query or --filter."
        )
    criteria: Criteria = read_criteria(options)
    return [(each["namespace"], each["flowId"], each["triggerId"]) for each in target.triggers.list_all(criteria)]

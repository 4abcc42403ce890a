"""`manage.py audit ACTION`: who did what, from the audit log of this installation."""

from __future__ import annotations

import argparse
import csv
import io
from typing import Any

from django.utils import timezone

from flows.management.selection import parse_span
from flows.management.terminal import GroupCommand, Terminal
from flows.models import AuditEntry
from flows.primitives.durations import format_duration
from flows.queries.audit import COLUMNS, filter_entries, search_entries, write_cells
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.pages import Window

_FILTERS = {"who": "who", "what": "what", "resource": "resource", "object": "objectId", "result": "result"}
_SHOWN = ("at", "who", "what", "namespace", "objectId", "result")


class Command(GroupCommand):
    """The audit log."""

    help = "Lists and exports the audit log."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        listing = actions.add_parser("list", help="Lists the newest entries.")
        listing.add_argument("--limit", type=int, default=50, help="how many entries")
        listing.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of the result")
        export = actions.add_parser("export", help="Writes all entries that match as CSV.")
        for parser, action in ((listing, list_entries), (export, export_entries)):
            parser.add_argument("--who", help="only what this person or account did")
            parser.add_argument("--what", help="only this act, such as execution.kill")
            parser.add_argument("--resource", type=str.upper, help="only acts on this resource, such as FLOW")
            parser.add_argument("--object", help="only acts on the object of this id")
            parser.add_argument("--result", type=str.upper, choices=AuditEntry.Result.values, help="only this result")
            parser.add_argument("-n", "--namespace", help="only this namespace and what is below it")
            parser.add_argument("--since", type=parse_span, help="only entries within this time, such as 24h")
            parser.set_defaults(run_action=action)


def list_entries(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the newest entries that match, newest first."""
    page = search_entries(_read_criteria(options), Window(1, max(1, options.limit)), at=timezone.now())
    rows = [dict(zip(COLUMNS, write_cells(entry), strict=True)) for entry in page.results]
    terminal.show_rows(_SHOWN, rows, json_rows=rows)


def export_entries(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write all entries that match as CSV, newest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in filter_entries(_read_criteria(options), at=timezone.now()).iterator(chunk_size=1000):
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in write_cells(entry)])
        terminal.write(text.getvalue())
        text.seek(0)
        text.truncate()
    if text.tell():
        terminal.write(text.getvalue())


def _read_criteria(options: argparse.Namespace) -> Criteria:
    conditions = [
        Condition(field, Operation.EQUALS, str(getattr(options, name)))
        for name, field in _FILTERS.items()
        if getattr(options, name)
    ]
    if options.namespace:
        conditions.append(Condition("namespace", Operation.PREFIX, options.namespace))
    if options.since:
        conditions.append(Condition("timeRange", Operation.EQUALS, format_duration(options.since)))
    return Criteria(members=tuple(conditions))

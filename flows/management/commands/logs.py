"""`manage.py logs ACTION`: the log lines of executions."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from flows.management.presentation import LEVELS, format_log, present_log
from flows.management.selection import add_page, add_selection, parse_span, read_criteria, read_window
from flows.management.terminal import GroupCommand, Terminal, add_action
from flows.models import Execution, LogEntry
from flows.primitives.states import TERMINAL
from flows.queries.criteria import Condition, Operation
from flows.queries.executions import get_execution
from flows.queries.logs import read_level, search_logs

POLL_SECONDS = 0.3
BATCH = 1000


class Command(GroupCommand):
    """Log lines."""

    help = "Lists, searches and follows log lines."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_lines, about="Lists the lines of one execution.")
        parser.add_argument("id")
        _add_level(parser)
        parser.add_argument("--task", help="only this task")
        parser.add_argument("-f", "--follow", action="store_true", help="go on until the execution ends")
        parser = add_action(actions, "search", search, about="Searches the lines of all executions, newest first.")
        _add_level(parser)
        parser.add_argument("--since", type=parse_span, help="only lines within this time, such as 24h")
        add_selection(parser)
        add_page(parser)
        parser = add_action(actions, "tail", tail, about="Shows the newest lines of all executions.")
        _add_level(parser)
        parser.add_argument("-n", "--namespace", help="a namespace with its children")
        parser.add_argument("--lines", type=int, default=50)
        parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")


def _add_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--min-level", type=str.upper, choices=LEVELS, default="TRACE", help="the least level to show")


def list_lines(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the lines of an execution, oldest first; with --follow as they come."""
    get_execution(options.id)
    rows = LogEntry.objects.filter(execution_id=options.id, level__gte=read_level(options.min_level))
    if options.task:
        rows = rows.filter(task_id=options.task)
    if not options.follow:
        _write(terminal, rows.order_by("id").iterator(BATCH))
        return
    last = 0
    while True:
        # The state is read first: whatever is written before the end is then surely seen.
        state = Execution.objects.filter(id=options.id).values_list("state", flat=True).first()
        last = _write_new(terminal, rows, last)
        if state is None or state in TERMINAL:
            return
        time.sleep(POLL_SECONDS)


def search(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write a page of lines, newest first."""
    at = timezone.now()
    extra = [Condition("level", Operation.GREATER_THAN_OR_EQUAL_TO, options.min_level)]
    if options.since:
        extra.append(Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, (at - options.since).isoformat()))
    _write(terminal, search_logs(read_criteria(options, *extra), read_window(options), at=at).results)


def tail(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the newest lines, oldest of them first; with --follow as they come."""
    rows = LogEntry.objects.filter(level__gte=read_level(options.min_level))
    if options.namespace:
        rows = rows.filter(namespace=options.namespace) | rows.filter(namespace__startswith=f"{options.namespace}.")
    newest = list(rows.order_by("-id")[: max(0, options.lines)])[::-1]
    if not options.follow:
        _write(terminal, newest)
        return
    _write_lines(terminal, newest)
    last = newest[-1].pk if newest else 0
    while True:
        last = _write_new(terminal, rows, last)
        time.sleep(POLL_SECONDS)


def _write_new(terminal: Terminal, rows: QuerySet[LogEntry], last: int) -> int:
    entries = list(rows.filter(id__gt=last).order_by("id")[:BATCH])
    _write_lines(terminal, entries)
    return entries[-1].pk if entries else last


def _write(terminal: Terminal, entries: Iterable[LogEntry]) -> None:
    if terminal.output == "json":
        terminal.show_json([present_log(entry) for entry in entries])
    else:
        _write_lines(terminal, entries)


def _write_lines(terminal: Terminal, entries: Iterable[LogEntry]) -> None:
    """Write one line per entry: text, or one JSON object each where the end of the list is not known."""
    for entry in entries:
        terminal.write(json.dumps(present_log(entry), ensure_ascii=False) if terminal.output == "json" else format_log(entry))

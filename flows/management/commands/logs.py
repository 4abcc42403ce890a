"""`manage.py logs ACTION`: the log lines of executions."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from flows.management.columns import format_log
from flows.management.connecting import add_data_action, open_target
from flows.management.following import NewLines
from flows.management.presenters import LEVELS, Json
from flows.management.selection import add_page, add_selection, parse_span, read_criteria, read_window
from flows.management.terminal import GroupCommand, Terminal
from flows.primitives.states import TERMINAL
from flows.queries.criteria import Condition, Operation
from flows.queries.pages import Window

POLL_SECONDS = 0.3
LOOK_BACK = timedelta(seconds=30)
"""How far behind the newest line a late one may turn up while lines are followed."""
MOST_NEW_LINES = 10_000


class Command(GroupCommand):
    """Log lines."""

    help = "Lists, searches and follows log lines."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_lines, about="Lists the lines of one execution.")
        parser.add_argument("id", help="id of the execution")
        _add_choice(parser)
        parser.add_argument("-f", "--follow", action="store_true", help="go on until the execution ends")
        parser = add_data_action(actions, "search", search, about="Searches the lines of all executions, newest first.")
        _add_choice(parser)
        parser.add_argument("--since", type=parse_span, help="only lines within this time, such as 24h")
        add_selection(parser)
        add_page(parser)
        parser = add_data_action(actions, "tail", tail, about="Shows the newest lines of all executions.")
        _add_choice(parser)
        parser.add_argument("--lines", type=int, default=50, help="how many old lines to begin with")
        parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
        add_selection(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--min-level", type=str.upper, choices=LEVELS, default="TRACE", help="the least level to show")
    parser.add_argument("--task", help="only lines of this task")


def list_lines(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the lines of an execution, oldest first; with --follow as they come."""
    target = open_target(options)

    def read() -> list[Json]:
        return target.logs.list_of_execution(options.id, min_level=options.min_level, task_id=options.task or "")

    if not options.follow:
        _write(terminal, read())
        return
    lines = NewLines()
    while True:
        # The state is read first: whatever is written before the end is then surely seen.
        state = target.executions.get(options.id)["state"]["current"]
        _write_lines(terminal, lines.take(read()))
        if state in TERMINAL:
            return
        time.sleep(POLL_SECONDS)


def search(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write a page of lines, newest first."""
    extra = _read_choice(options)
    if options.since:
        extra.append(Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, (timezone.now() - options.since).isoformat()))
    _write(terminal, open_target(options).logs.search(read_criteria(options, *extra), read_window(options)))


def _read_choice(options: argparse.Namespace) -> list[Condition]:
    choice = [Condition("level", Operation.GREATER_THAN_OR_EQUAL_TO, options.min_level)]
    return [*choice, Condition("taskId", Operation.EQUALS, options.task)] if options.task else choice


def tail(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the newest lines, oldest of them first; with --follow as they come."""
    target = open_target(options)
    extra = _read_choice(options)
    newest = []
    if options.lines > 0:
        newest = target.logs.search(read_criteria(options, *extra), Window(1, min(options.lines, MOST_NEW_LINES)))[::-1]
    if not options.follow:
        _write(terminal, newest)
        return
    lines = NewLines()
    _write_lines(terminal, lines.take(newest))
    start = datetime.fromisoformat(newest[-1]["timestamp"]) if newest else timezone.now()
    while True:
        # A line is stored some time after it was written, so each look reaches back a little.
        since = max(start, timezone.now() - LOOK_BACK)
        fresh = Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, since.isoformat())
        window = Window(1, MOST_NEW_LINES, (("timestamp", "asc"),))
        _write_lines(terminal, lines.take(target.logs.search(read_criteria(options, *extra, fresh), window)))
        time.sleep(POLL_SECONDS)


def _write(terminal: Terminal, entries: list[Json]) -> None:
    if terminal.output == "json":
        terminal.show_json(entries)
    else:
        _write_lines(terminal, entries)


def _write_lines(terminal: Terminal, entries: Iterable[Json]) -> None:
    """Write one line per entry: text, or one JSON object each where the end of the list is not known."""
    for entry in entries:
        terminal.write(json.dumps(entry, ensure_ascii=False) if terminal.output == "json" else format_log(entry))

"""Watching an execution from a terminal: a table of its tasks that is drawn again and again, or plain lines, and its logs."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from flows.management.columns import TASK_RUN_COLUMNS, describe_execution, describe_task_run, format_log
from flows.management.presenters import Json
from flows.management.targets import Target
from flows.management.terminal import Exit, Terminal, format_table
from flows.primitives.states import ENDED_WELL, TERMINAL, State

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5


class NewLines:
    """Tells which lines of a list were not there the last time; lines with equal words are told apart by their number."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def take(self, entries: Iterable[Json]) -> list[Json]:
        """Return the entries that are new, in their order."""
        found, counted = [], Counter[str]()
        for entry in entries:
            text = json.dumps(entry, sort_keys=True, default=str)
            counted[text] += 1
            if counted[text] > self._seen[text]:
                found.append(entry)
        self._seen = counted
        return found


class Follower:
    """
    Watches one execution until it ends.

    On a terminal the table of its task runs is drawn in place; elsewhere every change of a state is one line. Both go to
    standard error, so that standard output holds the result alone.
    """

    def __init__(self, terminal: Terminal, target: Target, execution_id: str, *, logs: bool = False) -> None:
        self._terminal = terminal
        self._target = target
        self._execution_id = execution_id
        self._logs = logs
        self._lines = NewLines()
        self._known_states: dict[str, str] = {}
        self._drawn_lines = 0
        self._state = ""

    def wait(self, *, timeout: timedelta | None = None) -> Json:
        """
        Return the execution as it was when it ended, or when the time was over.

        Raises:
            NotFoundError: it was deleted.
        """
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        pause = FIRST_WAIT_SECONDS
        while True:
            execution = self._target.executions.get(self._execution_id)
            has_ended = execution["state"]["current"] in TERMINAL
            changed = self._show(execution, at=timezone.now())
            if has_ended or (deadline is not None and time.monotonic() >= deadline):
                return execution
            pause = FIRST_WAIT_SECONDS if changed else min(pause * 1.5, LONGEST_WAIT_SECONDS)
            left = pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic()))
            time.sleep(left)

    def _show(self, execution: Json, *, at: datetime) -> bool:
        # Entries are read before the table is drawn, so that the table stays below them.
        lines = self._read_logs() if self._logs else []
        runs = execution.get("taskRunList", [])
        state = execution["state"]["current"]
        if self._terminal.is_interactive:
            self._erase()
            for line in lines:
                self._terminal.say(line)
            self._draw(execution, runs, at=at)
        else:
            for line in lines:
                self._terminal.say(line)
            self._say_changes(state, runs)
        changed = state != self._state
        self._state = state
        return changed or bool(lines)

    def _read_logs(self) -> list[str]:
        return [format_log(entry) for entry in self._lines.take(self._target.logs.list_of_execution(self._execution_id))]

    def _erase(self) -> None:
        if self._drawn_lines:
            self._terminal.say(f"\x1b[{self._drawn_lines}A\x1b[J", end="")

    def _draw(self, execution: Json, runs: list[Json], *, at: datetime) -> None:
        size = shutil.get_terminal_size()
        shown = runs[-max(3, size.lines - 6) :]
        facts = describe_execution(execution, at=at)
        lines = [f"{facts['id']} {facts['namespace']}/{facts['flow']} {facts['state']} {facts['duration']}"]
        if len(shown) < len(runs):
            lines.append(f"... {len(runs) - len(shown)} earlier task runs")
        if shown:
            lines += format_table(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in shown]).splitlines()
        # A line that wraps would take two rows and leave the drawing crooked.
        for line in lines:
            self._terminal.say(line[: size.columns - 1])
        self._drawn_lines = len(lines)

    def _say_changes(self, state: str, runs: list[Json]) -> None:
        for run in runs:
            current = run["state"]["current"]
            if self._known_states.get(run["id"]) != current:
                self._known_states[run["id"]] = current
                value = f" [{run['value']}]" if run.get("value") else ""
                self._terminal.say(f"{run['taskId']}{value} {current}")
        if state != self._state:
            self._terminal.say(f"{self._execution_id} {state}")


def exit_of(state: str, *, strict: bool = False) -> Exit:
    """Return the exit status of a state: WARNING counts as failure only when `strict`. Source: command line, 2.3."""
    if state == State.WARNING and strict:
        return Exit.FAILED
    return Exit.DONE if state in ENDED_WELL else Exit.FAILED

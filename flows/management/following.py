"""Watching an execution from a terminal: a table of its tasks that is drawn again and again, or plain lines, and its logs."""

from __future__ import annotations

import shutil
import time
from datetime import datetime, timedelta

from django.utils import timezone

from flows.management.presentation import TASK_RUN_COLUMNS, describe_task_run, format_log, format_seconds
from flows.management.terminal import Exit, Terminal, format_table
from flows.models import Execution, LogEntry, TaskRun
from flows.primitives.errors import NotFoundError
from flows.primitives.states import ENDED_WELL, TERMINAL, State

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5
MAX_LOG_LINES = 1000


class Follower:
    """
    Watches one execution until it ends.

    On a terminal the table of its task runs is drawn in place; elsewhere every change of a state is one line. Both go to
    standard error, so that standard output holds the result alone.
    """

    def __init__(self, terminal: Terminal, execution_id: str, *, logs: bool = False) -> None:
        self._terminal = terminal
        self._execution_id = execution_id
        self._logs = logs
        self._last_log_id = 0
        self._known_states: dict[str, str] = {}
        self._drawn_lines = 0
        self._state = ""

    def wait(self, *, timeout: timedelta | None = None) -> Execution:
        """
        Return the execution as it was when it ended, or when the time was over.

        Raises:
            NotFoundError: it was deleted.
        """
        deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        pause = FIRST_WAIT_SECONDS
        while True:
            row = Execution.objects.filter(pk=self._execution_id).first()
            if row is None:
                raise NotFoundError(f'Execution "{self._execution_id}" does not exist.', code="execution-not-found")
            has_ended = row.state in TERMINAL
            changed = self._show(row, at=timezone.now())
            if has_ended or (deadline is not None and time.monotonic() >= deadline):
                return row
            pause = FIRST_WAIT_SECONDS if changed else min(pause * 1.5, LONGEST_WAIT_SECONDS)
            left = pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic()))
            time.sleep(left)

    def _show(self, row: Execution, *, at: datetime) -> bool:
        # Entries are read before the table is drawn, so that the table stays below them.
        lines = self._read_logs() if self._logs else []
        runs = list(TaskRun.objects.filter(execution_id=row.id).order_by("seq").defer("outputs", "plan", "progress"))
        if self._terminal.is_interactive:
            self._erase()
            for line in lines:
                self._terminal.say(line)
            self._draw(row, runs, at=at)
        else:
            for line in lines:
                self._terminal.say(line)
            self._say_changes(row, runs)
        changed = row.state != self._state
        self._state = row.state
        return changed or bool(lines)

    def _read_logs(self) -> list[str]:
        entries = LogEntry.objects.filter(execution_id=self._execution_id, id__gt=self._last_log_id).order_by("id")
        found = list(entries[:MAX_LOG_LINES])
        if found:
            self._last_log_id = found[-1].pk
        return [format_log(entry) for entry in found]

    def _erase(self) -> None:
        if self._drawn_lines:
            self._terminal.say(f"\x1b[{self._drawn_lines}A\x1b[J", end="")

    def _draw(self, row: Execution, runs: list[TaskRun], *, at: datetime) -> None:
        size = shutil.get_terminal_size()
        shown = runs[-max(3, size.lines - 6) :]
        head = f"{row.id} {row.namespace}/{row.flow_id} {row.state} {format_seconds((row.ended_at or at) - row.created_at)}"
        lines = [head]
        if len(shown) < len(runs):
            lines.append(f"... {len(runs) - len(shown)} earlier task runs")
        if shown:
            lines += format_table(TASK_RUN_COLUMNS, [describe_task_run(run, at=at) for run in shown]).splitlines()
        # A line that wraps would take two rows and leave the drawing crooked.
        for line in lines:
            self._terminal.say(line[: size.columns - 1])
        self._drawn_lines = len(lines)

    def _say_changes(self, row: Execution, runs: list[TaskRun]) -> None:
        for run in runs:
            if self._known_states.get(run.id) != run.state:
                self._known_states[run.id] = run.state
                value = f" [{run.value}]" if run.value else ""
                self._terminal.say(f"{run.task_id}{value} {run.state}")
        if row.state != self._state:
            self._terminal.say(f"{row.id} {row.state}")


def exit_of(state: str, *, strict: bool = False) -> Exit:
    """Return the exit status of a state: WARNING counts as failure only when `strict`. Source: command line, 2.3."""
    if state == State.WARNING and strict:
        return Exit.FAILED
    return Exit.DONE if state in ENDED_WELL else Exit.FAILED

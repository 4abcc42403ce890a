"""How our commands speak: one result on standard output, everything else on standard error, and one list of exit statuses."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError

from flows.operations.callers import command_caller
from flows.primitives.callers import acting_as
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.storage import StorageUnavailableError

MAX_CELL = 120
_RESET = "\x1b[0m"
_COLOURS = {
    "SUCCESS": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "FAILED": "\x1b[31m",
    "KILLED": "\x1b[35m",
    "CANCELLED": "\x1b[35m",
    "RUNNING": "\x1b[34m",
    "PAUSED": "\x1b[36m",
}


class Exit(IntEnum):
    """The exit statuses of all commands. Source: command line, 2.1."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    OUT_OF_REACH = 5
    INTERRUPTED = 130


class ServerUnreachableError(FlowsError):
    """Another installation does not answer, or cannot work now."""

    code = "server-unreachable"


class UsageError(Exception):
    """The command was called in a way that makes no sense; the text says what to write instead."""


class Terminal:
    """
    Where one command writes.

    `output` is `table`, `json` or `yaml`; a table is aligned text under a line of capitals, JSON is one document.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, *, output: str = "table") -> None:
        self._stdout = stdout
        self._stderr = stderr
        self.output = output
        self.is_interactive = _is_terminal(stderr)
        self.has_colours = _is_terminal(stdout) and not os.environ.get("NO_COLOR")

    def write(self, text: str) -> None:
        """Write a result as it is, a newline at its end when there is none."""
        self._stdout.write(text if text.endswith("\n") else f"{text}\n")
        self._stdout.flush()

    def say(self, text: str, *, end: str = "\n") -> None:
        """Write progress or an error for the person in front of the terminal."""
        self._stderr.write(f"{text}{end}")
        self._stderr.flush()

    def report(self, what: str, done: int, total: int) -> None:
        """
        Show on a terminal how far long work has come, in one line that is drawn again and again.

        `total` is 0 where nobody knows it; work of one step is not worth a line.
        """
        if self.is_interactive and total != 1:
            share = f"{done}/{total}" if total else str(done)
            self.say(f"\r\x1b[K{what}: {share}", end="\n" if done == total else "")

    def show_rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, json_rows: Any = None) -> None:
        """
        Write rows as a table or as JSON.

        Args:
            columns: keys of the rows in order; the header shows them in capitals, `_` as a blank.
            rows: what the table shows; cells are cut after 120 characters.
            json_rows: what JSON shows instead, in the field names of the REST API.
        """
        if self.output == "json":
            self.show_json(rows if json_rows is None else json_rows)
            return
        self.write(format_table(columns, rows, colours=self.has_colours))
        if _is_terminal(self._stdout):
            self.write(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")

    def show_json(self, value: Any) -> None:
        """Write one JSON document."""
        self.write(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def confirm(self, question: str, *, yes: bool) -> bool:
        """
        Ask before something that cannot be undone; `yes` is the answer of the command line.

        Raises:
            UsageError: nobody can be asked, because standard input is no terminal.
        """
        if yes:
            return True
        if not _is_terminal(sys.stdin):
            raise UsageError(f"{question} Nobody can be asked here: add --yes.")
        self.say(f"{question} [y/N] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


class GroupCommand(BaseCommand):
    """
    A command with actions, called as `manage.py GROUP ACTION`.

    A subclass adds its actions with `add_action`; an action takes the terminal and the parsed options and returns an exit
    status, None for done. Errors of operations become messages on standard error and the status that belongs to them.
    """

    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        self.add_actions(actions)

    def add_actions(self, actions: Any) -> None:
        """Add the sub-parsers of the group."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        terminal = Terminal(_stream_of(self.stdout), _stream_of(self.stderr), output=options.get("output") or "table")
        status = run_action(terminal, options["run_action"], argparse.Namespace(**options))
        if status:
            raise SystemExit(int(status))


class PlainCommand(BaseCommand):
    """A command without actions, called as `manage.py NAME`. Errors and statuses are those of `GroupCommand`."""

    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of the result")

    def run(self, terminal: Terminal, options: argparse.Namespace) -> int | None:
        """Do what the command is for and return an exit status, None for done."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        terminal = Terminal(_stream_of(self.stdout), _stream_of(self.stderr), output=options.get("output") or "table")
        status = run_action(terminal, self.run, argparse.Namespace(**options))
        if status:
            raise SystemExit(int(status))


Action = Callable[[Terminal, argparse.Namespace], int | None]


def add_action(actions: Any, name: str, run: Action, *, about: str, aliases: Sequence[str] = ()) -> CommandParser:
    """Add one action to a group and return its parser. `about` is one sentence of help."""
    parser: CommandParser = actions.add_parser(name, help=about, description=about, aliases=list(aliases))
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of the result")
    parser.set_defaults(run_action=run)
    return parser


def allow_yaml(parser: argparse.ArgumentParser) -> None:
    """Let an action that writes a source take `-o yaml`, which means the same as its default form."""
    for action in parser._actions:
        if action.dest == "output":
            action.choices = ("table", "json", "yaml")


def run_action(terminal: Terminal, action: Action, options: argparse.Namespace) -> int:
    """Run an action and return its exit status; every foreseen error is said on standard error, without a traceback."""
    try:
        with acting_as(command_caller()):
            return int(action(terminal, options) or Exit.DONE)
    except UsageError as error:
        terminal.say(str(error))
        return Exit.USAGE
    except KeyboardInterrupt:
        terminal.say("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; Python would complain once more while it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except FlowsError as error:
        say_error(terminal, error)
        return status_of(error)
    except (OperationalError, InterfaceError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        terminal.say(f"The database is out of reach: {reason}. Is it running, and does CELESTRA_DATABASE_URL name it?")
        return Exit.OUT_OF_REACH
    except DatabaseError as error:
        if "does not exist" not in str(error):
            raise
        terminal.say("The database misses a table or column of this version: run `manage.py migrate` first.")
        terminal.say(str(error).strip().splitlines()[0])
        return Exit.OUT_OF_REACH
    except ConnectionError as error:
        terminal.say(f"The broker is out of reach: {error}. Is it running, and does CELESTRA_BROKER_URL name it?")
        return Exit.OUT_OF_REACH


def say_error(terminal: Terminal, error: FlowsError) -> None:
    """Write an error with all its problems, one per line, each with its place."""
    problems = error.problems if isinstance(error, InvalidError) else ()
    if not problems:
        terminal.say(error.message)
    for problem in problems:
        terminal.say(str(problem))


def status_of(error: FlowsError) -> Exit:
    """Return the exit status of an error."""
    if isinstance(error, NotFoundError):
        return Exit.NOT_FOUND
    if isinstance(error, ConflictError | ForbiddenError):
        return Exit.REFUSED
    if isinstance(error, StorageUnavailableError | ServerUnreachableError):
        return Exit.OUT_OF_REACH
    return Exit.FAILED


def format_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, colours: bool = False) -> str:
    """Return aligned columns under a line of capitals; numbers and dates are shown as text, None as nothing."""
    cells = [[_format_cell(row.get(column)) for column in columns] for row in rows]
    header = [column.upper().replace("_", " ") for column in columns]
    widths = [max(len(line[index]) for line in [header, *cells]) for index in range(len(columns))]
    lines = [_join(header, widths)]
    for line in cells:
        text = _join(line, widths)
        for cell in line:
            if colours and cell in _COLOURS:
                text = text.replace(cell, f"{_COLOURS[cell]}{cell}{_RESET}", 1)
        lines.append(text)
    return "\n".join(lines)


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _format_cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list | bool) else str(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 3]}..."


def _stream_of(wrapper: Any) -> TextIO:
    """Return the stream inside Django's wrapper, which adds line ends and colours of its own."""
    stream: TextIO = wrapper._out
    return stream


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False

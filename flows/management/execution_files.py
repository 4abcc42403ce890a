"""`executions files`: the stored files of one execution, listed or written to this host."""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from flows.management.connecting import add_data_action, open_target
from flows.management.terminal import Terminal, UsageError

COLUMNS = ("uri", "size", "modified")


def add_files(actions: Any) -> None:
    """Add the action `files ID [URI]`."""
    parser = add_data_action(actions, "files", show_files, about="Lists the files of an execution, or writes one of them.")
    parser.add_argument("id", help="id of the execution")
    parser.add_argument("uri", nargs="?", help="the file to write to standard output or to --to")
    parser.add_argument("--to", metavar="PATH", help="a file, or a folder that exists")


def show_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """List addresses with sizes in bytes, or write the bytes of one file."""
    target = open_target(options)
    if options.uri is not None:
        with closing(target.executions.open_file(options.id, options.uri)) as source:
            write_bytes(terminal, source, options.to, name=options.uri.rsplit("/", 1)[-1])
        return
    if options.to is not None:
        raise UsageError("executions files takes --to together with the URI of one file.")
    terminal.show_rows(COLUMNS, target.executions.list_files(options.id))


def write_bytes(terminal: Terminal, source: IO[bytes], to: str | None, *, name: str) -> None:
    """Write a stream to standard output, to a file, or under `name` into a folder that exists. Raises UsageError."""
    if to is None or to == "-":
        sys.stdout.flush()
        shutil.copyfileobj(source, sys.stdout.buffer)
        return
    path = Path(to)
    path = path / name if path.is_dir() else path
    try:
        with path.open("wb") as written:
            shutil.copyfileobj(source, written)
    except OSError as error:
        raise UsageError(f'"{path}" cannot be written ({error.strerror}).') from error
    terminal.say(f"{name} written to {path}")

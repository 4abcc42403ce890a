"""`executions files`: the stored files of one execution, listed or written to this host."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from flows.management.presentation import format_moment
from flows.management.terminal import Terminal, UsageError, add_action
from flows.queries.executions import get_execution, list_related_ids
from flows.storage import get_storage
from flows.storage.uri import check_may_read, execution_folder

COLUMNS = ("uri", "size", "modified")


def add_files(actions: Any) -> None:
    """Add the action `files ID [URI]`."""
    parser = add_action(actions, "files", show_files, about="Lists the files of an execution, or writes one of them.")
    parser.add_argument("id")
    parser.add_argument("uri", nargs="?", help="the file to write to standard output or to --to")
    parser.add_argument("--to", metavar="PATH", help="a file, or a folder that exists")


def show_files(terminal: Terminal, options: argparse.Namespace) -> None:
    """List addresses with sizes in bytes, or write the bytes of one file."""
    execution = get_execution(options.id)
    if options.uri is not None:
        address = check_may_read(
            options.uri,
            namespace=execution.namespace,
            flow_id=execution.flow_id,
            execution_id=execution.id,
            related_execution_ids=list_related_ids(execution),
        )
        _write_file(terminal, str(address), options.to)
        return
    if options.to is not None:
        raise UsageError("executions files takes --to together with the URI of one file.")
    found = get_storage().list(str(execution_folder(execution.namespace, execution.flow_id, execution.id)))
    rows = [{"uri": each.uri, "size": each.size_bytes, "modified": format_moment(each.modified_at)} for each in found]
    terminal.show_rows(COLUMNS, rows)


def _write_file(terminal: Terminal, uri: str, to: str | None) -> None:
    with get_storage().open_read(uri) as source:
        if to is None:
            sys.stdout.flush()
            shutil.copyfileobj(source, sys.stdout.buffer)
            return
        path = Path(to)
        path = path / uri.rsplit("/", 1)[-1] if path.is_dir() else path
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise UsageError(f'"{path}" cannot be written ({error.strerror}).') from error
    terminal.say(f"{uri} written to {path}")

"""`manage.py restore FILE`: a backup back into an empty installation."""

from __future__ import annotations

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from flows.management.archives import Contents, check_fits, read_archive, read_manifest, verify_archive
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.selection import add_yes
from flows.management.terminal import Exit, PlainCommand, Terminal, UsageError

COLUMNS = ("what", "count")


class Command(PlainCommand):
    """The way back from a backup."""

    help = "Restores a backup into an empty, migrated installation of the same version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and what may be overruled."""
        super().add_arguments(parser)
        parser.add_argument("file", help="an archive of `backup`")
        parser.add_argument("--replace", action="store_true", help="delete the rows that are here now")
        parser.add_argument(
            "--allow-other-key", action="store_true", help="stored secrets stay unreadable until they are rotated"
        )
        add_dry_run(parser)
        add_yes(parser)

    def run(self, terminal: Terminal, options: argparse.Namespace) -> int:
        """Check, ask, restore, and show what came back."""
        path = Path(options.file)
        if not path.is_file():
            raise UsageError(f'"{path}" does not exist.')
        manifest = read_manifest(path)
        check_fits(manifest, replaces=options.replace, allows_other_key=options.allow_other_key)
        if options.dry_run:
            _show(terminal, verify_archive(path, report=terminal.report))
            return conclude(options, would_change=True)
        if not terminal.confirm(
            f"Replace all accounts, flows and executions by those of {manifest['written_at']}?", yes=options.yes
        ):
            return Exit.FAILED
        _show(terminal, read_archive(path, report=terminal.report))
        terminal.say("Restored. Restart Celestra now: its processes remember flows that were here before.")
        return Exit.DONE


def _show(terminal: Terminal, contents: Contents) -> None:
    rows = [{"what": table, "count": count} for table, count in contents.rows.items() if count]
    rows.append({"what": "files", "count": contents.file_count})
    moment = contents.manifest["written_at"]
    terminal.show_rows(COLUMNS, rows, json_rows={"writtenAt": moment, "tables": contents.rows, "files": contents.file_count})

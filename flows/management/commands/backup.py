"""`manage.py backup FILE`: everything that is stored, in one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from django.core.management.base import CommandParser
from django.utils import timezone

from flows.management.archives import write_archive
from flows.management.terminal import PlainCommand, Terminal, UsageError

COLUMNS = ("what", "count")


class Command(PlainCommand):
    """A backup of database and files."""

    help = "Writes all tables and stored files to one archive. Keys are not in it: keep CELESTRA_HOME/keys in another place."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and what may be left out."""
        super().add_arguments(parser)
        parser.add_argument("file", help="the archive to write, such as celestra.tar.gz")
        parser.add_argument("--without-files", action="store_true", help="the tables only")
        parser.add_argument("--override", action="store_true", help="replace a file that exists")

    def run(self, terminal: Terminal, options: argparse.Namespace) -> None:
        """Write the archive and show what is in it."""
        path = Path(options.file)
        if path.exists() and not options.override:
            raise UsageError(f'"{path}" exists: choose another name, or add --override.')
        if not path.parent.is_dir():
            raise UsageError(f'The folder "{path.parent}" does not exist.')
        contents = write_archive(path, with_files=not options.without_files, at=timezone.now(), report=terminal.report)
        rows = [{"what": table, "count": count} for table, count in contents.rows.items() if count]
        rows.append({"what": "files", "count": contents.file_count})
        json_rows = {"file": str(path), "tables": contents.rows, "files": contents.file_count, "bytes": path.stat().st_size}
        terminal.show_rows(COLUMNS, rows, json_rows=json_rows)

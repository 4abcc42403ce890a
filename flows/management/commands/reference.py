"""`manage.py reference`: the reference of all commands in Markdown. Needs no database."""

from __future__ import annotations

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from flows.management.reference import HEADING, write_reference
from flows.management.terminal import PlainCommand, Terminal, UsageError


class Command(PlainCommand):
    """The reference."""

    help = "Writes the reference of all commands, as docs/command-line.md has it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the page."""
        super().add_arguments(parser)
        parser.add_argument("--into", metavar="FILE", help=f'replace what stands below "{HEADING}" in this page')

    def run(self, terminal: Terminal, options: argparse.Namespace) -> None:
        """Write it to standard output, or into a page."""
        text = write_reference()
        if options.into is None:
            terminal.write(text)
            return
        page = Path(options.into)
        try:
            before, heading, _ = page.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")
            if not heading:
                raise UsageError(f'"{page}" has no heading "{HEADING}" below which the reference could stand.')
            page.write_text(f"{before}\n{text}", encoding="utf-8")
        except OSError as error:
            raise UsageError(f'"{page}" cannot be written ({error.strerror}).') from error

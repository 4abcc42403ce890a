"""`manage.py completion SHELL`: a script that lets a shell complete our commands. Needs no database."""

from __future__ import annotations

import argparse

from django.core.management.base import CommandParser

from flows.management.completions import list_words, write_bash, write_fish, write_zsh
from flows.management.terminal import PlainCommand, Terminal

_WRITERS = {"bash": write_bash, "zsh": write_zsh, "fish": write_fish}


class Command(PlainCommand):
    """Shell completion."""

    help = "Writes a completion script for bash, zsh or fish."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the shell."""
        super().add_arguments(parser)
        parser.add_argument("shell", choices=tuple(_WRITERS), help="the shell")

    def run(self, terminal: Terminal, options: argparse.Namespace) -> None:
        """Write the script, or as JSON the words that it knows."""
        words = list_words()
        if terminal.output == "json":
            terminal.show_json(
                [
                    {"command": list(each.path), "about": each.about, "next": each.following, "options": each.options}
                    for each in words
                ]
            )
        else:
            terminal.write(_WRITERS[options.shell](words))

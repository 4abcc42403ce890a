"""`--dry-run` and `--exit-code`, which every command has that writes."""

from __future__ import annotations

import argparse

from flows.management.terminal import Exit


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--exit-code", action="store_true", help="with --dry-run: status 1 when something would change")


def conclude(options: argparse.Namespace, *, would_change: bool) -> Exit:
    """Return the exit status of a command that did, or in a dry run would do, what it was asked to."""
    return Exit.FAILED if options.dry_run and options.exit_code and would_change else Exit.DONE

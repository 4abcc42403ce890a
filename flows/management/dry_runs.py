"""`--dry-run` for commands whose whole effect is in the database: they do what they would do, and it is undone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--dry-run", action="store_true", help="show what would change")


@contextmanager
def undone_if_dry(options: argparse.Namespace) -> Iterator[None]:
    """Run the block; with `--dry-run` inside a transaction that is rolled back, so that only its rows and errors remain."""
    if not options.dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)

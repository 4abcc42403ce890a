"""The name under which commands change things, and changes that are only tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

ACTOR = "command line"


@contextmanager
def undone_if(dry_run: bool) -> Iterator[None]:
    """Run the block; in a dry run inside a transaction that is rolled back, so that only its answer and its errors remain."""
    if not dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)

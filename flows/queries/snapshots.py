"""Reads that must fit together: several queries over one moment of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_moment() -> Iterator[None]:
    """
    Let all queries of the block see the database at one moment.

    Two reads one after the other may show an execution of before and task runs of after a change. Inside a transaction that
    has begun already (a caller's, a test's) the view is as steady as that one is.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield

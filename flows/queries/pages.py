"""Pages of rows: which part of a long list is wanted, in which order, and how many rows there are in all."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy

from flows.queries.criteria import SortError

Row = TypeVar("Row")

LARGE_COUNT = 20_000
FRESH_SECONDS = 10.0
OUTDATED_SECONDS = 60.0
MOST_KEPT = 1000
MOST_COUNTING = 4

log = logging.getLogger(__name__)

_lock = Lock()
_large_counts: dict[str, tuple[float, int]] = {}
_being_counted: set[str] = set()


@dataclass(frozen=True, slots=True)
class Window:
    """Which page is wanted: `page` counts from 1, `size` is rows per page, `sort` pairs of field name and `asc` or `desc`."""

    page: int = 1
    size: int = 10
    sort: tuple[tuple[str, str], ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of rows and the number of rows on all pages. Past the end the page is empty and the total still true."""

    results: Sequence[Row]
    total: int


def order_rows(
    rows: QuerySet[Any], window: Window, columns: Mapping[str, Any], *, then: Sequence[str], nulls_last: bool = True
) -> QuerySet[Any]:
    """
    Return `rows` in the wanted order; `then` decides between equal ones, so that no row shows up on two pages.

    Args:
        columns: what may be sorted, by the name that clients use; values are column names or expressions.
        nulls_last: whether rows without a value come last in both directions; without it an index serves both.

    Raises:
        SortError: a field that `columns` does not list.
    """
    order: list[Any] = []
    for name, direction in window.sort:
        column = columns.get(name)
        if column is None:
            raise SortError(f'Invalid sort parameter: "{name}" cannot be sorted here. Known fields: {", ".join(columns)}.')
        by = F(column) if isinstance(column, str) else column
        order.append(OrderBy(by, descending=direction == "desc", nulls_last=nulls_last or None))
    return rows.order_by(*order, *then)


def take_page(rows: QuerySet[Any], window: Window, *, most_counted: int | None = None) -> Page[Any]:
    """
    Return one page of an ordered query set. The rows are only counted when the page does not show how many there are.

    Args:
        most_counted: how far to count; beyond it the total is the database's estimate. None counts exactly.
    """
    first = (window.page - 1) * window.size
    results = list(rows[first : first + window.size])
    if len(results) < window.size and (results or first == 0):
        return Page(results, first + len(results))
    return Page(results, count_rows(rows) if most_counted is None else _count_up_to(rows, most_counted))


def take_split_page(first_rows: QuerySet[Any], last_rows: QuerySet[Any], window: Window, *, both: QuerySet[Any]) -> Page[Any]:
    """Return one page of the rows of one ordered query set followed by those of another; `both` are all of them, in any order."""
    start = (window.page - 1) * window.size
    results = list(first_rows[start : start + window.size])
    if len(results) < window.size:
        skipped = max(0, start - count_rows(first_rows))
        results += last_rows[skipped : skipped + window.size - len(results)]
    return Page(results, count_rows(both))


def count_rows(rows: QuerySet[Any]) -> int:
    """
    Return how many rows there are.

    A large number is kept, because counting a million rows takes longer than showing ten: after some seconds it is still
    given, and counted anew behind the answer; after a minute it is counted before.
    """
    unordered = rows.order_by()
    try:
        key = str(unordered.query)
    except EmptyResultSet:
        return 0
    known = _large_counts.get(key)
    age = monotonic() - known[0] if known is not None else OUTDATED_SECONDS
    if known is None or age >= OUTDATED_SECONDS:
        return _count_and_keep(key, unordered)
    if age >= FRESH_SECONDS and _begin_counting(key):
        Thread(target=_count_behind, args=(key, unordered), name="count", daemon=True).start()
    return known[1]


def _count_and_keep(key: str, rows: QuerySet[Any]) -> int:
    count = rows.count()
    with _lock:
        if count < LARGE_COUNT:
            _large_counts.pop(key, None)
            return count
        if len(_large_counts) >= MOST_KEPT:
            _large_counts.clear()
        _large_counts[key] = (monotonic(), count)
    return count


def _begin_counting(key: str) -> bool:
    with _lock:
        if key in _being_counted or len(_being_counted) >= MOST_COUNTING:
            return False
        _being_counted.add(key)
        return True


def _count_behind(key: str, rows: QuerySet[Any]) -> None:
    try:
        _count_and_keep(key, rows)
    except DatabaseError:
        log.warning("count.failed", exc_info=True)
    finally:
        with _lock:
            _being_counted.discard(key)
        connection.close()


def _count_up_to(rows: QuerySet[Any], most: int) -> int:
    unordered = rows.order_by()
    count = unordered.values("pk")[: most + 1].count()
    if count <= most:
        return count
    return max(count, estimate_rows(unordered))


def estimate_rows(rows: QuerySet[Any]) -> int:
    """Return how many rows the database expects, without counting them."""
    plan = json.loads(rows.explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def slice_page(rows: Sequence[Row], window: Window) -> Page[Row]:
    """Return one page of a list that is complete and ordered."""
    first = (window.page - 1) * window.size
    return Page(rows[first : first + window.size], len(rows))

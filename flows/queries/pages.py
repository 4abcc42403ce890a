"""Pages of rows: which part of a long list is wanted, in which order, and how many rows there are in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy

from flows.queries.criteria import SortError

Row = TypeVar("Row")

LARGE_COUNT = 20_000
KEPT_SECONDS = 10.0
MOST_KEPT = 1000

_large_counts: dict[str, tuple[float, int]] = {}


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


def order_rows(rows: QuerySet[Any], window: Window, columns: Mapping[str, Any], *, then: Sequence[str]) -> QuerySet[Any]:
    """
    Return `rows` in the wanted order; `then` decides between equal ones, so that no row shows up on two pages.

    Args:
        columns: what may be sorted, by the name that clients use; values are column names or expressions.

    Raises:
        SortError: a field that `columns` does not list.
    """
    order: list[Any] = []
    for name, direction in window.sort:
        column = columns.get(name)
        if column is None:
            raise SortError(f'Invalid sort parameter: "{name}" cannot be sorted here. Known fields: {", ".join(columns)}.')
        by = F(column) if isinstance(column, str) else column
        order.append(OrderBy(by, descending=direction == "desc", nulls_last=True))
    return rows.order_by(*order, *then)


def take_page(rows: QuerySet[Any], window: Window) -> Page[Any]:
    """Return one page of an ordered query set. The rows are only counted when the page does not show how many there are."""
    first = (window.page - 1) * window.size
    results = list(rows[first : first + window.size])
    if len(results) < window.size and (results or first == 0):
        return Page(results, first + len(results))
    return Page(results, _count(rows))


def _count(rows: QuerySet[Any]) -> int:
    """Count rows; a large number is kept for some seconds, because counting a million rows takes longer than showing ten."""
    unordered = rows.order_by()
    try:
        key = str(unordered.query)
    except EmptyResultSet:
        return 0
    known = _large_counts.get(key)
    if known is not None and known[0] > monotonic():
        return known[1]
    count = unordered.count()
    if count >= LARGE_COUNT:
        if len(_large_counts) >= MOST_KEPT:
            _large_counts.clear()
        _large_counts[key] = (monotonic() + KEPT_SECONDS, count)
    return count


def slice_page(rows: Sequence[Row], window: Window) -> Page[Row]:
    """Return one page of a list that is complete and ordered."""
    first = (window.page - 1) * window.size
    return Page(rows[first : first + window.size], len(rows))

"""Pages of long lists by the key of a row instead of a number: as fast on the thousandth page as on the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from flows.queries.criteria import read_moment
from flows.ui.filters import write_query

PAGE_SIZE = 50
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one page, newest first, with the addresses of its neighbours (empty at an end)."""

    rows: Sequence[Any]
    newer_url: str
    older_url: str


def take_slice(request: HttpRequest, rows: QuerySet[Any], *, moment: str, size: int = PAGE_SIZE) -> Slice:
    """
    Return the page that `before` or `after` of the query names: rows around a moment and id, newest first.

    Args:
        rows: unordered.
        moment: column of the moment; ties are decided by the primary key.

    Raises:
        CriteriaError: a value that is no key of a row.
    """
    before, after = request.GET.get("before", ""), request.GET.get("after", "")
    if after:
        at, key = _read_key(after)
        newer = rows.filter(Q(**{f"{moment}__gt": at}) | Q(**{moment: at, "pk__lt": key}), **{f"{moment}__gte": at})
        found = list(newer.order_by(moment, "-pk")[: size + 1])
        has_newer, has_older = len(found) > size, True
        page = list(reversed(found[:size]))
    else:
        older = rows
        if before:
            at, key = _read_key(before)
            older = rows.filter(Q(**{f"{moment}__lt": at}) | Q(**{moment: at, "pk__gt": key}), **{f"{moment}__lte": at})
        found = list(older.order_by(f"-{moment}", "pk")[: size + 1])
        has_newer, has_older = bool(before), len(found) > size
        page = found[:size]
    if not page:
        return Slice([], write_query(request, before="", after="") if before or after else "", "")
    return Slice(
        page,
        write_query(request, before="", after=_write_key(page[0], moment)) if has_newer else "",
        write_query(request, after="", before=_write_key(page[-1], moment)) if has_older else "",
    )


def count_up_to(rows: QuerySet[Any], limit: int = COUNT_LIMIT) -> str:
    """Return the number of rows, or `10,000+` when there are more."""
    count = rows.order_by().values("pk")[: limit + 1].count()
    return f"{limit:,}+" if count > limit else f"{count:,}"


def _write_key(row: Any, moment: str) -> str:
    at: datetime = getattr(row, moment)
    return f"{at.isoformat().replace('+00:00', 'Z')}~{row.pk}"


def _read_key(text: str) -> tuple[datetime, str]:
    at, _, key = text.partition("~")
    return read_moment(at, name="before or after"), key

"""The order of a list: what the address says, and the heads of its columns, which change it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.html import escape

from flows.ui.filters import write_query

Sort = tuple[str, str]
"""Name of a column, and `asc` or `desc`."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column. `url` sorts by it, empty where that is not possible; `order` is how it is sorted now."""

    name: str
    word: str
    url: str = ""
    order: str = ""
    is_number: bool = False


def read_sort(request: HttpRequest, known: Collection[str]) -> Sort | None:
    """Return how the address wants a list to be sorted, None for the usual order; what is unknown is ignored."""
    name, _, direction = request.GET.get("sort", "").partition(":")
    return (name, "desc" if direction == "desc" else "asc") if name in known else None


def make_heads(
    request: HttpRequest,
    columns: Iterable[tuple[str, str]],
    *,
    sort: Sort | None,
    sortable: Collection[str],
    numbers: Collection[str] = (),
) -> list[Head]:
    """
    Return the heads of columns, given as pairs of name and word.

    Pressing a head sorts by it, pressing it again turns the order round, a third time brings back the usual one.
    """
    heads = []
    for name, word in columns:
        order = sort[1] if sort is not None and sort[0] == name else ""
        following = {"": f"{name}:asc", "asc": f"{name}:desc", "desc": ""}[order]
        url = write_query(request, sort=following, page="") if name in sortable else ""
        heads.append(Head(name, word, url, order, name in numbers))
    return heads


def paint_heads(heads: Iterable[Head]) -> str:
    """Return the cells of a table's head."""
    return "".join(_paint_head(head) for head in heads)


def _paint_head(head: Head) -> str:
    number = ' class="num"' if head.is_number else ""
    if not head.url:
        return f'<th scope="col"{number}>{escape(head.word)}</th>'
    told = {"asc": ' aria-sort="ascending"', "desc": ' aria-sort="descending"'}.get(head.order, "")
    arrow = {"asc": " ↑", "desc": " ↓"}.get(head.order, "")
    return (
        f'<th scope="col"{number}{told}><a class="sort" data-part href="{escape(head.url)}">{escape(head.word)}{arrow}</a></th>'
    )

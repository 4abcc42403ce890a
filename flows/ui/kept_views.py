"""What a person keeps of a list: the choice of its columns, and filters by name. Kept with the account, for each list apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from flows.operations.preferences import save_preference
from flows.primitives.errors import InvalidError
from flows.queries.preferences import find_preferences

LONGEST_NAME = 60
LONGEST_QUERY = 2000


def read_columns(preferences: Mapping[str, Any], page: str, *, known: Collection[str], usual: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that a person chose for a list, in that order; unknown ones are left out."""
    chosen = preferences.get(_name_columns(page))
    kept = tuple(name for name in chosen if name in known) if isinstance(chosen, list) else ()
    return kept or usual


def read_saved(preferences: Mapping[str, Any], page: str) -> list[dict[str, Any]]:
    """Return the saved filters of a person for a list as maps of `name`, `query` and `is_default`."""
    held = preferences.get(_name_filters(page))
    return [
        {"name": str(one["name"]), "query": str(one["query"]), "is_default": bool(one.get("is_default"))}
        for one in (held if isinstance(held, list) else [])
        if isinstance(one, dict) and "name" in one and "query" in one
    ]


def find_default_query(saved: Collection[Mapping[str, Any]]) -> str:
    """Return the query of the filter that a list opens with, empty for none."""
    return next((str(one["query"]) for one in saved if one["is_default"]), "")


def keep_view(request: HttpRequest, page: str, *, columns: Collection[str]) -> str:
    """
    Keep or drop a saved filter of a list, or keep the choice of its columns, as the form says; return the query to go back to.

    Raises:
        InvalidError: an unknown act, or a name that is empty or too long.
    """
    # Whoever comes here has signed in, so there is a key.
    user_id, at = int(request.user.pk or 0), timezone.now()
    act, name = request.POST.get("act", ""), request.POST.get("name", "").strip()
    query = request.POST.get("query", "")[:LONGEST_QUERY]
    saved = read_saved(find_preferences(user_id), page)
    if act == "columns":
        chosen = [] if request.POST.get("usual") else request.POST.getlist("column")
        kept = [column for column in chosen if column in columns]
        save_preference(user_id, name=_name_columns(page), value=kept or None, at=at)
    elif act == "save":
        if not 0 < len(name) <= LONGEST_NAME:
            raise InvalidError(f"A saved filter needs a name of at most {LONGEST_NAME} characters.", code="filter-name")
        is_default = bool(request.POST.get("default"))
        others = [{**one, "is_default": one["is_default"] and not is_default} for one in saved if one["name"] != name]
        value = [*others, {"name": name, "query": query, "is_default": is_default}]
        save_preference(user_id, name=_name_filters(page), value=value, at=at)
    elif act == "drop":
        save_preference(user_id, name=_name_filters(page), value=[one for one in saved if one["name"] != name], at=at)
    else:
        raise InvalidError(f'A list has no choice "{act[:60]}".', code="unknown-action")
    # A list without any filter would lead to the default one again.
    return query or "q="


def _name_columns(page: str) -> str:
    return f"{page}.columns"


def _name_filters(page: str) -> str:
    return f"{page}.filters"

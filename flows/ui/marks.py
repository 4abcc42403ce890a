"""
What a page shows, as a short mark. Lists and dashboards ask for themselves again with the mark that they have, and are answered
with nothing at all, before they are painted, as long as the mark would stay the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from flows.primitives.callers import current_caller

MARK_HEADER = "X-Mark"
"""What a script asks with: the mark of the page that it shows."""

LONGEST_LIFE = timedelta(minutes=5)
"""So long a dated mark may stand. It does not see what leaves no date: executions that were deleted, or got other labels."""

_DIGEST_BYTES = 12


class UnchangedError(Exception):
    """No fault: whoever asks for a page has it already. The door of the console answers 204 without a body."""


def check_mark(request: HttpRequest, *facts: Any) -> str:
    """
    Return the mark of a page, for its attribute `data-mark`.

    Args:
        facts: everything from which the polled part of the page is painted: rows, data classes, texts, numbers, moments, lists
            and maps of these. They are read with the rights of the caller and before anything else that is shown, so a change
            that comes in between is found when the page asks next. What grows by itself, such as ages, is left to the browser.

    Raises:
        UnchangedError: whoever asks shows just this.
    """
    mark = _digest(request, facts)
    if request.headers.get(MARK_HEADER) == mark:
        raise UnchangedError
    return mark


def check_dated_mark(request: HttpRequest, *facts: Any, at: datetime, has_changed: Callable[[datetime], bool]) -> str:
    """
    Return the mark of a page whose facts cost as much as itself, such as counts over a long time: it holds its own moment.

    Args:
        facts: the part of what is shown that is cheap to read, as for `check_mark`.
        at: now, aware.
        has_changed: tells whether the rest has changed since a moment; it is asked only when the facts are the same.

    Raises:
        UnchangedError: whoever asks shows just this.
    """
    digest = _digest(request, facts)
    known, _, written = request.headers.get(MARK_HEADER, "").partition(".")
    if known == digest:
        made_at = _read_moment(written)
        if made_at is not None and at - made_at < LONGEST_LIFE and not has_changed(made_at):
            raise UnchangedError
    return f"{digest}.{int(at.timestamp())}"


def _read_moment(written: str) -> datetime | None:
    # A moment in the future, which only somebody else's script sends, is later than every change.
    is_number = written.isascii() and written.isdigit() and len(written) < 12
    return datetime.fromtimestamp(int(written), tz=UTC) if is_number else None


def cut_to_minute(at: datetime) -> datetime:
    """Return the minute of a moment: a fact of pages with bars of what still runs, which grow."""
    return at.replace(second=0, microsecond=0)


def _digest(request: HttpRequest, facts: Any) -> str:
    caller = current_caller()
    # The query stands in the links of the page, and rights decide about its buttons.
    whole = [request.path, request.META.get("QUERY_STRING", ""), caller.user_id, caller.grants, facts]
    return blake2b(json.dumps(whole, default=_simplify).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _simplify(value: Any) -> Any:
    if isinstance(value, Model):
        held = value.__dict__
        # Columns that were not read are not shown either; asking for one would read it.
        return [value._meta.label, {name: held[name] for name in _list_columns(type(value)) if name in held}]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(getattr(value, one.name) for one in fields(value))]
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value)


def _list_columns(model: type[Model]) -> list[str]:
    return [column.attname for column in model._meta.concrete_fields]

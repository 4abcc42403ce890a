"""Reads of the audit log, for who may read it everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from flows.models import AuditEntry
from flows.primitives.callers import Door, current_caller
from flows.primitives.errors import ForbiddenError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.criteria import (
    Criteria,
    Rules,
    build_lookup,
    match_choice,
    match_moment,
    match_search_text,
    match_text,
    match_time_range,
)
from flows.queries.pages import Page, Window, order_rows, take_page

AUDIT_FIELDS = frozenset(
    {
        "q", "who", "what", "resource", "action", "namespace", "objectId", "result", "door", "startDate", "endDate", "timeRange",
    }
)  # fmt: skip
SORTABLE = {"at": "at", "date": "at", "who": "who", "what": "what", "namespace": "namespace", "result": "result"}
COLUMNS = ("at", "who", "kind", "door", "token", "address", "what", "resource", "action", "namespace", "objectId", "result")
MOST_COUNTED = 10_000


def _choices(words: Any) -> dict[str, str]:
    return {str(word): str(word) for word in words}


def audit_rules(*, at: datetime) -> Rules:
    """Return how each filter of the audit log reaches the database; `at` is now, for ranges that reach back from it."""
    return {
        "q": match_search_text("who", "what", "namespace", "object_id"),
        "who": match_text("who"),
        "what": match_text("what"),
        "resource": match_choice("resource", _choices(Resource)),
        "action": match_choice("action", _choices(Action)),
        "namespace": match_text("namespace"),
        "objectId": match_text("object_id"),
        "result": match_choice("result", _choices(AuditEntry.Result.values)),
        "door": match_choice("door", _choices(Door)),
        "startDate": match_moment("at"),
        "endDate": match_moment("at"),
        "timeRange": match_time_range("at", at=at),
    }


def filter_entries(criteria: Criteria, *, at: datetime) -> QuerySet[AuditEntry]:
    """
    Return the entries that match, newest first.

    Raises:
        ForbiddenError: the caller may not read the audit log.
        CriteriaError: see `build_lookup`.

    Source: security, S-34.
    """
    caller = current_caller()
    if not caller.may(Action.READ, Resource.AUDITLOG):
        raise ForbiddenError(
            f"{caller.name or 'Somebody who has not signed in'} lacks the right AUDITLOG READ. "
            "An owner of this installation can give a role that has it, for the whole installation."
        )
    return AuditEntry.objects.filter(build_lookup(criteria, audit_rules(at=at))).order_by("-id")


def search_entries(criteria: Criteria, window: Window, *, at: datetime) -> Page[AuditEntry]:
    """Return one page of entries, newest first. A total above 10,000 is an estimate. Errors as `filter_entries`, SortError."""
    rows = filter_entries(criteria, at=at)
    return take_page(order_rows(rows, window, SORTABLE, then=("-id",)), window, most_counted=MOST_COUNTED)


def get_entry(entry_id: str, *, at: datetime) -> AuditEntry:
    """Return one entry. Raises NotFoundError, ForbiddenError."""
    is_number = entry_id.isascii() and entry_id.isdigit() and len(entry_id) < 19
    found = filter_entries(Criteria(), at=at).filter(pk=int(entry_id)).first() if is_number else None
    if found is None:
        filter_entries(Criteria(), at=at)
        raise NotFoundError(f'The audit log has no entry "{entry_id[:40]}".', code="audit-entry-not-found")
    return found


def write_cells(entry: AuditEntry) -> list[str]:
    """Return one line of an export, in the order of `COLUMNS`."""
    at = entry.at.isoformat().replace("+00:00", "Z")
    return [
        at, entry.who, entry.kind, entry.door, entry.token, entry.address, entry.what, entry.resource, entry.action,
        entry.namespace, entry.object_id, entry.result,
    ]  # fmt: skip

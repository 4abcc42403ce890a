"""The audit log: who did what and what was refused. Nobody writes here."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_csv, answer_page, format_moment
from flows.api.describing import OBJECT, PAGING, TEXT, describes, filtering, page_of, sorting
from flows.api.endpoint import now
from flows.api.filters import read_criteria
from flows.api.pagination import read_window
from flows.models import AuditEntry
from flows.queries import audit as queries


def present_entry(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as clients see it; `before` and `after` only where the act changed something."""
    data: dict[str, Any] = {
        "id": str(entry.id),
        "date": format_moment(entry.at),
        "who": entry.who,
        "kind": entry.kind,
        "door": entry.door,
        "token": entry.token,
        "address": entry.address,
        "what": entry.what,
        "resource": entry.resource,
        "action": entry.action,
        "namespace": entry.namespace,
        "objectId": entry.object_id,
        "result": entry.result,
    }
    changes = {"before": entry.before, "after": entry.after}
    return {**data, **{name: value for name, value in changes.items() if value is not None}}


@describes(PAGING, sorting(queries.SORTABLE), filtering(queries.AUDIT_FIELDS), answer=page_of(OBJECT))
def search(request: Request) -> HttpResponse:
    """Return one page of the audit log, newest first."""
    found = queries.search_entries(read_criteria(request, queries.AUDIT_FIELDS), read_window(request), at=now())
    return answer_page((present_entry(entry) for entry in found.results), found.total)


@describes(answer=OBJECT)
def get(request: Request, entry_id: str) -> HttpResponse:
    """Return one entry of the audit log."""
    return answer(present_entry(queries.get_entry(entry_id, at=now())))


@describes(filtering(queries.AUDIT_FIELDS), answer=TEXT, media="text/csv")
def export_csv(request: Request) -> HttpResponseBase:
    """Return the entries that match as a table, newest first."""
    rows = queries.filter_entries(read_criteria(request, queries.AUDIT_FIELDS), at=now())
    lines = (queries.write_cells(entry) for entry in rows.iterator(chunk_size=1000))
    return answer_csv("audit.csv", queries.COLUMNS, lines)

"""The audit log as a page: what was done by whom, with what it changed."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.models import AuditEntry
from flows.primitives.callers import Door
from flows.primitives.rights import Resource
from flows.queries import audit as queries
from flows.queries.criteria import Condition, Criteria, Operation
from flows.ui.filters import RANGES, Chip, read_filters, write_query
from flows.ui.page import answer_page

PAGE_SIZE = 100
_CHOICES: dict[str, list[str]] = {"resource": list(Resource), "result": list(AuditEntry.Result.values), "door": list(Door)}
_FIELDS = {"who": "who", "what": "what", "resource": "resource", "result": "result", "door": "door", "object": "objectId"}


def show_log(request: HttpRequest) -> HttpResponse:
    """Show one page of entries, newest first; older ones by the number of the last entry."""
    at = timezone.now()
    filters = read_filters(request, names=("q", "namespace", "range", "from", "to"))
    chosen = {name: request.GET.get(name, "").strip().replace("\0", "") for name in _FIELDS}
    conditions = [
        Condition(_FIELDS[name], Operation.EQUALS, value)
        for name, value in chosen.items()
        if value and value in _CHOICES.get(name, [value])
    ]
    rows = queries.filter_entries(Criteria(members=(*filters.criteria.members, *conditions)), at=at)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    chips = [
        Chip(f"{name}: {value}", write_query(request, **{name: "", "before": ""})) for name, value in chosen.items() if value
    ]
    context = {
        "rows": [{"entry": entry, "changes": _write_changes(entry)} for entry in shown],
        "filters": filters,
        "chips": [*filters.chips, *chips],
        "chosen": chosen,
        "choices": _CHOICES,
        "ranges": RANGES,
        "older_url": write_query(request, before=str(shown[-1].pk)) if len(found) > PAGE_SIZE else "",
        "export_url": f"/api/v1/main/auditlogs/export{_write_export_query(filters.values, chosen)}",
    }
    return answer_page(request, "flows/audit.html", context, title="Audit log", nav="audit")


def _write_changes(entry: AuditEntry) -> list[tuple[str, str]]:
    """Return what an entry tells of the change, as pairs of a word and a text; a diff of sources stands for itself."""
    after = entry.after if isinstance(entry.after, dict) else {}
    found: list[tuple[str, str]] = []
    if isinstance(after.get("diff"), str):
        found.append(("diff", after["diff"]))
        after = {name: value for name, value in after.items() if name != "diff"}
    for word, value in (("before", entry.before), ("after", after or (None if found else entry.after))):
        if value:
            found.append((word, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)))
    return found


def _write_export_query(values: Any, chosen: dict[str, str]) -> str:
    pairs = [f"filters[{_FIELDS[name]}][EQUALS]={value}" for name, value in chosen.items() if value]
    if values.get("namespace"):
        pairs.append(f"filters[namespace][PREFIX]={values['namespace']}")
    if values.get("range") in RANGES:
        pairs.append(f"filters[timeRange][EQUALS]={RANGES[values['range']]}")
    return f"?{'&'.join(pairs)}" if pairs else ""

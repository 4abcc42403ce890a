"""One action on many executions: on ticked ones at once, on all that match a search in small steps with a panel of progress."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.models import Execution
from flows.operations.execution_bulk import run_on_each
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.queries.criteria import read_moment
from flows.queries.flows import get_flow_row
from flows.ui.filters import read_filters
from flows.ui.keyset import count_up_to
from flows.ui.page import Crumb, answer_page, name_of
from flows.ui.views.execution_acts import read_labels
from flows.ui.views.execution_list import FILTERS, change_one, find_text

STEP = 25
MOST_TICKED = 500
SAMPLE = 5

ACTS = {
    "restart": "Restart", "replay": "Replay", "kill": "Kill", "pause": "Pause", "resume": "Resume", "force-run": "Force run",
    "unqueue": "Run now", "state": "Change state", "labels": "Set labels", "delete": "Delete",
}  # fmt: skip
_DANGEROUS = frozenset({"kill", "delete"})


@dataclass(slots=True)
class Outcome:
    """What became of some executions: how many were done, and pairs of id and reason for those that were not."""

    done: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def change_ticked(request: HttpRequest) -> HttpResponse:
    """Do one thing with the ticked executions and show what became of each."""
    act = _read_act(request.POST.get("act", ""))
    ids = list(dict.fromkeys(request.POST.getlist("execution")))[:MOST_TICKED]
    outcome = _change(request, act, ids)
    context = {"act": act, "label": ACTS[act], "outcome": outcome, "count": len(ids), "acts": ACTS.items()}
    return _answer(request, context)


def show_bulk(request: HttpRequest) -> HttpResponse:
    """Show what an action on all matching executions would do, in numbers, before it is confirmed."""
    act = request.GET.get("act", "")
    at = timezone.now()
    filters = read_filters(request, names=FILTERS, find_text=find_text)
    rows = queries.filter_executions(filters.criteria, at=at)
    query = request.GET.copy()
    query.pop("act", None)
    context = {
        "act": act if act in ACTS else "",
        "label": ACTS.get(act, ""),
        "acts": ACTS.items(),
        "is_dangerous": act in _DANGEROUS,
        "total": count_up_to(rows),
        "sample": list(rows.order_by("-created_at")[:SAMPLE]),
        "filters": filters,
        "query": query.urlencode(),
        "until": at.isoformat(),
        "end_states": sorted(TERMINAL),
    }
    return _answer(request, context)


def _answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    crumbs = [Crumb("Executions", "/ui/executions"), Crumb("Many at once")]
    return answer_page(
        request, "flows/execution_bulk.html", context, title="Many executions at once", nav="executions", crumbs=crumbs
    )


def run_step(request: HttpRequest) -> HttpResponse:
    """
    Do the next few executions that match and answer with what became of them, as JSON.

    The page asks again with `after` until `finished`. What began after the confirmation (`until`) is left alone, so that a
    replay does not replay itself, and a step that is asked for twice finds the executions in their new state.
    """
    act = _read_act(request.POST.get("act", ""))
    filters = read_filters(request, names=FILTERS, find_text=find_text)
    rows = queries.filter_executions(filters.criteria, at=timezone.now())
    rows = rows.filter(created_at__lte=read_moment(request.POST.get("until", ""), name="until"))
    after = request.POST.get("after", "")
    if after:
        moment, _, key = after.partition("~")
        at = read_moment(moment, name="after")
        rows = rows.filter(created_at__lte=at).exclude(created_at=at, id__lte=key)
    found = list(rows.order_by("-created_at", "id").only("id", "created_at")[:STEP])
    outcome = _change(request, act, [row.id for row in found])
    answer = {
        "done": outcome.done,
        "skipped": outcome.skipped,
        "after": _write_key(found[-1]) if found else after,
        "finished": len(found) < STEP,
    }
    return HttpResponse(json.dumps(answer), content_type="application/json")


def _write_key(row: Execution) -> str:
    return f"{row.created_at.isoformat().replace('+00:00', 'Z')}~{row.id}"


def _read_act(act: str) -> str:
    if act not in ACTS:
        raise InvalidError(f'An execution has no action "{act[:60]}".', code="unknown-action")
    return act


def _change(request: HttpRequest, act: str, ids: Sequence[str]) -> Outcome:
    def change(execution_id: str) -> None:
        change_one(execution_id, act, actor=name_of(request), **_read_extra(request, act, execution_id))

    right = {"delete": Action.DELETE, "replay": Action.CREATE}.get(act, Action.UPDATE)
    result = run_on_each(f"execution.{act}", right, ids, change)
    outcome = Outcome()
    outcome.done = len(result.done)
    outcome.skipped.extend((execution_id, error.message) for execution_id, error in result.refused)
    return outcome


def _read_extra(request: HttpRequest, act: str, execution_id: str) -> dict[str, Any]:
    if act == "labels":
        return {"labels": read_labels(request)}
    if act == "state":
        return {"status": request.POST.get("state", "")}
    if act == "replay" and request.POST.get("latest"):
        execution = queries.get_execution(execution_id)
        return {"revision": get_flow_row(execution.namespace, execution.flow_id).revision}
    return {}

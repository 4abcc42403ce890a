"""
Actions on many executions at once: named by id (all or none) or found by a query (those that can be done).

A query that finds many starts a job, which `bulk_operations.py` shows; deleting counts what is gone and so waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer_bulk
from flows.api.auth import name_of
from flows.api.describing import ALSO_RUNNING, DELETE_PARTS, FLAG, TEXT, Value, describes, filtering, list_of, object_of
from flows.api.endpoint import now, read_json, read_list, read_object
from flows.api.errors import BulkError
from flows.api.filters import read_criteria
from flows.api.pagination import read_flag, read_required
from flows.api.views.execution_actions import read_label_list, read_state
from flows.api.views.executions import read_delete_flags
from flows.models import Execution
from flows.operations import executions as operations
from flows.operations.bulk_acts import EXECUTION, do_with_one, get_act
from flows.operations.bulk_jobs import start_job
from flows.operations.many import run_on_all, run_on_each
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Resource
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.queries.visibility import visible

CASCADE = Value("isOnKillCascade", "Whether what they started is killed, too.", FLAG)
LATEST = Value("latestRevision", "Whether the newest revision runs.", FLAG)
NEW_STATUS = Value("newStatus", "The state to set.", required=True)

MOST_AT_ONCE = 100
"""How many executions a query may find for its action to be done before the answer. Source: REST API, 5."""

Do = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done with each execution: the name of an act of `bulk_acts`, and what it takes."""

    act: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def bind(self, request: Request) -> Do:
        """Return what does it with one execution, in the name of who asks."""
        return lambda one: do_with_one(EXECUTION, self.act, one, self.options, at=now(), actor=name_of(request))


MakeOrder = Callable[[Request], _Order]


def _run_by_ids(action: str, act: str, ids: Sequence[str], do: Do) -> HttpResponse:
    """Do it for all of them, or for none when one is unknown or in the wrong state."""
    ids = list(dict.fromkeys(ids))
    known = set(visible(Execution).filter(pk__in=ids).values_list("pk", flat=True))
    invalids = [_describe("execution not found", one) for one in ids if one not in known]
    if invalids:
        raise BulkError(f"invalid bulk {action}", invalids)
    refused = run_on_all(f"execution.{action}", get_act(EXECUTION, act).right, Resource.EXECUTION, ids, do).refused
    if refused:
        raise BulkError(f"invalid bulk {action}", [_describe(error.message, one) for one, error in refused])
    return answer_bulk(len(ids), f"executions-{action}")


def _describe(message: str, execution_id: str) -> dict[str, str]:
    return {"message": message, "invalidValue": execution_id, "path": "execution"}


def _run_by_query(request: Request, action: str, order: _Order) -> HttpResponse:
    """
    Do it for every execution that matches and can take it, and count those. More than `MOST_AT_ONCE` become a job of the
    caller, and the answer counts what matched.
    """
    at = now()
    criteria = read_criteria(request, queries.EXECUTION_FIELDS)
    ids = queries.list_execution_ids(criteria, at=at, limit=MOST_AT_ONCE + 1)
    if len(ids) <= MOST_AT_ONCE:
        return _run_on_each(action, order.act, ids, order.bind(request))
    job = start_job(kind=EXECUTION, act=order.act, options=order.options, criteria=criteria, is_counted=True, at=at)
    return answer_bulk(job.total or 0, job.id)


def _run_on_each(action: str, act: str, ids: Sequence[str], do: Do) -> HttpResponse:
    done = run_on_each(f"execution.{action}", get_act(EXECUTION, act).right, Resource.EXECUTION, ids, do).done
    return answer_bulk(len(done), f"executions-{action}")


def _by_ids(action: str, make: MakeOrder, *values: Value) -> Callable[[Request], HttpResponse]:
    @describes(values, body=list_of(TEXT), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        ids, order = read_list(request, of=str), make(request)
        return _run_by_ids(action, order.act, ids, order.bind(request))

    view.__doc__ = f"Do {action} for all of the named executions, or for none when one cannot take it."
    return view


def _by_query(action: str, make: MakeOrder, *values: Value) -> Callable[[Request], HttpResponse]:
    @describes(values, filtering(queries.EXECUTION_FIELDS), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        return _run_by_query(request, action, make(request))

    view.__doc__ = (
        f"Do {action} for the executions that match and can take it; more than {MOST_AT_ONCE} go on as the bulk operation "
        "that the answer names."
    )
    return view


def _kill(request: Request) -> _Order:
    return _Order("kill", {"cascade": read_flag(request, "isOnKillCascade", default=True)})


def _replay(request: Request) -> _Order:
    return _Order("replay", {"latest": read_flag(request, "latestRevision", default=False)})


def _make_plain(act: str) -> MakeOrder:
    return lambda request: _Order(act)


def _unqueue(request: Request, *, parameter: str) -> _Order:
    return _Order("unqueue", {"state": read_state(request.query_params.get(parameter) or "RUNNING")})


def _change_status(request: Request) -> _Order:
    return _Order("state", {"state": read_state(read_required(request, "newStatus"))})


def _set_labels(labels: Any) -> _Order:
    if not isinstance(labels, list) or not all(isinstance(item, dict) for item in labels):
        raise InvalidError("Labels must be sent as a list of objects with key and value.", code="json-shape")
    return _Order("labels", {"labels": read_label_list(labels)})


kill_by_ids = _by_ids("kill", _kill, CASCADE)
kill_by_query = _by_query("kill", _kill, CASCADE)
restart_by_ids = _by_ids("restart", _make_plain("restart"))
restart_by_query = _by_query("restart", _make_plain("restart"))
replay_by_ids = _by_ids("replay", _replay, LATEST)
replay_by_query = _by_query("replay", _replay, LATEST)
pause_by_ids = _by_ids("pause", _make_plain("pause"))
pause_by_query = _by_query("pause", _make_plain("pause"))
resume_by_ids = _by_ids("resume", _make_plain("resume"))
resume_by_query = _by_query("resume", _make_plain("resume"))
force_run_by_ids = _by_ids("force-run", _make_plain("force-run"))
force_run_by_query = _by_query("force-run", _make_plain("force-run"))
unqueue_by_ids = _by_ids("unqueue", partial(_unqueue, parameter="state"), Value("state", "RUNNING when missing."))
unqueue_by_query = _by_query("unqueue", partial(_unqueue, parameter="newState"), Value("newState", "RUNNING when missing."))
change_status_by_ids = _by_ids("change-status", _change_status, NEW_STATUS)
change_status_by_query = _by_query("change-status", _change_status, NEW_STATUS)


@describes(
    body=object_of(["executionsId", "executionLabels"], executionsId=list_of(TEXT), executionLabels=list_of("Label")),
    answer="Bulk",
)
def set_labels_by_ids(request: Request) -> HttpResponse:
    """Lay labels over those of the named executions."""
    body = read_object(request)
    ids = body.get("executionsId")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidError('The body must hold "executionsId", a list of texts.', code="json-shape")
    order = _set_labels(body.get("executionLabels"))
    return _run_by_ids("labels", order.act, ids, order.bind(request))


@describes(filtering(queries.EXECUTION_FIELDS), body=list_of("Label"), answer="Bulk")
def set_labels_by_query(request: Request) -> HttpResponse:
    """Lay labels over those of the executions that match; many go on as the bulk operation that the answer names."""
    return _run_by_query(request, "labels", _set_labels(read_json(request)))


def _delete(request: Request) -> Do:
    flags = read_delete_flags(request)
    force = read_flag(request, "includeNonTerminated", default=False)
    return lambda one: operations.delete_execution(one, **flags, force=force, at=now(), actor=name_of(request))


@describes(ALSO_RUNNING, DELETE_PARTS, body=list_of(TEXT), answer="Bulk")
def delete_by_ids(request: Request) -> HttpResponse:
    """Delete the named executions; one that still runs refuses all, unless `includeNonTerminated` is set."""
    ids = read_list(request, of=str)
    if not read_flag(request, "includeNonTerminated", default=False):
        alive = visible(Execution).filter(pk__in=ids).exclude(state__in=TERMINAL).values_list("pk", flat=True)
        invalids = [_describe("execution has not ended", one) for one in alive]
        if invalids:
            raise BulkError("invalid bulk delete", invalids)
    return _run_by_ids("delete", "delete", ids, _delete(request))


@describes(ALSO_RUNNING, DELETE_PARTS, filtering(queries.EXECUTION_FIELDS), answer="Bulk")
def delete_by_query(request: Request) -> HttpResponse:
    """Delete the executions that match; those that still run only with `includeNonTerminated`."""
    criteria = read_criteria(request, queries.EXECUTION_FIELDS)
    found = queries.filter_executions(criteria, at=now())
    if not read_flag(request, "includeNonTerminated", default=False):
        found = found.filter(state__in=TERMINAL)
    ids = list(found.order_by("created_at", "id").values_list("pk", flat=True))
    return _run_on_each("delete", "delete", ids, _delete(request))

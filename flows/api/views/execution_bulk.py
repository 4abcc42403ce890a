"""Actions on many executions at once: named by id (all or none) or found by a query (those that can be done)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from flows.operations.execution_bulk import run_on_all, run_on_each
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.queries.flows import get_flow_row
from flows.queries.visibility import visible

CASCADE = Value("isOnKillCascade", "Whether what they started is killed, too.", FLAG)
LATEST = Value("latestRevision", "Whether the newest revision runs.", FLAG)
NEW_STATUS = Value("newStatus", "The state to set.", required=True)

RIGHTS = {"delete": Action.DELETE, "replay": Action.CREATE}
"""The right of an action that is not UPDATE."""

Act = Callable[[str], Any]
MakeAct = Callable[[Request], Act]


def _run_by_ids(request: Request, action: str, ids: Sequence[str], act: Act) -> HttpResponse:
    """Do it for all of them, or for none when one is unknown or in the wrong state."""
    ids = list(dict.fromkeys(ids))
    known = set(visible(Execution).filter(pk__in=ids).values_list("pk", flat=True))
    invalids = [_describe("execution not found", one) for one in ids if one not in known]
    if invalids:
        raise BulkError(f"invalid bulk {action}", invalids)
    refused = run_on_all(f"execution.{action}", RIGHTS.get(action, Action.UPDATE), ids, act).refused
    if refused:
        raise BulkError(f"invalid bulk {action}", [_describe(error.message, one) for one, error in refused])
    return answer_bulk(len(ids), f"executions-{action}")


def _describe(message: str, execution_id: str) -> dict[str, str]:
    return {"message": message, "invalidValue": execution_id, "path": "execution"}


def _run_by_query(request: Request, action: str, act: Act) -> HttpResponse:
    """Do it for every execution that matches and can take it; count those."""
    ids = queries.list_execution_ids(read_criteria(request, queries.EXECUTION_FIELDS), at=now())
    return _run_on_each(action, ids, act)


def _run_on_each(action: str, ids: Sequence[str], act: Act) -> HttpResponse:
    done = run_on_each(f"execution.{action}", RIGHTS.get(action, Action.UPDATE), ids, act).done
    return answer_bulk(len(done), f"executions-{action}")


def _by_ids(action: str, make: MakeAct, *values: Value) -> Callable[[Request], HttpResponse]:
    @describes(values, body=list_of(TEXT), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        return _run_by_ids(request, action, read_list(request, of=str), make(request))

    view.__doc__ = f"Do {action} for all of the named executions, or for none when one cannot take it."
    return view


def _by_query(action: str, make: MakeAct, *values: Value) -> Callable[[Request], HttpResponse]:
    @describes(values, filtering(queries.EXECUTION_FIELDS), answer="Bulk")
    def view(request: Request) -> HttpResponse:
        return _run_by_query(request, action, make(request))

    view.__doc__ = f"Do {action} for the executions that match and can take it."
    return view


def _kill(request: Request) -> Act:
    cascade = read_flag(request, "isOnKillCascade", default=True)
    return lambda one: operations.kill_execution(one, cascade=cascade, at=now(), actor=name_of(request))


def _restart(request: Request) -> Act:
    return lambda one: operations.restart_execution(one, at=now(), actor=name_of(request))


def _replay(request: Request) -> Act:
    latest = read_flag(request, "latestRevision", default=False)

    def act(one: str) -> None:
        revision = None
        if latest:
            execution = queries.get_execution(one)
            revision = get_flow_row(execution.namespace, execution.flow_id).revision
        operations.replay_execution(one, revision=revision, at=now(), actor=name_of(request))

    return act


def _pause(request: Request) -> Act:
    return lambda one: operations.pause_execution(one, at=now(), actor=name_of(request))


def _resume(request: Request) -> Act:
    return lambda one: operations.resume_execution(one, inputs=None, at=now(), actor=name_of(request))


def _force_run(request: Request) -> Act:
    return lambda one: operations.force_run_execution(one, at=now(), actor=name_of(request))


def _unqueue(request: Request, *, parameter: str) -> Act:
    state = read_state(request.query_params.get(parameter) or "RUNNING")
    return lambda one: operations.unqueue_execution(one, state=state, at=now(), actor=name_of(request))


def _change_status(request: Request) -> Act:
    status = read_state(read_required(request, "newStatus"))
    return lambda one: operations.change_execution_status(one, status=status, at=now(), actor=name_of(request))


def _set_labels(request: Request, labels: Any) -> Act:
    if not isinstance(labels, list) or not all(isinstance(item, dict) for item in labels):
        raise InvalidError("Labels must be sent as a list of objects with key and value.", code="json-shape")
    pairs = read_label_list(labels)
    return lambda one: operations.set_execution_labels(one, labels=pairs, at=now(), actor=name_of(request))


kill_by_ids = _by_ids("kill", _kill, CASCADE)
kill_by_query = _by_query("kill", _kill, CASCADE)
restart_by_ids = _by_ids("restart", _restart)
restart_by_query = _by_query("restart", _restart)
replay_by_ids = _by_ids("replay", _replay, LATEST)
replay_by_query = _by_query("replay", _replay, LATEST)
pause_by_ids = _by_ids("pause", _pause)
pause_by_query = _by_query("pause", _pause)
resume_by_ids = _by_ids("resume", _resume)
resume_by_query = _by_query("resume", _resume)
force_run_by_ids = _by_ids("force-run", _force_run)
force_run_by_query = _by_query("force-run", _force_run)
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
    return _run_by_ids(request, "labels", ids, _set_labels(request, body.get("executionLabels")))


@describes(filtering(queries.EXECUTION_FIELDS), body=list_of("Label"), answer="Bulk")
def set_labels_by_query(request: Request) -> HttpResponse:
    """Lay labels over those of the executions that match."""
    return _run_by_query(request, "labels", _set_labels(request, read_json(request)))


def _delete(request: Request) -> Act:
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
    return _run_by_ids(request, "delete", ids, _delete(request))


@describes(ALSO_RUNNING, DELETE_PARTS, filtering(queries.EXECUTION_FIELDS), answer="Bulk")
def delete_by_query(request: Request) -> HttpResponse:
    """Delete the executions that match; those that still run only with `includeNonTerminated`."""
    act = _delete(request)
    if read_flag(request, "includeNonTerminated", default=False):
        return _run_by_query(request, "delete", act)
    criteria = read_criteria(request, queries.EXECUTION_FIELDS)
    ended = queries.filter_executions(criteria, at=now()).filter(state__in=TERMINAL)
    return _run_on_each("delete", list(ended.values_list("pk", flat=True)), act)

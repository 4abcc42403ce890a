"""Executions: start, read, delete and follow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing
from flows.api.auth import name_of
from flows.api.describing import (
    DELETE_PARTS,
    FLAG,
    FORM_TYPE,
    LABELS,
    MOMENT,
    OBJECT,
    REVISION,
    STREAM_TYPE,
    TEXT,
    Value,
    describes,
)
from flows.api.endpoint import now
from flows.api.idempotency import KEY_VALUE, start_for_key
from flows.api.multipart import read_inputs
from flows.api.pagination import find_moment, find_number, read_flag
from flows.api.presenters import (
    execution_url,
    present_execution,
    present_status_event,
)
from flows.api.sse import follow, follow_each, make_viewer, wait_for_end
from flows.language.flow import Input
from flows.language.inputs import ResolvedInputs
from flows.models import Execution
from flows.operations import executions as operations
from flows.primitives.errors import InvalidError, NotFoundError
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.queries.flows import load_startable_flow
from flows.queries.visibility import visible
from flows.streams import answer_slow_json, answer_stream

STARTABLE_KINDS = frozenset({"NORMAL", "TEST", "PLAYGROUND"})


def present_whole(execution_id: str) -> dict[str, Any]:
    """Return an execution with its task runs as it is now: two queries over one moment."""
    return present_execution(*queries.get_whole_execution(execution_id))


def read_labels(texts: Collection[str]) -> list[tuple[str, str]]:
    """Return labels of the form `key:value`; only the first colon divides. Raises InvalidError."""
    labels = []
    for text in texts:
        key, colon, value = text.partition(":")
        if not colon or not key or not value:
            raise InvalidError(f'Label "{text[:100]}" must be written as key:value.', code="label-form")
        labels.append((key, value))
    return labels


def read_breakpoints(request: Request) -> list[dict[str, str]]:
    """Return the tasks before which the execution stops: `task` or `task.value`, divided by commas."""
    found = []
    for text in ",".join(request.query_params.getlist("breakpoints")).split(","):
        task_id, dot, value = text.strip().partition(".")
        if task_id:
            found.append({"id": task_id, "value": value} if dot else {"id": task_id})
    return found


def list_input_ids(inputs: Collection[Input], prefix: str = "") -> list[str]:
    """Return the dotted ids of declared inputs; the parts of a form are inputs of their own."""
    found = []
    for one in inputs:
        found.append(prefix + one.id)
        if one.type == "FORM":
            found.extend(list_input_ids(one.children, f"{prefix}{one.id}."))
    return found


def declared_inputs(namespace: str, flow_id: str, revision: int | None) -> Callable[[], Collection[str]]:
    """Return a function that gives the dotted ids of the inputs of a flow."""
    return lambda: list_input_ids(load_startable_flow(namespace, flow_id, revision).flow.inputs)


@describes(answer={404: "Error"})
def refuse_unknown(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Say that there is no such execution: a first part that is no id of one names a namespace, which only POST understands."""
    raise NotFoundError(f'Execution not found: there is no execution "{namespace}".', code="execution-not-found")


@describes(
    KEY_VALUE,
    LABELS,
    Value("wait", "Whether the answer comes after the end.", FLAG),
    REVISION,
    Value("scheduleDate", "Not before this moment.", MOMENT),
    Value("breakpoints", "Tasks before which it stops: `task` or `task.value`, divided by commas."),
    Value("kind", "Other kinds are left out of lists.", {"type": "string", "enum": sorted(STARTABLE_KINDS)}),
    body={FORM_TYPE: OBJECT},
    needs_body=False,
    answer="Execution",
)
def start(request: Request, namespace: str, flow_id: str) -> HttpResponseBase:
    """Start an execution; with `wait=true` the answer comes after its end."""
    revision = find_number(request, "revision")
    kind = request.query_params.get("kind") or "NORMAL"
    if kind not in STARTABLE_KINDS:
        raise InvalidError(
            f'"kind" must be one of {", ".join(sorted(STARTABLE_KINDS))}; got "{kind[:60]}".', code="execution-kind"
        )
    wait = read_flag(request, "wait", default=False)
    inputs = read_inputs(request, declared_inputs(namespace, flow_id, revision))
    begin = partial(
        operations.start_execution,
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        inputs=inputs,
        labels=read_labels(request.query_params.getlist("labels")),
        schedule_at=find_moment(request, "scheduleDate"),
        breakpoints=read_breakpoints(request),
        kind=kind,
        at=now(),
        actor=name_of(request),
    )
    execution, mark = start_for_key(request, inputs, begin)
    if wait:
        return answer_after_end(request, execution)
    return mark(answer({**present_execution(execution, ()), "url": execution_url(execution)}))


def answer_after_end(request: Request, execution: Execution) -> HttpResponseBase:
    """Answer with the execution once it has ended."""
    viewer = make_viewer(request, execution.namespace)
    return answer_slow_json(wait_for_end(execution.id, viewer.look(_read_ended)))


def _read_ended(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    execution = visible(Execution).filter(pk=execution_id).first()
    if execution is None:
        return None
    ended = execution.state in TERMINAL
    runs = queries.list_task_runs(execution_id) if ended else ()
    return {**present_execution(execution, runs), "url": execution_url(execution)}, ended


@describes(LABELS, REVISION, body={FORM_TYPE: OBJECT}, needs_body=False, answer="InputCheck")
def validate_inputs(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Say for every input whether it is enabled, which value it has and what is wrong with it. Nothing starts."""
    revision = find_number(request, "revision")
    resolved = operations.validate_inputs(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        inputs=read_inputs(request, declared_inputs(namespace, flow_id, revision)),
    )
    declared = load_startable_flow(namespace, flow_id, revision).flow.raw.get("inputs")
    return answer({"id": flow_id, "namespace": namespace, "inputs": present_resolved(resolved, declared), "checks": []})


def present_resolved(resolved: ResolvedInputs, declared: Any) -> list[dict[str, Any]]:
    """Return resolved inputs, one entry per input that holds a value, with its declaration and its faults."""
    faults: dict[str, list[dict[str, str]]] = {}
    for problem in resolved.problems:
        faults.setdefault(problem.input_id, []).append({"message": problem.message})
    known = dict(_index_inputs(declared, ""))
    entries = []
    for state in resolved.states:
        entry: dict[str, Any] = {
            "input": known.get(state.id, {"id": state.id, "type": state.type}),
            "enabled": state.enabled,
            "isDefault": state.is_default,
            "errors": faults.get(state.id, []),
        }
        if state.value is not None:
            entry["value"] = state.value
        entries.append(entry)
    return entries


def _index_inputs(declared: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in declared if isinstance(declared, (list, tuple)) else ():
        if not isinstance(one, dict):
            continue
        input_id = f"{prefix}{one.get('id') or one.get('name') or ''}"
        yield input_id, one
        yield from _index_inputs(one.get("inputs"), f"{input_id}.")


@describes(answer="Execution")
def get(request: Request, execution_id: str) -> HttpResponse:
    """Return an execution with its task runs."""
    return answer(present_whole(execution_id))


@describes(DELETE_PARTS, answer={204: None})
def delete(request: Request, execution_id: str) -> HttpResponse:
    """Delete an execution with what belongs to it."""
    operations.delete_execution(execution_id, **read_delete_flags(request), at=now(), actor=name_of(request))
    return answer_nothing()


def read_delete_flags(request: Request) -> dict[str, bool]:
    """Return what goes together with a deleted execution."""
    return {
        "logs": read_flag(request, "deleteLogs", default=True),
        "metrics": read_flag(request, "deleteMetrics", default=True),
        "files": read_flag(request, "deleteStorage", default=True),
    }


@describes(answer=TEXT, media=STREAM_TYPE)
def follow_execution(request: Request, execution_id: str) -> HttpResponseBase:
    """Stream an execution until it and all its task runs have ended."""
    viewer = make_viewer(request, queries.get_execution(execution_id).namespace)
    return answer_stream(follow(execution_id, _read_followed, viewer))


def _read_followed(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    # Asked before reading: what ends in between is then seen by the next look, and nothing is cut off.
    settled = queries.is_settled(execution_id)
    if settled is None:
        return None
    try:
        return present_whole(execution_id), settled
    except NotFoundError:
        return None


@describes(
    Value("destinationOnly", "Without those that come before.", FLAG),
    Value("expandAll", "Also those of those.", FLAG),
    answer=TEXT,
    media=STREAM_TYPE,
)
def follow_dependencies(request: Request, execution_id: str) -> HttpResponseBase:
    """Stream the states of an execution and of its relatives until all have ended."""
    viewer = make_viewer(request, queries.get_execution(execution_id).namespace)
    return answer_stream(follow_each(execution_id, _read_relatives, viewer))


def _read_relatives(execution_id: str) -> tuple[dict[str, Any], bool] | None:
    execution = visible(Execution).filter(pk=execution_id).first()
    if execution is None:
        return None
    relatives = queries.list_dependent_executions(execution)
    return {row.id: present_status_event(row) for row in relatives}, all(row.state in TERMINAL for row in relatives)

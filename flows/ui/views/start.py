"""The form that starts an execution."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.engine.starting import refuse_draft
from flows.language.flow import Flow as TypedFlow
from flows.models import Execution
from flows.operations import executions as operations
from flows.operations.idempotency import start_once
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, InvalidError
from flows.primitives.rights import Action, Resource
from flows.queries import flows as queries
from flows.queries.criteria import read_moment
from flows.queries.last_runs import list_newest_runs
from flows.queries.visibility import visible
from flows.ui.errors import status_of
from flows.ui.free_text import resolve_text
from flows.ui.input_fields import (
    InputField,
    convert_typed,
    make_fields,
    read_prefill,
    read_touched,
    read_typed,
    show_stored,
)
from flows.ui.page import Crumb, answer_page, name_of, redirect

STAY = "stay"


def show_form(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Show the form with the defaults of the flow, the inputs of an earlier execution, or the values of the link."""
    loaded = queries.load_startable_flow(namespace, flow_id, _read_revision(request))
    typed = {**_read_earlier(request, loaded.flow), **read_prefill(request, loaded.flow.inputs)}
    try:
        refuse_draft(loaded, "NORMAL")
    except InvalidError as error:
        return _answer_form(request, loaded.flow, typed=typed, refusal=error)
    return _answer_form(request, loaded.flow, typed=typed)


def _read_earlier(request: HttpRequest, flow: TypedFlow) -> dict[str, Any]:
    """Return the inputs of the execution that the link names, those that can be shown."""
    earlier = visible(Execution).filter(pk=request.GET.get("from", ""), namespace=flow.namespace, flow_id=flow.id).first()
    return show_stored(flow.inputs, earlier.inputs) if earlier is not None else {}


def refresh_form(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Show the form again with what was entered so far, because other inputs depend on it. Nothing starts."""
    flow = queries.load_startable_flow(namespace, flow_id, _read_revision(request)).flow
    typed = {name: value for name, value in read_typed(request, flow.inputs).items() if isinstance(value, str | list)}
    return _answer_form(request, flow, typed=typed, touched=read_touched(request.POST))


def start(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """
    Start the execution and lead to its page, or show the form again: with the faults at their fields, or with the execution
    for who wants to stay. A form that is sent twice starts one execution.
    """
    revision = _read_revision(request)
    flow = queries.load_startable_flow(namespace, flow_id, revision).flow
    typed = read_typed(request, flow.inputs)
    at = timezone.now()
    try:
        labels, schedule_at = _read_labels(request.POST.get("labels", "")), _read_schedule(request.POST.get("schedule", ""), at)

        def begin() -> Execution:
            return operations.start_execution(
                namespace=namespace,
                flow_id=flow_id,
                revision=revision,
                inputs=convert_typed(flow.inputs, typed, at=at),
                labels=labels,
                schedule_at=schedule_at,
                at=at,
                actor=name_of(request),
            )

        execution = start_once(_name_request(request), f"{namespace}/{flow_id}", begin, at=at)[0]
    except (InvalidError, ConflictError) as error:
        return _answer_form(request, flow, typed=typed, error=error)
    if request.POST.get("then") == STAY:
        query = {"started": execution.id, "from": execution.id, **({"revision": str(revision)} if revision else {})}
        return redirect("flow-execute", namespace, flow_id, **query)
    return redirect("execution", execution.namespace, execution.flow_id, execution.id)


def _name_request(request: HttpRequest) -> str:
    """Return what tells this sending of the form from others: its key and what was entered. Without a key it is told from all."""
    pairs = [(name, request.POST.getlist(name)) for name in sorted(request.POST) if name != "csrfmiddlewaretoken"]
    pairs += [(name, [f"{file.name} {file.size}" for file in request.FILES.getlist(name)]) for name in sorted(request.FILES)]
    mark = request.POST.get("key", "") or uuid4().hex
    return f"form:{sha256(json.dumps([mark, pairs]).encode()).hexdigest()}"


def _read_revision(request: HttpRequest) -> int | None:
    text = request.POST.get("revision") or request.GET.get("revision") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _read_labels(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.replace("\n", ",").split(","):
        if not part.strip():
            continue
        key, colon, value = part.strip().partition(":")
        if not colon or not key or not value:
            raise InvalidError(f'Label "{part.strip()[:100]}" must be written as key:value.', code="label-form")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _read_schedule(text: str, at: datetime) -> datetime | None:
    """Return when to start: a moment, or words such as `+2h` or `tomorrow 9:30`."""
    text = text.strip()
    return read_moment(resolve_text("DATETIME", text, at=at), name="Start at") if text else None


def _describe_schedule(request: HttpRequest) -> datetime | str | None:
    """Return the moment that the form's start time means, or why it means none."""
    try:
        return _read_schedule(request.POST.get("schedule", ""), timezone.now())
    except InvalidError as error:
        return error.message


def _answer_form(
    request: HttpRequest,
    flow: TypedFlow,
    *,
    typed: dict[str, Any],
    touched: Collection[str] = (),
    error: FlowsError | None = None,
    refusal: FlowsError | None = None,
) -> HttpResponse:
    at = timezone.now()
    for value in typed.values():
        if hasattr(value, "seek"):
            value.seek(0)
    revision = _read_revision(request)
    resolved = operations.validate_inputs(
        namespace=flow.namespace, flow_id=flow.id, revision=revision, inputs=convert_typed(flow.inputs, typed, at=at), at=at
    )
    texts = {name: value for name, value in typed.items() if isinstance(value, str | list)}
    fields = make_fields(flow.inputs, given=texts, resolved=resolved, show_errors=error is not None or touched)
    at_fields = error is not None and any(field.errors for field in fields)
    row = queries.get_flow_row(flow.namespace, flow.id)
    flow_url = reverse("ui:flow", args=[flow.namespace, flow.id])
    context = {
        "flow": row,
        "definition": flow,
        "fields": fields,
        "error": refusal or (None if at_fields else error),
        "is_refused": refusal is not None,
        "faulty": [field for field in fields if field.errors] if error is not None else [],
        "labels": request.POST.get("labels", ""),
        "schedule": request.POST.get("schedule", ""),
        "schedule_at": _describe_schedule(request),
        "stays": request.POST.get("then") == STAY or "started" in request.GET,
        "started": visible(Execution).filter(pk=request.GET.get("started", "")[:32]).first()
        if "started" in request.GET
        else None,
        "key": uuid4().hex,
        "may_start": current_caller().may(Action.CREATE, Resource.EXECUTION, flow.namespace),
        "revision": revision,
        "earlier": list_newest_runs(flow.namespace, flow.id, at=at, count=8),
        "checks": operations.list_failing_checks(namespace=flow.namespace, flow_id=flow.id, values=resolved.values, at=at),
        "flow_url": flow_url,
        "call": _write_call(request, flow, fields),
    }
    crumbs = [
        Crumb("Flows", reverse("ui:flows")),
        Crumb(flow.namespace, f"{reverse('ui:flows')}?namespace={flow.namespace}"),
        Crumb(flow.id, flow_url),
        Crumb("Execute"),
    ]
    status = 200 if (wrong := error or refusal) is None else status_of(wrong)
    return answer_page(
        request, "flows/flow/execute.html", context, title=f"Execute {flow.id}", nav="flows", crumbs=crumbs, status=status
    )


def _list_call_options(request: HttpRequest) -> list[tuple[str, str]]:
    """Return revision, labels and start time of the form as the query of a call; what cannot be used yet is left out."""
    revision, moment = _read_revision(request), _describe_schedule(request)
    found = [("revision", str(revision))] if revision else []
    with suppress(InvalidError):
        found += [("labels", f"{key}:{value}") for key, value in _read_labels(request.POST.get("labels", ""))]
    return [*found, ("scheduleDate", moment.isoformat())] if isinstance(moment, datetime) else found


def _write_call(request: HttpRequest, flow: TypedFlow, fields: Iterable[InputField]) -> str:
    """Return the command for a terminal that starts the same execution. Secrets are not in it, fields left empty neither."""
    address = f"{request.scheme}://{request.get_host()}/api/v1/main/executions/{flow.namespace}/{flow.id}"
    query = urlencode(_list_call_options(request))
    lines = ["curl -u you@example.org -X POST", shlex.quote(f"{address}?{query}" if query else address)]
    for field in fields:
        value = (
            json.dumps(field.value, ensure_ascii=False) if isinstance(field.value, list) else field.resolved or str(field.value)
        )
        if field.control == "file":
            value = "@file"
        elif field.control == "password":
            value = "…"
        # A default that could not be rendered yet is left to the flow.
        if field.is_shown and value and (field.is_given or "{{" not in value):
            lines.append(f"-F {shlex.quote(f'{field.id}={value}')}")
    return " \\\n  ".join(lines)

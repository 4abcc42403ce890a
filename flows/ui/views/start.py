"""The form that starts an execution."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.language.flow import Flow as TypedFlow
from flows.models import Execution
from flows.operations import executions as operations
from flows.primitives.errors import ConflictError, FlowsError, InvalidError
from flows.queries import flows as queries
from flows.queries.criteria import read_moment
from flows.queries.last_runs import list_newest_runs
from flows.queries.visibility import visible
from flows.ui.errors import status_of
from flows.ui.input_fields import InputField, flatten, make_fields, read_inputs, read_prefill
from flows.ui.page import Crumb, answer_page, name_of, redirect

_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def show_form(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Show the form with the defaults of the flow, the inputs of an earlier execution, or the values of the link."""
    loaded = queries.load_startable_flow(namespace, flow_id, _read_revision(request))
    given = {**_read_earlier(request, loaded.flow), **read_prefill(request, loaded.flow.inputs)}
    return _answer_form(request, loaded.flow, given=given)


def _read_earlier(request: HttpRequest, flow: TypedFlow) -> dict[str, Any]:
    """Return the inputs of the execution that the link names, those that can be shown."""
    earlier = visible(Execution).filter(pk=request.GET.get("from", ""), namespace=flow.namespace, flow_id=flow.id).first()
    if earlier is None:
        return {}
    found: dict[str, Any] = {}
    for name, one in flatten(flow.inputs):
        value: Any = earlier.inputs
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str | int | float) and one.type not in ("SECRET", "FILE"):
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def refresh_form(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Show the form again with what was entered so far, because other inputs depend on it. Nothing starts."""
    flow = queries.load_startable_flow(namespace, flow_id, _read_revision(request)).flow
    given = {name: value for name, value in read_inputs(request, flow.inputs).items() if isinstance(value, str)}
    return _answer_form(request, flow, given=given)


def start(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Start the execution and lead to its page, or show the form again with the faults at their fields."""
    revision = _read_revision(request)
    flow = queries.load_startable_flow(namespace, flow_id, revision).flow
    supplied = read_inputs(request, flow.inputs)
    try:
        execution = operations.start_execution(
            namespace=namespace,
            flow_id=flow_id,
            revision=revision,
            inputs=supplied,
            labels=_read_labels(request.POST.get("labels", "")),
            schedule_at=_read_schedule(request.POST.get("schedule", "")),
            at=timezone.now(),
            actor=name_of(request),
        )
    except (InvalidError, ConflictError) as error:
        return _answer_form(request, flow, given=supplied, error=error)
    return redirect("execution", execution.namespace, execution.flow_id, execution.id)


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


def _read_schedule(text: str) -> datetime | None:
    """Return when to start: a moment, or a while from now such as `+2h`."""
    text = text.strip()
    if not text:
        return None
    ahead = re.fullmatch(r"\+\s*(\d{1,4})\s*(m|min|h|d)", text)
    if ahead is not None:
        return timezone.now() + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
    return read_moment(text, name="Start at")


def _answer_form(
    request: HttpRequest, flow: TypedFlow, *, given: dict[str, Any], error: FlowsError | None = None
) -> HttpResponse:
    texts = {name: value for name, value in given.items() if isinstance(value, str | list)}
    for value in given.values():
        if hasattr(value, "seek"):
            value.seek(0)
    resolved = operations.validate_inputs(
        namespace=flow.namespace, flow_id=flow.id, revision=_read_revision(request), inputs=given, at=timezone.now()
    )
    fields = make_fields(flow.inputs, given=texts, resolved=resolved, show_errors=error is not None)
    at_fields = any(field.errors for field in fields)
    row = queries.get_flow_row(flow.namespace, flow.id)
    flow_url = reverse("ui:flow", args=[flow.namespace, flow.id])
    context = {
        "flow": row,
        "definition": flow,
        "fields": fields,
        "error": error if error is not None and not at_fields else None,
        "faulty": [field for field in fields if field.errors],
        "labels": request.POST.get("labels", ""),
        "schedule": request.POST.get("schedule", ""),
        "revision": _read_revision(request),
        "earlier": list_newest_runs(flow.namespace, flow.id, at=timezone.now(), count=8),
        "checks": operations.list_failing_checks(
            namespace=flow.namespace, flow_id=flow.id, values=resolved.values, at=timezone.now()
        ),
        "flow_url": flow_url,
        "call": _write_call(request, flow, fields),
    }
    crumbs = [
        Crumb("Flows", reverse("ui:flows")),
        Crumb(flow.namespace, f"{reverse('ui:flows')}?namespace={flow.namespace}"),
        Crumb(flow.id, flow_url),
        Crumb("Execute"),
    ]
    status = status_of(error) if error is not None else 200
    return answer_page(
        request, "flows/flow/execute.html", context, title=f"Execute {flow.id}", nav="flows", crumbs=crumbs, status=status
    )


def _write_call(request: HttpRequest, flow: TypedFlow, fields: Iterable[InputField]) -> str:
    """Return the command for a terminal that starts the same execution. Secrets are not in it, fields left empty neither."""
    revision = _read_revision(request)
    address = f"{request.scheme}://{request.get_host()}/api/v1/main/executions/{flow.namespace}/{flow.id}"
    lines = ["curl -u you@example.org -X POST", shlex.quote(f"{address}?revision={revision}" if revision else address)]
    for field in fields:
        value = json.dumps(field.value, ensure_ascii=False) if isinstance(field.value, list) else str(field.value)
        if field.control == "file":
            value = "@file"
        elif field.control == "password":
            value = "…"
        if field.is_shown and value:
            lines.append(f"-F {shlex.quote(f'{field.id}={value}')}")
    return " \\\n  ".join(lines)

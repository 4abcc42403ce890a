"""Calls from outside that start executions. The key in the address is the credential."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_text, encode_json
from flows.api.deferring import answer_after
from flows.api.describing import ANYTHING, BYTES, JSON_TYPE, OBJECT, Value, describes
from flows.api.endpoint import media_type, now, raw_body
from flows.api.errors import answer_error, answer_exception
from flows.api.limits import address_of, webhook_keys
from flows.api.multipart import FORM_TYPES
from flows.api.presenters import execution_url, present_execution
from flows.models import Execution
from flows.operations.webhooks import (
    WebhookCall,
    WebhookNotFoundError,
    WebhookRefusedError,
    render_webhook_response_code,
    start_from_webhook,
)
from flows.primitives.callers import acting_for_platform
from flows.primitives.errors import FlowsError, NotFoundError
from flows.primitives.states import TERMINAL
from flows.queries import executions as queries
from flows.triggers.webhook import RequestFacts

IDEMPOTENCY_HEADER = "Idempotency-Key"

_STATUS_OF_REFUSAL = {"webhook-method": 405, "webhook-content-type": 415, "webhook-size": 413}
_ANSWERED = ("tenantId", "id", "namespace", "flowId", "flowRevision", "trigger", "outputs", "labels", "state")


@dataclass(frozen=True, slots=True)
class _UploadedPart:
    """One file of a form, as a webhook sees it."""

    field_name: str
    upload: UploadedFile[Any]

    @property
    def file_name(self) -> str:
        return self.upload.name or self.field_name

    @property
    def content_type(self) -> str:
        return self.upload.content_type or "application/octet-stream"

    @property
    def size_bytes(self) -> int:
        return self.upload.size or 0

    def open(self) -> IO[bytes]:
        self.upload.seek(0)
        return self.upload.file  # type: ignore[return-value]  # a file in all but name


def _read_facts(request: Request) -> RequestFacts:
    form = request._request
    kind = media_type(request)
    is_multipart = kind == "multipart/form-data"
    # The body of a form must be read before the form is parsed, else it is gone.
    raw = raw_body(request)
    fields = [(str(name), str(value)) for name, values in form.POST.lists() for value in values] if kind in FORM_TYPES else []
    parts = [_UploadedPart(str(name), file) for name, files in form.FILES.lists() for file in files] if is_multipart else []
    return RequestFacts(
        method=str(form.method),
        headers=tuple(form.headers.items()),
        parameters=tuple((name, str(value)) for name, values in request.query_params.lists() for value in values),
        body=b"" if is_multipart else raw,
        form_fields=tuple(fields),
        parts=tuple(parts),
        is_multipart=is_multipart,
        raw=raw,
        address=address_of(request),
    )


@describes(
    Value(IDEMPOTENCY_HEADER, "Calls with the same key start one execution.", where="header"),
    body={"application/octet-stream": BYTES, JSON_TYPE: ANYTHING},
    needs_body=False,
    answer={200: "Execution", 202: OBJECT, 204: None},
)
def receive(request: Request, namespace: str, flow_id: str, key: str, sub_path: str = "") -> HttpResponse:
    """Start the execution that a call asks for. Unknown namespace, flow, key and path give the same answer."""
    # The key is the credential, and what it permits is this start alone: the flow acts, not the caller.
    with acting_for_platform():
        return _receive(request, namespace, flow_id, key, sub_path)


def _receive(request: Request, namespace: str, flow_id: str, key: str, sub_path: str) -> HttpResponse:
    caller = (address_of(request), namespace, flow_id)
    webhook_keys.check(caller)
    try:
        if sub_path:
            raise WebhookNotFoundError
        call = start_from_webhook(
            namespace=namespace,
            flow_id=flow_id,
            key=key,
            facts=_read_facts(request),
            at=now(),
            idempotency_key=request.headers.get(IDEMPOTENCY_HEADER),
        )
    except WebhookNotFoundError as error:
        webhook_keys.record(caller)
        raise NotFoundError("Flow not found: no webhook answers at this address.", code=error.code) from error
    except WebhookRefusedError as error:
        status = _STATUS_OF_REFUSAL.get(error.code, 403)
        return answer_error(request._request, status, error.message, code=error.code)
    if call.buffered_count is not None:
        return answer({"status": "buffered", "eventsBuffered": call.buffered_count}, 202)
    if call.execution_id is None:
        return answer_nothing()
    if call.answer.waits:
        return answer_after(call.execution_id, partial(_look_for_end, request, call, call.execution_id))
    return answer(_present(call.execution or queries.get_execution(call.execution_id)))


def _present(execution: Execution) -> dict[str, Any]:
    data = present_execution(execution)
    return {**{key: data[key] for key in _ANSWERED if key in data}, "url": execution_url(execution)}


def _look_for_end(request: Request, call: WebhookCall, execution_id: str, is_last_look: bool) -> HttpResponse | None:
    """Return the answer once the execution has ended, or when the time is over; None before."""
    with acting_for_platform():
        try:
            execution = queries.get_execution(execution_id)
            return _answer_ended(call, execution) if is_last_look or execution.state in TERMINAL else None
        except FlowsError as error:
            return answer_exception(request._request, error)


def _answer_ended(call: WebhookCall, execution: Execution) -> HttpResponse:
    data = (execution.outputs or {}) if call.answer.returns_outputs else _present(execution)
    variables = {"execution": {"id": execution.id, "state": execution.state}, "outputs": execution.outputs or {}}
    code = render_webhook_response_code(call, variables, namespace=execution.namespace, flow_id=execution.flow_id, at=now())
    status = _read_status(code)
    if call.answer.content_type.startswith("application/json"):
        return answer(data, status)
    only = next(iter(data.values())) if call.answer.returns_outputs and len(data) == 1 else data
    response = answer_text(only if isinstance(only, str) else encode_json(only), call.answer.content_type)
    response.status_code = status
    return response


def _read_status(code: Any) -> int:
    text = str(code).strip() if code is not None and not isinstance(code, bool) else ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) == 3 else 200
    return number if 200 <= number <= 599 else 200

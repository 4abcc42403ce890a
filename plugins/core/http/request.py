"""The task and the polling trigger that call an HTTP address and read the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import httpx

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Duration, Field, Mark, Output, Prop, Static
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.plugin_api.triggers import PollingTrigger, PollResult
from plugins.core.http.client import (
    LENGTH_METRIC,
    Sender,
    check_status,
    collect_headers,
    count_length,
    log_response_headers,
    shown_url,
)
from plugins.core.http.options import RequestProperties
from plugins.core.truth import is_true

_DEFAULT_BODY_BYTES = 10 * 1024 * 1024


class HttpAnswer(Output):
    """What Request gives out and `trigger.*` of the HTTP trigger."""

    uri: str
    code: int
    headers: dict[str, list[str]] = Field(description="Names as received, values in lists.")
    body: str | None = Field(default=None, description="Text of the answer.")
    encrypted_body: dict[str, str] | None = None
    form_data: dict[str, Any] | None = Field(default=None, description="The form that was sent.")


def fetch_answer(
    sender: Sender, context: RunContext, props: RequestProperties, *, allow_failed: bool, encrypt: bool
) -> HttpAnswer:
    """
    Call the address and read the answer as text.

    Raises:
        TaskFailure: connection, status, size or text of the answer.
        EgressError: the address may not be reached.
    """
    with sender.send(context, props) as response:
        text = _read_text(context, props, response)
        log_response_headers(context, props, response)
        if text is not None and "RESPONSE_BODY" in props.options.logs:
            context.log.info(text)
        check_status(props, response, allow_failed=allow_failed, excerpt=text or "")
        count_length(context, props, response)
        known: dict[str, Any] = {"encrypted_body": context.encrypt(text or "")} if encrypt else {"body": text}
        if props.form_data is not None:
            known["form_data"] = props.form_data
        return HttpAnswer(uri=shown_url(response.url), code=response.status_code, headers=collect_headers(response), **known)


def _read_text(context: RunContext, props: RequestProperties, response: httpx.Response) -> str | None:
    """Return the body as text, None without one. Raises TaskFailure for one that is too large, too slow or no text."""
    data = bytearray()
    limit = int(context.config("http.max-body-bytes", _DEFAULT_BODY_BYTES))
    if props.options.max_content_length is not None:
        limit = min(limit, props.options.max_content_length)
    for piece in response.iter_bytes():
        data += piece
        if len(data) > limit:
            raise TaskFailure(
                f"The answer has more than {limit} bytes, the limit for Request. Use io.kestra.plugin.core.http.Download.",
                permanent=True,
            )
        if context.cancelled.is_set() or (context.deadline is not None and time.monotonic() > context.deadline):
            raise TaskFailure("The request was stopped while the answer came in.")
    if not data:
        return None
    charset = response.charset_encoding or props.options.default_charset
    try:
        return data.decode(charset)
    except LookupError:
        raise TaskFailure(f'The charset "{charset}" is not known. Set "defaultCharset" of the options.', permanent=True) from None
    except UnicodeDecodeError:
        raise TaskFailure(
            f"The answer is no {charset} text. Use io.kestra.plugin.core.http.Download for binary data.", permanent=True
        ) from None


class Request(RunnableTask):
    """Call an HTTP address and keep the answer as text."""

    type = "io.kestra.plugin.core.http.Request"
    aliases = ("io.kestra.plugin.fs.http.Request",)
    title = "Call an HTTP address"
    metrics = (LENGTH_METRIC,)
    Output = HttpAnswer
    examples = (
        """
        id: ask
        namespace: company.team
        tasks:
          - id: post
            type: io.kestra.plugin.core.http.Request
            uri: https://example.com/api/orders
            method: POST
            contentType: application/json
            body: "{{ {'day': execution.startDate} | toJson }}"
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ outputs.post.code }} {{ outputs.post.body }}"}
        """,
    )

    class Props(RequestProperties):
        allow_failed: Prop[bool] = Field(default=False, description="Statuses of 400 and more do not fail the task.")
        encrypt_body: Prop[bool] = Field(default=False, description="Keep the body encrypted, in `encryptedBody`.")

    def __init__(self) -> None:
        self._sender = Sender()

    def run(self, context: RunContext, props: Props) -> HttpAnswer:
        """Call the address and return the answer."""
        return fetch_answer(self._sender, context, props, allow_failed=props.allow_failed, encrypt=props.encrypt_body)

    def kill(self) -> None:
        """Break the connection."""
        self._sender.stop()


class Trigger(PollingTrigger):
    """Call an HTTP address again and again and start an execution when the answer fits."""

    type = "io.kestra.plugin.core.http.Trigger"
    aliases = ("io.kestra.plugin.fs.http.Trigger",)
    title = "Start by an HTTP answer"
    Output = HttpAnswer
    examples = (
        """
        id: on_price
        namespace: company.team
        triggers:
          - id: price
            type: io.kestra.plugin.core.http.Trigger
            uri: https://example.com/api/price
            interval: PT1M
            responseCondition: "{{ json(response.body).price > 100 }}"
        tasks:
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.body }}"}
        """,
    )

    class Props(RequestProperties):
        interval: Prop[Duration] = Field(default=timedelta(seconds=60), description="Time between two calls.")
        response_condition: Annotated[Static[str], Mark(dynamic=True)] = Field(
            default="{{ response.statusCode < 400 }}",
            description="Sees `response.statusCode`, `response.body` and `response.headers`.",
        )
        encrypt_body: Prop[bool] = False

    def __init__(self) -> None:
        self._sender = Sender()

    def poll(self, context: RunContext, props: Props, state: Mapping[str, Any]) -> PollResult:
        """Call the address once. Any status is looked at; only a failing connection raises TaskFailure."""
        answer = fetch_answer(self._sender, context, props, allow_failed=True, encrypt=False)
        response = {"statusCode": answer.code, "body": answer.body, "headers": answer.headers}
        if not is_true(context.render(props.response_condition, {"response": response})):
            return PollResult()
        variables = answer.dump()
        if props.encrypt_body:
            variables["encryptedBody"] = context.encrypt(variables.pop("body") or "")
        return PollResult(variables=variables)

    def kill(self) -> None:
        """Break the connection."""
        self._sender.stop()

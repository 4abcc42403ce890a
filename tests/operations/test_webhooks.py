"""Webhooks on real rows: keys, conditions, idempotency, batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.engine.stores import RunStorage
from flows.models import Execution, WebhookEvent
from flows.operations.webhooks import WebhookCall, WebhookNotFoundError, flush_due_webhooks, start_from_webhook
from flows.primitives.errors import ConflictError, FlowsError
from flows.triggers.webhook import RequestFacts

from .trigger_flows import BATCH, NAMESPACE, START, WEBHOOK, executions, save

pytestmark = pytest.mark.django_db

KEY = "4wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9"


def hook(**more: Any) -> dict[str, Any]:
    return {"id": "hook", "type": WEBHOOK, "key": KEY, **more}


def call(body: bytes = b"{}", *, flow_id: str = "called", key: str = KEY, **more: Any) -> WebhookCall:
    return start_from_webhook(
        namespace=NAMESPACE, flow_id=flow_id, key=key, facts=RequestFacts(body=body, parameters=(("a", "1"),)), at=START, **more
    )


def test_a_call_with_the_right_key_starts_an_execution_with_its_body() -> None:
    save("called", hook())

    result = call(b'{"hello": "world"}')
    (execution,) = executions("called")

    assert result.execution_id == execution.pk
    assert execution.trigger["variables"]["body"] == {"hello": "world"}
    assert execution.trigger["variables"]["parameters"] == {"a": ["1"]}


def test_unknown_flow_and_wrong_key_give_the_same_answer() -> None:
    save("called", hook())
    errors = []
    for names in ({"flow_id": "unknown"}, {"key": "wrong"}, {"key": ""}):
        with pytest.raises(WebhookNotFoundError) as caught:
            call(**names)
        errors.append((str(caught.value), caught.value.code))

    assert len(set(errors)) == 1


def test_a_disabled_webhook_says_so_only_to_the_right_key() -> None:
    save("called", hook(disabled=True))

    with pytest.raises(ConflictError):
        call()
    with pytest.raises(WebhookNotFoundError):
        call(key="wrong")


def test_a_condition_that_does_not_hold_starts_nothing() -> None:
    condition = {"type": "io.kestra.plugin.core.condition.Expression", "expression": "{{ trigger.body.hello == 'world' }}"}
    save("called", hook(conditions=[condition]))

    assert call(b'{"hello": "moon"}').execution_id is None
    assert call(b"no json").execution_id is None
    assert call(b'{"hello": "world"}').execution_id is not None
    assert len(executions("called")) == 1


def test_a_body_is_never_rendered() -> None:
    save("called", hook(inputs={"text": "{{ trigger.body.text }}"}), inputs=[{"id": "text", "type": "STRING"}])

    call(b'{"text": "{{ secret(\'x\') }}"}')

    assert executions("called")[0].inputs == {"text": "{{ secret('x') }}"}


def test_inputs_that_cannot_be_made_refuse_the_call_and_start_nothing() -> None:
    save("called", hook(inputs={"n": "{{ trigger.body.n }}"}), inputs=[{"id": "n", "type": "INT"}])

    with pytest.raises(FlowsError):
        call(b'{"n": "many"}')

    assert not Execution.objects.exists()


def test_the_same_idempotency_key_gives_the_same_execution() -> None:
    save("called", hook())

    first, again, other, none = (call(idempotency_key=key) for key in ("k1", "k1", "k2", None))

    assert first.execution_id == again.execution_id
    assert len({first.execution_id, other.execution_id, none.execution_id}) == 3
    assert len(executions("called")) == 3


def batch(**more: Any) -> dict[str, Any]:
    return {"id": "hook", "type": BATCH, "key": KEY, **more}


def test_a_batch_starts_at_its_count_and_keeps_the_rest() -> None:
    save("called", batch(eventsCount=3))

    counts = [call(b'{"n": %d}' % number).buffered_count for number in range(4)]
    (execution,) = executions("called")
    variables = execution.trigger["variables"]
    rows = list(RunStorage(NAMESPACE, "called", execution.pk, trigger_id="hook").read_rows(variables["uri"]))

    assert counts == [1, 2, 0, 1]
    assert variables["count"] == 3
    assert [row["body"]["n"] for row in rows] == [0, 1, 2]
    assert WebhookEvent.objects.count() == 1


def test_a_batch_starts_when_its_first_call_has_waited_long_enough() -> None:
    save("called", batch(pollingInterval="PT1M"))
    call()

    assert flush_due_webhooks(at=START + timedelta(seconds=59)) == 0
    assert flush_due_webhooks(at=START + timedelta(seconds=60)) == 1
    assert flush_due_webhooks(at=START + timedelta(seconds=61)) == 0


def test_a_filtered_call_of_a_batch_is_dropped() -> None:
    save("called", batch(eventsCount=2, eventFilter="{{ trigger.body.keep == true }}"))

    assert call(b'{"keep": false}').buffered_count is None
    assert call(b"text").buffered_count is None
    assert call(b'{"keep": true}').buffered_count == 1

"""Webhooks on real rows: keys, conditions, idempotency, batches."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

import pytest

from flows.engine.stores import RunStorage
from flows.models import Execution, WebhookEvent
from flows.operations.namespaces import set_secret
from flows.operations.webhooks import (
    WebhookCall,
    WebhookNotFoundError,
    WebhookRefusedError,
    flush_due_webhooks,
    start_from_webhook,
)
from flows.primitives.errors import ConflictError, FlowsError, InvalidError
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


def signed_facts(body: bytes, *, secret: str = "shared", stamp: str | None = None, **more: Any) -> RequestFacts:
    stamp = stamp or str(int(START.timestamp()))
    signature = hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
    return RequestFacts(body=body, raw=body, headers=(("X-Stamp", stamp), ("X-Signature", signature)), **more)


def send(facts: RequestFacts, **more: Any) -> WebhookCall:
    return start_from_webhook(namespace=NAMESPACE, flow_id="called", key=KEY, facts=facts, at=START, **more)


SIGNED = {"signature": {"secret": "{{ secret('HOOK') }}", "timestampHeader": "X-Stamp"}}


@pytest.mark.parametrize("make", ["hook", "batch"])
def test_a_signed_call_is_taken_once(make: str) -> None:
    set_secret(NAMESPACE, "HOOK", "shared", at=START)
    save("called", {"hook": hook, "batch": batch}[make](**SIGNED))
    facts = signed_facts(b"{}")

    first = send(facts)
    with pytest.raises(ConflictError) as replayed:
        send(facts)
    with pytest.raises(WebhookRefusedError) as wrong:
        send(signed_facts(b"{}", secret="guess"))

    assert first.execution_id or first.buffered_count == 1
    assert (replayed.value.code, wrong.value.code) == ("webhook-replayed", "webhook-signature")
    assert Execution.objects.count() + WebhookEvent.objects.count() == 1


def test_a_signed_call_may_be_repeated_with_its_idempotency_key() -> None:
    set_secret(NAMESPACE, "HOOK", "shared", at=START)
    save("called", hook(**SIGNED))
    facts = signed_facts(b"{}")

    first, again = send(facts, idempotency_key="k"), send(facts, idempotency_key="k")

    assert first.execution_id == again.execution_id


def test_a_secret_that_is_missing_closes_the_webhook() -> None:
    save("called", hook(**SIGNED))

    with pytest.raises(WebhookRefusedError) as caught:
        send(signed_facts(b"{}", secret=""))

    assert caught.value.code == "webhook-rules"


def test_rules_are_told_only_to_who_knows_the_key() -> None:
    save("called", hook(allowedAddresses=["10.0.0.0/8"]))

    with pytest.raises(WebhookNotFoundError):
        call(key="wrong")
    with pytest.raises(WebhookRefusedError):
        call()
    assert send(RequestFacts(address="10.1.1.1")).execution_id


def test_an_unknown_method_is_refused_with_the_flow() -> None:
    with pytest.raises(InvalidError):
        save("called", hook(allowedMethods=["PATCH"]))


@pytest.mark.parametrize("address", ["10.0.0.0/99", "localhost", ""])
def test_an_address_that_is_none_is_refused_with_the_flow(address: str) -> None:
    with pytest.raises(InvalidError, match=r"such as 10\.0\.0\.0/8"):
        save("called", hook(allowedAddresses=["10.0.0.0/8", address]))

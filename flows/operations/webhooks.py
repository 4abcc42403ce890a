"""Calls from outside that start executions: the right key, the conditions, and for batches a buffer of calls."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from django.db import transaction
from django.db.models import Min

from flows.engine.catalog import LoadedFlow, get_flow
from flows.engine.rows import as_model
from flows.engine.stores import RunStorage
from flows.language.flow import Trigger
from flows.models import Execution, Firing, TriggerState, WebhookEvent
from flows.operations.schedules import record_firings
from flows.operations.trigger_environment import TriggerRenderer
from flows.operations.trigger_locks import lock_trigger
from flows.operations.trigger_rows import describe_evaluation, note_event
from flows.operations.trigger_starts import TriggerStart, find_trigger, start_by_trigger, start_or_fail
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, NotFoundError
from flows.primitives.ids import new_id
from flows.triggers.conditions import Situation, evaluate_trigger, is_truthy
from flows.triggers.webhook import RequestFacts, WebhookAnswer, find_webhook, is_batch, keys_match, read_answer, webhook_variables
from flows.triggers.webhook_rules import CallRules, find_refusal, read_rules, replay_mark

log = logging.getLogger(__name__)

# Calls with the same idempotency key are told apart by the key alone, so their firings share one date.
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_FLUSHED = 10_000


class WebhookNotFoundError(NotFoundError):
    """No webhook answers here. The same words whether namespace, flow or key is wrong. Source: security, S-50."""

    code = "webhook-not-found"

    def __init__(self) -> None:
        super().__init__("Webhook not found")


class WebhookRefusedError(ForbiddenError):
    """The caller knows the key, but the call breaks a rule of the webhook; the code says which. Source: security, S-51, S-52."""

    code = "webhook-refused"


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """
    What became of a call.

    `execution_id` is None when nothing started: `buffered_count` then tells how many calls of a batch wait, and is None when the
    conditions refused the call. `answer` says how the caller is to be answered.
    """

    trigger: Trigger
    execution_id: str | None = None
    buffered_count: int | None = None
    answer: WebhookAnswer = field(default_factory=WebhookAnswer)
    execution: Execution | None = None


def start_from_webhook(
    *, namespace: str, flow_id: str, key: str, facts: RequestFacts, at: datetime, idempotency_key: str | None = None
) -> WebhookCall:
    """
    Start the execution that a call asks for, or collect the call for a batch.

    Args:
        key: from the address or from the key header; decides which webhook of the flow is meant.
        facts: the call. Nothing in it is rendered.
        idempotency_key: calls with the same one give the same execution.

    Raises:
        WebhookNotFoundError: no such flow or key.
        ConflictError: the flow or the trigger is disabled; or a signed call was sent before. Said only to who has the key.
        WebhookRefusedError: address, method, type, size or signature are not what the webhook allows; nothing was stored.
        InvalidError: the inputs of the flow cannot be made from the call; nothing starts.

    Source: flow language, 13.6; core tasks, 8.1; reliability, R-59.
    """
    begun = perf_counter()
    loaded, trigger = _get_webhook(namespace, flow_id, key, at)
    if loaded.flow.disabled or trigger.disabled or _is_switched_off(loaded, trigger):
        raise ConflictError(f'Trigger "{trigger.id}" of flow "{namespace}/{flow_id}" is disabled.', code="webhook-disabled")
    try:
        call = _take_call(loaded, trigger, facts, at, idempotency_key)
    except FlowsError as error:
        _note(loaded, trigger, at, begun, failure=error.message)
        raise
    if call.execution is not None:
        _note(loaded, trigger, at, begun, execution_id=call.execution_id, fired_at=at)
    elif call.execution_id is None and call.buffered_count is None:
        _note(loaded, trigger, at, begun, message="A call came that its conditions refused.")
    return call


def _take_call(
    loaded: LoadedFlow, trigger: Trigger, facts: RequestFacts, at: datetime, idempotency_key: str | None
) -> WebhookCall:
    namespace, flow_id = loaded.flow.namespace, loaded.flow.id
    rules = _check_rules(loaded, trigger, facts, at)
    if is_batch(trigger):
        return _buffer(loaded, trigger, facts, at, replay_mark(rules, facts))
    execution_id = new_id()
    storage = RunStorage(namespace, flow_id, execution_id, trigger_id=trigger.id)
    with transaction.atomic():
        if idempotency_key:
            earlier = _find_earlier(loaded, trigger, idempotency_key, execution_id, at)
            if earlier is not None:
                return WebhookCall(trigger, earlier, answer=read_answer(trigger))
        _refuse_replay(loaded, trigger, replay_mark(rules, facts), execution_id, at)
        variables = webhook_variables(facts, store_file=storage.put, stores_body=trigger.properties.get("fetchType") == "STORE")
        if not _holds(loaded, trigger, variables, at):
            _forget_files(storage, variables)
            transaction.set_rollback(True)
            return WebhookCall(trigger)
        start = TriggerStart(loaded=loaded, trigger=trigger, at=at, variables=variables, execution_id=execution_id)
        try:
            new = start_by_trigger(start)
        except FlowsError:
            _forget_files(storage, variables)
            raise
    return WebhookCall(trigger, execution_id, answer=read_answer(trigger), execution=as_model(new))


def flush_due_webhooks(*, at: datetime) -> int:
    """
    Start an execution for every batch whose first call has waited its `pollingInterval`; return how many were started.

    The calls are taken out in the transaction that creates the execution, so each ends up in exactly one.

    Source: core tasks, 8.1.
    """
    started = 0
    waiting = WebhookEvent.objects.values("namespace", "flow_id", "trigger_id").annotate(first=Min("received_at"))
    for group in list(waiting):
        try:
            loaded = get_flow(group["namespace"], group["flow_id"])
        except FlowsError:
            continue
        trigger = find_trigger(loaded, group["trigger_id"])
        interval = _interval(trigger) if trigger is not None else None
        if trigger is None or interval is None or trigger.disabled or loaded.flow.disabled or group["first"] + interval > at:
            continue
        if _is_switched_off(loaded, trigger):
            continue
        with transaction.atomic():
            lock_trigger(loaded, trigger)
            events = list(_buffer_of(loaded, trigger).order_by("id")[:_MOST_FLUSHED])
            if events and events[0].received_at + interval <= at and _flush(loaded, trigger, events, at):
                started += 1
    return started


def render_webhook_response_code(
    call: WebhookCall, variables: Mapping[str, Any], *, namespace: str, flow_id: str, at: datetime
) -> Any:
    """Return the rendered `responseCode` of a call that waited, with the given names, or None when it has none or fails."""
    if call.answer.status_template is None:
        return None
    loaded = get_flow(namespace, flow_id)
    try:
        return TriggerRenderer(loaded.flow, revision=loaded.revision, at=at).typed(call.answer.status_template, variables)
    except FlowsError:
        return None


def _is_switched_off(loaded: LoadedFlow, trigger: Trigger) -> bool:
    names = {"namespace": loaded.flow.namespace, "flow_id": loaded.flow.id, "trigger_id": trigger.id}
    return TriggerState.objects.filter(**names, disabled=True).exists()


def _note(
    loaded: LoadedFlow, trigger: Trigger, at: datetime, begun: float, *, fired_at: datetime | None = None, **said: Any
) -> None:
    """Keep what became of a call with the trigger; `begun` is when it came, by the clock that only measures."""
    name = (loaded.flow.namespace, loaded.flow.id, trigger.id)
    note_event(name, describe_evaluation(at=at, seconds=perf_counter() - begun, **said), fired_at=fired_at, date=fired_at)


def _forget_files(storage: RunStorage, variables: Mapping[str, Any]) -> None:
    if variables.get("uri") or variables.get("parts"):
        storage.delete_execution_files()


def _get_webhook(namespace: str, flow_id: str, key: str, at: datetime) -> tuple[LoadedFlow, Trigger]:
    try:
        loaded = get_flow(namespace, flow_id)
    except FlowsError:
        loaded = None
    if loaded is None:
        # The same work as for a wrong key, so that the time does not tell a known flow from an unknown one.
        keys_match(key, "unknown")
        raise WebhookNotFoundError
    renderer = TriggerRenderer(loaded.flow, revision=loaded.revision, at=at)
    pairs = [(trigger, _render_key(renderer, trigger)) for trigger in loaded.flow.triggers if trigger.properties.get("key")]
    found = find_webhook([(trigger, rendered) for trigger, rendered in pairs if trigger.family == "webhook"], key)
    if found is None:
        raise WebhookNotFoundError
    return loaded, found


def _render_key(renderer: TriggerRenderer, trigger: Trigger) -> str:
    try:
        return str(renderer(trigger.properties["key"], {}) or "")
    except FlowsError as error:
        log.warning("webhook.key", extra={"trigger": trigger.id, "reason": str(error)})
        return ""


def _check_rules(loaded: LoadedFlow, trigger: Trigger, facts: RequestFacts, at: datetime) -> CallRules:
    """Return the rules of a webhook. Raises WebhookRefusedError for a call that breaks one, or when one cannot be read."""
    renderer = TriggerRenderer(loaded.flow, revision=loaded.revision, at=at)
    names = {"trigger": f"{loaded.flow.namespace}/{loaded.flow.id}: {trigger.id}"}
    try:
        rules = read_rules(trigger.properties, render=lambda text: renderer(text, {}))
    except (FlowsError, ValueError, TypeError) as error:
        log.warning("webhook.rules", extra={**names, "reason": str(error)})
        raise WebhookRefusedError(
            "The rules of this webhook cannot be read, so it takes no call. Its flow must be corrected.", code="webhook-rules"
        ) from error
    refusal = find_refusal(rules, facts, at=at)
    if refusal is not None:
        log.info("webhook.refused", extra={**names, "reason": refusal.code, "address": facts.address})
        raise WebhookRefusedError(refusal.message, code=refusal.code)
    return rules


def _refuse_replay(loaded: LoadedFlow, trigger: Trigger, mark: str | None, execution_id: str, at: datetime) -> None:
    """Note a signed call in the transaction that takes it. Raises ConflictError when it was taken before."""
    if mark is None:
        return
    names = {"namespace": loaded.flow.namespace, "flow_id": loaded.flow.id, "trigger_id": trigger.id}
    firing = Firing(**names, scheduled_at=_NO_DATE, backfill_id=mark, execution_id=execution_id, fired_at=at)
    if not record_firings([firing]):
        raise ConflictError("This signed call was taken before. Sign it anew to send it again.", code="webhook-replayed")


def _find_earlier(loaded: LoadedFlow, trigger: Trigger, idempotency_key: str, execution_id: str, at: datetime) -> str | None:
    """Note the key, or return the execution that an earlier call with it started."""
    names = {"namespace": loaded.flow.namespace, "flow_id": loaded.flow.id, "trigger_id": trigger.id}
    cause = hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]
    firing = Firing(**names, scheduled_at=_NO_DATE, backfill_id=cause, execution_id=execution_id, fired_at=at)
    if record_firings([firing]):
        return None
    return str(Firing.objects.get(**names, scheduled_at=_NO_DATE, backfill_id=cause).execution_id)


def _holds(loaded: LoadedFlow, trigger: Trigger, variables: Mapping[str, Any], at: datetime) -> bool:
    renderer = TriggerRenderer(loaded.flow, revision=loaded.revision, at=at)
    situation = Situation(
        render=renderer, variables={"trigger": variables}, namespace=loaded.flow.namespace, flow_id=loaded.flow.id
    )
    try:
        return bool(evaluate_trigger(trigger, situation))
    except FlowsError as error:
        log.warning(
            "webhook.condition",
            extra={"trigger": f"{loaded.flow.namespace}/{loaded.flow.id}: {trigger.id}", "reason": str(error)},
        )
        return False


def _buffer(loaded: LoadedFlow, trigger: Trigger, facts: RequestFacts, at: datetime, mark: str | None) -> WebhookCall:
    event_id = new_id()
    storage = RunStorage(loaded.flow.namespace, loaded.flow.id, event_id, trigger_id=trigger.id)
    variables = webhook_variables(facts, store_file=storage.put)
    renderer = TriggerRenderer(loaded.flow, revision=loaded.revision, at=at)
    event_filter = trigger.properties.get("eventFilter")
    if event_filter is not None:
        try:
            if not is_truthy(renderer(event_filter, {"trigger": variables, **variables})):
                return WebhookCall(trigger)
        except FlowsError:
            return WebhookCall(trigger)
    begun = perf_counter()
    payload = {"eventId": event_id, "eventReceived": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), **variables}
    with transaction.atomic():
        lock_trigger(loaded, trigger)
        _refuse_replay(loaded, trigger, mark, event_id, at)
        WebhookEvent.objects.create(
            namespace=loaded.flow.namespace, flow_id=loaded.flow.id, trigger_id=trigger.id, received_at=at, payload=payload
        )
        waiting = _buffer_of(loaded, trigger)
        count = waiting.count()
        wanted = trigger.properties.get("eventsCount")
        started = None
        if isinstance(wanted, int) and count >= wanted:
            started = _flush(loaded, trigger, list(waiting.order_by("id")[:wanted]), at)
            count -= wanted if started else 0
        if started is None:
            _note(loaded, trigger, at, begun, message=f"{count} {'call waits' if count == 1 else 'calls wait'} for the batch.")
    # The caller of a batch is told that the call waits, also when it was the one that filled the batch.
    return WebhookCall(trigger, buffered_count=count)


def _flush(loaded: LoadedFlow, trigger: Trigger, events: list[WebhookEvent], at: datetime) -> str | None:
    """Start one execution for these calls and take them out, unless `when` refuses; return its id."""
    moment = at.astimezone(UTC).isoformat()
    if not _holds(loaded, trigger, {"date": moment}, at):
        return None
    execution_id = new_id()
    storage = RunStorage(loaded.flow.namespace, loaded.flow.id, execution_id, trigger_id=trigger.id)
    uri, count = storage.write_rows((event.payload for event in events), "events.ion")
    variables = {"uri": uri, "count": count}
    begun = perf_counter()
    start = TriggerStart(loaded=loaded, trigger=trigger, at=at, variables=variables, execution_id=execution_id)
    start_or_fail(start)
    said = f"A batch of {count} {'call' if count == 1 else 'calls'}."
    _note(loaded, trigger, at, begun, execution_id=execution_id, message=said, fired_at=at)
    WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    return execution_id


def _buffer_of(loaded: LoadedFlow, trigger: Trigger) -> Any:
    return WebhookEvent.objects.filter(namespace=loaded.flow.namespace, flow_id=loaded.flow.id, trigger_id=trigger.id)


def _interval(trigger: Trigger) -> timedelta | None:
    written = trigger.properties.get("pollingInterval")
    try:
        return parse_duration(written) if written is not None else None
    except DurationError:
        return None

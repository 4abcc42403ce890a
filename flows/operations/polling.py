"""Polling triggers: due rows are claimed and handed to workers; what a poll found and remembered commits with its execution."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from celery import signature
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from flows.engine.catalog import LoadedFlow, get_flow
from flows.engine.dispatch import BROKER_ERRORS
from flows.engine.recording import Recorder, Subject, write_entries
from flows.engine.trigger_context import TriggerContext
from flows.expressions import ExpressionError, is_truthy
from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.operations.platform import FlowPlatform
from flows.operations.trigger_rows import describe_evaluation
from flows.operations.trigger_starts import TriggerStart, fail_by_trigger, find_trigger, start_or_fail
from flows.plugin_api.fields import load_properties
from flows.plugin_api.registry import get_registry
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.triggers import PollResult
from flows.primitives.durations import parse_duration
from flows.primitives.errors import FlowsError
from flows.primitives.ids import new_id

log = logging.getLogger(__name__)

_BATCH = 200
_USUAL_INTERVAL = timedelta(seconds=60)
# A poll whose worker died is looked at again after this time.
_LONGEST_POLL = timedelta(minutes=10)


def poll_due_triggers(*, at: datetime) -> int:
    """Claim the polling triggers that are due and send a message for each. Returns how many. Any number may call it at once."""
    with transaction.atomic():
        rows = list(
            TriggerState.objects.select_for_update(skip_locked=True)
            .filter(family="polling", disabled=False, source_disabled=False, next_at__lte=at)
            .filter(Q(evaluating_since__isnull=True) | Q(evaluating_since__lt=at - _LONGEST_POLL))
            .order_by("next_at")[:_BATCH]
        )
        claimed = [row for row in rows if row.execution_id is None or _may_overlap(row)]
        TriggerState.objects.filter(id__in=[row.id for row in claimed]).update(evaluating_since=at)
    for row in claimed:
        names = {"namespace": row.namespace, "flow_id": row.flow_id, "trigger_id": row.trigger_id}
        try:
            signature("flows.poll", kwargs=names, immutable=True).apply_async(retry=False, ignore_result=True)
        except BROKER_ERRORS as error:
            log.warning("trigger.poll-unsent", extra={"trigger": str(row), "reason": str(error)})
            TriggerState.objects.filter(id=row.id, evaluating_since=at).update(evaluating_since=None)
    return len(claimed)


def poll_trigger(*, namespace: str, flow_id: str, trigger_id: str) -> str | None:
    """
    Look once, and return the id of the execution that was started, None when nothing was found.

    What the trigger remembers and the execution commit together: a crash repeats the poll, it never loses or doubles an
    execution for the same memory. A failed look is logged on the trigger; the next one comes as planned.
    """
    at, begun = timezone.now(), perf_counter()
    row = TriggerState.objects.filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    if row is None or row.evaluating_since is None:
        return None
    loaded = get_flow(namespace, flow_id)
    trigger = find_trigger(loaded, trigger_id)
    if trigger is None:
        return None
    recorder = Recorder()
    execution_id = new_id()
    context = make_context(loaded, trigger, execution_id, recorder, at)
    found = look(trigger, context, row.state or {})
    if found.failure:
        recorder.add_log(Subject(namespace, flow_id, trigger_id=trigger_id), "ERROR", found.failure)
    seconds = perf_counter() - begun
    interval = read_interval(trigger, context)
    started = _settle(loaded, trigger, row, found, execution_id, interval, recorder, at, seconds)
    context.close()
    return started


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look gave. `result` is None when it failed, and `failure` says why; `refused` are the variables that were there but
    that `when` did not want.
    """

    result: PollResult | None = None
    failure: str = ""
    refused: Mapping[str, Any] | None = None


def look(trigger: Trigger, context: TriggerContext, memory: Mapping[str, Any], *, longest_seconds: float | None = None) -> Look:
    """
    Let the plugin of a polling trigger look once, and ask its `when` about what is there. Never raises.

    Args:
        memory: what the last look left behind.
        longest_seconds: the plugin is told to stop after this time; None lets it take its time.
    """
    timer: threading.Timer | None = None
    try:
        plugin: Any = get_registry().load(get_registry().get(trigger.type))()
        props = load_properties(type(plugin).Props, trigger.properties, context.render)
        if longest_seconds is not None:
            timer = threading.Timer(longest_seconds, _stop, (plugin, context))
            timer.start()
        result = plugin.poll(context, props, memory)
        found = result.variables
        if found is not None and trigger.when is not None and not is_truthy(context.render(trigger.when, {"trigger": found})):
            return Look(PollResult(None, result.state), refused=found)
        return Look(result)
    except TaskFailure as failure:
        return Look(failure=failure.message)
    except (ExpressionError, FlowsError) as error:
        return Look(failure=error.message)
    except Exception as error:
        log.exception("trigger.poll-failed", extra={"trigger": trigger.id})
        return Look(failure=f"{type(error).__name__}: {error}")
    finally:
        if timer is not None:
            timer.cancel()


def _stop(plugin: Any, context: TriggerContext) -> None:
    context.cancelled.set()
    plugin.kill()


def _settle(
    loaded: LoadedFlow,
    trigger: Trigger,
    row: TriggerState,
    found: Look,
    execution_id: str,
    interval: timedelta,
    recorder: Recorder,
    at: datetime,
    seconds: float,
) -> str | None:
    started: str | None = None
    result, reason = found.result, found.failure
    with transaction.atomic():
        current = TriggerState.objects.select_for_update().filter(id=row.id, evaluating_since=row.evaluating_since).first()
        if current is None:
            return None
        variables = dict(result.variables) if result is not None and result.variables is not None else None
        start = TriggerStart(loaded=loaded, trigger=trigger, at=at, variables=variables or {}, execution_id=execution_id)
        is_running = False
        if variables is not None:
            started, is_running = start_or_fail(start)
        elif reason and trigger.fail_on_trigger_error:
            started = fail_by_trigger(start, reason)
        if result is not None and result.state is not None:
            current.state = dict(result.state)
        if started is not None:
            current.last_triggered_at = at
            if is_running and not trigger.allow_concurrent:
                current.execution_id, current.locked_at = started, at
        current.evaluation = describe_evaluation(at=at, seconds=seconds, execution_id=started, failure=reason)
        current.evaluating_since = None
        current.last_fired_at = at
        current.next_at = timezone.now() + interval
        current.save()
        logs, metrics = recorder.take()
        with connection.cursor() as cursor:
            write_entries(cursor.execute, logs, metrics)
    return started


def make_context(loaded: LoadedFlow, trigger: Trigger, execution_id: str, recorder: Recorder, at: datetime) -> TriggerContext:
    """Return what a trigger sees while it looks. Whoever makes one closes it."""
    flow = loaded.flow
    return TriggerContext(
        namespace=flow.namespace,
        flow_id=flow.id,
        revision=loaded.revision,
        trigger_id=trigger.id,
        trigger_type=trigger.type,
        execution_id=execution_id,
        variables={"vars": flow.variables},
        recorder=recorder,
        make_platform=FlowPlatform,
        at=at,
        min_level=trigger.log_level,
    )


def read_interval(trigger: Trigger, context: TriggerContext) -> timedelta:
    """Return the time between two looks of a trigger."""
    written = trigger.properties.get("interval")
    if written is None:
        return _USUAL_INTERVAL
    try:
        return max(timedelta(seconds=1), parse_duration(context.render(written) if isinstance(written, str) else written))
    except (ValueError, FlowsError):
        return _USUAL_INTERVAL


def _may_overlap(row: TriggerState) -> bool:
    try:
        trigger = find_trigger(get_flow(row.namespace, row.flow_id), row.trigger_id)
    except FlowsError:
        return False
    return trigger is not None and trigger.allow_concurrent

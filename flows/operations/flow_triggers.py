"""Flows that listen to other flows: the end or pause of an execution is weighed by every Flow trigger, at most once each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from django.db import transaction

from flows.engine.catalog import LoadedFlow, get_flow
from flows.engine.environment import FlowEnvironment
from flows.engine.starting import CORRELATION_LABEL
from flows.expressions import render
from flows.language.flow import Trigger
from flows.models import Execution, Firing, Flow, FlowTriggerWindow, TaskRun
from flows.operations.schedules import record_firings
from flows.operations.trigger_locks import lock_trigger
from flows.operations.trigger_rows import describe_evaluation, list_switched_off, note_event
from flows.operations.trigger_starts import TriggerStart, start_or_fail
from flows.primitives.errors import FlowsError
from flows.primitives.ids import new_id
from flows.primitives.states import State
from flows.triggers.flow_entries import FlowTrigger, read_flow_trigger
from flows.triggers.flow_event import SILENT_KINDS, Memory, Outcome, decide_flow_trigger, mentions_task_outputs
from flows.triggers.upstream import UpstreamExecution, upstream_variables
from flows.triggers.windows import Span

log = logging.getLogger(__name__)


def fire_flow_triggers(execution: Execution, *, at: datetime) -> list[str]:
    """
    Let every flow that listens weigh the present state of an execution, and those that it passed through since it was last told;
    return the ids of the executions that started.

    Idempotent: one state of one execution is weighed once per trigger, however often it is told. Each listening trigger has a
    transaction of its own, so the fault of one flow keeps no other from starting.

    Args:
        execution: the row in the state to tell, freshly read.
        at: aware UTC, now.

    Source: flow language, 13.7.
    """
    if execution.kind in SILENT_KINDS:
        return []
    listeners = list(_list_listeners(execution))
    if not listeners:
        return []
    present = describe_upstream(execution)
    started = []
    for event, changed_at in _list_news(execution, present):
        for loaded, trigger in listeners:
            try:
                if event is not present and event.state not in (read_flow_trigger(trigger).states or ()):
                    continue
                found = _weigh(loaded, trigger, event, changed_at, at)
            except FlowsError as error:
                log.warning(
                    "trigger.unusable",
                    extra={"trigger": f"{loaded.flow.namespace}/{loaded.flow.id}: {trigger.id}", "reason": str(error)},
                )
                continue
            if found is not None:
                started.append(found)
    return started


def _list_news(execution: Execution, present: UpstreamExecution) -> Iterable[tuple[UpstreamExecution, datetime]]:
    """Yield the states that were not told yet with the moments in which they began; the present one comes last."""
    passed = execution.histories[int(execution.progress.get("news", len(execution.histories))) : -1]
    for state, moment in passed:
        if state != State.CREATED:
            yield replace(present, state=state, end_at=None), datetime.fromisoformat(moment).astimezone(UTC)
    if present.state != State.CREATED:
        yield present, state_changed_at(execution)


def describe_upstream(execution: Execution) -> UpstreamExecution:
    """Return the facts of an execution that flow triggers look at; its task runs are read only when they matter."""
    runs = list(
        TaskRun.objects.filter(execution_id=execution.pk)
        .order_by("seq")
        .values_list("task_id", "state", "attempts", named=True)[:2000]
    )
    failed = [run.task_id for run in runs if run.state == State.FAILED]
    return UpstreamExecution(
        id=execution.pk,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        revision=execution.flow_revision,
        state=execution.state,
        kind=execution.kind,
        labels=tuple((label["key"], label["value"]) for label in execution.labels),
        outputs=execution.outputs,
        start_at=execution.created_at,
        end_at=execution.ended_at,
        original_id=execution.original_id,
        first_failed_task_id=failed[0] if failed else None,
        last_task_id=runs[-1].task_id if runs else None,
        attempt_states=tuple(_attempt_states(run.attempts) for run in runs),
        variables=execution.variables,
        depth=execution.depth,
        trigger_variables=(execution.trigger or {}).get("variables") or {},
        load_task_outputs=lambda: _load_task_outputs(execution.pk),
    )


def state_changed_at(execution: Execution) -> datetime:
    """Return since when an execution is in its present state, aware UTC."""
    moment = datetime.fromisoformat(execution.histories[-1][1]) if execution.histories else execution.created_at
    return moment.astimezone(UTC)


def purge_windows(*, at: datetime) -> int:
    """Delete what was remembered for windows that are over, and return how many rows went."""
    return FlowTriggerWindow.objects.filter(ends_at__lt=at).delete()[0]


def _list_listeners(execution: Execution) -> Iterable[tuple[LoadedFlow, Trigger]]:
    rows = list(
        Flow.objects.filter(listens=True, deleted=False, disabled=False, problem="").values_list(
            "namespace", "flow_id", "revision"
        )
    )
    off = list_switched_off((namespace, flow_id) for namespace, flow_id, _ in rows) if rows else set()
    for namespace, flow_id, revision in rows:
        if (namespace, flow_id) == (execution.namespace, execution.flow_id):
            continue
        try:
            loaded = get_flow(namespace, flow_id, revision)
        except FlowsError as error:
            log.warning("flow.unusable", extra={"flow": f"{namespace}/{flow_id}", "reason": str(error)})
            continue
        for trigger in loaded.flow.triggers:
            if trigger.family == "flow" and not trigger.disabled and (namespace, flow_id, trigger.id) not in off:
                yield loaded, trigger


def _weigh(loaded: LoadedFlow, trigger: Trigger, event: UpstreamExecution, changed_at: datetime, at: datetime) -> str | None:
    listening, begun = read_flow_trigger(trigger), perf_counter()
    names = {"namespace": loaded.flow.namespace, "flow_id": loaded.flow.id}
    name = (loaded.flow.namespace, loaded.flow.id, trigger.id)
    with transaction.atomic():
        if listening.groups:
            lock_trigger(loaded, trigger)
        firing = Firing(
            **names, trigger_id=trigger.id, scheduled_at=changed_at, backfill_id=event.id, execution_id=new_id(), fired_at=at
        )
        memories = _read_memories(names, listening)
        environment = FlowEnvironment(loaded.flow.namespace, at=at)
        outcome = decide_flow_trigger(
            listening,
            event,
            memories,
            **names,
            render=lambda text, variables: render(text, variables, environment=environment),
            at=changed_at,
        )
        if outcome.warning:
            log.warning(
                "trigger.condition",
                extra={"trigger": f"{loaded.flow.namespace}/{loaded.flow.id}: {trigger.id}", "reason": outcome.warning},
            )
        if not outcome.fires and not outcome.memories:
            if outcome.warning:
                note_event(name, describe_evaluation(at=at, seconds=perf_counter() - begun, failure=outcome.warning))
            return None
        # The record also stands for "heard": told twice, an event must not count for a second window.
        if not record_firings([firing]):
            return None
        _write_memories(names, outcome)
        if not outcome.fires:
            said = describe_evaluation(at=at, seconds=perf_counter() - begun, failure=outcome.warning, message=outcome.reason)
            note_event(name, said)
            return None
        started, is_running = start_or_fail(_make_start(loaded, trigger, event, outcome, firing.execution_id, at))
        said = describe_evaluation(
            at=at,
            seconds=perf_counter() - begun,
            execution_id=started,
            failure="" if is_running else "The flow could not be started; its execution says why.",
            message=f"{event.namespace}.{event.flow_id} went to {event.state}.",
        )
        # Whether a deadline was met is read from this date, so it is never left out.
        note_event(name, said, fired_at=at, date=changed_at, may_skip=False)
        return started


def _make_start(
    loaded: LoadedFlow, trigger: Trigger, event: UpstreamExecution, outcome: Outcome, execution_id: str, at: datetime
) -> TriggerStart:
    needs_outputs = mentions_task_outputs(trigger.inputs) or mentions_task_outputs([value for _, value in trigger.labels])
    upstream = upstream_variables(event, with_task_outputs=needs_outputs)
    return TriggerStart(
        loaded=loaded,
        trigger=trigger,
        at=at,
        variables=outcome.variables,
        # `flow` stays the flow that starts; the upstream one is at hand as `trigger.flowId` and the like.
        names={name: upstream[name] for name in ("outputs", "execution", "labels", "state")},
        execution_id=execution_id,
        correlation_id=dict(event.labels).get(CORRELATION_LABEL, event.id),
        # Two flows that listen to each other would start one another for ever.
        depth=event.depth + 1,
    )


def _read_memories(names: dict[str, str], listening: FlowTrigger) -> dict[str, Memory]:
    if not listening.groups:
        return {}
    rows = FlowTriggerWindow.objects.filter(**names, condition_id__in=[group.id for group in listening.groups])
    return {
        row.condition_id: Memory(
            Span(row.starts_at, row.ends_at), row.results.get("satisfied", {}), bool(row.results.get("hasFired"))
        )
        for row in rows
    }


def _write_memories(names: dict[str, str], outcome: Outcome) -> None:
    for group_id, memory in outcome.memories.items():
        if memory is None:
            FlowTriggerWindow.objects.filter(**names, condition_id=group_id).delete()
            continue
        FlowTriggerWindow.objects.update_or_create(
            namespace=names["namespace"],
            flow_id=names["flow_id"],
            condition_id=group_id,
            defaults={
                "starts_at": memory.span.start,
                "ends_at": memory.span.end,
                "results": {"satisfied": dict(memory.satisfied), "hasFired": memory.has_fired},
            },
        )


def _attempt_states(attempts: Any) -> tuple[str, ...]:
    return tuple(str(attempt.get("state", "")) for attempt in attempts or () if isinstance(attempt, dict))


def _load_task_outputs(execution_id: str) -> dict[str, Any]:
    """Return task outputs by task id; for a task inside loops by its values, as expressions of the execution see them."""
    found: dict[str, Any] = {}
    rows = TaskRun.objects.filter(execution_id=execution_id, outputs__isnull=False).order_by("seq")
    for task_id, path, outputs in rows.values_list("task_id", "value_path", "outputs"):
        level = found
        keys = [task_id, *(path or [])]
        for key in keys[:-1]:
            level = level.setdefault(key, {})
        level[keys[-1]] = outputs
    return found

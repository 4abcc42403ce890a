"""A look of a polling trigger that starts nothing and remembers nothing: a worker looks, and tells the asker what was there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from celery import current_app, signature
from celery.exceptions import TimeoutError as NoAnswerError
from django.db import transaction
from django.utils import timezone

from flows.engine.catalog import get_flow
from flows.engine.dispatch import BROKER_ERRORS
from flows.engine.recording import Recorder
from flows.engine.stores import RunStorage
from flows.models import TriggerState
from flows.operations.acts import act
from flows.operations.polling import Look, look, make_context
from flows.operations.trigger_starts import find_trigger
from flows.primitives.errors import ConflictError, FlowsError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.rights import Action, Resource
from flows.queries.triggers import get_trigger_state

DRY_POLL = "flows.poll-dry"
LONGEST_LOOK_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 25.0
"""A worker that is busy may take the message late; what nobody took by then is not done any more."""

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
MOST_LINES = 50
LONGEST_VARIABLES = 20_000


@dataclass(frozen=True, slots=True)
class DryPoll:
    """
    What a look found.

    Attributes:
        fires: whether an execution would have started.
        reason: why, or why not, in words.
        has_failed: the look itself failed; `reason` says how.
        variables: what `trigger.*` would hold, as JSON text with secrets hidden, empty for nothing.
        lines: what the look logged, oldest first, as pairs of level and message; at most 50.
        seconds: how long it took.
    """

    fires: bool
    reason: str
    has_failed: bool = False
    variables: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def ask_for_dry_poll(*, namespace: str, flow_id: str, trigger_id: str) -> DryPoll:
    """
    Let a worker look once as a polling trigger does, and return what it found. Waits for at most 25 seconds.

    The outside is asked as by any other look. No execution starts, and the trigger remembers nothing of it.

    Raises:
        NotFoundError: no such trigger has a state.
        ForbiddenError: the caller may not change triggers of this namespace.
        ConflictError: it is no polling trigger, no worker answered, or the broker keeps no answers.

    Source: console, triggers.
    """
    missing = NotFoundError(
        f'Trigger not found: flow "{namespace}/{flow_id}" has no trigger "{trigger_id}" with a state.', code="trigger-not-found"
    )
    name = f"{flow_id}/{trigger_id}"
    with act("trigger.evaluate", Action.UPDATE, Resource.TRIGGER, namespace, name, missing=missing, atomic=False) as doing:
        row = get_trigger_state(namespace, flow_id, trigger_id)
        if row.family != "polling":
            raise ConflictError(f'Trigger "{trigger_id}" does not poll, so there is nothing to look at.', code="trigger-no-poll")
        found = _ask_worker({"namespace": namespace, "flow_id": flow_id, "trigger_id": trigger_id})
        doing.after = {"fires": found.fires, "failed": found.has_failed}
    return found


def poll_dry(*, namespace: str, flow_id: str, trigger_id: str) -> dict[str, Any]:
    """
    Look once as a polling trigger does, and return a `DryPoll` as a map. What it wrote is taken back: rows and files.

    A flow that cannot be used counts as a look that failed.
    """
    at, begun = timezone.now(), perf_counter()
    row = TriggerState.objects.filter(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id).first()
    try:
        loaded = get_flow(namespace, flow_id)
    except FlowsError as error:
        return asdict(DryPoll(False, error.message, has_failed=True))
    trigger = find_trigger(loaded, trigger_id)
    if trigger is None:
        return asdict(DryPoll(False, "The newest revision of the flow does not describe this trigger.", has_failed=True))
    recorder, execution_id = Recorder(), new_id()
    context = make_context(loaded, trigger, execution_id, recorder, at)
    try:
        with transaction.atomic():
            found = look(trigger, context, (row.state if row else None) or {}, longest_seconds=LONGEST_LOOK_SECONDS)
            transaction.set_rollback(True)
    finally:
        context.close()
        RunStorage(namespace, flow_id, execution_id, trigger_id=trigger_id).delete_execution_files()
    return asdict(_describe(found, recorder, seconds=perf_counter() - begun))


def _describe(found: Look, recorder: Recorder, *, seconds: float) -> DryPoll:
    logs, _ = recorder.take()
    lines = [(LEVELS[row["level"]], str(row["message"])) for row in logs[-MOST_LINES:]]
    shared: dict[str, Any] = {"lines": lines, "seconds": round(seconds, 3)}
    if found.failure:
        return DryPoll(False, recorder.masker.mask(found.failure), has_failed=True, **shared)
    if found.refused is not None:
        reason = "Something is there, but its condition “when” refuses it, so nothing would start."
        return DryPoll(False, reason, variables=_write(found.refused, recorder), **shared)
    variables = found.result.variables if found.result is not None else None
    if variables is None:
        return DryPoll(False, "There is nothing that would start an execution.", **shared)
    return DryPoll(True, "An execution would start with what is there.", variables=_write(variables, recorder), **shared)


def _write(variables: Mapping[str, Any], recorder: Recorder) -> str:
    text = recorder.masker.mask(json.dumps(dict(variables), indent=2, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST_VARIABLES else f"{text[:LONGEST_VARIABLES]}\n… ({len(text):,} characters in all)"


def _ask_worker(names: dict[str, str]) -> DryPoll:
    if not current_app.conf.result_backend:
        raise ConflictError(
            "The broker of this installation keeps no answers of workers, so nobody can tell what a look finds.",
            code="no-answers",
        )
    try:
        asked = signature(DRY_POLL, kwargs=names, immutable=True).apply_async(retry=False, expires=LONGEST_WAIT_SECONDS)
        told = asked.get(timeout=LONGEST_WAIT_SECONDS, propagate=False, disable_sync_subtasks=False)
        asked.forget()
    except NoAnswerError as error:
        raise ConflictError(
            f"No worker has answered within {LONGEST_WAIT_SECONDS:.0f} seconds: all are busy or stopped, or the look takes "
            "longer than that. Nothing was started.",
            code="no-answer",
        ) from error
    except BROKER_ERRORS as error:
        raise ConflictError("The broker cannot be reached, so no worker can be asked. Try again.", code="no-broker") from error
    if not isinstance(told, dict):
        raise ConflictError(f"The worker that looked has failed: {str(told)[:300]} Nothing was started.", code="worker-failed")
    return DryPoll(**{**told, "lines": [(level, message) for level, message in told["lines"]]})

"""Starts that happen once, however often a client sends the same request: a lost answer must not cost a second execution."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from flows.models import Execution, IdempotencyKey
from flows.operations.acts import act_on_many
from flows.operations.executions import get_execution
from flows.primitives.callers import current_caller
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource

REMEMBERED = timedelta(hours=24)
LONGEST_KEY = 255

_PURGE_BATCH = 5000


def start_once(key: str, fingerprint: str, start: Callable[[], Execution], *, at: datetime) -> tuple[Execution, bool]:
    """
    Start an execution unless this caller started one with this key before.

    Args:
        key: what the client chose, at most 255 characters.
        fingerprint: digest of what was asked for; the same key with another one is refused.
        start: starts the execution, inside of the transaction of this call.
        at: now; older keys than 24 hours count as new.

    Returns:
        The execution, and whether it is the one of an earlier request.

    Raises:
        InvalidError: a key that is empty or too long, or that was used for something else; what `start` raises.
    """
    if not key.strip() or len(key) > LONGEST_KEY:
        raise InvalidError(f"An idempotency key has 1 to {LONGEST_KEY} characters; got {len(key)}.", code="idempotency-key")
    caller = current_caller().name
    # The outermost act, so that a refusal inside is still written down after the transaction was taken back.
    with act_on_many("execution.start", Action.CREATE, Resource.EXECUTION, atomic=True) as doing:
        IdempotencyKey.objects.filter(caller=caller, key=key, created_at__lt=at - REMEMBERED).delete()
        # A second request with the same key waits here until the first one has committed or failed.
        row, is_new = IdempotencyKey.objects.get_or_create(
            caller=caller, key=key, defaults={"fingerprint": fingerprint, "created_at": at}
        )
        if is_new:
            execution = start()
            row.execution_id = execution.id
            row.save(update_fields=["execution_id"])
        elif row.fingerprint != fingerprint:
            raise InvalidError(
                f'The idempotency key "{key[:60]}" was used for another request. Send every new request with a new key.',
                code="idempotency-key-reused",
            )
        else:
            execution = get_execution(row.execution_id)
        doing.namespace, doing.object_id = execution.namespace, execution.id
        doing.after = {"flow": execution.flow_id, "revision": execution.flow_revision, "again": not is_new}
    return execution, not is_new


def purge_old_keys(*, at: datetime) -> int:
    """Delete keys that are no longer remembered, at most 5,000 at once, and return how many."""
    old = IdempotencyKey.objects.filter(created_at__lt=at - REMEMBERED).values_list("pk", flat=True)[:_PURGE_BATCH]
    return IdempotencyKey.objects.filter(pk__in=list(old)).delete()[0]

"""What every operation that a person can ask for begins with: the right is checked, and what was done is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from flows.models import AuditEntry
from flows.primitives.callers import Caller, CallerKind, current_caller
from flows.primitives.errors import ForbiddenError, NotFoundError
from flows.primitives.rights import EVERYWHERE, OF_NO_NAMESPACE, Action, Resource

_inside = ContextVar("inside_act", default=False)


@dataclass(slots=True)
class Act:
    """
    Something that is being done. The operation fills in what changed; secret values never belong here.

    `object_id` may be completed inside of the block, when the object gets its name there.
    """

    object_id: str
    before: Any = None
    after: Any = None


@contextmanager
def act(
    what: str,
    action: Action,
    resource: Resource,
    namespace: str = EVERYWHERE,
    object_id: str = "",
    *,
    missing: NotFoundError | None = None,
) -> Iterator[Act]:
    """
    Check that the caller may do this, let the block do it, and write one row of the audit log.

    Only the outermost act writes a row: a bulk action is one act, however many objects it touches. The platform's own acts
    are not written; the history of executions tells them.

    Args:
        what: the act as `object.verb`, for example `execution.kill`.
        missing: what a caller sees who may not even read the object, the same as for one that does not exist.

    Raises:
        ForbiddenError: the caller may not do this; the refusal is in the audit log.
        NotFoundError: `missing`.

    Source: security, S-02, S-03 and S-34.
    """
    check_right(action, resource, namespace, what=what, object_id=object_id, missing=missing)
    doing = Act(object_id)
    if _inside.get() or current_caller().kind is CallerKind.PLATFORM:
        yield doing
        return
    mark = _inside.set(True)
    try:
        with transaction.atomic():
            yield doing
            record(what, action, resource, namespace, doing, AuditEntry.Result.DONE)
    finally:
        _inside.reset(mark)


def check_right(
    action: Action,
    resource: Resource,
    namespace: str = EVERYWHERE,
    *,
    what: str = "",
    object_id: str = "",
    missing: NotFoundError | None = None,
) -> None:
    """
    Let the caller pass who may do this. Arguments and errors as `act`.

    A refused reading is not written down: searches narrow themselves instead, and a page may ask what it should show.
    """
    caller = current_caller()
    if caller.may(action, resource, namespace):
        return
    if action is not Action.READ:
        record(
            what or f"{resource.lower()}.{action.lower()}", action, resource, namespace, Act(object_id), AuditEntry.Result.DENIED
        )
    if missing is not None and not caller.may(Action.READ, resource, namespace):
        raise missing
    raise ForbiddenError(_describe_refusal(caller, action, resource, namespace))


def _describe_refusal(caller: Caller, action: Action, resource: Resource, namespace: str) -> str:
    where = "" if resource in OF_NO_NAMESPACE else f' in the namespace "{namespace}"'
    who = f'The API token "{caller.token}" of {caller.name}' if caller.token else caller.name or "Somebody who has not signed in"
    return f"{who} lacks the right {resource} {action}{where}. An owner of this installation can give a role that has it."


def record(what: str, action: Action, resource: Resource, namespace: str, done: Act, result: str) -> None:
    """Write one row of the audit log in the name of the caller."""
    caller = current_caller()
    AuditEntry.objects.create(
        at=timezone.now(),
        who=caller.name,
        kind=caller.kind,
        door=caller.door,
        token=caller.token,
        address=caller.address,
        what=what,
        resource=resource,
        action=action,
        namespace=namespace[:150],
        object_id=done.object_id[:255],
        result=result,
        before=done.before,
        after=done.after,
    )

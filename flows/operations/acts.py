"""What every operation that a person can ask for begins with: the right is checked, and what was done is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from flows.models import AuditEntry
from flows.primitives.callers import Caller, current_caller
from flows.primitives.errors import ForbiddenError, NotFoundError
from flows.primitives.rights import EVERYWHERE, OF_NO_NAMESPACE, Action, Resource
from flows.primitives.storable import make_storable

MOST_NAMED = 100
"""How many objects of an act on many the audit log names."""


@dataclass(slots=True)
class Act:
    """
    Something that is being done. The operation fills in what changed; secret values never belong here.

    `object_id` and `namespace` may be completed inside of the block, when the object gets its name there. `is_written` tells that
    the row was written in a transaction of the block; whoever tries such a transaction again sets it back before.
    """

    object_id: str
    before: Any = None
    after: Any = None
    namespace: str | None = None
    is_written: bool = False
    _write: Callable[[], None] | None = None

    def write_now(self) -> None:
        """Write the row in the transaction that is open now, instead of at the end of the block: both stay, or none does."""
        if self._write is not None and not self.is_written:
            self._write()
            self.is_written = True


@dataclass(slots=True)
class _Outermost:
    """The act that writes the row. A refusal inside of it is kept until its transaction was taken back."""

    refusal: Callable[[], None] | None = None


_outermost: ContextVar[_Outermost | None] = ContextVar("outermost_act", default=None)


def act(
    what: str,
    action: Action,
    resource: Resource,
    namespace: str = EVERYWHERE,
    object_id: str = "",
    *,
    missing: NotFoundError | None = None,
    atomic: bool = True,
) -> AbstractContextManager[Act]:
    """
    Check that the caller may do this, let the block do it, and write one row of the audit log.

    Only the outermost act writes a row: a bulk action is one act, however many objects it touches. The platform's own acts
    are not written; the history of executions tells them.

    Args:
        what: the act as `object.verb`, for example `execution.kill`.
        missing: what a caller sees who may not even read the object, the same as for one that does not exist.
        atomic: whether block and row share one transaction. Without it the block keeps transactions of its own, because it
            waits for something or takes turns with workers; `write_now` puts the row into one of those.

    Raises:
        ForbiddenError: the caller may not do this; the refusal is in the audit log.
        NotFoundError: `missing`.

    Source: security, S-02, S-03 and S-34.
    """
    check = partial(check_right, action, resource, namespace, what=what, object_id=object_id, missing=missing)
    return _act(check, what, action, resource, namespace, object_id, atomic)


def act_on_many(
    what: str, action: Action, resource: Resource, *, object_id: str = "", atomic: bool = False
) -> AbstractContextManager[Act]:
    """
    Let the block act on objects of several namespaces, each of which checks its own right, and write one row for all.

    Raises:
        ForbiddenError: the caller may do this nowhere.

    Source: security, S-02 and S-34.
    """

    def check() -> None:
        if current_caller().list_reached(resource, action) == ():
            check_right(action, resource, EVERYWHERE, what=what, object_id=object_id)

    return _act(check, what, action, resource, EVERYWHERE, object_id, atomic)


def describe_many(resource: Resource, names: Sequence[str | tuple[str, ...]]) -> dict[str, Any]:
    """Return what the audit log keeps of an act on many objects: how many they are, and the first of them by name."""
    first = [name if isinstance(name, str) else "/".join(name) for name in names[:MOST_NAMED]]
    return {"count": len(names), f"{resource.lower()}s": first}


@contextmanager
def _act(
    check: Callable[[], None],
    what: str,
    action: Action,
    resource: Resource,
    namespace: str,
    object_id: str,
    atomic: bool,
) -> Iterator[Act]:
    check()
    doing = Act(object_id)
    if _outermost.get() is not None or not current_caller().is_recorded:
        yield doing
        return
    outermost = _Outermost()
    doing._write = lambda: record(
        what, action, resource, namespace if doing.namespace is None else doing.namespace, doing, AuditEntry.Result.DONE
    )
    mark = _outermost.set(outermost)
    try:
        with transaction.atomic() if atomic else nullcontext():
            yield doing
            doing.write_now()
    except (ForbiddenError, NotFoundError):
        if outermost.refusal is not None:
            outermost.refusal()
        raise
    finally:
        _outermost.reset(mark)


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
        name = what or f"{resource.lower()}.{action.lower()}"
        refuse = partial(record, name, action, resource, namespace, Act(object_id), AuditEntry.Result.DENIED)
        outermost = _outermost.get()
        if outermost is None:
            refuse()
        else:
            outermost.refusal = outermost.refusal or refuse
    if missing is not None and not caller.may(Action.READ, resource, namespace):
        raise missing
    raise ForbiddenError(_describe_refusal(caller, action, resource, namespace))


def _describe_refusal(caller: Caller, action: Action, resource: Resource, namespace: str) -> str:
    where = "" if resource in OF_NO_NAMESPACE or not namespace else f' in the namespace "{namespace}"'
    who = f'The API token "{caller.token}" of {caller.name}' if caller.token else caller.name or "Somebody who has not signed in"
    return f"{who} lacks the right {resource} {action}{where}. An owner of this installation can give a role that has it."


def record(what: str, action: Action, resource: Resource, namespace: str, done: Act, result: str) -> None:
    """Write one row of the audit log in the name of the caller."""
    caller = current_caller()
    AuditEntry.objects.create(
        at=timezone.now(),
        who=caller.name[:254],
        kind=caller.kind,
        door=caller.door,
        token=caller.token[:63],
        address=caller.address[:45],
        what=what,
        resource=resource,
        action=action,
        # Names and texts of a refused request may be anything.
        namespace=make_storable(namespace)[:150],
        object_id=make_storable(done.object_id)[:255],
        result=result,
        before=make_storable(done.before),
        after=make_storable(done.after),
    )

"""Who is calling right now. Every door sets it, operations and queries ask it; see `flows/operations/acts.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from flows.primitives.rights import ALL_PERMISSIONS, EVERYWHERE, Action, Grant, Resource, is_granted, list_reached

T = TypeVar("T")


class Door(StrEnum):
    """The way by which a call came in."""

    API = "API"
    CONSOLE = "CONSOLE"
    ADMIN = "ADMIN"
    COMMAND = "COMMAND"
    ENGINE = "ENGINE"


class CallerKind(StrEnum):
    """What is calling: a person, a program with an account of its own, nobody known, or the platform for itself."""

    PERSON = "PERSON"
    SERVICE = "SERVICE"
    ANONYMOUS = "ANONYMOUS"
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who calls, from where, and with which rights.

    `token` is the name of the API token that was sent, `address` the caller's network address; both are for the audit log.
    """

    name: str
    kind: CallerKind
    door: Door
    grants: tuple[Grant, ...] = ()
    token: str = ""
    address: str = ""
    user_id: int | None = None

    @property
    def is_recorded(self) -> bool:
        """True when what this caller does belongs into the audit log: the engine's own work does not."""
        return self.kind is not CallerKind.PLATFORM or self.door is Door.COMMAND

    def may(self, action: Action, resource: Resource, namespace: str = EVERYWHERE) -> bool:
        """Tell whether this caller may do something to a resource of a namespace."""
        return is_granted(self.grants, action, resource, namespace)

    def list_reached(self, resource: Resource, action: Action = Action.READ) -> tuple[str, ...] | None:
        """Return the namespaces that an action reaches, each with all below it; None for all of them."""
        return list_reached(self.grants, action, resource)


PLATFORM = Caller("", CallerKind.PLATFORM, Door.ENGINE, (Grant(EVERYWHERE, ALL_PERMISSIONS),))
"""The platform itself: workers, the scheduler, and commands of whoever holds the database password anyway."""

NOBODY = Caller("", CallerKind.ANONYMOUS, Door.API)
"""What every web request is until somebody is recognised: without any right."""

_current: ContextVar[Caller] = ContextVar("caller", default=PLATFORM)


def current_caller() -> Caller:
    """Return who is calling. Web requests begin as `NOBODY`; everything else is the platform until a door says otherwise."""
    return _current.get()


@contextmanager
def acting_as(caller: Caller) -> Iterator[Caller]:
    """Let everything inside the block happen in the name of a caller."""
    token = _current.set(caller)
    try:
        yield caller
    finally:
        _current.reset(token)


def enter_as(caller: Caller) -> None:
    """Go on in the name of a caller until the surrounding `acting_as` block ends. For doors that learn late who calls."""
    _current.set(caller)


def stream_as(caller: Caller, parts: Iterator[T]) -> Iterator[T]:
    """Yield the parts of something that is made bit by bit, each of them made in the name of a caller."""
    while True:
        with acting_as(caller):
            try:
                part = next(parts)
            except StopIteration:
                return
        yield part


def acting_for_platform() -> AbstractContextManager[Caller]:
    """Return a block in which the platform acts for itself, because the right was checked or a flow does it, not a person."""
    return acting_as(replace(PLATFORM, door=current_caller().door))

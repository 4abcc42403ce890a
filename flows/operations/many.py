"""One action on many objects: with all or none of them, or with each that can take it. One act in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import transaction

from flows.operations.acts import act_on_many, describe_many
from flows.primitives.errors import FlowsError, ForbiddenError
from flows.primitives.rights import Action, Resource

Name = TypeVar("Name", bound=str | tuple[str, ...])


@dataclass(frozen=True, slots=True)
class ManyDone(Generic[Name]):
    """What became of an action on many objects: names for which it was done, and names with the reason why it was not."""

    done: Sequence[Name]
    refused: Sequence[tuple[Name, FlowsError]]


class _NoneOfThemError(Exception):
    """One refused, so what was done for the others is taken back."""


def run_on_all(
    what: str, action: Action, resource: Resource, names: Sequence[Name], do: Callable[[Name], object]
) -> ManyDone[Name]:
    """
    Do something with every object, or with none when one refuses it.

    Args:
        what: the act for the audit log, for example `execution.kill`.
        action: the right that it needs.
        names: ids, or names in parts such as (namespace, flow).
        do: does it with one object, or raises.

    Raises:
        ForbiddenError: the caller may not do it with one of them.
    """
    refused: list[tuple[Name, FlowsError]] = []
    try:
        with act_on_many(what, action, resource, atomic=True) as doing:
            for name in names:
                try:
                    with transaction.atomic():
                        do(name)
                except ForbiddenError:
                    raise
                except FlowsError as error:
                    refused.append((name, error))
            if refused:
                raise _NoneOfThemError
            doing.after = describe_many(resource, names)
    except _NoneOfThemError:
        return ManyDone((), refused)
    return ManyDone(names, ())


def run_on_each(
    what: str, action: Action, resource: Resource, names: Sequence[Name], do: Callable[[Name], object]
) -> ManyDone[Name]:
    """
    Do something with every object that can take it. Arguments as `run_on_all`; `do` returns False where nothing had to be done,
    and such an object is neither done nor refused.

    Raises:
        ForbiddenError: the caller may do it with none of them.
    """
    done: list[Name] = []
    refused: list[tuple[Name, FlowsError]] = []
    with act_on_many(what, action, resource) as doing:
        for name in names:
            try:
                if do(name) is not False:
                    done.append(name)
            except FlowsError as error:
                refused.append((name, error))
        if refused and not done and all(isinstance(error, ForbiddenError) for _, error in refused):
            raise refused[0][1]
        doing.after = describe_many(resource, done)
    return ManyDone(done, refused)

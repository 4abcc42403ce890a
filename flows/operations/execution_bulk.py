"""One action on many executions: with all or none of them, or with each that can take it. One act in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from flows.operations.acts import act_on_many
from flows.primitives.errors import FlowsError, ForbiddenError
from flows.primitives.rights import Action, Resource

MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class ManyExecutions:
    """What became of an action on many executions: ids for which it was done, and ids with the reason why it was not."""

    done: Sequence[str]
    refused: Sequence[tuple[str, FlowsError]]


class _NoneOfThemError(Exception):
    """One refused, so what was done for the others is taken back."""


def run_on_all(what: str, action: Action, ids: Sequence[str], do: Callable[[str], Any]) -> ManyExecutions:
    """
    Do something with every execution, or with none when one refuses it.

    Args:
        what: the act for the audit log, for example `execution.kill`.
        action: the right that it needs.
        do: does it with one execution, or raises.

    Raises:
        ForbiddenError: the caller may not do it with one of them.
    """
    refused: list[tuple[str, FlowsError]] = []
    try:
        with act_on_many(what, action, Resource.EXECUTION, atomic=True) as doing:
            for one in ids:
                try:
                    with transaction.atomic():
                        do(one)
                except ForbiddenError:
                    raise
                except FlowsError as error:
                    refused.append((one, error))
            if refused:
                raise _NoneOfThemError
            doing.after = {"count": len(ids), "executions": list(ids[:MOST_NAMED])}
    except _NoneOfThemError:
        return ManyExecutions((), refused)
    return ManyExecutions(ids, ())


def run_on_each(what: str, action: Action, ids: Sequence[str], do: Callable[[str], Any]) -> ManyExecutions:
    """
    Do something with every execution that can take it. Arguments as `run_on_all`.

    Raises:
        ForbiddenError: the caller may do it with none of them.
    """
    done: list[str] = []
    refused: list[tuple[str, FlowsError]] = []
    with act_on_many(what, action, Resource.EXECUTION) as doing:
        for one in ids:
            try:
                do(one)
            except FlowsError as error:
                refused.append((one, error))
            else:
                done.append(one)
        if refused and not done and all(isinstance(error, ForbiddenError) for _, error in refused):
            raise refused[0][1]
        doing.after = {"count": len(done), "executions": done[:MOST_NAMED]}
    return ManyExecutions(done, refused)

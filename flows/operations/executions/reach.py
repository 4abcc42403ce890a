"""One execution that a caller reads or acts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from flows.engine.turn import Turn
from flows.engine.visits import take_turn
from flows.models import Execution
from flows.operations.acts import Act, act
from flows.operations.services import SERVICES
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import show_visible

T = TypeVar("T")


def get_execution(execution_id: str) -> Execution:
    """Return an execution that the caller may read. Raises NotFoundError."""
    row = show_visible(Execution.objects.filter(id=execution_id), Resource.EXECUTION).first()
    if row is None:
        raise no_such_execution(execution_id)
    return row


def no_such_execution(execution_id: str) -> NotFoundError:
    """Return the error for an execution that is not there, or not for this caller."""
    return NotFoundError(f'Execution not found: there is no execution "{execution_id}".', code="execution-not-found")


def reload_execution(execution_id: str) -> Execution:
    """Return what became of an execution; who may change it is told, also without the right to read others."""
    row = Execution.objects.filter(id=execution_id).first()
    if row is None:
        raise no_such_execution(execution_id)
    return row


@contextmanager
def act_on_execution(what: str, execution_id: str, action: Action = Action.UPDATE) -> Iterator[tuple[Execution, Act]]:
    """
    Let the block do something with an execution. It keeps transactions of its own, because it takes turns with workers.

    Raises:
        NotFoundError: there is no such execution, or the caller may not even know of it.
        ForbiddenError: the caller may see it, but not do this.
    """
    row = reload_execution(execution_id)
    missing = no_such_execution(execution_id)
    with act(what, action, Resource.EXECUTION, row.namespace, row.id, missing=missing, atomic=False) as doing:
        doing.before = {"flow": row.flow_id, "state": row.state}
        yield row, doing


def turn_execution(execution_id: str, change: Callable[[Turn], T], *, doing: Act, at: datetime) -> T | None:
    """
    Change an execution in a turn of its own, and write the row of the act in its transaction; None when it is gone.

    `change` may be called again after a lost race. When it returns something, the change is still to come elsewhere, and the row
    is left to the end of the act. What the row says about the change must be there when `change` returns.
    """

    def change_and_record(turn: Turn) -> T:
        doing.is_written = False
        result = change(turn)
        if result is None:
            doing.write_now()
        return result

    return take_turn(execution_id, change_and_record, SERVICES, at=at)

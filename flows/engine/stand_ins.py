"""Results that stand in for tasks: a rehearsal says what a task would have given out, and the task does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flows.primitives.states import State


@dataclass(frozen=True, slots=True)
class StandIn:
    """How a task that does not run ends, and with which outputs."""

    outputs: dict[str, Any] = field(default_factory=dict)
    state: State = State.SUCCESS


Chooser = Callable[[str], StandIn | None]
"""Task id to what stands in for it, None for a task that runs."""

_chooser: Chooser | None = None


@contextmanager
def standing_in(choose: Chooser) -> Iterator[None]:
    """Let results stand in for tasks everywhere in this process while the block runs. Only a rehearsal may do this."""
    global _chooser  # one rehearsal per process, and its engine has threads of its own
    before, _chooser = _chooser, choose
    try:
        yield
    finally:
        _chooser = before


def find_stand_in(task_id: str) -> StandIn | None:
    """Return what stands in for a task; always None outside rehearsals."""
    return None if _chooser is None else _chooser(task_id)

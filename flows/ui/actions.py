"""Which actions on an execution its page offers, and why one is impossible now. The operations decide for good."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flows.models import Execution
from flows.primitives.callers import Caller
from flows.primitives.rights import Action as Right
from flows.primitives.rights import Resource
from flows.primitives.states import TERMINAL, State


@dataclass(frozen=True, slots=True)
class Action:
    """
    One action. `reason` says why it is impossible now, empty when it is possible; `asks` is what the dialog says;
    `command` is the same thing for the command line.
    """

    name: str
    label: str
    asks: str
    reason: str = ""
    is_dangerous: bool = False
    is_primary: bool = False
    command: str = ""


def right_for(name: str) -> Right:
    """Return the right that an action needs: a replay makes a new execution, most others change one."""
    return {"replay": Right.CREATE, "delete": Right.DELETE}.get(name, Right.UPDATE)


def list_allowed_actions(
    execution: Execution, caller: Caller, *, waits_for_approval: bool = False, after_end: Collection[State] = ()
) -> list[Action]:
    """Return the actions that a caller may do with an execution, in the order in which a page shows them."""
    found = list_actions(execution, waits_for_approval=waits_for_approval, after_end=after_end)
    return [one for one in found if caller.may(right_for(one.name), Resource.EXECUTION, execution.namespace)]


def list_actions(execution: Execution, *, waits_for_approval: bool = False, after_end: Collection[State] = ()) -> list[Action]:
    """
    Return all actions in the order in which a page shows them; the main one of the state first.

    Args:
        waits_for_approval: whether what waits asks for a decision.
        after_end: states of the task runs that still live although the execution has ended, because they come after the end.
    """
    state, name = execution.state, execution.id
    ended = state in TERMINAL
    running_only = "" if state == State.RUNNING else f"Only a running execution can be paused; this one is {state}."
    waits = state in (State.PAUSED, State.BREAKPOINT) or State.PAUSED in after_end or State.BREAKPOINT in after_end
    restartable = state in (State.FAILED, State.KILLED, State.CANCELLED, State.WARNING, State.PAUSED)
    found = []
    if waits_for_approval:
        found = [
            Action("approve", "Approve", "The execution goes on along its approved branch.", is_primary=True),
            Action("deny", "Deny", "The execution goes on along its denied branch, or ends.", is_dangerous=True),
        ]
        waits = False
    found += [
        Action(
            "resume",
            "Resume",
            "The execution goes on from where it waits.",
            "" if waits else f"Only a paused execution can be resumed; this one is {state}.",
            is_primary=waits,
            command=f"manage.py executions resume {name}",
        ),
        Action(
            "restart",
            "Restart from failed",
            "The same execution runs again from the tasks that failed. What succeeded is kept.",
            "" if restartable else f"There is nothing to restart: the execution is {state}.",
            is_primary=state == State.FAILED,
            command=f"manage.py executions restart {name}",
        ),
        Action(
            "replay",
            "Replay",
            "A new execution starts with the same inputs. This one stays as it is.",
            "" if ended else "A replay needs an execution that has ended.",
            is_primary=state in (State.SUCCESS, State.WARNING),
            command=f"manage.py executions replay {name}",
        ),
        Action(
            "pause",
            "Pause",
            "Running tasks finish; nothing new starts until the execution is resumed.",
            running_only,
            command=f"manage.py executions pause {name}",
        ),
        Action(
            "unqueue",
            "Run now",
            "The execution leaves the queue and starts at once, over the limit of its flow.",
            "" if state == State.QUEUED else "The execution does not wait in a queue.",
            is_primary=state == State.QUEUED,
        ),
        Action(
            "force-run",
            "Force run",
            "The execution is pushed to go on now: a planned start comes at once, and its message is sent again.",
            "" if state == State.CREATED else "Only an execution that has not begun can be forced to run.",
            is_primary=state == State.CREATED and execution.schedule_at is not None,
        ),
        Action(
            "kill",
            "Kill",
            "Running tasks are stopped, and so are the executions that this one started.",
            "The execution has ended." if ended and not after_end else "The kill is under way." if state == State.KILLING else "",
            is_dangerous=True,
            command=f"manage.py executions kill {name}",
        ),
        Action(
            "delete",
            "Delete",
            "The execution disappears for good, with its logs, metrics and files.",
            "" if ended else "Kill the execution before you delete it.",
            is_dangerous=True,
        ),
    ]
    return sorted(found, key=lambda action: not action.is_primary)

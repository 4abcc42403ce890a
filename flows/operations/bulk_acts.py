"""Every action that can be done with many executions, flows or triggers: its right, what it asks for, how one object takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from flows.language.text_edits import set_label
from flows.models import Execution
from flows.operations import executions, flows, triggers
from flows.operations.flow_rewriting import rewrite_flow, set_flow_disabled
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import TERMINAL
from flows.queries.executions import get_execution
from flows.queries.flows import get_flow_row, get_flow_text

EXECUTION, FLOW, TRIGGER = "execution", "flow", "trigger"


@dataclass(frozen=True, slots=True)
class BulkAct:
    """
    One action. `label` names it on a button; `option` is what has to be given with it: `labels`, `state`, `latest` or nothing.

    `undo` is the action that takes it back, empty when none does. `is_part` says that the label names something that the objects
    have, as in "Set labels of 3 flows".
    """

    name: str
    label: str
    right: Action
    option: str = ""
    is_dangerous: bool = False
    undo: str = ""
    is_part: bool = False


ACTS: Mapping[str, Mapping[str, BulkAct]] = {
    EXECUTION: {
        act.name: act
        for act in (
            BulkAct("restart", "Restart", Action.UPDATE),
            BulkAct("replay", "Replay", Action.CREATE, "latest"),
            BulkAct("pause", "Pause", Action.UPDATE),
            BulkAct("resume", "Resume", Action.UPDATE),
            BulkAct("force-run", "Force run", Action.UPDATE),
            BulkAct("unqueue", "Run now", Action.UPDATE),
            BulkAct("state", "Change state", Action.UPDATE, "state", is_part=True),
            BulkAct("labels", "Set labels", Action.UPDATE, "labels", is_part=True),
            BulkAct("kill", "Kill", Action.UPDATE, is_dangerous=True),
            BulkAct("delete", "Delete", Action.DELETE, is_dangerous=True),
        )
    },
    FLOW: {
        act.name: act
        for act in (
            BulkAct("enable", "Enable", Action.UPDATE, undo="disable"),
            BulkAct("disable", "Disable", Action.UPDATE, undo="enable"),
            BulkAct("labels", "Set labels", Action.UPDATE, "labels", is_part=True),
            BulkAct("restore", "Restore", Action.CREATE),
            BulkAct("delete", "Delete", Action.DELETE, is_dangerous=True, undo="restore"),
        )
    },
    TRIGGER: {
        act.name: act
        for act in (
            BulkAct("enable", "Enable", Action.UPDATE, undo="disable"),
            BulkAct("disable", "Disable", Action.UPDATE, undo="enable"),
            BulkAct("unlock", "Unlock", Action.UPDATE),
            BulkAct("pause-backfill", "Pause backfills", Action.UPDATE, undo="continue-backfill", is_part=True),
            BulkAct("continue-backfill", "Continue backfills", Action.UPDATE, undo="pause-backfill", is_part=True),
            BulkAct("delete-backfill", "End backfills", Action.UPDATE, is_dangerous=True, is_part=True),
            BulkAct("delete", "Delete states", Action.DELETE, is_dangerous=True, is_part=True),
        )
    },
}
"""By kind of object and name of the action, in the order in which menus show them."""

RESOURCES = {EXECUTION: Resource.EXECUTION, FLOW: Resource.FLOW, TRIGGER: Resource.TRIGGER}


def get_act(kind: str, name: str) -> BulkAct:
    """Return an action by its name. Raises InvalidError."""
    found = ACTS.get(kind, {}).get(name)
    if found is None:
        raise InvalidError(f'{kind.capitalize()}s have no action "{name[:60]}".', code="unknown-action")
    return found


def read_options(kind: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what an action takes out of a form, ready to be stored: `labels` as pairs, `state`, or `latest`.

    Raises:
        InvalidError: something is missing or cannot be used.
    """
    match get_act(kind, name).option:
        case "labels":
            return {"labels": read_label_pairs(str(given.get("labels", "")))}
        case "state":
            state = str(given.get("state", ""))
            if state not in TERMINAL:
                raise InvalidError(
                    f'The new state must be one of {", ".join(sorted(TERMINAL))}; got "{state[:40]}".', code="bulk-state"
                )
            return {"state": state}
        case "latest":
            return {"latest": bool(given.get("latest"))}
    return {}


def read_label_pairs(text: str) -> list[list[str]]:
    """Return labels written as `key:value` with commas between them, as pairs. Raises InvalidError."""
    pairs = []
    for part in filter(None, (each.strip() for each in text.replace("\n", ",").split(","))):
        key, _, value = (each.strip() for each in part.partition(":"))
        if not key or not value:
            raise InvalidError(f'Label "{part[:100]}" must be written as key:value.', code="label-form")
        pairs.append([key, value])
    if not pairs:
        raise InvalidError("At least one label is needed, written as key:value.", code="label-form")
    return pairs


def change_execution(execution_id: str, name: str, *, at: datetime, actor: str, **extra: Any) -> Execution | None:
    """
    Do one action with one execution.

    Returns:
        The execution to show next; None after it was deleted.

    Raises:
        FlowsError: what the operation says, or an unknown action.
    """
    changes: dict[str, Callable[..., Execution]] = {
        "kill": executions.kill_execution,
        "pause": executions.pause_execution,
        "resume": executions.resume_execution,
        "restart": executions.restart_execution,
        "replay": executions.replay_execution,
        "unqueue": executions.unqueue_execution,
        "force-run": executions.force_run_execution,
        "labels": executions.set_execution_labels,
        "state": executions.change_execution_status,
    }
    if name == "resume":
        extra.setdefault("inputs", None)
    if name == "delete":
        executions.delete_execution(execution_id, at=at, actor=actor)
        return None
    if name not in changes:
        raise InvalidError(f'An execution has no action "{name[:60]}".', code="unknown-action")
    return changes[name](execution_id, at=at, actor=actor, **extra)


def do_with_one(kind: str, name: str, object_id: str, options: Mapping[str, Any], *, at: datetime, actor: str) -> None:
    """
    Do the action with one execution (by id), one flow (as `namespace/id`) or one trigger (as `namespace/flow/id`).

    Args:
        options: what `read_options` returns; besides, `cascade` of `kill` (yes or no) and `state` of `unqueue`.

    Raises:
        FlowsError: it is not possible for this object, or not allowed.
    """
    if kind == EXECUTION:
        change_execution(object_id, name, at=at, actor=actor, **_extra_for_execution(name, object_id, options))
    elif kind == TRIGGER:
        _change_trigger(*object_id.split("/", 2), name=name, at=at, actor=actor)
    else:
        _change_flow(*object_id.split("/", 1), name=name, options=options, at=at, actor=actor)


def _extra_for_execution(name: str, execution_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    match name:
        case "labels":
            return {"labels": [(key, value) for key, value in options["labels"]]}
        case "state":
            return {"status": options["state"]}
        case "kill" if "cascade" in options:
            return {"cascade": options["cascade"]}
        case "unqueue" if "state" in options:
            return {"state": options["state"]}
        case "replay" if options.get("latest"):
            execution = get_execution(execution_id)
            return {"revision": get_flow_row(execution.namespace, execution.flow_id).revision}
    return {}


def _change_flow(namespace: str, flow_id: str, *, name: str, options: Mapping[str, Any], at: datetime, actor: str) -> None:
    if name == "delete":
        flows.delete_flow(namespace, flow_id, at=at, actor=actor)
    elif name == "labels":
        label_flow(namespace, flow_id, options["labels"], at=at, actor=actor)
    elif name == "restore":
        restore_flow(namespace, flow_id, at=at, actor=actor)
    elif set_flow_disabled(namespace, flow_id, disabled=name == "disable", at=at, actor=actor) is None:
        raise ConflictError(f'Flow "{namespace}/{flow_id}" is {name}d already.', code="flow-unchanged")


def _change_trigger(namespace: str, flow_id: str, trigger_id: str, *, name: str, at: datetime, actor: str) -> None:
    changes: dict[str, Callable[..., object]] = {
        "enable": partial(triggers.set_trigger_disabled, disabled=False),
        "disable": partial(triggers.set_trigger_disabled, disabled=True),
        "unlock": triggers.unlock_trigger,
        "pause-backfill": partial(triggers.set_backfill_paused, paused=True),
        "continue-backfill": partial(triggers.set_backfill_paused, paused=False),
        "delete-backfill": triggers.delete_backfill,
        "delete": triggers.delete_trigger,
    }
    changes[name](namespace=namespace, flow_id=flow_id, trigger_id=trigger_id, at=at, actor=actor)


def label_flow(namespace: str, flow_id: str, pairs: list[list[str]], *, at: datetime, actor: str = "") -> None:
    """Write labels into the text of a flow, which makes a revision; its other labels stay. Raises FlowsError."""

    def write_labels(source: str) -> str:
        for key, value in pairs:
            source = set_label(source, key, value)
        return source

    rewrite_flow(namespace, flow_id, write_labels, at=at, actor=actor)


def restore_flow(namespace: str, flow_id: str, *, at: datetime, actor: str = "") -> flows.SavedFlow:
    """
    Bring a deleted flow back as it was: its last text becomes a new revision, and its triggers start again.

    Raises:
        NotFoundError: there never was such a flow.
        ConflictError: it is not deleted.
    """
    found = get_flow_text(namespace, flow_id, allow_deleted=True)
    if not found.revision.flow.deleted:
        raise ConflictError(f'Flow "{namespace}/{flow_id}" is not deleted: there is nothing to restore.', code="flow-unchanged")
    was_draft = found.revision.draft
    return flows.save_flow(
        found.revision.source, namespace=namespace, flow_id=flow_id, mode="create", draft=was_draft, at=at, actor=actor
    )

"""The state store: named maps that outlive an execution, kept in the key-value store. Superseded by the key-value tasks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Field, Prop, Properties
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.primitives.errors import NotFoundError

_DEPRECATED = "Use the tasks of io.kestra.plugin.core.kv."
_UNSAFE = re.compile(r"[^a-zA-Z0-9._-]")


class StateProperties(Properties):
    """Which state is meant."""

    name: Prop[str] = "default"
    namespace: Prop[bool] = Field(default=False, description="True: shared by all flows of the namespace.")
    taskrun_value: Prop[bool] = Field(default=True, description="Inside an iteration, keep one state per value.")


def _state_key(context: RunContext, props: StateProperties) -> str:
    """Return the key of a state; names that no key can hold are kept apart by a hash."""
    name = _UNSAFE.sub("-", props.name)
    if name != props.name:
        name = f"{name}_{_hash(props.name)}"
    scope = "" if props.namespace else f"{_slug(str(context.flow['id']))}_"
    value = context.taskrun.get("value") if props.taskrun_value else None
    return f"{scope}states_tasks-states_{name}{'' if value is None else f'_{_hash(str(value))}'}"


def _slug(flow_id: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "", flow_id.lower().replace("_", "-").replace(" ", "-"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find_state(context: RunContext, key: str) -> dict[str, Any] | None:
    try:
        found = context.kv.get(key)
    except NotFoundError:
        return None
    return dict(found) if isinstance(found, Mapping) else None


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        present = merged.get(key)
        merged[key] = _merge(present, value) if isinstance(present, Mapping) and isinstance(value, Mapping) else value
    return merged


class Set(RunnableTask):
    """Merge data into a state."""

    type = "io.kestra.plugin.core.state.Set"
    aliases = ("io.kestra.core.tasks.states.Set",)
    title = "Set a state"
    deprecated = _DEPRECATED
    light = True

    class Props(StateProperties):
        data: Prop[dict[str, Any]] | None = None

    class Output(TaskOutput):
        count: int = Field(description="Number of top-level keys after the merge.")
        key: str

    def run(self, context: RunContext, props: Props) -> Output:
        """Merge level by level and store."""
        key = _state_key(context, props)
        merged = _merge(_find_state(context, key) or {}, props.data or {})
        context.kv.set(key, merged, kind="JSON")
        return self.Output(count=len(merged), key=key)


class Get(RunnableTask):
    """Read a state."""

    type = "io.kestra.plugin.core.state.Get"
    aliases = ("io.kestra.core.tasks.states.Get",)
    title = "Read a state"
    deprecated = _DEPRECATED
    light = True

    class Props(StateProperties):
        error_on_missing: Prop[bool] = False

    class Output(TaskOutput):
        count: int
        data: dict[str, Any]

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the data, empty when missing. Raises TaskFailure when missing, if told so."""
        data = _find_state(context, _state_key(context, props))
        if data is None and props.error_on_missing:
            raise TaskFailure(f'The state "{props.name}" does not exist.')
        return self.Output(count=len(data or {}), data=data or {})


class Delete(RunnableTask):
    """Delete a state."""

    type = "io.kestra.plugin.core.state.Delete"
    aliases = ("io.kestra.core.tasks.states.Delete",)
    title = "Delete a state"
    deprecated = _DEPRECATED
    light = True

    class Props(StateProperties):
        error_on_missing: Prop[bool] = False

    class Output(TaskOutput):
        deleted: bool

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the state and tell whether it was there. Raises TaskFailure when it was not, if told so."""
        deleted = context.kv.delete(_state_key(context, props))
        if not deleted and props.error_on_missing:
            raise TaskFailure(f'The state "{props.name}" to delete does not exist.')
        return self.Output(deleted=deleted)

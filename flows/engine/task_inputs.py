"""What the properties of a task render to for one of its runs, to be read by people: secrets hidden, nothing done outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.board import Board, Run
from flows.engine.environment import RunEnvironment
from flows.engine.recording import MASK, Recorder
from flows.engine.variables import ExecutionVariables
from flows.expressions import render
from flows.expressions.errors import ExpressionError, Kind
from flows.plugin_api.fields import render_value
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import FlowsError


@dataclass(frozen=True, slots=True)
class RenderedProperty:
    """One property by its YAML name: its value with secrets masked, or `fault`, which says why it cannot be rendered."""

    name: str
    value: Any = None
    fault: str = ""


class _QuietEnvironment(RunEnvironment):
    """Reads what the run could read, but sends nothing: a page that is looked at must not repeat a request."""

    def http(self, request: Mapping[str, Any]) -> Any:
        """Raise: the answer of then is not kept, and the request is not sent again."""
        raise ExpressionError(Kind.FORBIDDEN, "It calls http(), and a request is not sent again only to be shown.")


def render_task_inputs(board: Board, run: Run) -> list[RenderedProperty]:
    """
    Return the properties of a task as this run sees them now, in the order in which they are written.

    Values that change with time, such as `now()`, are those of now. Properties that are used as written stay so. None are
    returned for a task that the revision no longer has.
    """
    task = run.node.task if run.node else None
    if task is None:
        return []
    recorder = Recorder()
    names = ExecutionVariables(board, mask=recorder.masker.add).for_run(run)
    environment = _QuietEnvironment(board, recorder)

    def render_one(value: Any, *, typed: bool = False) -> Any:
        return render(value, names, typed=typed, environment=environment)

    entry = get_registry().find(task.type)
    shapes: Mapping[str, Any] = entry.schema.get("properties", {}) if entry else {}
    found = []
    for name, written in task.properties.items():
        shape = shapes.get(name, {})
        try:
            value = _render(written, render_one) if _holds_rendered(shape) else written
            found.append((name, _hide(shape, value), ""))
        except FlowsError as error:
            found.append((name, None, error.message))
    # Masked at the end: a later property may be the first that opens a secret.
    mask = recorder.masker.mask
    return [RenderedProperty(name, _mask(value, mask), mask(fault)) for name, value, fault in found]


def _render(written: Any, render_one: Callable[..., Any]) -> Any:
    if isinstance(written, str):
        return render_value(written, render_one) if "{" in written else written
    return render_one(written)


def _holds_rendered(shape: Any) -> bool:
    """Tell whether a property, or a part of it, is rendered before use."""
    if isinstance(shape, Mapping):
        return bool(shape.get("$dynamic")) or any(_holds_rendered(one) for one in shape.values())
    return isinstance(shape, list | tuple) and any(_holds_rendered(one) for one in shape)


def _hide(shape: Mapping[str, Any], value: Any) -> Any:
    """Put the mask in place of what a plugin declares as secret, also inside nested objects."""
    if shape.get("$secret") and value is not None:
        return MASK
    inner = shape.get("properties")
    if isinstance(inner, Mapping) and isinstance(value, Mapping):
        return {name: _hide(inner.get(name, {}), one) for name, one in value.items()}
    items = shape.get("items")
    if isinstance(items, Mapping) and isinstance(value, list | tuple):
        return [_hide(items, one) for one in value]
    return value


def _mask(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(name)): _mask(one, mask) for name, one in value.items()}
    return [_mask(one, mask) for one in value] if isinstance(value, list | tuple) else value

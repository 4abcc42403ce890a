"""What the thing under the cursor is: a task type, a property, or an expression with the value that it had in the last run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.expressions import list_filters, list_functions
from flows.language import definitions
from flows.language.schema import plugin_schema
from flows.models import TaskRun
from flows.operations.executions import eval_expression
from flows.plugin_api.registry import PluginEntry, Registry
from flows.primitives.errors import FlowsError
from flows.queries.last_runs import LastRun
from flows.queries.visibility import visible
from flows.ui.editing.texts import read_spot
from flows.ui.views.plugins import describe_type

_WORD = re.compile(r"[\w-]+")
_REACHES_OUT = re.compile(r"\b(http|fetch\w*)\s*\(")
_SECTIONS: Mapping[str, Mapping[str, Any]] = {"triggers": definitions.TRIGGER, "tasks": definitions.TASK}


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    What a hover or the documentation panel shows. `text` is Markdown; `facts` are pairs of words and texts; `value` is what
    an expression gave in the last run; `entry` the type that is documented; `is_expression` tells that it can be evaluated.
    """

    title: str
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    value: str | None = None
    value_note: str = ""
    entry: PluginEntry | None = None
    is_expression: bool = False


def explain(
    source: str, line: int, column: int, *, registry: Registry, find_last: Callable[[], LastRun | None]
) -> Explanation | None:
    """Return what stands at a place (from 1), or None when there is nothing to say about it."""
    spot = read_spot(source, line, column)
    if spot.expression is not None and spot.expression.strip():
        return _explain_expression(spot.expression, spot.element, _word_at(spot.line, column), find_last)
    entry = registry.find(spot.owner) if spot.owner else None
    if spot.key in ("type", "id", "") and entry is not None:
        return Explanation(entry.title or entry.type.rpartition(".")[2], entry.description, _facts_of_type(entry), entry=entry)
    if entry is not None:
        found = plugin_schema(entry)["properties"].get(spot.key)
        if found is not None:
            return _explain_property(spot.key, found, entry)
    shape = definitions.FLOW["properties"].get(spot.key)
    if shape is not None and not spot.line.startswith(" "):
        return _explain_property(spot.key, shape, None)
    if spot.section == "inputs" and spot.key in definitions.INPUT_COMMON:
        return _explain_property(spot.key, definitions.INPUT_COMMON[spot.key], None)
    return Explanation(entry.title or spot.owner, entry.description, _facts_of_type(entry), entry=entry) if entry else None


def _word_at(text: str, column: int) -> str:
    return next((word[0] for word in _WORD.finditer(text) if word.start() < column <= word.end() + 1), "")


def _facts_of_type(entry: PluginEntry) -> tuple[tuple[str, str], ...]:
    required = ", ".join(entry.schema.get("required") or ())
    outputs = ", ".join((entry.outputs.get("properties") or {}) if entry.outputs else ())
    facts = (("type", entry.type), ("required", required), ("outputs", outputs), ("deprecated", entry.deprecated))
    return tuple((name, text) for name, text in facts if text)


def _explain_property(name: str, facts: Any, entry: PluginEntry | None) -> Explanation:
    known = facts if isinstance(facts, Mapping) else {}
    required = entry is not None and name in (entry.schema.get("required") or ())
    rows = (
        ("type", describe_type(dict(known))),
        ("required", "yes" if required else ""),
        ("default", str(known["default"]) if known.get("default") is not None else ""),
        ("one of", ", ".join(str(one) for one in known.get("enum") or ())),
        ("of", entry.type if entry else ""),
    )
    return Explanation(name, str(known.get("description") or ""), tuple(row for row in rows if row[1]), entry=entry)


def _explain_expression(expression: str, task_id: str, word: str, find_last: Callable[[], LastRun | None]) -> Explanation:
    whole = f"{{{{{expression}}}}}"
    called = next((one for one in (*list_functions(), *list_filters()) if one.name == word), None)
    text = f"`{called.name}({', '.join(called.arguments)})` {called.summary}" if called else ""
    last = find_last()
    if last is None:
        return Explanation(whole, text, value_note="The flow has not run yet.")
    note = f"in the run of {last.execution.created_at:%b} {last.execution.created_at.day}, {last.execution.created_at:%H:%M} UTC"
    if _REACHES_OUT.search(expression):
        return Explanation(whole, text, value_note="It reaches other hosts, so it is not evaluated here.", is_expression=True)
    try:
        return Explanation(whole, text, value=evaluate(last.execution.id, whole, task_id), value_note=note, is_expression=True)
    except FlowsError as error:
        return Explanation(whole, text, value_note=f"No value {note}: {error.message}", is_expression=True)


def evaluate(execution_id: str, expression: str, task_id: str = "") -> str:
    """Return what an expression gives in an execution, as the newest run of a task saw it, masked. Raises FlowsError."""
    run = visible(TaskRun).filter(execution_id=execution_id, task_id=task_id).order_by("-seq").first() if task_id else None
    return eval_expression(execution_id, expression, task_run_id=run.id if run else None)[:4000]

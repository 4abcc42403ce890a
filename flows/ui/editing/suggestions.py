"""Completion inside `{{ }}` and of names that live in the database, with the values that they had in the last run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.expressions import list_filters, list_functions
from flows.models.encryption import is_envelope
from flows.plugin_api.registry import Registry
from flows.queries.flows import list_flow_namespaces, list_flows_of_namespace
from flows.queries.last_runs import LastRun, list_owned_names
from flows.ui.editing.texts import list_elements, list_names, read_data, read_spot

LONGEST_VALUE = 200
_PATH = re.compile(r"[\w.-]*$")
_FILTER = re.compile(r"\|\s*\w*$")
_QUOTED = re.compile(r"\b(kv|secret|read|fileURI)\(\s*(?:key\s*=\s*|path\s*=\s*)?[\"']([^\"']*)$")
_ROOTS = {
    "inputs": "what the execution was started with",
    "outputs": "results of earlier tasks",
    "vars": "variables of the flow",
    "labels": "labels of the execution",
    "trigger": "what the trigger brought",
    "flow": "the flow itself",
    "execution": "the execution itself",
    "taskrun": "this run of the task",
    "task": "the task itself",
    "parent": "the group around the task",
    "parents": "all groups around the task",
    "tasks": "states of earlier tasks",
    "envs": "variables of the server",
    "namespace": "variables of the namespace",
    "item": "the value of a Loop iteration",
    "error": "the failure, in errors tasks",
}
_FIELDS = {
    "flow": ("id", "namespace", "revision", "tenantId"),
    "execution": ("id", "startDate", "originalId", "state", "outputs"),
    "taskrun": ("id", "startDate", "value", "iteration", "parentId", "attemptsCount"),
    "task": ("id", "type"),
    "error": ("taskId", "message"),
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One entry of the popup: what is shown, what is written, of what kind it is, and what its side box says."""

    text: str
    value: str
    kind: str
    note: str = ""
    score: int = 100


def suggest(
    source: str, line: int, column: int, *, registry: Registry, namespace: str, find_last: Callable[[], LastRun | None]
) -> list[Suggestion]:
    """
    Return what may stand at a place (line and column from 1, the cursor stands before the column).

    Args:
        namespace: of the flow, for the names that belong to it.
        find_last: gives the newest ended run; only asked when its values are shown.
    """
    spot = read_spot(source, line, column)
    if spot.expression is None:
        return list(_suggest_names(source, line, spot.line, namespace))
    before = spot.before
    quoted = _QUOTED.search(before)
    if quoted is not None:
        kind = {"kv": "kv", "secret": "secret"}.get(quoted[1], "file")
        return [
            Suggestion(name, name, {"kv": "key", "secret": "secret"}.get(kind, "file"))
            for name in list_owned_names(namespace, kind)
        ]
    if _FILTER.search(before):
        return [Suggestion(one.name, one.name, "filter", _sign(one)) for one in list_filters()]
    path = _PATH.search(before)
    parts = (path[0] if path else "").split(".")
    if len(parts) > 1:
        return list(_suggest_members(source, line, parts[:-1], registry, find_last))
    roots = [Suggestion(name, name, "variable", note, 150) for name, note in _ROOTS.items()]
    calls = [
        Suggestion(f"{one.name}({', '.join(one.arguments)})", f"{one.name}(", "function", one.summary, 90)
        for one in list_functions()
    ]
    return roots + calls


def _suggest_members(
    source: str, line: int, parts: list[str], registry: Registry, find_last: Callable[[], LastRun | None]
) -> Iterator[Suggestion]:
    root, prefix, data = parts[0], ".".join(parts) + ".", read_data(source)
    last = find_last()
    if root == "inputs" and len(parts) == 1:
        known: Mapping[str, Any] = last.execution.inputs if last else {}
        for name in list_names(data, "inputs"):
            yield _with_value(name, prefix, "input", known.get(name), name in known)
    elif root == "vars" and len(parts) == 1:
        variables = data.get("variables")
        for name in list_names(data, "variables"):
            yield _with_value(name, prefix, "variable", variables[name] if isinstance(variables, dict) else None, True)
    elif root == "outputs":
        yield from _suggest_outputs(source, line, parts, registry, last)
    elif root == "labels" and len(parts) == 1:
        yield from _suggest_labels(data, prefix, last)
    elif root == "trigger":
        yield from _suggest_trigger(source, parts, registry, last)
    elif root == "tasks" and len(parts) == 2:
        yield Suggestion("state", f"{prefix}state", "text")
    elif root == "tasks":
        for name in _earlier(source, line):
            yield Suggestion(name, f"{prefix}{name}", "earlier task")
    elif len(parts) == 1:
        for name in _FIELDS.get(root, ()):
            yield Suggestion(name, f"{prefix}{name}", root)


def _suggest_labels(data: Mapping[str, Any], prefix: str, last: LastRun | None) -> Iterator[Suggestion]:
    """Labels that the text gives, and those that the last run had besides."""
    held = {label["key"]: label["value"] for label in last.execution.labels} if last else {}
    labels = data.get("labels")
    listed = labels if isinstance(labels, list) else ()
    pairs = {str(one.get("key")): one.get("value") for one in listed if isinstance(one, dict)}
    written = labels if isinstance(labels, dict) else pairs
    for name, value in {**written, **held}.items():
        if "." not in str(name):
            yield _with_value(str(name), prefix, "label", value, name in held)


def _earlier(source: str, line: int) -> dict[str, str]:
    """Return the types of the tasks above a line by id; the task of the line itself is left out."""
    above = [element for element in list_elements(source) if element.line <= line and element.section != "triggers"]
    return {element.id: element.type for element in above[:-1]}


def _suggest_outputs(source: str, line: int, parts: list[str], registry: Registry, last: LastRun | None) -> Iterator[Suggestion]:
    prefix = ".".join(parts) + "."
    tasks = _earlier(source, line)
    known = last.outputs if last else {}
    if len(parts) == 1:
        for name, type_name in tasks.items():
            yield _with_value(name, prefix, type_name.rpartition(".")[2], known.get(name), name in known, score=200)
        return
    value: Any = known.get(parts[1])
    for part in parts[2:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    names = list(value) if isinstance(value, Mapping) else []
    if len(parts) == 2 and parts[1] in tasks:
        entry = registry.find(tasks[parts[1]])
        names += [name for name in (entry.outputs.get("properties") or {}) if name not in names] if entry else []
    for name in names:
        held = value.get(name) if isinstance(value, Mapping) else None
        yield _with_value(str(name), prefix, f"of {parts[1]}", held, isinstance(value, Mapping) and name in value, score=200)


def _suggest_trigger(source: str, parts: list[str], registry: Registry, last: LastRun | None) -> Iterator[Suggestion]:
    prefix = ".".join(parts) + "."
    value: Any = (last.execution.trigger or {}).get("variables") if last else None
    for part in parts[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    seen: set[str] = set()
    for name, held in value.items() if isinstance(value, Mapping) else ():
        seen.add(str(name))
        yield _with_value(str(name), prefix, "trigger", held, True)
    for element in list_elements(source) if len(parts) == 1 else ():
        entry = registry.find(element.type) if element.section == "triggers" else None
        for name in (entry.outputs.get("properties") or {}) if entry else ():
            if name not in seen:
                seen.add(name)
                yield Suggestion(name, f"{prefix}{name}", f"of {element.id}")


def _suggest_names(source: str, line: int, text: str, namespace: str) -> Iterator[Suggestion]:
    """Names outside expressions: namespaces, flows of a namespace, tasks of the same Dag."""
    if re.match(r"\s*(?:-\s+)?namespace\s*:", text):
        yield from (Suggestion(name, name, "namespace") for name in list_flow_namespaces())
    elif re.match(r"\s*(?:-\s+)?flowId\s*:", text):
        near = [
            re.match(r"\s*(?:-\s+)?namespace\s*:\s*[\"']?([\w.-]+)", row)
            for row in source.split("\n")[max(0, line - 6) : line + 5]
        ]
        owner = next((found[1] for found in near if found is not None), namespace)
        yield from (Suggestion(row.flow_id, row.flow_id, "flow", row.description[:200]) for row in list_flows_of_namespace(owner))
    elif re.match(r"\s*-\s+[\w.-]*$", text):
        above = "\n".join(source.split("\n")[max(0, line - 30) : line - 1])
        if re.search(r"dependsOn\s*:\s*(?:\n\s*-[^\n:]*)*\s*$", above):
            yield from (
                Suggestion(element.id, element.id, "task") for element in list_elements(source) if element.section == "tasks"
            )


def _sign(signature: Any) -> str:
    return (
        f"{signature.name}({', '.join(signature.arguments)})\n{signature.summary}" if signature.arguments else signature.summary
    )


def _with_value(name: str, prefix: str, kind: str, value: Any, is_known: bool, *, score: int = 150) -> Suggestion:
    note = f"last run: {show_value(value)}" if is_known else ""
    return Suggestion(name, prefix + name, kind, note, score)


def show_value(value: Any, longest: int = LONGEST_VALUE) -> str:
    """Return a value as one short text; secrets are never shown."""
    text = json.dumps(hide_secrets(value), ensure_ascii=False, default=str) if not isinstance(value, str) else value
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def hide_secrets(value: Any) -> Any:
    """Return a value with every encrypted part replaced by dots."""
    if is_envelope(value):
        return "••••••"
    if isinstance(value, Mapping):
        return {key: hide_secrets(item) for key, item in value.items()}
    return [hide_secrets(item) for item in value] if isinstance(value, list | tuple) else value

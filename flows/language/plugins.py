"""Reads what tasks, triggers and conditions share: their type, the split into common and own properties, nested plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.language import definitions
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import Path
from flows.plugin_api.registry import PluginEntry
from flows.primitives.problems import Severity

_NOUNS = {"task": "task", "trigger": "trigger", "condition": "condition", "runner": "task runner"}
_COMMON: Mapping[str, definitions.Shape] = {
    "task": definitions.TASK,
    "trigger": definitions.TRIGGER,
    "condition": definitions.record({"type": definitions.text()}, required=("type",)),
    "runner": definitions.record({"type": definitions.text()}, required=("type",)),
}


@dataclass(frozen=True, slots=True)
class PluginReading:
    """One plugin mapping after its checks: common properties, own ones, and task lists that are still raw."""

    entry: PluginEntry
    owner: str
    common: Mapping[str, Any]
    own: Mapping[str, Any]
    branches: Mapping[str, Any]


def read_plugin(reading: Reading, value: Any, path: Path, kind: str, *, parts: Iterable[str] = ()) -> PluginReading | None:
    """
    Check one mapping with a `type` against the schema of its type and take it apart.

    Args:
        kind: `task`, `trigger`, `condition` or `runner`; a type of another kind counts as unknown.
        parts: properties beside the branches that a reader of their own takes over.

    Returns:
        None when it is no mapping or its type is not known; the problems say why.

    Source: flow language, 1.1, rule 8 of 2.4; core tasks, 1.1.
    """
    noun = _NOUNS[kind]
    if not isinstance(value, dict):
        reading.report("wrong-type", f"Every {noun} must be a mapping with a type.", path)
        return None
    owner = _name_owner(noun, value)
    entry = find_entry(reading, value, path, kind, owner)
    if entry is None:
        return None
    shape, own_names, opened = _shape_of(reading, entry, kind, tuple(parts))
    checked = check_shape(reading, shape, value, path, owner, any_case=True)
    common = {key: item for key, item in checked.items() if key in _COMMON[kind]["properties"]}
    own = {key: item for key, item in checked.items() if key in own_names and key not in common}
    reading.document.adopt(own, value)
    branches = {key: item for key, item in checked.items() if key in opened and key not in common}
    for key, item in own.items():
        if key in reading.shapes[f"rendered {entry.type}"]:
            reading.check_expressions(item, (*path, key))
        if isinstance(item, dict) and isinstance(item.get("type"), str):
            own[key] = read_nested(reading, item, (*path, key), required=key == "taskRunner")
    return PluginReading(entry=entry, owner=owner, common=common, own=own, branches=branches)


def find_entry(reading: Reading, value: Mapping[str, Any], path: Path, kind: str, owner: str) -> PluginEntry | None:
    """Return the entry that the `type` of a mapping names, or None with a problem. Old names are reported."""
    name = value.get("type")
    if not isinstance(name, str) or not name:
        reading.report("required", f'{owner[:1].upper()}{owner[1:]} must have a property "type", which is missing.', path)
        return None
    entry = reading.registry.find(name)
    if entry is None or entry.kind != kind:
        near = reading.suggest_type(name)
        hint = f'Did you mean "{near}"?' if near and near != name else f"Install the plugin, or name a known {_NOUNS[kind]} type."
        why = f"is a {_NOUNS.get(entry.kind, entry.kind)}" if entry else "no installed plugin provides it"
        reading.report(
            f"unknown-{kind}-type",
            f"Invalid type: {name}. {owner[:1].upper()}{owner[1:]} has this type, but {why}.",
            (*path, "type"),
            hint=hint,
        )
        return None
    if entry.type != name:
        reading.report(
            "old-type",
            f'The type "{name}" of {owner} is an old name of "{entry.type}".',
            (*path, "type"),
            hint=f'Write "{entry.type}".',
            severity=Severity.DEPRECATION,
        )
    if entry.deprecated:
        reading.report(
            "deprecated",
            f'The type "{entry.type}" of {owner} is deprecated.',
            (*path, "type"),
            hint=entry.deprecated,
            severity=Severity.DEPRECATION,
        )
    return entry


def read_nested(reading: Reading, value: dict[str, Any], path: Path, *, required: bool) -> dict[str, Any]:
    """Return a nested object with a type of its own, such as a task runner, checked and with its canonical type."""
    entry = reading.registry.find(value["type"])
    if entry is None or entry.kind in {"task", "trigger", "condition"}:
        if required:
            find_entry(reading, value, path, "runner", "the task runner")
        return value
    if entry.kind not in _COMMON:
        return value
    read = read_plugin(reading, value, path, entry.kind)
    return {"type": entry.type, **read.own} if read else value


def read_conditions(reading: Reading, value: Any, path: Path) -> tuple[Mapping[str, Any], ...]:
    """
    Return legacy conditions as mappings with canonical types; nested ones (`Not`, `Or`, `MultipleCondition`) alike.

    Source: flow language, 14.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        reading.report("wrong-type", "The conditions must be a list.", path)
        return ()
    found = (_read_condition(reading, item, (*path, index)) for index, item in enumerate(value))
    return tuple(item for item in found if item is not None)


def _read_condition(reading: Reading, value: Any, path: Path) -> Mapping[str, Any] | None:
    read = read_plugin(reading, value, path, "condition", parts=("conditions", "id"))
    if read is None:
        return None
    nested = read.branches.get("conditions")
    found: dict[str, Any] = {"type": read.entry.type, **read.own}
    if isinstance(read.branches.get("id"), str):
        found["id"] = read.branches["id"]
    if isinstance(nested, dict):
        inner = {key: _read_condition(reading, item, (*path, "conditions", key)) for key, item in nested.items()}
        found["conditions"] = {key: item for key, item in inner.items() if item is not None}
    elif nested is not None:
        found["conditions"] = list(read_conditions(reading, nested, (*path, "conditions")))
    return found


def _name_owner(noun: str, value: Mapping[str, Any]) -> str:
    name, kind = value.get("id"), value.get("type")
    of_type = f" of type {kind}" if isinstance(kind, str) and kind else ""
    return (
        f'{noun} "{name}"{of_type}'
        if isinstance(name, str)
        else f"the {noun}{of_type} without id"
        if noun in {"task", "trigger"}
        else f"the {noun}{of_type}"
    )


def _shape_of(
    reading: Reading, entry: PluginEntry, kind: str, parts: tuple[str, ...]
) -> tuple[definitions.Shape, frozenset[str], frozenset[str]]:
    """Return the whole schema of a type (made once per parse), the names of its own properties and those that stay raw."""
    known = reading.shapes.get(entry.type)
    if known is not None:
        return known  # type: ignore[no-any-return]  # holds what is stored below
    common = _COMMON[kind]
    own: Mapping[str, Any] = entry.schema.get("properties", {})
    opened = frozenset((*entry.branches, *parts)) - common["properties"].keys()
    for name, item in own.items():
        if _has_expressions(item):
            reading.shapes.setdefault(f"rendered {entry.type}", set()).add(name)
    reading.shapes.setdefault(f"rendered {entry.type}", set())
    required = [*common.get("required", ()), *(name for name in entry.schema.get("required", ()) if name not in opened)]
    shape: definitions.Shape = {
        **{key: entry.schema[key] for key in ("$defs", "definitions") if key in entry.schema},
        "type": "object",
        "properties": {**own, **{name: {} for name in opened}, **common["properties"]},
        "required": list(dict.fromkeys(required)),
        "additionalProperties": entry.schema.get("additionalProperties", False) or False,
        "x-aliases": {
            **common.get("x-aliases", {}),
            **entry.schema.get("x-aliases", {}),
            **definitions.PROPERTY_ALIASES.get(entry.arrangement or "", {}),
        },
        "x-listed": [*sorted({*own, *opened}), *sorted(set(common["properties"]) - set(own))],
    }
    names = frozenset(own) - opened
    reading.shapes[entry.type] = shape, names, opened
    return reading.shapes[entry.type]  # type: ignore[no-any-return]  # stored just now


def _has_expressions(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return bool(schema.get("$dynamic")) or any(_has_expressions(item) for item in schema.values())
    return isinstance(schema, list) and any(_has_expressions(item) for item in schema)

"""The JSON schema of a whole flow, for editors: the language's own definitions joined with the schemas of all plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.language import definitions
from flows.plugin_api.registry import PluginEntry, Registry

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECTIONS = {"task": definitions.TASK, "trigger": definitions.TRIGGER, "condition": None, "runner": None}


def flow_schema(registry: Registry) -> dict[str, Any]:
    """
    Return the schema of a flow document.

    Every plugin type has a definition of its own under `$defs`, named by its type; `task`, `trigger`, `condition` and `runner`
    choose one of them by `type`, old names included. Old property names are listed as deprecated ones.
    """
    return {"$schema": _DIALECT, "title": "Flow", **_publish(definitions.FLOW), "$defs": _list_parts(registry)}


def element_schema(registry: Registry, kind: str) -> dict[str, Any]:
    """Return the schema of one element alone: `task`, `trigger`, `condition` or `runner`."""
    return {"$schema": _DIALECT, "$ref": f"#/$defs/{kind}", "$defs": _list_parts(registry)}


def plugin_schema(entry: PluginEntry) -> dict[str, Any]:
    """Return the schema of one plugin type with the properties that all of its kind have."""
    common: Mapping[str, Any] = _SECTIONS.get(entry.kind) or {"properties": {"type": {"type": "string"}}, "required": ["type"]}
    own = entry.schema.get("properties", {})
    branches = {name: _branch(entry, name) for name in entry.branches}
    shape = {
        **{key: entry.schema[key] for key in ("$defs",) if key in entry.schema},
        "type": "object",
        "title": entry.title or entry.type,
        "description": entry.description,
        "properties": {**common["properties"], **own, **branches, "type": _type_names(entry)},
        "required": list(dict.fromkeys([*common.get("required", ()), *entry.schema.get("required", ())])),
        "additionalProperties": False,
        "x-aliases": {**common.get("x-aliases", {}), **definitions.PROPERTY_ALIASES.get(entry.arrangement or "", {})},
    }
    if entry.deprecated:
        shape["deprecated"] = True
        shape["$deprecated"] = entry.deprecated
    return _publish_mapping(shape)


def input_schema(type_name: str) -> dict[str, Any]:
    """Return the schema of an input of one type. Raises KeyError for a word that is no input type."""
    shape = definitions.INPUT_SHAPES[type_name]
    return _publish_mapping({**shape, "properties": {**shape["properties"], "type": {"const": type_name}}})


def _list_parts(registry: Registry) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "tasks": {"type": "array", "items": {"$ref": "#/$defs/task"}},
        "triggers": {"type": "array", "items": {"$ref": "#/$defs/trigger"}},
        "conditions": {"type": "array", "items": {"$ref": "#/$defs/condition"}},
        "outputs": {"type": "array", "items": _publish(definitions.OUTPUT)},
        "inputs": {"type": "array", "items": {"$ref": "#/$defs/input"}},
        "columns": {"type": "array", "items": {"$ref": "#/$defs/input"}},
        "input": _choose_by_type({name: input_schema(name) for name in definitions.INPUT_TYPES}),
    }
    for kind in _SECTIONS:
        entries = list(registry.list_entries(kind))
        for entry in entries:
            parts[entry.type] = plugin_schema(entry)
        parts[kind] = _choose_plugin(entries)
    return parts


def _branch(entry: PluginEntry, name: str) -> dict[str, Any]:
    if name == "cases":
        return {"type": "object", "additionalProperties": {"$ref": "#/$defs/tasks"}}
    if entry.arrangement == "dag" and name == "tasks":
        item = definitions.record(
            {"task": {"$ref": "#/$defs/task"}, "dependsOn": definitions.many({"type": "string"})}, required=("task",)
        )
        return {"type": "array", "items": item}
    if name == "onPause":
        return {"anyOf": [{"$ref": "#/$defs/task"}, {"$ref": "#/$defs/tasks"}]}
    return {"$ref": "#/$defs/tasks"}


def _type_names(entry: PluginEntry) -> dict[str, Any]:
    return {"enum": [entry.type, *entry.aliases]} if entry.aliases else {"const": entry.type}


def _choose_plugin(entries: list[PluginEntry]) -> dict[str, Any]:
    """Return a chain of conditions on `type`: editors then check one branch and report its faults only."""
    names = [name for entry in entries for name in (entry.type, *entry.aliases)]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": names} if names else {"type": "string"}},
        "allOf": [
            {
                "if": {"properties": {"type": _type_names(entry)}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{entry.type}"},
            }
            for entry in entries
        ],
    }


def _choose_by_type(shapes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"enum": list(shapes)}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": shape}
            for name, shape in shapes.items()
        ],
    }


def _publish(shape: Any) -> Any:
    """Return a shape in plain JSON schema: old names become deprecated properties, and the parser's own notes go."""
    if isinstance(shape, list):
        return [_publish(item) for item in shape]
    if not isinstance(shape, Mapping):
        return shape
    return _publish_mapping(shape)


def _publish_mapping(shape: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _publish(item) for key, item in shape.items() if key not in {"x-aliases", "x-listed", "x-words"}}
    aliases = shape.get("x-aliases", {})
    if aliases:
        properties = dict(found.get("properties", {}))
        for old, new in aliases.items():
            properties[old] = {**properties.get(new, {}), "deprecated": True, "description": f'Old name of "{new}".'}
        found["properties"] = properties
        required = [name for name in found.get("required", ()) if name not in aliases.values()]
        if "required" in found:
            found["required"] = required
    return found

"""The form of one task or trigger, made from its schema, and what a sent form changes in the text: the touched lines only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.language.schema import plugin_schema
from flows.language.source import Path
from flows.language.text_edits import find_element, read_value, remove_value, set_value
from flows.plugin_api.registry import PluginEntry, Registry
from flows.primitives.errors import InvalidError
from flows.ui.views.plugins import describe_type

PREFIX = "p."
_COMMON_FIRST = ("id", "description")
_COMMON = (
    "when", "timeout", "retry", "disabled", "allowFailure", "allowWarning", "logLevel", "workerGroup", "taskCache", "conditions",
    "inputs", "labels", "stopAfter", "allowConcurrent", "failOnTriggerError",
)  # fmt: skip
_LONG = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One field: `control` is `text`, `area`, `choice`, `flag` or `yaml`; `value` is its text, empty when absent."""

    name: str
    control: str
    value: str
    kind: str
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str = ""
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class NodeForm:
    """The form of one element: its own properties first, then those that all have."""

    element: str
    kind: str
    entry: PluginEntry
    rows: tuple[Row, ...]
    more: tuple[Row, ...]


def make_form(source: str, element: str, kind: str, registry: Registry) -> NodeForm:
    """Return the form of a task or trigger of a text. Raises InvalidError, or NotFoundError for an unknown type."""
    path = find_element(source, element, kind=kind)
    entry = registry.get(str(read_value(source, (*path, "type"))[0]))
    schema = plugin_schema(entry)
    properties: Mapping[str, Any] = schema["properties"]
    own = entry.schema.get("properties") or {}
    required = set(entry.schema.get("required") or ())
    names = [*_COMMON_FIRST, *sorted(own, key=lambda name: (name not in required, list(own).index(name)))]
    more = [name for name in _COMMON if name in properties and name not in own]
    return NodeForm(
        element,
        kind,
        entry,
        tuple(_make_row(source, path, name, properties[name], name in required, True) for name in names if name in properties),
        tuple(_make_row(source, path, name, properties[name], False, False) for name in more if name not in names),
    )


def _make_row(source: str, path: Path, name: str, facts: Any, required: bool, is_own: bool) -> Row:
    known = facts if isinstance(facts, Mapping) else {}
    value, text = read_value(source, (*path, name))
    control = _control_of(known, value)
    shown = text if control == "yaml" else "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if control == "text" and ("\n" in shown or len(shown) > _LONG or known.get("$language")):
        control = "area"
    default = known.get("default")
    return Row(
        name,
        control,
        shown,
        describe_type(dict(known)),
        str(known.get("description") or ""),
        required or name == "id",
        tuple(str(one) for one in known.get("enum") or ()),
        "" if default is None else str(default).lower() if isinstance(default, bool) else str(default),
        is_own,
    )


def _control_of(facts: Mapping[str, Any], value: Any) -> str:
    if isinstance(value, dict | list):
        return "yaml"
    kinds = facts.get("type")
    listed = [kinds] if isinstance(kinds, str) else list(kinds or ())
    if facts.get("enum"):
        return "choice" if value is None or str(value) in {str(one) for one in facts["enum"]} else "text"
    if listed == ["boolean"]:
        return "flag" if value is None or isinstance(value, bool) else "text"
    if isinstance(value, str) or set(listed) & {"string", "number", "integer", "boolean"}:
        return "text"
    options = [part.get("type") for part in facts.get("anyOf") or facts.get("oneOf") or () if isinstance(part, Mapping)]
    return "text" if "string" in options and value is not None else "yaml" if "string" not in options else "text"


def apply_form(source: str, element: str, kind: str, given: Mapping[str, str], registry: Registry) -> str:
    """
    Return the text after a form was sent: only properties whose text differs from the present one are written.

    Args:
        given: property to text, as sent; an emptied field removes its property.

    Raises:
        InvalidError: a required property was emptied, or the text cannot be changed there.
    """
    form = make_form(source, element, kind, registry)
    before = tuple(form.entry.branches)
    for row in sorted((*form.rows, *form.more), key=lambda row: row.name == "id"):
        sent = given.get(f"{PREFIX}{row.name}")
        if sent is None:
            continue
        text = sent.replace("\r\n", "\n")
        if text.rstrip("\n") == row.value.rstrip("\n"):
            continue
        path = (*find_element(source, element, kind=kind), row.name)
        if not text.strip():
            if row.required:
                raise InvalidError(f'Property "{row.name}" of "{element}" must not be empty.', code="required")
            source = remove_value(source, path)
        else:
            keeps_end = row.control == "area" and row.value.endswith("\n")
            text = text if "\n" not in text.strip("\n") else text.rstrip("\n") + ("\n" if keeps_end or not row.value else "")
            source = set_value(source, path, text, is_yaml=_is_yaml(row, text), before=before)
    return source


def _is_yaml(row: Row, text: str) -> bool:
    if row.control in ("yaml", "flag"):
        return True
    is_number = re.fullmatch(r"-?\d+(\.\d+)?", text.strip()) is not None
    return is_number and "string" not in row.kind


def make_skeleton(type_name: str, element: str, registry: Registry) -> str:
    """Return the YAML of a new element with its required properties and an empty child where a group needs one."""
    entry = registry.get(type_name)
    lines = [f"id: {element}", f"type: {entry.type}"]
    properties = entry.schema.get("properties") or {}
    for name in entry.schema.get("required") or ():
        facts = properties.get(name)
        lines.append(f"{name}: {_placeholder(facts if isinstance(facts, Mapping) else {})}")
    if entry.branches and "cases" not in entry.branches:
        inner = [f"id: {element}_step", "type: io.kestra.plugin.core.log.Log", "message: Hello"]
        lines += [f"{entry.branches[0]}:", f"  - {inner[0]}", *(f"    {row}" for row in inner[1:])]
    return "\n".join(lines) + "\n"


def _placeholder(facts: Mapping[str, Any]) -> str:
    if facts.get("enum"):
        return str(facts["enum"][0])
    kind = facts.get("type")
    words = kind if isinstance(kind, list) else [kind]
    if "array" in words:
        return "[]"
    if "object" in words and "string" not in words:
        return "{}"
    if "boolean" in words:
        return "false"
    return "1" if {"integer", "number"} & set(words) and "string" not in words else '""'


def choose_id(wanted: str, taken: Iterable[str]) -> str:
    """Return an id that nothing has yet: the wanted one, or it with a number."""
    known = set(taken)
    if wanted not in known:
        return wanted
    number = 2
    while f"{wanted}_{number}" in known:
        number += 1
    return f"{wanted}_{number}"

"""JSON schemas as the editor and the flow validation read them: text forms of values, templates, references in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

TEMPLATE = r"\{\{|\{%|\{#"
"""What marks a text as a template, as a regular expression to search for."""

SCALARS = ("string", "number", "boolean")
"""What a text property takes: YAML reads `message: 5` as a number."""

_TEXT_FORMS = {
    "integer": r"^\s*[-+]?\d+\s*$",
    "number": r"^\s*[-+]?\d[\d_.eE+-]*\s*$",
    "boolean": r"^\s*([tT]rue|[fF]alse|TRUE|FALSE)\s*$",
    "array": r"^\s*\[",
    "object": r"^\s*\{",
}

_NARROWING = frozenset({"enum", "const", "pattern", "format"})


def with_text_forms(shape: Mapping[str, Any], *, rendered: bool) -> dict[str, Any]:
    """
    Return a schema that also takes the text forms of its types (`"3"`, `"true"`, `"[1]"`), and templates when `rendered`.

    Items of lists and values of maps are widened alike. A schema that takes any text already stays as it is.
    """
    shape = _widen_inside(shape, rendered=rendered)
    choices: list[Any] = list(shape.get("anyOf", [shape]))
    if any(not _types(choice) and not _NARROWING & choice.keys() for choice in choices):
        return shape
    if any(_is_plain_text(choice) for choice in choices):
        widened = [{**c, "type": list(SCALARS)} if _is_plain_text(c) else c for c in choices]
        return {**shape, "anyOf": widened} if "anyOf" in shape else dict(widened[0])
    kinds = {kind for choice in choices for kind in _types(choice)}
    forms = [TEMPLATE] * rendered + [form for kind, form in _TEXT_FORMS.items() if kind in kinds]
    if not forms:
        return shape
    outer = {k: v for k, v in shape.items() if k in {"title", "description", "default"}}
    inner = choices if "anyOf" in shape else [{k: v for k, v in shape.items() if k not in outer}]
    text = {"type": "string", "pattern": "|".join(forms)}
    return {**outer, "anyOf": [*(c for c in inner if c != text), text]}


def _widen_inside(shape: Mapping[str, Any], *, rendered: bool) -> dict[str, Any]:
    found = dict(shape)
    if "anyOf" in found:
        found["anyOf"] = [_widen_inside(choice, rendered=rendered) for choice in found["anyOf"]]
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping) and "$ref" not in found[key]:
            found[key] = with_text_forms(found[key], rendered=rendered)
    return found


def _types(shape: Mapping[str, Any]) -> list[Any]:
    value = shape.get("type", shape.get("$ref"))
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _is_plain_text(shape: Mapping[str, Any]) -> bool:
    return "string" in _types(shape) and not _NARROWING & shape.keys()


def flatten_schema(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """
    Return a schema with its references in place and without the null branches that pydantic writes for optional values.

    A null counts as absent everywhere, so it is never listed. A definition inside itself becomes a free object.
    """
    if isinstance(node, list):
        return [flatten_schema(item, definitions, inside) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        if name in inside:
            return {"type": "object"}
        found = {k: v for k, v in definitions[name].items() if k not in {"title", "description"}}
        rest = {k: v for k, v in node.items() if k != "$ref"}
        return {**flatten_schema(found, definitions, (*inside, name)), **flatten_schema(rest, definitions, inside)}
    node = {k: flatten_schema(v, definitions, inside) for k, v in node.items()}
    if isinstance(node.get("anyOf"), list):
        node = _without_null(node)
    if "default" in node and node["default"] is None:
        del node["default"]
    return node


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    branches: list[Any] = []
    for choice in node["anyOf"]:
        if choice != {"type": "null"} and choice not in branches:
            branches.append(choice)
    outer = {k: v for k, v in node.items() if k != "anyOf"}
    # Python shares `Prop[A | B]` with `Prop[B | A]`, so the order of a union depends on which module was imported first.
    branches.sort(key=_branch_order)
    return {**branches[0], **outer} if len(branches) == 1 else {**outer, "anyOf": branches}


def _branch_order(branch: dict[str, Any]) -> tuple[bool, str]:
    """Sort the text forms of a value behind the value itself, and everything else by its text."""
    return str(branch.get("pattern", "")).startswith((TEMPLATE, *_TEXT_FORMS.values())), json.dumps(branch, sort_keys=True)

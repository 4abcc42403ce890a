"""Variables and plugin defaults of a namespace as YAML texts: what they hold, and what is wrong with them at which line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.language import definitions
from flows.language.elements import check_default_values
from flows.language.reading import Reading
from flows.language.shapes import check_shape
from flows.language.source import read_document
from flows.plugin_api.registry import Registry
from flows.primitives.problems import Place, Problem


def read_variables(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the map of variables that a YAML text holds, empty when it holds none, and what is wrong with the text."""
    document = read_document(text)
    if document.problems:
        return {}, list(document.problems)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        message = f"The variables must be a map of names to values; this is {_name_kind(data)}."
        return {}, [Problem("namespace-variables", message, "Write `name: value` on lines of their own.", Place(1, 1))]
    return data, []


def read_defaults(text: str, registry: Registry) -> tuple[list[Any], list[Problem]]:
    """
    Return the plugin defaults that a YAML text holds, empty when it holds none, and what is wrong with them.

    Every entry is `{type, values, forced?, ref?}`; its type is an installed one or the beginning of several, and for an installed
    one every value must be a property of it.

    Source: flow language, 5.2.
    """
    document = read_document(text)
    reading = Reading(document, registry)
    data = [] if document.data is None else document.data
    if reading.has_errors:
        return [], reading.problems
    if not isinstance(data, list):
        message = f"The plugin defaults must be a list of type and values; this is {_name_kind(data)}."
        return [], [Problem("namespace-defaults", message, "Begin each entry with `- type: ...`.", Place(1, 1))]
    check_shape(reading, definitions.many(definitions.PLUGIN_DEFAULT), data, (), "the plugin defaults")
    for index, item in enumerate(data):
        type_name = item.get("type") if isinstance(item, Mapping) else None
        if not isinstance(type_name, str):
            continue
        _check_type(reading, type_name, index)
        values = item.get("values")
        if isinstance(values, Mapping):
            check_default_values(reading, type_name, values, (index, "values"))
    return data, reading.problems


def _check_type(reading: Reading, type_name: str, index: int) -> None:
    known = (name for entry in reading.registry.list_entries() for name in (entry.type, *entry.aliases))
    if any(name.startswith(type_name) for name in known):
        return
    suggestion = reading.suggest_type(type_name)
    reading.report(
        "unknown-type",
        f'The plugin defaults name the type "{type_name}", which no installed plugin provides.',
        (index, "type"),
        hint=f'Did you mean "{suggestion}"?' if suggestion else "",
    )


def _name_kind(data: Any) -> str:
    return "a list" if isinstance(data, list) else "a map" if isinstance(data, dict) else f'"{str(data)[:60]}"'

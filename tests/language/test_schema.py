"""The JSON schema for editors: complete, without our own notes, and in step with the parser."""

from __future__ import annotations

import json
from typing import Any

from flows.language import definitions
from flows.language.schema import element_schema, flow_schema
from flows.plugin_api.registry import Registry


def list_references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(list_references(item) for item in value.values()))
    return set().union(*(list_references(item) for item in value)) if isinstance(value, list) else set()


def test_every_reference_has_a_definition(registry: Registry) -> None:
    schema = flow_schema(registry)

    assert {f"#/$defs/{name}" for name in schema["$defs"]} >= list_references(schema)


def test_every_plugin_is_in_the_schema_with_the_common_properties(registry: Registry) -> None:
    parts = flow_schema(registry)["$defs"]

    for entry in registry.list_entries("task"):
        assert {"id", "retry", "when", *entry.branches, *entry.schema["properties"]} <= parts[entry.type]["properties"].keys()
    log = parts["io.kestra.plugin.core.log.Log"]
    assert {"id", "type", "message"} == set(log["required"])
    assert "io.kestra.core.tasks.log.Log" in log["properties"]["type"]["enum"]


def test_every_input_type_is_a_choice(registry: Registry) -> None:
    choices = flow_schema(registry)["$defs"]["input"]["allOf"]

    assert list(definitions.INPUT_TYPES) == [item["if"]["properties"]["type"]["const"] for item in choices]


def test_old_names_are_deprecated_properties_and_own_notes_are_gone(registry: Registry) -> None:
    schema = flow_schema(registry)

    assert schema["$defs"]["io.kestra.plugin.core.log.Log"]["properties"]["runIf"]["deprecated"] is True
    assert '"x-' not in json.dumps(schema)


def test_one_element_has_a_schema_of_its_own(registry: Registry) -> None:
    assert element_schema(registry, "trigger")["$ref"] == "#/$defs/trigger"

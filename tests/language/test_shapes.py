"""Comparing data with a schema: which values pass, how they are brought to their type, and limits on what is said."""

from __future__ import annotations

from typing import Any

import pytest

from flows.language.parse import parse_flow
from flows.language.reading import MAX_PROBLEMS, Reading, suggest_name
from flows.language.shapes import check_shape
from flows.language.source import read_document
from flows.plugin_api.registry import Registry


def check(schema: dict[str, Any], value: Any) -> tuple[Any, list[str]]:
    reading = Reading(read_document("{}"), Registry())
    return check_shape(reading, schema, value, (), "the thing"), [problem.code for problem in reading.problems]


@pytest.mark.parametrize(
    ("schema", "value", "result"),
    [
        ({"type": "integer"}, "7", 7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "True", True),
        ({"type": "string"}, 7, "7"),
        ({"type": "string"}, False, "false"),
        ({"type": ["string", "number", "boolean"]}, False, False),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "7", "7"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "7", 7),
        ({"oneOf": [{"type": "array"}, {"type": "object"}]}, {"a": 1}, {"a": 1}),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, 3, 3),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 3, 3),
        ({"$ref": "#/$defs/elsewhere"}, object, object),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": 1}, {"a": "1"}),
        ({"type": "array", "items": {"type": "integer"}}, ["1", 2], [1, 2]),
        ({"type": "object", "properties": {"b": {}}, "x-aliases": {"a": "b"}}, {"a": 1}, {"b": 1}),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": None}, {}),
        ({"const": 3}, 3, 3),
        ({"type": "string", "format": "duration"}, "PT1S", "PT1S"),
        ({}, None, None),
    ],
)
def test_a_fitting_value_comes_back_in_its_type(schema: dict[str, Any], value: Any, result: Any) -> None:
    found, codes = check(schema, value)

    assert found == result and [code for code in codes if code != "deprecated"] == []


@pytest.mark.parametrize(
    ("schema", "value", "code"),
    [
        ({"type": "integer"}, True, "wrong-type"),
        ({"type": "integer"}, 1.5, "wrong-type"),
        ({"type": "integer"}, "1.5", "wrong-type"),
        ({"type": "string"}, None, "wrong-type"),
        ({"type": "string"}, ["a"], "wrong-type"),
        ({"type": "integer", "minimum": 3}, 2, "wrong-value"),
        ({"type": "integer", "exclusiveMaximum": 3}, 3, "wrong-value"),
        ({"type": "string", "minLength": 1}, "", "empty"),
        ({"type": "string", "maxLength": 1}, "ab", "too-long"),
        ({"type": "string", "pattern": "^a$"}, "b", "wrong-value"),
        ({"type": "string", "format": "regex"}, "(", "wrong-value"),
        ({"type": "string", "format": "duration"}, "1h", "wrong-value"),
        ({"type": "array", "minItems": 1}, [], "empty"),
        ({"type": "array", "maxItems": 1}, [1, 2], "too-long"),
        ({"const": 3}, 4, "wrong-value"),
        ({"enum": ["a"]}, "A", "wrong-value"),
        ({"type": "object", "required": ["a"]}, {}, "required"),
        ({"type": "object", "additionalProperties": False}, {"a": 1}, "unknown-property"),
        ({"type": "object", "properties": {"a": False}}, {"a": 1}, "unknown-property"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "x", "wrong-type"),
    ],
)
def test_a_value_that_does_not_fit_is_reported(schema: dict[str, Any], value: Any, code: str) -> None:
    assert check(schema, value)[1] == [code]


def test_the_nearest_alternative_explains_a_fault_deep_inside() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}

    assert check({"anyOf": [{"type": "string"}, inner]}, {"a": "x"})[1] == ["wrong-type"]
    assert check({"anyOf": [{"type": "string"}, inner]}, {"b": 1})[1] == ["unknown-property"]


def test_words_of_an_enumeration_may_have_any_case_when_asked() -> None:
    reading = Reading(read_document("{}"), Registry())

    assert check_shape(reading, {"enum": ["FAIL"]}, "fail", (), "the thing", any_case=True) == "fail"
    assert reading.problems == []


def test_problems_are_limited_but_errors_are_never_lost_among_others(registry: Registry) -> None:
    old = "".join(f"  - {{id: a{i}, type: io.kestra.core.tasks.log.Log, message: m}}\n" for i in range(MAX_PROBLEMS + 50))
    text = f"id: f\nnamespace: a\ntasks:\n{old}  - {{id: z, type: nope}}\n"

    result = parse_flow(text, registry)

    assert result.flow is None
    assert (len(result.problems), result.problems[-1].code) == (MAX_PROBLEMS + 1, "unknown-task-type")


def test_a_suggestion_needs_a_near_name() -> None:
    assert suggest_name("mesage", ["message", "level"]) == "message"
    assert suggest_name("zzz", ["message", "level"]) is None
    assert suggest_name("a", [f"a{i}" for i in range(1000)]) is None

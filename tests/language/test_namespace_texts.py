"""Variables and plugin defaults of a namespace as texts: what is read, and what is told with its line."""

from __future__ import annotations

import pytest

from flows.language.namespace_texts import read_defaults, read_variables
from flows.plugin_api.registry import Registry

LOG = "io.kestra.plugin.core.log.Log"


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_text_holds_nothing_and_is_right(text: str, registry: Registry) -> None:
    assert read_variables(text) == ({}, [])
    assert read_defaults(text, registry) == ([], [])


def test_variables_of_any_depth_are_read() -> None:
    assert read_variables("a: 1\nb:\n  c: [x]\n") == ({"a": 1, "b": {"c": ["x"]}}, [])


@pytest.mark.parametrize(("text", "code"), [("- a\n", "namespace-variables"), ("a: [1\n", "yaml-syntax")])
def test_variables_that_are_no_map_are_told(text: str, code: str) -> None:
    variables, problems = read_variables(text)

    assert variables == {}
    assert [problem.code for problem in problems] == [code]


@pytest.mark.parametrize("type_name", [LOG, "io.kestra.plugin.core", "io.kestra.core.tasks.log.Log"])
def test_a_type_an_alias_and_the_beginning_of_several_are_known(type_name: str, registry: Registry) -> None:
    defaults, problems = read_defaults(f"- type: {type_name}\n  values: {{timeout: PT1M}}\n", registry)

    assert problems == []
    assert defaults == [{"type": type_name, "values": {"timeout": "PT1M"}}]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\n", "namespace-defaults", 1),
        ("- type: io.kestra.plugin.core.log.Lgo\n  values: {}\n", "unknown-type", 1),
        (f"- type: {LOG}\n  values:\n    level: INFO\n    levle: INFO\n", "unknown-property", 4),
        (f"- type: {LOG}\n  values:\n    level:\n", "empty-default", 3),
        (f"- type: {LOG}\n", "required", 1),
        ("- 3\n", "wrong-type", 1),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, code: str, line: int, registry: Registry) -> None:
    _, problems = read_defaults(text, registry)

    assert [(problem.code, problem.place.line if problem.place else 0) for problem in problems] == [(code, line)]

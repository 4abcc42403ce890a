"""Functions that read texts into values, and number functions. Source: expressions, 3."""

from __future__ import annotations

from typing import Any

from flows.expressions.arguments import bad_argument, text_argument
from flows.expressions.ion_format import read_ion
from flows.expressions.json_reader import read_json
from flows.expressions.library import register_function
from flows.expressions.operators import make_range
from flows.expressions.scope import Render
from flows.expressions.values import describe_type, is_number
from flows.expressions.yaml_format import read_yaml


@register_function("range", "start", "end", "increment", required=2)
def list_range(render: Render, start: Any, end: Any, increment: Any = 1) -> list[Any]:
    """The integers or characters from start to end, both included."""
    return make_range(render.budget, start, end, increment)


def _numbers(name: str, values: tuple[Any, ...]) -> list[Any]:
    numbers = [value for value in values if value is not None]
    for value in numbers:
        if not is_number(value):
            raise bad_argument(f'The function "{name}" compares numbers but got {describe_type(value)}.')
    return numbers


@register_function("max", variadic=True)
def find_max(_: Render, *values: Any) -> Any:
    """The largest of any count of numbers; nulls are ignored."""
    return max(_numbers("max", values), default=None)


@register_function("min", variadic=True)
def find_min(_: Render, *values: Any) -> Any:
    """The smallest of any count of numbers; nulls are ignored."""
    return min(_numbers("min", values), default=None)


@register_function("fromJson", "json", required=1)
def from_json(render: Render, json: Any) -> Any:
    """The value of a JSON text."""
    return None if json is None else read_json(render.budget, text_argument("json", json))


@register_function("json", "json", required=1)
def from_json_by_old_name(render: Render, json: Any) -> Any:
    """The value of a JSON text (old name of fromJson)."""
    return from_json(render, json)


@register_function("fromIon", "ion", required=1)
def from_ion(render: Render, ion: Any) -> Any:
    """The first value of an Ion text."""
    return None if ion is None else read_ion(render.budget, text_argument("ion", ion))


@register_function("yaml", "yaml", required=1)
def from_yaml(render: Render, yaml: Any) -> Any:
    """The value of a YAML text; keys are texts."""
    return None if yaml is None else read_yaml(render.budget, text_argument("yaml", yaml))

"""The tests behind `is`: defined, null, empty, even, odd, iterable, map, json. Source: expressions, 2.3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flows.expressions.arguments import bad_input, text_input
from flows.expressions.library import register_test
from flows.expressions.scope import Render
from flows.expressions.values import is_integer, is_list


@register_test("defined", takes_undefined=True)
def is_defined(_: Render, value: Any) -> bool:
    """True for a value that exists and is not null."""
    return value is not None


@register_test("null")
def is_null(_: Render, value: Any) -> bool:
    """True for null."""
    return value is None


@register_test("empty")
def is_empty(_: Render, value: Any) -> bool:
    """True for null, a text of only white space, an empty list or map."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, Mapping) or is_list(value):
        return len(value) == 0
    return False


@register_test("even")
def is_even(_: Render, value: Any) -> bool:
    """True for even integers."""
    if not is_integer(value):
        raise bad_input('test "even"', "an integer", value)
    return int(value) % 2 == 0


@register_test("odd")
def is_odd(_: Render, value: Any) -> bool:
    """True for odd integers."""
    if not is_integer(value):
        raise bad_input('test "odd"', "an integer", value)
    return int(value) % 2 != 0


@register_test("iterable")
def is_iterable(_: Render, value: Any) -> bool:
    """True for lists, not for maps or texts."""
    return is_list(value)


@register_test("map")
def is_map(_: Render, value: Any) -> bool:
    """True for maps."""
    return isinstance(value, Mapping)


@register_test("json")
def is_json(_: Render, value: Any) -> bool:
    """True for a text whose first value parses as JSON; the empty text counts."""
    text = text_input('test "json"', value).strip()
    if not text:
        return True
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    # A word glued to a number or word, as in 12abc, is no JSON token.
    return not (text[end - 1].isalnum() and text[end : end + 1].isalnum())

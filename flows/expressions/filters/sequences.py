"""Filters on lists and maps. Source: expressions, 4.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.expressions.arguments import bad_argument, bad_input, integer_argument, list_input
from flows.expressions.library import register_filter
from flows.expressions.operators import is_equal
from flows.expressions.scope import Render
from flows.expressions.values import is_list, is_number


@register_filter("length", takes_null=True)
def get_length(_: Render, value: Any) -> int:
    """The number of characters, items or entries; 0 for anything else."""
    return len(value) if isinstance(value, (str, Mapping)) or is_list(value) else 0


@register_filter("first")
def get_first(_: Render, value: Any) -> Any:
    """The first item of a list or character of a text; null for an empty list."""
    return _pick_end("first", value, 0)


@register_filter("last")
def get_last(_: Render, value: Any) -> Any:
    """The last item of a list or character of a text; null for an empty list."""
    return _pick_end("last", value, -1)


def _pick_end(name: str, value: Any, index: int) -> Any:
    if isinstance(value, str) and value:
        return value[index]
    if is_list(value):
        items = value if isinstance(value, (list, tuple)) else list(value)
        return items[index] if items else None
    raise bad_input(f'filter "{name}"', "a list or a text that is not empty", value)


def _sorted(name: str, value: Any, *, is_descending: bool) -> list[Any]:
    items = list(list_input(f'filter "{name}"', value))
    if not all(is_number(item) for item in items) and not all(isinstance(item, str) for item in items):
        kinds = {type(item) for item in items}
        if (
            len(kinds) > 1
            or not hasattr(kinds.pop(), "__lt__")
            or any(isinstance(item, Mapping) or is_list(item) for item in items)
        ):
            raise bad_input(f'filter "{name}"', "a list whose items are all texts, all numbers or all dates", value)
    return sorted(items, reverse=is_descending)


@register_filter("sort")
def sort(_: Render, value: Any) -> list[Any]:
    """The items in ascending order."""
    return _sorted("sort", value, is_descending=False)


@register_filter("rsort")
def sort_descending(_: Render, value: Any) -> list[Any]:
    """The items in descending order."""
    return _sorted("rsort", value, is_descending=True)


@register_filter("reverse")
def reverse(_: Render, value: Any) -> list[Any]:
    """The items from the last to the first."""
    return list(list_input('filter "reverse"', value))[::-1]


@register_filter("distinct")
def keep_distinct(render: Render, value: Any) -> list[Any]:
    """The items without repeats, in the order in which they first appear."""
    kept: list[Any] = []
    seen: set[Any] = set()
    compared: list[Any] = []
    for item in list_input('filter "distinct"', value):
        render.budget.tick()
        if isinstance(item, (str, bool)) or item is None or is_number(item):
            mark = (isinstance(item, bool), item)
            if mark in seen:
                continue
            seen.add(mark)
        else:
            if any(is_equal(render.budget, item, other) for other in compared):
                continue
            compared.append(item)
        kept.append(item)
    return kept


@register_filter("flatten")
def flatten(render: Render, value: Any) -> list[Any]:
    """The items of a list and of the lists in it, one level deep."""
    flat: list[Any] = []
    for item in list_input('filter "flatten"', value):
        if not is_list(item):
            flat.append(item)
            continue
        render.budget.spend_items(len(item))
        flat.extend(item)
    return flat


@register_filter("chunk", "size", required=1)
def chunk(render: Render, value: Any, size: Any) -> list[list[Any]]:
    """The items in lists of at most the given size."""
    items = list(list_input('filter "chunk"', value))
    count = integer_argument("size", size)
    if count < 1:
        raise bad_argument(f'The argument "size" must be at least 1, got {count}.')
    render.budget.spend_items(len(items))
    return [items[start : start + count] for start in range(0, len(items), count)]


@register_filter("merge", "items", required=1, takes_null=True)
def merge(render: Render, value: Any, items: Any) -> Any:
    """Two lists or maps as one; in maps the right side wins."""
    if value is None or items is None:
        present = items if value is None else value
        if present is None:
            raise bad_input('filter "merge"', "a list or a map on at least one side", None)
        return present
    if isinstance(value, Mapping):
        if isinstance(items, Mapping):
            return {**value, **items}
        if is_list(items):
            return {**value, **{item: item for item in items}}
    elif is_list(value):
        if is_list(items):
            render.budget.spend_items(len(value) + len(items))
            return [*value, *items]
        if isinstance(items, Mapping):
            return [*value, *({"key": key, "value": item} for key, item in items.items())]
    else:
        raise bad_input('filter "merge"', "a list or a map", value)
    raise bad_argument('The argument "items" must be a list or a map.')


@register_filter("keys")
def list_keys(_: Render, value: Any) -> list[Any]:
    """The keys of a map, or the positions of a list."""
    if isinstance(value, Mapping):
        return list(value)
    if is_list(value):
        return list(range(len(value)))
    raise bad_input('filter "keys"', "a map or a list", value)


@register_filter("values")
def list_values(_: Render, value: Any) -> list[Any]:
    """The values of a map."""
    if not isinstance(value, Mapping):
        raise bad_input('filter "values"', "a map", value)
    return list(value.values())

"""Looking into values: map keys, list indexes and the short list of methods. Objects of the host are never reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.operators import contains, is_equal
from flows.expressions.regexes import split_text
from flows.expressions.scope import Render
from flows.expressions.values import describe_type, is_integer, is_list

MISSING: Any = object()
CONTROL_AND_SPACE = "".join(map(chr, range(0x21)))
"""What Java's trim removes: everything up to the space."""


def find_item(target: Any, key: Any) -> Any:
    """
    Return `target[key]`, or MISSING when there is nothing: no such key, index out of range, or not a map or list.

    A map is asked for the one key only (it may load it on demand). A list takes integers from 0 and texts of digits. Texts
    and lists also have `length`, `size` and `empty` where no parentheses follow [quirk].
    """
    if isinstance(target, Mapping):
        return _find_entry(target, key)
    if isinstance(target, (list, tuple)):
        if isinstance(key, str):
            if key.isascii() and key.isdigit() and len(key) < 10:
                key = int(key)
            else:
                return _find_property(target, key)
        if is_integer(key) and 0 <= key < len(target):
            return target[key]
        return MISSING
    if isinstance(target, str):
        return _find_property(target, key)
    return MISSING


def _find_entry(target: Mapping[Any, Any], key: Any) -> Any:
    if isinstance(key, (bool, list, tuple, Mapping, set)):
        key = "true" if key is True else "false" if key is False else None
    if key is None:
        return MISSING
    try:
        return target[key]
    except KeyError:
        if is_integer(key):
            try:
                return target[str(int(key))]
            except KeyError:
                return MISSING
        return MISSING


def _find_property(target: Any, key: Any) -> Any:
    if key == "length" and isinstance(target, str):
        return len(target)
    if key == "size" and not isinstance(target, str):
        return len(target)
    if key == "empty":
        return len(target) == 0
    return MISSING


def call_method(render: Render, target: Any, name: str, arguments: list[Any]) -> Any:
    """
    Call one of the allowed methods of a text, list or map.

    Raises ExpressionError: unknown_function for every other name, bad_argument for wrong arguments.
    Source: expressions, 2.1 (method).
    """
    methods = _TEXT_METHODS if isinstance(target, str) else _MAP_METHODS if isinstance(target, Mapping) else None
    if methods is None:
        methods = _LIST_METHODS if is_list(target) else {}
    found = methods.get(name)
    if found is None:
        raise ExpressionError(Kind.UNKNOWN_FUNCTION, f'Method "{name}" does not exist on {describe_type(target)}.')
    method, kinds, required = found
    if not required <= len(arguments) <= len(kinds):
        raise ExpressionError(
            Kind.BAD_ARGUMENT, f'Method "{name}" takes {required} to {len(kinds)} arguments, got {len(arguments)}.'
        )
    for argument, kind in zip(arguments, kinds, strict=False):
        if (kind is str and not isinstance(argument, str)) or (kind is int and not is_integer(argument)):
            expected = "a text" if kind is str else "an integer"
            raise ExpressionError(Kind.BAD_ARGUMENT, f'Method "{name}" expects {expected}, got {describe_type(argument)}.')
    return method(render, target, *arguments)


def _substring(_: Render, text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise ExpressionError(Kind.BAD_ARGUMENT, f"substring({start}, {stop}) is outside a text of {len(text)} characters.")
    return text[start:stop]


def _replace(render: Render, text: str, old: str, new: str) -> str:
    render.budget.spend_text(len(text) + text.count(old) * len(new), is_ascii=text.isascii() and new.isascii())
    return text.replace(old, new)


def _split(render: Render, text: str, pattern: str) -> list[str]:
    return split_text(render.budget, text, pattern, 0)


def _get(_: Render, target: Any, key: Any) -> Any:
    value = find_item(target, key)
    return None if value is MISSING else value


def _change_case(change: Callable[[str], str]) -> Callable[[Render, str], str]:
    def apply(render: Render, text: str) -> str:
        render.budget.spend_text(len(text), is_ascii=text.isascii())
        return change(text)

    return apply


_TEXT_METHODS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "length": (lambda _, text: len(text), (), 0),
    "isEmpty": (lambda _, text: not text, (), 0),
    "toUpperCase": (_change_case(str.upper), (), 0),
    "toLowerCase": (_change_case(str.lower), (), 0),
    "trim": (lambda _, text: text.strip(CONTROL_AND_SPACE), (), 0),
    "contains": (lambda _, text, part: part in text, (str,), 1),
    "startsWith": (lambda _, text, part: text.startswith(part), (str,), 1),
    "endsWith": (lambda _, text, part: text.endswith(part), (str,), 1),
    "indexOf": (lambda _, text, part: text.find(part), (str,), 1),
    "substring": (_substring, (int, int), 1),
    "replace": (_replace, (str, str), 2),
    "split": (_split, (str,), 1),
}
_LIST_METHODS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "size": (lambda _, items: len(items), (), 0),
    "isEmpty": (lambda _, items: len(items) == 0, (), 0),
    "contains": (lambda render, items, item: any(is_equal(render.budget, item, other) for other in items), (object,), 1),
    "get": (_get, (int,), 1),
}
_MAP_METHODS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "size": (lambda _, mapping: len(mapping), (), 0),
    "isEmpty": (lambda _, mapping: len(mapping) == 0, (), 0),
    "containsKey": (lambda render, mapping, key: contains(render.budget, mapping, key), (object,), 1),
    "get": (_get, (object,), 1),
    "keySet": (lambda _, mapping: list(mapping), (), 0),
    "values": (lambda _, mapping: list(mapping.values()), (), 0),
}

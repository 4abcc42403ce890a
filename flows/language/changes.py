"""What changed between two texts of a flow, in words: which tasks, triggers, inputs and properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.language.source import read_document

MOST_WORDS = 40
_LISTS = {"inputs": "input", "triggers": "trigger", "outputs": "output"}
_TASK_LISTS = ("tasks", "errors", "finally", "afterExecution")


def describe_changes(old: str, new: str) -> list[str]:
    """
    Return one sentence part per change, such as "task `load` added" or "`retry` of `orders` changed"; at most 40.

    Comments, order of properties and quoting are no changes here. A text that cannot be read gives an empty list.
    """
    before, after = read_document(old).data, read_document(new).data
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    words = [*_compare_tasks(before, after)]
    for section, noun in _LISTS.items():
        words += _compare_named(_by_id(before.get(section)), _by_id(after.get(section)), noun)
    skipped = {*_TASK_LISTS, *_LISTS, "revision"}
    words += [f"`{key}` {what}" for key, what in _compare_keys(before, after) if key not in skipped]
    if not words and before != after:
        words = ["the structure changed"]
    return words[:MOST_WORDS]


def _compare_tasks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = dict(_walk_tasks(before)), dict(_walk_tasks(after))
    yield from _compare_named(old, new, "task")
    kept_old, kept_new = [name for name in old if name in new], [name for name in new if name in old]
    if kept_old != kept_new:
        moved = next(name for name, other in zip(kept_old, kept_new, strict=True) if name != other)
        yield f"order of tasks changed around `{moved}`"


def _walk_tasks(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every task by id without the tasks inside it, a group before its children."""
    pending: list[Any] = [document.get(name) for name in reversed(_TASK_LISTS)]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += reversed(value)
        elif isinstance(value, dict):
            inner = {key: item for key, item in value.items() if _holds_tasks(item)}
            if isinstance(value.get("id"), str) and "type" in value:
                yield value["id"], {key: item for key, item in value.items() if key not in inner}
            pending += reversed(list(inner.values()))


def _holds_tasks(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_tasks(one) for one in value)
    if isinstance(value, dict):
        return ("id" in value and "type" in value) or any(_holds_tasks(one) for one in value.values())
    return False


def _by_id(value: Any) -> dict[str, Any]:
    return {str(one["id"]): one for one in value if isinstance(one, dict) and "id" in one} if isinstance(value, list) else {}


def _compare_named(old: Mapping[str, Any], new: Mapping[str, Any], noun: str) -> Iterator[str]:
    for name in new:
        if name not in old:
            yield f"{noun} `{name}` added"
    for name in old:
        if name not in new:
            yield f"{noun} `{name}` removed"
    for name, value in new.items():
        if name in old and old[name] != value:
            for key, what in _compare_keys(old[name], value):
                yield f"`{key}` of `{name}` {what}"


def _compare_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in new:
        if key not in old:
            yield key, "added"
        elif old[key] != new[key]:
            yield key, "changed"
    for key in old:
        if key not in new:
            yield key, "removed"

"""Plugin defaults: which apply to a plugin, and how they merge with what it says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flows.language.flow import PluginDefault
from flows.plugin_api.registry import Registry

_UNTOUCHED = frozenset({"pluginDefaults", "taskDefaults"})


def apply_defaults(
    document: Any,
    defaults: Sequence[PluginDefault],
    registry: Registry,
    *,
    on_copy: Callable[[Any, Any], None] = lambda copy, original: None,
) -> Any:
    """
    Return the data of a flow with plugin defaults merged into every mapping that has a `type`.

    Args:
        document: plain data of a flow or of a part of it; never changed.
        defaults: most important first: those of the flow, of its namespace, of the parents of the namespace, of the server.
        on_copy: called with (copy, original) for every mapping or list that was copied to be changed.

    Returns:
        The same object where nothing applies, so that unchanged parts keep their identity.

    Source: flow language, 5.2.
    """
    if not defaults:
        return document
    return _Defaults(defaults, registry, on_copy).apply(document)


def read_outside_defaults(defaults: Iterable[PluginDefault | Mapping[str, Any]]) -> tuple[PluginDefault, ...]:
    """
    Return defaults of a namespace or the server as typed values; they may come as the stored `{type, values, forced?, ref?}`.

    Entries without a type or values are left out: they were refused when they were stored.
    """
    found = []
    for item in defaults:
        if isinstance(item, PluginDefault):
            found.append(item)
        elif isinstance(item.get("type"), str) and isinstance(item.get("values"), Mapping):
            found.append(PluginDefault(item["type"], item["values"], item.get("forced") is True, item.get("ref")))
    return tuple(found)


def merge_values(base: Any, over: Any, *, base_first: bool = True) -> Any:
    """
    Return `base` with `over` laid on it: mappings merge, lists are joined, other values of `over` win unless null.

    `base_first` tells whose items come first in a joined list.
    """
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = merge_values(base[key], value, base_first=base_first) if key in base else value
        return merged
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over] if base_first else [*over, *base]
    return base if over is None else over


class _Defaults:
    def __init__(self, defaults: Sequence[PluginDefault], registry: Registry, on_copy: Callable[[Any, Any], None]) -> None:
        self._ordinary = [item for item in defaults if not item.forced]
        self._forced = [item for item in defaults if item.forced]
        self._registry = registry
        self._on_copy = on_copy
        self._names: dict[str, tuple[str, ...]] = {}

    def apply(self, value: Any) -> Any:
        if isinstance(value, dict):
            changed = {key: item if key in _UNTOUCHED else self.apply(item) for key, item in value.items()}
            if any(changed[key] is not value[key] for key in value):
                self._on_copy(changed, value)
            else:
                changed = value
            return self._merge(changed, value) if isinstance(value.get("type"), str) else changed
        if isinstance(value, list):
            items = [self.apply(item) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            self._on_copy(items, value)
            return items
        return value

    def _merge(self, value: dict[str, Any], original: dict[str, Any]) -> dict[str, Any]:
        names = self._names_of(value["type"])
        merged: Any = value
        for default in self._ordinary:
            if self._applies(default, names, value):
                merged = merge_values(default.values, merged)
        for default in self._forced:
            if self._applies(default, names, value):
                merged = merge_values(merged, default.values)
        is_unchanged = merged is value
        if is_unchanged:
            return value
        ordered: dict[str, Any] = {**{key: merged[key] for key in value}, **merged}
        self._on_copy(ordered, original)
        return ordered

    def _names_of(self, type_name: str) -> tuple[str, ...]:
        if type_name not in self._names:
            entry = self._registry.find(type_name)
            self._names[type_name] = (type_name, entry.type, *entry.aliases) if entry else (type_name,)
        return self._names[type_name]

    def _applies(self, default: PluginDefault, names: tuple[str, ...], value: Mapping[str, Any]) -> bool:
        if default.ref is not None:
            wanted = value.get("pluginDefaultsRef")
            if default.ref not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        return any(name.startswith(default.type) for name in names)

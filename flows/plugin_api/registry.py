"""
Which plugins are installed. Filled once from manifest files, without importing plugin code, and read-only afterwards.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from flows.primitives.errors import ConflictError, FlowsError, NotFoundError

MANIFEST_NAME = "manifest.json"


class ManifestError(FlowsError):
    """A plugin package has no readable manifest."""

    code = "plugin-manifest"


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """
    What the platform knows of one plugin type without importing it.

    Attributes:
        type: canonical name.
        aliases: older names that mean the same.
        kind: `task`, `trigger`, `condition` or `runner`.
        role: for tasks `runnable`, `flowable`, `executable` or `updating`; empty otherwise.
        arrangement: how a flowable arranges its children (see `flows.language.flow.Task`); None otherwise.
        light: True for a task that runs inside the engine's visit.
        family: for triggers `schedule`, `polling`, `realtime`, `flow` or `webhook`; empty otherwise.
        branches: names of the properties that hold lists of tasks.
        schema: JSON schema of its own properties, common ones and branches left out.
        outputs: JSON schema of its outputs, or of `trigger.*` for a trigger; empty when it has none.
        metrics: what it records by itself, each a map with `name`, `type`, `description` and `unit`.
        deprecated: why and what to use instead; empty when current.
        implementation: `module:Class`.
        group: folder for lists and pages, such as `core.log`.
    """

    type: str
    aliases: tuple[str, ...] = ()
    kind: str = "task"
    role: str = ""
    arrangement: str | None = None
    light: bool = False
    family: str = ""
    branches: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    description: str = ""
    examples: tuple[str, ...] = ()
    metrics: tuple[Mapping[str, str], ...] = ()
    deprecated: str = ""
    implementation: str = ""
    group: str = ""


class Registry:
    """
    All installed plugin types. Read-only; safe to share between threads.

    Raises:
        ConflictError: a name is claimed twice. All clashes are named in the one message.
    """

    def __init__(self, entries: Iterable[PluginEntry] = ()) -> None:
        self._entries: dict[str, PluginEntry] = {}
        self._names: dict[str, PluginEntry] = {}
        self._classes: dict[str, type] = {}
        clashes = []
        for entry in entries:
            for name in (entry.type, *entry.aliases):
                other = self._names.setdefault(name, entry)
                if other is not entry:
                    clashes.append(f'"{name}" ({other.implementation or other.type} and {entry.implementation or entry.type})')
            self._entries.setdefault(entry.type, entry)
        if clashes:
            raise ConflictError(
                f"Plugin names must be unique, but these are claimed twice: {', '.join(clashes)}. Uninstall one of each pair.",
                code="plugin-name-clash",
            )

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, type_name: str) -> PluginEntry | None:
        """Return the entry with this type or alias, or None."""
        return self._names.get(type_name)

    def get(self, type_name: str) -> PluginEntry:
        """Return the entry with this type or alias. Raises NotFoundError with a suggestion."""
        entry = self._names.get(type_name)
        if entry is None:
            suggestion = self.suggest(type_name)
            hint = f' Did you mean "{suggestion}"?' if suggestion else ""
            raise NotFoundError(f'No installed plugin provides the type "{type_name}".{hint}', code="unknown-type")
        return entry

    def suggest(self, type_name: str) -> str | None:
        """Return the canonical name that a mistyped one most probably means, or None."""
        last = type_name.rsplit(".", 1)[-1].lower()
        same_class = [name for name in self._entries if name.rsplit(".", 1)[-1].lower() == last]
        pool = same_class or list(self._entries)
        found = difflib.get_close_matches(type_name, pool, n=1, cutoff=0.3 if same_class else 0.75)
        if found:
            return found[0]
        classes: dict[str, list[str]] = {}
        for name in self._entries:
            classes.setdefault(name.rsplit(".", 1)[-1].lower(), []).append(name)
        close = difflib.get_close_matches(last, classes, n=1, cutoff=0.8)
        return min(classes[close[0]], key=len) if close else None

    def list_entries(self, kind: str | None = None) -> Iterator[PluginEntry]:
        """Yield all entries, or those of one kind, by type name."""
        for name in sorted(self._entries):
            if kind is None or self._entries[name].kind == kind:
                yield self._entries[name]

    def load(self, entry: PluginEntry) -> type:
        """
        Import and return the class of an entry. Only workers call this.

        Raises:
            ManifestError: the class cannot be imported; the message says why.
        """
        known = self._classes.get(entry.type)
        if known is not None:
            return known
        module_name, _, class_name = entry.implementation.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            for part in class_name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise ManifestError(
                f'The plugin "{entry.type}" cannot be loaded from "{entry.implementation}": {error}. '
                "Install what it needs, or rebuild its manifest."
            ) from error
        self._classes[entry.type] = found
        return found  # type: ignore[no-any-return]  # the manifest says what it is


def load_registry(packages: Sequence[str]) -> Registry:
    """
    Return a registry of the plugins of these packages, from the `manifest.json` of each.

    Args:
        packages: importable package names, such as `plugins.core`. Only their parents are imported.

    Raises:
        ManifestError: a package or its manifest is missing or unreadable.
        ConflictError: two packages claim the same name.
    """
    return Registry(entry for package in packages for entry in read_manifest(package))


def find_manifest_path(package: str) -> Path:
    """Return where the manifest of a package stands or would stand. Raises ManifestError when there is no such package."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ManifestError(f'There is no plugin package "{package}". Install it, or take it out of the plugin packages setting.')
    return Path(next(iter(spec.submodule_search_locations))) / MANIFEST_NAME


def read_manifest(package: str) -> list[PluginEntry]:
    """Return the entries of the manifest of one package. Raises ManifestError."""
    path = find_manifest_path(package)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [entry_from_data(row) for row in data["types"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f'The manifest of plugin package "{package}" cannot be read: {error}. '
            f"Build it with: python -m flows.plugin_api.manifest {package}"
        ) from error


_FIELDS = tuple(f.name for f in fields(PluginEntry))


def entry_from_data(row: Mapping[str, Any]) -> PluginEntry:
    """Return the entry written as one manifest row; absent keys take their defaults, unknown keys are left alone."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS if name in row}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return PluginEntry(**values)


_current: list[Registry] = []


def set_registry(registry: Registry) -> None:
    """Make this the registry of the process; called once at start-up, and by tests."""
    _current[:] = [registry]


def get_registry() -> Registry:
    """Return the registry of the process. Raises ManifestError before `set_registry`."""
    if not _current:
        raise ManifestError("The plugins are not loaded yet. Call set_registry(load_registry(packages)) at start-up.")
    return _current[0]

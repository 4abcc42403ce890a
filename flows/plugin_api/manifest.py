"""
Build the manifest of a plugin package: `python -m flows.plugin_api.manifest plugins.core [--check]`.

Only this module imports every plugin class; everybody else reads the file that it writes.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flows.plugin_api.fields import schema_of
from flows.plugin_api.plugin_type import PluginType
from flows.plugin_api.registry import ManifestError, PluginEntry, Registry, find_manifest_path
from flows.plugin_api.tasks import FlowableTask

_PREFIXES = ("io.kestra.plugin.", "io.kestra.")


def build_manifest(package: str) -> str:
    """
    Import every module of a package and return its manifest as JSON text, sorted by type name.

    A class is listed when it has its own `type` and is an attribute of the module that defines it.

    Raises:
        ManifestError: a class lacks what its kind needs.
        ConflictError: two classes claim the same name.
    """
    entries = sorted((_entry_of(cls, name) for cls, name in _list_classes(package)), key=lambda entry: entry.type)
    Registry(entries)
    rows = [_compact(entry) for entry in entries]
    return json.dumps({"format": 1, "package": package, "types": rows}, indent=1, ensure_ascii=False) + "\n"


def _list_classes(package: str) -> Iterator[tuple[type, str]]:
    root = importlib.import_module(package)
    modules = [root]
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        modules.append(importlib.import_module(info.name))
    for module in modules:
        for name, value in vars(module).items():
            is_plugin = inspect.isclass(value) and issubclass(value, PluginType) and "type" in vars(value)
            if is_plugin and value.__module__ == module.__name__:
                yield value, f"{module.__name__}:{name}"


def _entry_of(cls: Any, implementation: str) -> PluginEntry:
    missing = [name for name in ("type", "Props", "title", *_NEEDED.get(cls.kind, ())) if not getattr(cls, name, None)]
    if missing:
        raise ManifestError(f'Plugin class "{implementation}" must set {", ".join(missing)}.')
    is_flowable = issubclass(cls, FlowableTask)
    output = getattr(cls, "Output", None)
    return PluginEntry(
        type=cls.type,
        aliases=tuple(cls.aliases),
        kind=cls.kind,
        role=getattr(cls, "role", ""),
        arrangement=cls.arrangement if is_flowable else None,
        light=bool(getattr(cls, "light", False)),
        family=getattr(cls, "family", ""),
        branches=tuple(cls.branches) if is_flowable else (),
        schema=schema_of(cls.Props),
        outputs=schema_of(output, mode="serialization") if output is not None else {},
        title=cls.title,
        description=inspect.cleandoc(cls.description or cls.__doc__ or ""),
        examples=tuple(inspect.cleandoc(example) + "\n" for example in cls.examples),
        metrics=tuple(asdict(metric) for metric in getattr(cls, "metrics", ())),
        deprecated=cls.deprecated,
        implementation=implementation,
        group=group_of(cls.type),
    )


_NEEDED = {"trigger": ("family",)}


def group_of(type_name: str) -> str:
    """Return the folder of a type for lists: its package without the vendor prefix (`core.log`)."""
    package = type_name.rpartition(".")[0]
    for prefix in _PREFIXES:
        if package.startswith(prefix):
            return package.removeprefix(prefix)
    return package


def _compact(entry: PluginEntry) -> dict[str, Any]:
    """Return the row of an entry without the values that equal the defaults."""
    default = asdict(PluginEntry(type=""))
    return {key: value for key, value in asdict(entry).items() if value != default[key]}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the manifests named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.plugin_api.manifest", description="Build the manifests of plugin packages."
    )
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="importable package, such as plugins.core")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a manifest is stale")
    options = parser.parse_args(arguments)
    stale = 0
    for package in options.packages:
        path = find_manifest_path(package)
        text = build_manifest(package)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            stale += 1
            sys.stderr.write(f"{path} is stale. Build it with: python -m flows.plugin_api.manifest {package}\n")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""The registry: names, aliases, suggestions, clashes, manifests."""

from __future__ import annotations

import json
import sys

import pytest

from flows.plugin_api.registry import ManifestError, PluginEntry, Registry, load_registry
from flows.primitives.errors import ConflictError, NotFoundError

CORE = "io.kestra.plugin.core"


@pytest.fixture(scope="module")
def core() -> Registry:
    return load_registry(["plugins.core"])


def test_an_alias_finds_the_canonical_entry(core):
    assert core.find("io.kestra.core.tasks.log.Log") is core.get(f"{CORE}.log.Log")


def test_an_unknown_name_is_not_found_and_suggests_the_nearest(core):
    assert core.find("nothing") is None
    with pytest.raises(NotFoundError, match="Did you mean") as caught:
        core.get(f"{CORE}.flow.Sequentail")

    assert caught.value.code == "unknown-type"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (f"{CORE}.flow.Sequentail", f"{CORE}.flow.Sequential"),
        (f"{CORE}.logs.Log", f"{CORE}.log.Log"),
        ("log.Log", f"{CORE}.log.Log"),
        (f"{CORE}.log.log", f"{CORE}.log.Log"),
        ("com.example.Retrun", f"{CORE}.debug.Return"),
        ("com.example.Xyzzy", None),
    ],
)
def test_suggestions(core, written, meant):
    assert core.suggest(written) == meant


def test_entries_are_listed_by_kind_and_sorted(core):
    names = [entry.type for entry in core.list_entries("condition")]

    assert len(names) == 18
    assert names == sorted(names)


def test_all_clashes_are_named_in_one_error():
    entries = [
        PluginEntry("a", aliases=("b",), implementation="m:A"),
        PluginEntry("b", implementation="m:B"),
        PluginEntry("c", aliases=("a",), implementation="m:C"),
    ]

    with pytest.raises(ConflictError) as caught:
        Registry(entries)

    assert all(name in caught.value.message for name in ('"a"', '"b"', "m:A", "m:B", "m:C"))


def test_loading_manifests_imports_no_plugin_module(tmp_path, monkeypatch):
    package = tmp_path / "acme_plugins"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "manifest.json").write_text(
        json.dumps({"types": [{"type": "acme.Task", "implementation": "acme_plugins.x:Task"}]})
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    registry = load_registry(["acme_plugins"])

    assert registry.get("acme.Task").kind == "task"
    assert "acme_plugins" not in sys.modules


def test_a_package_without_manifest_says_how_to_build_it(tmp_path, monkeypatch):
    (tmp_path / "bare_plugins").mkdir()
    (tmp_path / "bare_plugins" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ManifestError, match=r"python -m flows\.plugin_api\.manifest bare_plugins"):
        load_registry(["bare_plugins"])


def test_a_missing_package_is_named():
    with pytest.raises(ManifestError, match="no_such_package"):
        load_registry(["no_such_package"])


def test_a_class_that_cannot_be_imported_is_named():
    registry = Registry([PluginEntry("acme.Task", implementation="no_such_module:Task")])

    with pytest.raises(ManifestError, match="no_such_module"):
        registry.load(registry.get("acme.Task"))


def test_a_class_is_imported_once(core):
    entry = core.get(f"{CORE}.log.Log")

    assert core.load(entry) is core.load(entry)
    assert core.load(entry).__name__ == "Log"

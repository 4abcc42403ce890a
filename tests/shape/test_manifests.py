"""The manifests of our plugin packages: up to date, free of clashes, complete, and true to what the classes say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from flows.plugin_api.manifest import build_manifest
from flows.plugin_api.registry import find_manifest_path, load_registry

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
_KINDS = ("counter", "timer", "gauge")
PACKAGES = sorted(f"plugins.{path.parent.name}" for path in PLUGINS.glob("*/__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_manifest_is_up_to_date(package):
    """When this fails, run: python -m flows.plugin_api.manifest PACKAGE"""
    written = find_manifest_path(package).read_text(encoding="utf-8")

    assert written == build_manifest(package)


def test_all_packages_load_together_without_a_clash():
    registry = load_registry(PACKAGES)

    assert len(registry) > 80


def test_every_entry_can_be_loaded_and_is_the_class_of_its_type():
    registry = load_registry(PACKAGES)

    wrong = [entry.type for entry in registry.list_entries() if registry.load(entry).type != entry.type]

    assert wrong == []


def test_every_example_is_one_flow_that_uses_its_type():
    wrong = []
    for entry in load_registry(PACKAGES).list_entries():
        for example in entry.examples:
            flow = yaml.safe_load(example)
            if not {"id", "namespace", "tasks"} <= flow.keys() or entry.type not in example:
                wrong.append(entry.type)

    assert wrong == []


def test_every_current_type_says_what_it_does():
    wrong = [e.type for e in load_registry(PACKAGES).list_entries() if not e.title or not e.description]

    assert wrong == []


def test_every_metric_that_a_task_records_is_declared():
    recorded, declared = set(), set()
    for path in PLUGINS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KINDS:
                recorded |= {(node.func.attr, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    for entry in load_registry(PACKAGES).list_entries():
        declared |= {(metric["type"], metric["name"]) for metric in entry.metrics}

    assert recorded == declared

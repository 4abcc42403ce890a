"""The installed plugins by group, and a page about each type. All of it comes from the registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from flows.plugin_api.registry import PluginEntry, get_registry
from flows.ui.page import Crumb, answer_page

_KINDS = {"task": "Tasks", "trigger": "Triggers", "condition": "Conditions", "runner": "Task runners"}


def list_plugins(request: HttpRequest) -> HttpResponse:
    """Show all types by group, or those whose name, title or properties hold the words."""
    words = request.GET.get("q", "").lower().split()
    groups: dict[str, list[PluginEntry]] = defaultdict(list)
    count = 0
    for entry in get_registry().list_entries():
        haystack = f"{entry.type} {entry.title} {entry.description} {' '.join(entry.schema.get('properties') or ())}".lower()
        if all(word in haystack for word in words):
            groups[entry.type.rpartition(".")[0]].append(entry)
            count += 1
    shown = [{"name": name.removeprefix("io.kestra.plugin."), "entries": entries} for name, entries in sorted(groups.items())]
    context = {"groups": shown, "text": request.GET.get("q", ""), "count": count}
    return answer_page(request, "flows/plugin_list.html", context, title="Plugins", nav="plugins")


def show_plugin(request: HttpRequest, name: str) -> HttpResponse:
    """Show one type: what it does, examples, properties and outputs."""
    entry = get_registry().get(name)
    short = entry.type.rpartition(".")[2]
    context = {
        "entry": entry,
        "short": short,
        "properties": list_properties(entry.schema),
        "outputs": list_properties(entry.outputs),
        "kind": _KINDS.get(entry.kind, entry.kind),
    }
    crumbs = [Crumb("Plugins", reverse("ui:plugins")), Crumb(entry.type.rpartition(".")[2])]
    return answer_page(request, "flows/plugin.html", context, title=short, nav="plugins", crumbs=crumbs)


def list_properties(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of a schema as rows, required ones first."""
    required = set(schema.get("required") or ())
    rows = [
        {
            "name": name,
            "type": describe_type(facts),
            "required": name in required,
            "default": facts.get("default") if isinstance(facts, dict) else None,
            "description": facts.get("description", "") if isinstance(facts, dict) else "",
            "choices": facts.get("enum") or [] if isinstance(facts, dict) else [],
            "deprecated": bool(isinstance(facts, dict) and facts.get("deprecated")),
        }
        for name, facts in (schema.get("properties") or {}).items()
    ]
    return sorted(rows, key=lambda row: (not row["required"], row["name"]))


def describe_type(facts: Any) -> str:
    """Return the type that a part of a schema stands for, in a word."""
    if not isinstance(facts, dict):
        return "any"
    kind = facts.get("type")
    if isinstance(kind, str):
        return f"list of {describe_type(facts['items'])}" if kind == "array" and "items" in facts else kind
    options = [describe_type(one) for one in facts.get("anyOf") or facts.get("oneOf") or ()]
    options = [option for option in dict.fromkeys(options) if option != "null"]
    return " or ".join(options) or ("choice" if facts.get("enum") else "any")

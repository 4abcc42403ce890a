"""The installed plugins by group, and a page about each type. All of it comes from the registry."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from flows.plugin_api.registry import get_registry
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource
from flows.ui.families import family_of
from flows.ui.page import Crumb, answer_page
from flows.ui.painters.yaml_source import paint_yaml

MOST_NAMES = 3
_KINDS = {"task": "Tasks", "trigger": "Triggers", "condition": "Conditions", "runner": "Task runners"}


def list_plugins(request: HttpRequest) -> HttpResponse:
    """Show all types by group, or those whose name, title or properties hold the words."""
    words = request.GET.get("q", "").lower().split()
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    count = 0
    for entry in get_registry().list_entries():
        names = list(_list_names(entry.schema))
        about = f"{entry.type} {entry.title} {entry.description}".lower()
        if all(word in about or any(word in name.lower() for name in names) for word in words):
            by_property = [name for name in names if any(word in name.lower() and word not in about for word in words)]
            groups[entry.type.rpartition(".")[0]].append(
                {"entry": entry, "by": [(name, name.partition(".")[0]) for name in by_property[:MOST_NAMES]]}
            )
            count += 1
    shown = [
        {"name": name.removeprefix("io.kestra.plugin."), "rows": rows, "family": family_of(rows[0]["entry"].type)}
        for name, rows in sorted(groups.items())
    ]
    context = {"groups": shown, "text": request.GET.get("q", ""), "count": count}
    return answer_page(request, "flows/plugin_list.html", context, title="Plugins", nav="plugins")


def _list_names(schema: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the names of properties; those inside another one as a path such as `options.followRedirects`."""
    for name, facts in (schema.get("properties") or {}).items():
        yield before + name
        for shape in (facts, *facts.get("anyOf", ())):
            yield from _list_names(shape, f"{before}{name}.")
            if isinstance(shape.get("items"), dict):
                yield from _list_names(shape["items"], f"{before}{name}.")


def show_plugin(request: HttpRequest, name: str) -> HttpResponse:
    """Show one type: what it does, examples, properties and outputs."""
    entry = get_registry().get(name)
    short = entry.type.rpartition(".")[2]
    context = {
        "entry": entry,
        "short": short,
        "examples": [(text, paint_yaml(text)) for text in entry.examples],
        "properties": list_properties(entry.schema),
        "outputs": list_properties(entry.outputs),
        "kind": _KINDS.get(entry.kind, entry.kind),
        "family": family_of(entry.type),
        "may_try": current_caller().list_reached(Resource.FLOW, Action.CREATE) != (),
    }
    crumbs = [Crumb("Plugins", reverse("ui:plugins")), Crumb(entry.type.rpartition(".")[2], copies=entry.type)]
    return answer_page(request, "flows/plugin.html", context, title=short, nav="plugins", crumbs=crumbs)


def list_properties(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of a schema as rows, required ones first."""
    required = set(schema.get("required") or ())
    rows = [
        _describe_property(name, facts if isinstance(facts, dict) else {}, name in required)
        for name, facts in (schema.get("properties") or {}).items()
    ]
    return sorted(rows, key=lambda row: (not row["required"], row["name"]))


def _describe_property(name: str, facts: Mapping[str, Any], is_required: bool) -> dict[str, Any]:
    default = facts.get("default")
    return {
        "name": name,
        "type": describe_type(facts),
        "required": is_required,
        "default": default if default is None or isinstance(default, str) else json.dumps(default, ensure_ascii=False),
        "description": facts.get("description", ""),
        "choices": _list_choices(facts),
        "deprecated": bool(facts.get("deprecated") or facts.get("$deprecated")),
        "dynamic": bool(facts.get("$dynamic")),
    }


def _list_choices(facts: Mapping[str, Any]) -> list[Any]:
    own = list(facts.get("enum") or ())
    return own or [word for one in facts.get("anyOf") or () if isinstance(one, dict) for word in one.get("enum") or ()]


def describe_type(facts: Any) -> str:
    """Return the type that a part of a schema stands for, in a word."""
    if not isinstance(facts, Mapping):
        return "any"
    kind = facts.get("type")
    if isinstance(kind, str):
        return f"list of {describe_type(facts['items'])}" if kind == "array" and "items" in facts else kind
    if isinstance(kind, list):
        # Whatever is written for a text is rendered as one.
        return "string" if "string" in kind else " or ".join(kind)
    options = [describe_type(one) for one in facts.get("anyOf") or facts.get("oneOf") or () if not _is_expression(facts, one)]
    options = [option for option in dict.fromkeys(options) if option != "null"]
    return " or ".join(options) or ("choice" if facts.get("enum") else "any")


def _is_expression(facts: Mapping[str, Any], option: Any) -> bool:
    """Tell whether an alternative only says that an expression may stand here, which the word dynamic says already."""
    return bool(facts.get("$dynamic")) and isinstance(option, dict) and option.get("type") == "string" and "pattern" in option

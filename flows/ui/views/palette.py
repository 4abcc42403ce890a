"""What the command palette finds, and the index that completes text in the editor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from textwrap import dedent
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.urls import reverse
from django.utils.html import escape

from flows.language import definitions
from flows.language.chart_shapes import describe_dashboard, list_chart_options, list_fields
from flows.language.definitions import INPUT_TYPES
from flows.models import Execution, Flow
from flows.plugin_api.registry import PluginEntry, get_registry
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource
from flows.queries.flows import list_flow_namespaces
from flows.queries.visibility import visible
from flows.ui.views.plugins import describe_type

FOUND_FLOWS = 8
FOUND_NAMESPACES = 4
LONGEST_TEXT = 120
LONGEST_TYPE = 300
_PAGES = (
    ("Dashboard", "home"), ("Executions", "executions"), ("Inbox", "inbox"), ("Logs", "logs"), ("Triggers", "triggers"),
    ("Flows", "flows"), ("New flow", "flow-new"), ("Source search", "source-search"), ("Namespaces", "namespaces"),
    ("Blueprints", "blueprints"), ("Plugins", "plugins"),
    ("Workers and queues", "system"), ("Settings", "settings"),
)  # fmt: skip


def search(request: HttpRequest) -> HttpResponse:
    """Answer `[{text, note, url, kind}]`: pages, flows, namespaces, plugin types, executions by id or by a label `key:value`."""
    text = request.GET.get("q", "").strip().replace("\0", "")[:100]
    found: list[dict[str, str]] = [
        {"text": name, "note": "", "kind": "page", "url": reverse(f"ui:{route}")}
        for name, route in _PAGES
        if text.lower() in name.lower()
    ]
    flows = visible(Flow).filter(deleted=False)
    flows = (
        flows.filter(Q(flow_id__icontains=text) | Q(namespace__icontains=text)).order_by("flow_id")
        if text
        else flows.order_by("-updated_at")
    )
    for row in flows.only("namespace", "flow_id")[:FOUND_FLOWS]:
        names = [row.namespace, row.flow_id]
        found.append({"text": row.flow_id, "note": row.namespace, "kind": "flow", "url": reverse("ui:flow", args=names)})
        if text and current_caller().may(Action.CREATE, Resource.EXECUTION, row.namespace):
            found.append(
                {
                    "text": f"Execute {row.flow_id}",
                    "note": row.namespace,
                    "kind": "run",
                    "url": reverse("ui:flow-execute", args=names),
                }
            )
    if text:
        found += [
            {"text": name, "note": "", "kind": "namespace", "url": reverse("ui:namespace", args=[name])}
            for name in list_flow_namespaces(text)[:FOUND_NAMESPACES]
        ]
    if len(text) >= 3:
        key, colon, value = text.partition(":")
        # A label is written as in the lists, `team:data`; anything else may be the begin of an id.
        wanted = Q(labels__contains=[{"key": key.strip(), "value": value.strip()}]) if colon else Q(pk__startswith=text)
        rows = visible(Execution).filter(wanted).only("id", "namespace", "flow_id", "state")[:5]
        found += [
            {
                "text": row.id,
                "note": f"{row.flow_id} · {row.state}",
                "kind": "execution",
                "url": reverse("ui:execution", args=[row.namespace, row.flow_id, row.id]),
            }
            for row in rows
        ]
        entries = [entry for entry in get_registry().list_entries() if text.lower() in entry.type.lower()]
        found += [
            {
                "text": entry.type.rpartition(".")[2],
                "note": entry.type,
                "kind": "plugin",
                "url": reverse("ui:plugin", args=[entry.type]),
            }
            for entry in entries[:6]
        ]
    return JsonResponse({"found": found[:24]})


def send_index(request: HttpRequest) -> HttpResponse:
    """Answer with everything that an editor completes without asking again; a browser that has it gets 304."""
    if (named := request.GET.get("example")) is not None:
        return HttpResponse(_find_example(named), content_type="text/plain; charset=utf-8")
    content, tag = _make_chart_index() if request.GET.get("of") == "dashboard" else _make_index()
    if request.headers.get("If-None-Match") == tag:
        answer: HttpResponse = HttpResponseNotModified()
    else:
        answer = HttpResponse(content, content_type="application/json")
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer


def _find_example(type_name: str) -> str:
    """Return the shortest example of a type, empty when there is none."""
    entry = get_registry().find(type_name[:LONGEST_TYPE])
    examples = sorted((dedent(example).strip() for example in entry.examples), key=len) if entry is not None else []
    return examples[0] if examples else ""


@lru_cache(maxsize=1)
def _make_chart_index() -> tuple[str, str]:
    shape = describe_dashboard().to_json()
    return _write_index({"shape": shape, "fields": list_fields(), "options": list_chart_options()})


@lru_cache(maxsize=1)
def _make_index() -> tuple[str, str]:
    entries = list(get_registry().list_entries())
    addable = [entry.type for entry in entries if entry.kind in ("task", "trigger") and not entry.deprecated]
    index = {
        "types": {
            entry.type: {
                "k": entry.kind,
                "d": _describe_entry(entry),
                "p": _list_properties(entry.schema),
                "b": list(entry.branches),
                **({"x": 1} if entry.deprecated else {}),
            }
            for entry in entries
        },
        "add": "".join(f'<option value="{escape(name)}">' for name in addable),
        "keys": {
            "flow": list(definitions.FLOW["properties"]),
            "task": list(definitions.TASK["properties"]),
            "trigger": list(definitions.TRIGGER["properties"]),
            "retry": list(definitions.RETRY["properties"]),
            "input": sorted({key for shape in definitions.INPUT_SHAPES.values() for key in shape["properties"]}),
        },
        "inputs": sorted(INPUT_TYPES),
    }
    return _write_index(index)


def _write_index(index: dict[str, Any]) -> tuple[str, str]:
    """Return the text of an index and its tag."""
    content = json.dumps(index, separators=(",", ":"), ensure_ascii=False)
    return content, f'"{hashlib.sha256(content.encode()).hexdigest()[:20]}"'


def _describe_entry(entry: PluginEntry) -> str:
    """Return what the side box says of a type: that it is deprecated, what it does, its name, and what it needs."""
    required = ", ".join(entry.schema.get("required") or ())
    lines = (
        entry.deprecated[:LONGEST_TEXT],
        (entry.title or entry.description)[:LONGEST_TEXT],
        entry.type,
        f"required: {required}" if required else "",
    )
    return "\n".join(line for line in lines if line)


def _list_properties(schema: Any) -> list[list[Any]]:
    """
    Return properties as `[name, type, required, choices, text of the side box]`; a list is shorter than a map with names.
    """
    required = set(schema.get("required") or ())
    found = []
    for name, facts in (schema.get("properties") or {}).items():
        known = facts if isinstance(facts, dict) else {}
        kind, choices = describe_type(known), known.get("enum") or []
        found.append([name, kind, int(name in required), choices, _describe_property(known, kind, choices, name in required)])
    return found


def _describe_property(known: Mapping[str, Any], kind: str, choices: Sequence[Any], is_required: bool) -> str:
    default = known.get("default")
    shown = "" if default is None or isinstance(default, dict | list) else f", default {json.dumps(default)}".replace('"', "")
    lines = (
        f"{kind}{', required' if is_required else ''}{shown}",
        str(known.get("description") or "")[:LONGEST_TEXT],
        f"One of {', '.join(str(choice) for choice in choices)}" if choices else "",
    )
    return "\n".join(line for line in lines if line)

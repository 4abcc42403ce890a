"""What the command palette finds, and the index that completes text in the editor."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from textwrap import dedent
from typing import Any

from django.db.models import Case, Q, When
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
from flows.queries.dashboards import search_dashboards
from flows.queries.flows import list_flow_namespaces
from flows.queries.pages import Window
from flows.queries.visibility import visible
from flows.ui.views.documentation import list_documents
from flows.ui.views.plugins import describe_type

FOUND_FLOWS = 8
FOUND_NAMESPACES = 4
FOUND_EXECUTIONS = 5
FOUND_PLUGINS = 6
FOUND_DASHBOARDS = 4
FOUND_DOCUMENTS = 4
MOST_FOUND = 24
FEWEST_LETTERS = 3
LONGEST_TEXT = 120
LONGEST_TYPE = 300
_PAGES: tuple[tuple[str, str, Resource | None], ...] = (
    ("Dashboard", "home", None), ("Executions", "executions", None), ("Inbox", "inbox", None), ("Logs", "logs", None),
    ("Triggers", "triggers", None), ("Flows", "flows", None), ("Source search", "source-search", None),
    ("Namespaces", "namespaces", None), ("Blueprints", "blueprints", None), ("Plugins", "plugins", None),
    ("Workers and queues", "system", Resource.SETTING), ("Users and access", "users", Resource.USER),
    ("Audit log", "audit", Resource.AUDITLOG), ("Settings", "settings", None), ("Your account", "account", None),
    ("Your jobs", "jobs", None), ("All dashboards", "dashboards", Resource.DASHBOARD), ("Documentation", "docs", None),
)  # fmt: skip
"""Pages by name, with what one must be allowed to read to see them."""

Found = dict[str, str]


def search(request: HttpRequest) -> HttpResponse:
    """
    Answer `{found: [{text, note, url, kind}]}`: pages, flows, namespaces, plugin types, dashboards, documents, and executions by
    the begin of their id or by a label `key:value`. What begins with the text stands before what only holds it.
    """
    text = request.GET.get("q", "").strip().replace("\0", "")[:100]
    found = [*_find_pages(text), *_find_flows(text)]
    if text:
        found += _find_namespaces(text)
        found += [
            _make("dashboard", row.title, row.id, "dashboard", row.id)
            for row in search_dashboards(text, Window(1, FOUND_DASHBOARDS)).results
        ]
    if len(text) >= FEWEST_LETTERS:
        documents = [(name, title) for name, title in list_documents() if text.lower() in title.lower()]
        found += [*_find_executions(text), *_find_plugins(text)]
        found += [_make("docs", title, "", "doc", name) for name, title in documents[:FOUND_DOCUMENTS]]
        found.sort(key=lambda one: _rank(text, one))
    return JsonResponse({"found": found[:MOST_FOUND]})


def _make(kind: str, text: str, note: str, route: str, *names: str) -> Found:
    return {"text": text, "note": note, "kind": kind, "url": reverse(f"ui:{route}", args=names)}


def _rank(text: str, one: Found) -> int:
    """Return how well something fits: named so, begins so, has a word that begins so, holds it; the sort keeps the rest."""
    name, wanted = one["text"].lower().removeprefix("execute "), text.lower()
    if name.startswith(wanted):
        return 0 if name == wanted else 1
    return 2 if any(word.startswith(wanted) for word in re.split(r"[\s._-]+", name)) else 3


def _find_pages(text: str) -> list[Found]:
    caller = current_caller()
    found = [
        _make("page", name, "", route)
        for name, route, resource in _PAGES
        if text.lower() in name.lower() and (resource is None or caller.may(Action.READ, resource))
    ]
    if text.lower() in "new flow" and caller.list_reached(Resource.FLOW, Action.CREATE) != ():
        found.append(_make("page", "New flow", "", "flow-new"))
    return found


def _find_flows(text: str) -> list[Found]:
    flows = visible(Flow).filter(deleted=False)
    if text:
        begins = Case(When(flow_id__istartswith=text, then=0), default=1)
        flows = flows.filter(Q(flow_id__icontains=text) | Q(namespace__icontains=text)).order_by(begins, "flow_id")
    else:
        flows = flows.order_by("-updated_at")
    found = []
    for row in flows.only("namespace", "flow_id", "revision", "disabled")[:FOUND_FLOWS]:
        names = (row.namespace, row.flow_id)
        found.append(_make("flow", row.flow_id, row.namespace, "flow", *names))
        if text and row.can_start and current_caller().may(Action.CREATE, Resource.EXECUTION, row.namespace):
            found.append(_make("run", f"Execute {row.flow_id}", row.namespace, "flow-execute", *names))
    return found


def _find_namespaces(text: str) -> list[Found]:
    return [_make("namespace", name, "", "namespace", name) for name in list_flow_namespaces(text)[:FOUND_NAMESPACES]]


def _find_executions(text: str) -> list[Found]:
    key, colon, value = text.partition(":")
    # A label is written as in the lists, `team:data`; anything else may be the begin of an id.
    wanted = Q(labels__contains=[{"key": key.strip(), "value": value.strip()}]) if colon else Q(pk__startswith=text)
    rows = visible(Execution).filter(wanted).only("id", "namespace", "flow_id", "state")[:FOUND_EXECUTIONS]
    return [
        _make("execution", row.id, f"{row.flow_id} · {row.state}", "execution", row.namespace, row.flow_id, row.id)
        for row in rows
    ]


def _find_plugins(text: str) -> list[Found]:
    entries = [entry for entry in get_registry().list_entries() if text.lower() in entry.type.lower()]
    entries.sort(key=lambda entry: text.lower() not in entry.type.rpartition(".")[2].lower())
    return [_make("plugin", entry.type.rpartition(".")[2], entry.type, "plugin", entry.type) for entry in entries[:FOUND_PLUGINS]]


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

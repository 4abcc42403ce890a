"""Installed plugins: lists, documentation, schemas and icons."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page, answer_text
from flows.api.describing import FLAG, OBJECT, PAGING, TEXT, Value, describes, list_of, map_of, object_of, page_of
from flows.api.errors import BadRequestError
from flows.api.pagination import read_window
from flows.language.definitions import INPUT_TYPES
from flows.language.schema import flow_schema
from flows.plugin_api.registry import PluginEntry, get_registry
from flows.primitives.errors import NotFoundError
from flows.queries.pages import slice_page
from flows.queries.plugin_pages import describe_schema, write_documentation

_ALL_LISTS = (
    "tasks", "triggers", "conditions", "controllers", "storages", "secrets", "taskRunners", "apps", "appBlocks", "charts",
    "dataFilters", "dataFiltersKPI", "logExporters", "additionalPlugins",
)  # fmt: skip
_LIST_OF_KIND = {"task": "tasks", "trigger": "triggers", "condition": "conditions", "runner": "taskRunners"}
_KIND_OF_SCHEMA = {"task": "task", "trigger": "trigger", "plugindefault": "task"}
_CACHE = "max-age=300"

_COLOURS = {"task": "#4c51bf", "trigger": "#b7791f", "condition": "#2f855a", "runner": "#9b2c2c"}


def _group_of(entry: PluginEntry) -> str:
    return entry.type.rpartition(".")[0]


def _present_group(group: str, entries: Iterable[PluginEntry]) -> dict[str, Any]:
    lists: dict[str, list[dict[str, Any]]] = {name: [] for name in _ALL_LISTS}
    aliases: list[str] = []
    for entry in entries:
        facts: dict[str, Any] = {"cls": entry.type, "deprecated": bool(entry.deprecated)}
        if entry.title:
            facts["title"] = entry.title
        if entry.description:
            facts["description"] = entry.description
        lists[_LIST_OF_KIND.get(entry.kind, "additionalPlugins")].append(facts)
        aliases += entry.aliases
    name = group.rpartition(".")[2]
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "description": f"Plugins of {group}.",
        "group": group,
        "manifest": {},
        "guides": [],
        "aliases": aliases,
        "categories": [],
        **lists,
    }


def _list_groups() -> list[dict[str, Any]]:
    groups: dict[str, list[PluginEntry]] = defaultdict(list)
    for entry in get_registry().list_entries():
        groups[_group_of(entry)].append(entry)
    return [_present_group(group, sorted(entries, key=lambda entry: entry.type)) for group, entries in sorted(groups.items())]


@describes(PAGING, answer=page_of("Plugin"))
def list_all(request: Request) -> HttpResponse:
    """Return one page of plugin groups with their types."""
    page = slice_page(_list_groups(), read_window(request, size=10_000))
    return answer_page(page.results, page.total)


@describes(answer=list_of("Plugin"))
def list_groups(request: Request) -> HttpResponse:
    """Return all plugin groups."""
    return answer(_list_groups())


@describes(answer=page_of(OBJECT))
def list_triggers(request: Request) -> HttpResponse:
    """Return the trigger types by group."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in sorted(get_registry().list_entries("trigger"), key=lambda entry: entry.type):
        groups[_group_of(entry)].append({"cls": entry.type, "title": entry.title, "description": entry.description})
    return answer_page(({"group": group, "triggers": entries} for group, entries in groups.items()), len(groups))


@describes(answer="PluginPage")
def show(request: Request, name: str) -> HttpResponse:
    """Return documentation and schema of one type."""
    entry = get_registry().get(name)
    return _cached(answer({"markdown": write_documentation(entry), "schema": describe_schema(entry)}))


@describes(Value("arrayOf", "Whether the schema of a list is wanted.", FLAG), answer=OBJECT)
def show_schema(request: Request, kind: str) -> HttpResponse:
    """Return the JSON schema of a kind of document."""
    return _cached(answer(_schema_of(kind, request.query_params.get("arrayOf") == "true")))


@describes(answer=OBJECT)
def show_schema_properties(request: Request, kind: str) -> HttpResponse:
    """Return the properties part of the JSON schema of a kind of document."""
    return _cached(answer(_schema_of(kind, False).get("properties", {})))


def _schema_of(kind: str, as_list: bool) -> dict[str, Any]:
    word = kind.lower()
    if word == "flow":
        schema = flow_schema(get_registry())
    elif word in _KIND_OF_SCHEMA:
        entries = sorted(get_registry().list_entries(_KIND_OF_SCHEMA[word]), key=lambda entry: entry.type)
        schema = {"type": "object", "anyOf": [_schema_of_type(entry) for entry in entries]}
    elif word in ("template", "dashboard", "apps", "testsuites"):
        schema = {"type": "object", "properties": {}}
    else:
        raise BadRequestError(f'"{kind[:60]}" has no schema; known kinds: flow, task, trigger, plugindefault.')
    return {"type": "array", "items": schema} if as_list else schema


def _schema_of_type(entry: PluginEntry) -> dict[str, Any]:
    properties = {
        "id": {"type": "string"},
        "type": {"enum": [entry.type, *entry.aliases]},
        **(entry.schema.get("properties") or {}),
    }
    return {"type": "object", "title": entry.title or entry.type, "properties": properties, "required": ["id", "type"]}


@describes(answer=list_of(object_of(["type", "cls"], type=TEXT, cls=TEXT)))
def list_inputs(request: Request) -> HttpResponse:
    """Return the types that inputs may have."""
    return answer(
        [{"type": name, "cls": f"io.kestra.core.models.flows.input.{name.title()}Input"} for name in sorted(INPUT_TYPES)]
    )


@describes(answer="PluginPage")
def show_input(request: Request, name: str) -> HttpResponse:
    """Return what is known of one input type."""
    word = name.upper()
    if word not in INPUT_TYPES:
        raise NotFoundError(
            f'There is no input type "{name}". Known ones: {", ".join(sorted(INPUT_TYPES))}.', code="unknown-type"
        )
    properties = {
        "id": {"type": "string"},
        "type": {"const": word},
        "required": {"type": "boolean"},
        "defaults": {},
        "description": {"type": "string"},
    }
    schema = {
        "properties": {"type": "object", "properties": properties, "required": ["id", "type"]},
        "outputs": {},
        "definitions": {},
    }
    return answer({"markdown": f"# {word}\n\nAn input of type `{word}`.\n", "schema": schema})


def _draw_icon(entry: PluginEntry) -> str:
    letter = entry.type.rpartition(".")[2][:1].upper()
    colour = _COLOURS.get(entry.kind, "#4a5568")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="'
        f'{colour}"/><text x="12" y="17" font-family="sans-serif" font-size="14" text-anchor="middle" '
        f'fill="#fff">{letter}</text></svg>'
    )


def _present_icon(entry: PluginEntry) -> dict[str, Any]:
    icon = base64.b64encode(_draw_icon(entry).encode()).decode("ascii")
    return {"name": entry.type.rpartition(".")[2], "icon": icon, "flowable": entry.role == "flowable"}


@describes(answer=map_of(OBJECT))
def list_icons(request: Request) -> HttpResponse:
    """Return the icon of every type."""
    return _cached(answer({entry.type: _present_icon(entry) for entry in get_registry().list_entries()}))


@describes(answer=map_of(OBJECT))
def list_group_icons(request: Request) -> HttpResponse:
    """Return one icon for every group."""
    return _cached(answer({_group_of(entry): _present_icon(entry) for entry in get_registry().list_entries()}))


@describes(answer=OBJECT)
def show_icon(request: Request, name: str) -> HttpResponse:
    """Return the icon of one type."""
    return _cached(answer(_present_icon(get_registry().get(name))))


@describes(answer=TEXT, media="image/svg+xml")
def draw_icon(request: Request, name: str) -> HttpResponse:
    """Return the icon of one type as a picture."""
    return _cached(answer_text(_draw_icon(get_registry().get(name)), "image/svg+xml"))


@describes(answer=object_of(["type", "versions"], type=TEXT, versions=list_of(TEXT)))
def list_versions(request: Request, name: str) -> HttpResponse:
    """Return the installed versions of one type; there is always exactly one."""
    return answer({"type": get_registry().get(name).type, "versions": []})


@describes(answer="PluginPage")
def show_version(request: Request, name: str, version: str) -> HttpResponse:
    """Return documentation and schema of one type; the installed version stands for every version that is asked for."""
    return show(request, name)


@describes(answer={404: "Error"})
def refuse_installation(request: Request) -> HttpResponse:
    """Say that plugins neither are installed while the system runs nor bring pages of their own."""
    raise NotFoundError(
        "Plugins are Python packages that are installed before the system starts; nothing is installed while it runs.",
        code="no-plugin-installer",
    )


def _cached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = f"private, {_CACHE}"
    return response

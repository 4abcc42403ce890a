"""`manage.py plugins ACTION`: the installed plugin types, here (without a database) or there, their pages and schemas."""

from __future__ import annotations

import argparse
from typing import Any

from flows.management.connecting import add_data_action, open_target
from flows.management.presenters import Json, Shape, narrow
from flows.management.targets.server import Server
from flows.management.terminal import GroupCommand, Terminal
from flows.plugin_api.registry import get_registry
from flows.queries.plugin_pages import describe_schema, write_documentation

COLUMNS = ("type", "kind", "title", "deprecated")
KINDS = {"tasks": "task", "triggers": "trigger", "conditions": "condition", "runners": "runner"}
LISTS = {"tasks": "task", "triggers": "trigger", "conditions": "condition", "taskRunners": "runner"}
"""In which list of a group the API has the types of a kind."""
ENTRY: Shape = dict.fromkeys(("cls", "kind", "title", "description", "deprecated"))
PAGE: Shape = dict.fromkeys(("markdown", "schema"))


class Command(GroupCommand):
    """Installed plugins."""

    help = "Lists the installed plugin types and shows their documentation."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_types, about="Lists plugin types.")
        parser.add_argument("--type", dest="kind", type=_parse_kind, metavar="KIND", help=f"only {', '.join(KINDS)}")
        parser.add_argument("-q", "--query", default="", help="part of the type or the title")
        parser = add_data_action(actions, "doc", show_page, about="Writes the page about a type in Markdown.")
        parser.add_argument("type", metavar="CLASS", help="the type, or an old name of it")
        parser = add_data_action(actions, "schema", show_schema, about="Writes the JSON schema of a type.")
        parser.add_argument("type", metavar="CLASS", help="the type, or an old name of it")


def list_types(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the types that fit, by name."""
    server = open_target(options).server
    words = options.query.lower()
    found = [
        entry
        for entry in (_list_here() if server is None else _list_there(server))
        if options.kind in (None, entry["kind"]) and words in f"{entry['cls']} {entry.get('title', '')}".lower()
    ]
    terminal.show_rows(COLUMNS, [{**entry, "type": entry["cls"]} for entry in found], json_rows=found)


def _list_here() -> list[Json]:
    found: list[Json] = [
        {"cls": each.type, "kind": each.kind, "title": each.title, "description": each.description, "deprecated": each.deprecated}
        for each in get_registry().list_entries()
    ]
    for entry in found:
        entry["deprecated"] = bool(entry["deprecated"])
    return sorted((narrow(entry, ENTRY) for entry in found), key=lambda entry: entry["cls"])


def _list_there(server: Server) -> list[Json]:
    groups = server.get("plugins", of_tenant=False)["results"]
    found = [{**entry, "kind": kind} for group in groups for name, kind in LISTS.items() for entry in group.get(name, ())]
    return sorted((narrow(entry, ENTRY) for entry in found), key=lambda entry: entry["cls"])


def show_page(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the page, or as JSON the page with the schema. Aliases are understood."""
    page = _get_page(options)
    if terminal.output == "json":
        terminal.show_json({"type": options.type, **page})
    else:
        terminal.write(page["markdown"])


def show_schema(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the schema, which is JSON in every form of output."""
    terminal.show_json(_get_page(options)["schema"])


def _get_page(options: argparse.Namespace) -> Json:
    server = open_target(options).server
    if server is not None:
        return narrow(server.get("plugins", options.type, of_tenant=False), PAGE)
    entry = get_registry().get(options.type)
    return {"markdown": write_documentation(entry), "schema": describe_schema(entry)}


def _parse_kind(word: str) -> str:
    if word not in KINDS:
        raise argparse.ArgumentTypeError(f'"{word}" is no kind; known ones: {", ".join(KINDS)}')
    return KINDS[word]

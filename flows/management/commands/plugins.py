"""`manage.py plugins ACTION`: the installed plugin types, their documentation and their schemas. Needs no database."""

from __future__ import annotations

import argparse
from typing import Any

from flows.management.terminal import GroupCommand, Terminal, add_action
from flows.plugin_api.registry import get_registry
from flows.queries.plugin_pages import describe_schema, write_documentation

COLUMNS = ("type", "kind", "title", "deprecated")
_KINDS = {"tasks": "task", "triggers": "trigger", "conditions": "condition", "runners": "runner"}


class Command(GroupCommand):
    """Installed plugins."""

    help = "Lists the installed plugin types and shows their documentation."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_types, about="Lists plugin types.")
        parser.add_argument("--type", dest="kind", choices=tuple(_KINDS), help="only types of this kind")
        parser.add_argument("-q", "--query", default="", help="part of the type, an alias or the title")
        parser = add_action(actions, "doc", show_page, about="Writes the page about a type in Markdown.")
        parser.add_argument("type", metavar="CLASS")
        parser = add_action(actions, "schema", show_schema, about="Writes the JSON schema of a type.")
        parser.add_argument("type", metavar="CLASS")


def list_types(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the types that fit, by name."""
    words = options.query.lower()
    found = [
        entry
        for entry in get_registry().list_entries(_KINDS.get(options.kind))
        if any(words in text.lower() for text in (entry.type, entry.title or "", *entry.aliases))
    ]
    rows = [{"type": each.type, "kind": each.kind, "title": each.title, "deprecated": bool(each.deprecated)} for each in found]
    json_rows = [
        {
            "cls": each.type,
            "kind": each.kind,
            "title": each.title,
            "description": each.description,
            "deprecated": bool(each.deprecated),
            "aliases": list(each.aliases),
        }
        for each in found
    ]
    terminal.show_rows(COLUMNS, rows, json_rows=json_rows)


def show_page(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the page, or as JSON the page with the schema. Aliases are understood."""
    entry = get_registry().get(options.type)
    if terminal.output == "json":
        terminal.show_json({"type": entry.type, "markdown": write_documentation(entry), "schema": describe_schema(entry)})
    else:
        terminal.write(write_documentation(entry))


def show_schema(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the schema, which is JSON in every form of output."""
    terminal.show_json(describe_schema(get_registry().get(options.type)))

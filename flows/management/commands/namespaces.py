"""`manage.py namespaces ACTION`: namespaces, their variables and, as `namespaces files ACTION`, their files."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.utils import timezone

from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.namespace_files import add_file_actions
from flows.management.running import ACTOR
from flows.management.selection import add_yes
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.operations import namespaces
from flows.operations.namespaces import NamespaceInfo

COLUMNS = ("id", "flows", "described", "description")


class Command(GroupCommand):
    """Namespaces and their files."""

    help = "Lists, describes and deletes namespaces, and keeps their files."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_all, about="Lists namespaces, those of flows and their parents included.")
        parser.add_argument("-q", "--query", default="", help="part of the name")
        parser.add_argument("--existing", action="store_true", help="without parents that own nothing themselves")
        for name, run, about in (
            ("get", show, "Shows a namespace."),
            ("create", save, "Describes a namespace for the first time."),
            ("update", save, "Changes the description of a namespace."),
            ("delete", delete, "Deletes a namespace with its variables, keys, secrets and files."),
        ):
            parser = add_action(actions, name, run, about=about)
            parser.add_argument("namespace")
            if run is save:
                parser.add_argument("--description")
                parser.add_argument("--variables", metavar="JSON", help="an object, replaces the one that is stored")
                parser.set_defaults(is_new=name == "create")
            if run is not show:
                add_dry_run(parser)
            if run is delete:
                add_yes(parser)
        files = actions.add_parser("files", help="Keeps the files of namespaces.")
        add_file_actions(files.add_subparsers(dest="file_action", metavar="ACTION", required=True))


def list_all(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show all namespaces."""
    found = namespaces.list_namespaces(query=options.query, existing_only=options.existing)
    terminal.show_rows(COLUMNS, [_describe(info) for info in found], json_rows=[_present(info) for info in found])


def show(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one namespace."""
    _show_one(terminal, namespaces.get_namespace(options.namespace))


def save(terminal: Terminal, options: argparse.Namespace) -> None:
    """Create or update a namespace and show it."""
    change = namespaces.create_namespace if options.is_new else namespaces.update_namespace
    fields: dict[str, Any] = {"variables": _read_variables(options.variables)}
    if options.description is not None:
        fields["description"] = options.description
    with undone_if_dry(options):
        _show_one(terminal, change(options.namespace, at=timezone.now(), actor=ACTOR, **fields))


def delete(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a namespace after asking. A dry run shows it as it is: its files could not be brought back."""
    if options.dry_run:
        _show_one(terminal, namespaces.get_namespace(options.namespace))
        return Exit.DONE
    if not terminal.confirm(f"Delete namespace {options.namespace} with its keys, secrets and files?", yes=options.yes):
        return Exit.FAILED
    namespaces.delete_namespace(options.namespace, at=timezone.now(), actor=ACTOR)
    terminal.show_rows(("id",), [{"id": options.namespace}])
    return Exit.DONE


def _show_one(terminal: Terminal, info: NamespaceInfo) -> None:
    terminal.show_rows(COLUMNS, [_describe(info)], json_rows=_present(info))


def _read_variables(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"--variables holds no valid JSON: {error}.") from error


def _describe(info: NamespaceInfo) -> dict[str, Any]:
    return {"id": info.id, "flows": info.flow_count, "described": info.is_described, "description": info.description}


def _present(info: NamespaceInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "deleted": False,
        "description": info.description,
        "variables": dict(info.variables),
        "pluginDefaults": list(info.plugin_defaults),
    }

"""`manage.py namespaces ACTION`: namespaces, their variables and, as `namespaces files ACTION`, their files."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.namespace_files import add_file_actions
from flows.management.presenters import Json
from flows.management.selection import add_page, add_yes, read_window
from flows.management.targets import Target
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError
from flows.primitives.errors import NotFoundError

COLUMNS = ("id", "description", "variables")


class Command(GroupCommand):
    """Namespaces and their files."""

    help = "Lists, describes and deletes namespaces, and keeps their files."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_all, about="Lists namespaces, those of flows and their parents included.")
        parser.add_argument("-q", "--query", default="", help="part of the name")
        parser.add_argument("--existing", action="store_true", help="without parents that own nothing themselves")
        add_page(parser)
        for name, run, about in (
            ("get", show, "Shows a namespace."),
            ("create", save, "Describes a namespace for the first time."),
            ("update", save, "Changes the description of a namespace."),
            ("delete", delete, "Deletes a namespace with its variables, keys, secrets and files."),
        ):
            parser = add_data_action(actions, name, run, about=about)
            parser.add_argument("namespace", help="its name")
            if run is save:
                parser.add_argument("--description", help="what it is for")
                parser.add_argument("--variables", metavar="JSON", help="an object, replaces the one that is stored")
                parser.set_defaults(is_new=name == "create")
            if run is not show:
                add_dry_run(parser)
            if run is delete:
                add_yes(parser)
        files = actions.add_parser("files", help="Keeps the files of namespaces.", description="Keeps the files of namespaces.")
        add_file_actions(files.add_subparsers(dest="file_action", metavar="ACTION", required=True))


def list_all(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a page of namespaces."""
    namespaces = open_target(options).namespaces
    terminal.show_rows(COLUMNS, namespaces.search(options.query, existing_only=options.existing, window=read_window(options)))


def show(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show one namespace."""
    _show_one(terminal, open_target(options).namespaces.get(options.namespace))


def save(terminal: Terminal, options: argparse.Namespace) -> int:
    """Create or update a namespace and show it."""
    target = open_target(options)
    settings = {"description": options.description, "variables": _read_variables(options.variables)}
    settings = {name: value for name, value in settings.items() if value is not None}
    before = _find(target, options.namespace) if options.dry_run else None
    saved = target.namespaces.save(options.namespace, settings, is_new=options.is_new, dry_run=options.dry_run)
    _show_one(terminal, saved)
    return conclude(options, would_change=options.is_new or saved != before)


def _find(target: Target, namespace: str) -> Json | None:
    try:
        return target.namespaces.get(namespace)
    except NotFoundError:
        return None


def delete(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a namespace after asking. A dry run shows it as it is: its files could not be brought back."""
    target = open_target(options)
    if options.dry_run:
        _show_one(terminal, target.namespaces.get(options.namespace))
        return conclude(options, would_change=True)
    if not terminal.confirm(f"Delete namespace {options.namespace} with its keys, secrets and files?", yes=options.yes):
        return Exit.FAILED
    target.namespaces.delete(options.namespace)
    terminal.show_rows(("id",), [{"id": options.namespace}])
    return Exit.DONE


def _show_one(terminal: Terminal, found: Json) -> None:
    terminal.show_rows(COLUMNS, [found], json_rows=found)


def _read_variables(text: str | None) -> Any:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--variables holds no valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UsageError('--variables takes an object such as {"region": "north"}.')
    return value

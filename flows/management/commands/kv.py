"""`manage.py kv ACTION`: the key-value pairs of namespaces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.utils import timezone

from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.presentation import format_moment, present_key_value
from flows.management.running import ACTOR
from flows.management.selection import add_yes, parse_span
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.models import KeyValue
from flows.operations import key_values
from flows.primitives.typed_values import Kind, ValueTypeError, parse_value_text

COLUMNS = ("namespace", "key", "type", "revision", "updated", "expires", "description")


class Command(GroupCommand):
    """Keys and values."""

    help = "Lists, reads, sets and deletes key-value pairs of namespaces."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_pairs, about="Lists keys.")
        parser.add_argument("namespace", nargs="?")
        parser.add_argument("--inherited", action="store_true", help="with the keys of the parents")
        parser.add_argument("-q", "--query", default="", help="part of the key")
        parser = add_action(actions, "get", show_pair, about="Shows one value.")
        _add_name(parser)
        parser.add_argument("--inherited", action="store_true", help="ask the parents as well")
        parser.add_argument("--raw", action="store_true", help="the value alone")
        parser = add_action(actions, "set", set_pair, about="Stores a value.")
        _add_name(parser)
        parser.add_argument("value", nargs="?")
        parser.add_argument("--type", choices=[kind.value for kind in Kind], type=str.upper, help="deduced when left out")
        parser.add_argument("--ttl", type=parse_span, help="life of the pair, such as 1h")
        parser.add_argument("--description")
        parser.add_argument("--from-file", metavar="PATH", help="take the value from a file")
        parser.add_argument("--dry-run", action="store_true", help="check the value only")
        parser = add_action(actions, "delete", delete_pairs, about="Deletes keys.")
        parser.add_argument("namespace")
        parser.add_argument("key", nargs="+")
        add_dry_run(parser)
        add_yes(parser)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("namespace")
    parser.add_argument("key")


def list_pairs(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the keys of one or all namespaces."""
    rows = list(key_values.list_key_values(options.namespace, at=timezone.now(), inherit=options.inherited, query=options.query))
    terminal.show_rows(COLUMNS, [_describe(row) for row in rows], json_rows=[present_key_value(row) for row in rows])


def show_pair(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a pair with its value, or the value alone: text as it is, other types as JSON."""
    row = key_values.get_key_value(options.namespace, options.key, at=timezone.now(), inherit=options.inherited)
    if options.raw and isinstance(row.value, str):
        terminal.write(row.value)
    elif options.raw:
        terminal.show_json(row.value)
    elif terminal.output == "json":
        terminal.show_json({**present_key_value(row), "value": row.value})
    else:
        terminal.show_rows((*COLUMNS[:3], "value"), [{**_describe(row), "value": row.value}])


def set_pair(terminal: Terminal, options: argparse.Namespace) -> None:
    """Store a value; without --type, text that is no JSON, date or duration is a STRING."""
    text = _read_value(options)
    kind, value = options.type, text
    if kind is None:
        try:
            kind, value = parse_value_text(text)
        except ValueTypeError:
            kind = Kind.STRING
    if options.dry_run:
        terminal.show_rows(("namespace", "key", "type"), [{"namespace": options.namespace, "key": options.key, "type": kind}])
        return
    row = key_values.set_key_value(
        options.namespace,
        options.key,
        value,
        kind=kind,
        ttl=options.ttl,
        description=options.description,
        at=timezone.now(),
        actor=ACTOR,
    )
    terminal.show_rows(COLUMNS, [_describe(row)], json_rows=present_key_value(row))


def delete_pairs(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete keys; status 3 when none was there."""
    question = f"Delete {len(options.key)} keys of {options.namespace}?"
    if not options.dry_run and not terminal.confirm(question, yes=options.yes):
        return Exit.FAILED
    with undone_if_dry(options):
        deleted = key_values.delete_key_values(options.namespace, options.key, at=timezone.now(), actor=ACTOR)
    terminal.show_rows(("key",), [{"key": key} for key in deleted], json_rows={"keys": deleted})
    return Exit.DONE if deleted else Exit.NOT_FOUND


def _read_value(options: argparse.Namespace) -> str:
    if (options.value is None) is (options.from_file is None):
        raise UsageError("kv set takes either a VALUE or --from-file PATH.")
    if options.from_file is None:
        return str(options.value)
    try:
        return Path(options.from_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'"{options.from_file}" cannot be read as UTF-8 text.') from error


def _describe(row: KeyValue) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "key": row.key,
        "type": row.kind,
        "revision": row.revision,
        "updated": f"{row.updated_at:%Y-%m-%d %H:%M:%S}",
        "expires": format_moment(row.expires_at),
        "description": row.description,
    }

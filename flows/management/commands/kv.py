"""`manage.py kv ACTION`: the key-value pairs of namespaces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flows.management.columns import describe_key
from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.selection import add_page, add_yes, parse_span, read_criteria, read_window
from flows.management.targets.keys import Pair
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError
from flows.models.key_values import list_namespace_chain
from flows.primitives.errors import NotFoundError
from flows.primitives.typed_values import Kind, ValueTypeError, parse_kind, parse_value_text, to_stored
from flows.queries.criteria import Condition, Operation

COLUMNS = ("namespace", "key", "revision", "updated", "expires", "description")
VALUE_COLUMNS = ("namespace", "key", "type", "value")
SET_COLUMNS = ("namespace", "key", "type", "action")


class Command(GroupCommand):
    """Keys and values."""

    help = "Lists, reads, sets and deletes key-value pairs of namespaces."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_pairs, about="Lists keys.")
        parser.add_argument("owner", nargs="?", metavar="NS", help="one namespace instead of all")
        parser.add_argument("--inherited", action="store_true", help="with the keys of the parents")
        parser.add_argument("-q", "--query", default="", help="part of the key, the namespace or the description")
        parser.add_argument(
            "--filter", action="append", default=[], metavar="FIELD:OP=VALUE", help="a filter of the API; repeat it"
        )
        add_page(parser)
        parser = add_data_action(actions, "get", show_pair, about="Shows one value.")
        _add_name(parser)
        parser.add_argument("--inherited", action="store_true", help="ask the parents as well")
        parser.add_argument("--raw", action="store_true", help="the value alone")
        parser = add_data_action(actions, "set", set_pair, about="Stores a value.")
        _add_name(parser)
        parser.add_argument("value", nargs="?", help="the value; or take it with --from-file")
        parser.add_argument("--type", choices=[kind.value for kind in Kind], type=str.upper, help="deduced when left out")
        parser.add_argument("--ttl", type=parse_span, help="life of the pair, such as 1h")
        parser.add_argument("--description", help="what the pair is for")
        parser.add_argument("--from-file", metavar="PATH", help="take the value from a file")
        add_dry_run(parser)
        parser = add_data_action(actions, "delete", delete_pairs, about="Deletes keys.")
        parser.add_argument("namespace", help="whose keys")
        parser.add_argument("key", nargs="+", help="the keys")
        add_dry_run(parser)
        add_yes(parser)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("namespace", help="whose key")
    parser.add_argument("key", help="the key")


def list_pairs(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the keys of one or all namespaces."""
    extra = []
    if options.owner:
        owners = list_namespace_chain(options.owner) if options.inherited else [options.owner]
        extra.append(Condition("namespace", Operation.IN, ",".join(owners)))
    elif options.inherited:
        raise UsageError("--inherited needs a namespace.")
    found = open_target(options).keys.search(read_criteria(options, *extra), read_window(options))
    terminal.show_rows(COLUMNS, [describe_key(each) for each in found], json_rows=found)


def show_pair(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show a pair with its value, or the value alone: text as it is, other types as JSON."""
    pair = open_target(options).keys.get(options.namespace, options.key, inherit=options.inherited)
    if options.raw and isinstance(pair["value"], str):
        terminal.write(pair["value"])
    elif options.raw:
        terminal.show_json(pair["value"])
    elif terminal.output == "json":
        terminal.show_json(pair)
    else:
        terminal.show_rows(VALUE_COLUMNS, [pair])


def set_pair(terminal: Terminal, options: argparse.Namespace) -> int:
    """Store a value; without --type, text that is no JSON, date or duration is a STRING."""
    text, kind = _read_value(options), options.type
    if kind is None:
        try:
            kind, value = parse_value_text(text)
        except ValueTypeError:
            kind, value = Kind.STRING, text
    else:
        kind, value = parse_kind(kind), to_stored(text, parse_kind(kind))
    keys = open_target(options).keys
    pair = Pair(options.namespace, options.key, kind, value, options.ttl, options.description)
    would_change = True
    if options.dry_run:
        try:
            before = keys.get(options.namespace, options.key)
            would_change = (before["type"], before["value"]) != (kind, value) or options.ttl is not None
            action = "updated" if would_change else "unchanged"
        except NotFoundError:
            action = "created"
    stored = keys.set(pair, dry_run=options.dry_run)
    terminal.show_rows(
        SET_COLUMNS if options.dry_run else SET_COLUMNS[:3], [{**stored, "action": action} if options.dry_run else stored]
    )
    return conclude(options, would_change=would_change)


def delete_pairs(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete keys; status 3 when none was there."""
    keys = open_target(options).keys
    question = f"Delete {len(options.key)} keys of {options.namespace}?"
    if not options.dry_run and not terminal.confirm(question, yes=options.yes):
        return Exit.FAILED
    deleted = keys.delete(options.namespace, options.key, dry_run=options.dry_run)
    terminal.show_rows(("key",), [{"key": key} for key in deleted], json_rows={"keys": deleted})
    if not deleted:
        terminal.say(f"Namespace {options.namespace} has none of these keys.")
        return Exit.NOT_FOUND
    return conclude(options, would_change=True)


def _read_value(options: argparse.Namespace) -> str:
    if (options.value is None) is (options.from_file is None):
        raise UsageError("kv set takes either a VALUE or --from-file PATH.")
    if options.from_file is None:
        return str(options.value)
    try:
        return Path(options.from_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'"{options.from_file}" cannot be read as UTF-8 text.') from error

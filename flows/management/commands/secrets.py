"""`manage.py secrets ACTION`: stored secrets by name. Values are only ever taken in, from standard input or a variable."""

from __future__ import annotations

import argparse
import base64
import binascii
import getpass
import os
import sys
from typing import Any

from django.utils import timezone

from flows.management.connecting import add_data_action, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.selection import add_yes
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.operations import namespaces

KEY_BYTES = 32


class Command(GroupCommand):
    """Secrets of namespaces."""

    help = "Lists, sets and deletes secrets of namespaces; no value is ever shown."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_data_action(actions, "list", list_secrets, about="Lists the names of secrets.")
        parser.add_argument("namespace", nargs="?", help="one namespace instead of all")
        parser.add_argument("--inherited", action="store_true", help="with those of the parents and of the environment")
        parser = add_data_action(actions, "set", set_secret, about="Stores a secret from standard input.")
        parser.add_argument("namespace", help="whose secret")
        parser.add_argument("key", help="its name")
        parser.add_argument("--from-env", metavar="VAR", help="take the value from this environment variable")
        parser.add_argument("--description", help="what it is for")
        add_dry_run(parser)
        parser = add_data_action(actions, "delete", delete_secret, about="Deletes a secret.")
        parser.add_argument("namespace", help="whose secret")
        parser.add_argument("key", help="its name")
        add_dry_run(parser)
        add_yes(parser)
        parser = add_action(actions, "rotate", rotate, about="Encrypts secrets of an old key with the key of today.")
        parser.add_argument("--old-key-env", metavar="VAR", required=True, help="variable with the old key in base64")
        add_dry_run(parser)


def list_secrets(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show names, never values."""
    target = open_target(options)
    if options.inherited:
        if not options.namespace:
            raise UsageError("--inherited needs a namespace.")
        found = target.namespaces.list_inherited_secrets(options.namespace)
        rows = [{"namespace": owner or "(environment)", "key": key} for owner, keys in found.items() for key in keys]
        terminal.show_rows(("namespace", "key"), rows, json_rows=found)
        return
    terminal.show_rows(("namespace", "key", "description"), target.namespaces.list_secrets(options.namespace))


def set_secret(terminal: Terminal, options: argparse.Namespace) -> int:
    """Store a secret. The end of the last line that a person or `echo` types does not belong to it."""
    target = open_target(options)
    target.namespaces.set_secret(
        options.namespace, options.key, _read_value(options), description=options.description, dry_run=options.dry_run
    )
    terminal.show_rows(("namespace", "key"), [{"namespace": options.namespace, "key": options.key}])
    return conclude(options, would_change=True)


def _read_value(options: argparse.Namespace) -> str:
    if options.from_env:
        value = os.environ.get(options.from_env)
        if value is None:
            raise UsageError(f"The environment variable {options.from_env} is not set.")
        return value
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {options.key}: ")
    return sys.stdin.read().removesuffix("\n")


def delete_secret(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a secret; status 3 when it was not there."""
    target = open_target(options)
    if not options.dry_run and not terminal.confirm(f"Delete secret {options.key} of {options.namespace}?", yes=options.yes):
        return Exit.FAILED
    target.namespaces.delete_secret(options.namespace, options.key, dry_run=options.dry_run)
    terminal.show_rows(("namespace", "key"), [{"namespace": options.namespace, "key": options.key}])
    return conclude(options, would_change=True)


def rotate(terminal: Terminal, options: argparse.Namespace) -> int:
    """Encrypt anew what the old key still protects; show how many secrets that were."""
    try:
        old_key = base64.urlsafe_b64decode(os.environ.get(options.old_key_env, ""))
    except (binascii.Error, ValueError):
        old_key = b""
    if len(old_key) != KEY_BYTES:
        raise UsageError(f"The environment variable {options.old_key_env} must hold {KEY_BYTES} bytes in base64.")
    with undone_if(options.dry_run):
        count = namespaces.rotate_secrets(old_key=old_key, at=timezone.now(), actor=ACTOR)
    terminal.show_json({"count": count})
    return conclude(options, would_change=count > 0)

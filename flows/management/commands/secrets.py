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

from flows.management.dry_runs import add_dry_run, undone_if_dry
from flows.management.running import ACTOR
from flows.management.selection import add_yes
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.operations import namespaces

KEY_BYTES = 32


class Command(GroupCommand):
    """Secrets of namespaces."""

    help = "Lists, sets and deletes secrets of namespaces; no value is ever shown."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "list", list_secrets, about="Lists the names of secrets.")
        parser.add_argument("namespace", nargs="?")
        parser.add_argument("--inherited", action="store_true", help="with those of the parents and of the environment")
        parser = add_action(actions, "set", set_secret, about="Stores a secret from standard input.")
        parser.add_argument("namespace")
        parser.add_argument("key")
        parser.add_argument("--from-env", metavar="VAR", help="take the value from this environment variable")
        parser.add_argument("--description")
        add_dry_run(parser)
        parser = add_action(actions, "delete", delete_secret, about="Deletes a secret.")
        parser.add_argument("namespace")
        parser.add_argument("key")
        add_dry_run(parser)
        add_yes(parser)
        parser = add_action(actions, "rotate", rotate, about="Encrypts secrets of an old key with the key of today.")
        parser.add_argument("--old-key-env", metavar="VAR", required=True, help="variable with the old key in base64")
        add_dry_run(parser)


def list_secrets(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show names, never values."""
    if options.inherited:
        if not options.namespace:
            raise UsageError("--inherited needs a namespace.")
        found = namespaces.list_inherited_secrets(options.namespace)
        rows = [{"namespace": owner or "(environment)", "key": key} for owner, keys in found.items() for key in keys]
        terminal.show_rows(("namespace", "key"), rows, json_rows=found)
        return
    stored = namespaces.list_secrets(options.namespace)
    rows = [{"namespace": row.namespace, "key": row.key, "description": row.description} for row in stored]
    terminal.show_rows(("namespace", "key", "description"), rows)


def set_secret(terminal: Terminal, options: argparse.Namespace) -> None:
    """Store a secret. The end of the last line that a person or `echo` types does not belong to it."""
    if options.from_env:
        value = os.environ.get(options.from_env)
        if value is None:
            raise UsageError(f"The environment variable {options.from_env} is not set.")
    elif sys.stdin.isatty():
        value = getpass.getpass(f"Value of {options.key}: ")
    else:
        value = sys.stdin.read().removesuffix("\n")
    with undone_if_dry(options):
        row = namespaces.set_secret(
            options.namespace, options.key, value, description=options.description, at=timezone.now(), actor=ACTOR
        )
    terminal.show_rows(("namespace", "key"), [{"namespace": row.namespace, "key": row.key}])


def delete_secret(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a secret; status 3 when it was not there."""
    if not options.dry_run and not terminal.confirm(f"Delete secret {options.key} of {options.namespace}?", yes=options.yes):
        return Exit.FAILED
    with undone_if_dry(options):
        namespaces.delete_secret(options.namespace, options.key, at=timezone.now(), actor=ACTOR)
    terminal.show_rows(("namespace", "key"), [{"namespace": options.namespace, "key": options.key}])
    return Exit.DONE


def rotate(terminal: Terminal, options: argparse.Namespace) -> None:
    """Encrypt anew what the old key still protects; show how many secrets that were."""
    try:
        old_key = base64.urlsafe_b64decode(os.environ.get(options.old_key_env, ""))
    except (binascii.Error, ValueError):
        old_key = b""
    if len(old_key) != KEY_BYTES:
        raise UsageError(f"The environment variable {options.old_key_env} must hold {KEY_BYTES} bytes in base64.")
    with undone_if_dry(options):
        terminal.show_json({"count": namespaces.rotate_secrets(old_key=old_key, at=timezone.now(), actor=ACTOR)})

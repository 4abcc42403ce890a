"""`manage.py tokens ACTION`: the API tokens of people. The text of a token is shown once, when it is made."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from flows.management.dry_runs import add_dry_run
from flows.management.presentation import format_moment
from flows.management.selection import add_yes, parse_span
from flows.management.targets.actor import undone_if
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.models import ApiToken
from flows.operations.tokens import DEFAULT_LIFETIME, create_token, revoke_token
from flows.primitives.errors import NotFoundError

COLUMNS = ("id", "user", "name", "prefix", "writes", "namespaces", "expires", "last_used")


class Command(GroupCommand):
    """API tokens."""

    help = "Makes, lists and revokes API tokens."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = add_action(actions, "create", create, about="Makes a token and shows it once.")
        parser.add_argument("--name", required=True, help="lower-case letters, digits and single dashes")
        parser.add_argument("--user", help="whose token it is; may be left out where only one account exists")
        parser.add_argument("--ttl", type=parse_span, default=DEFAULT_LIFETIME, help="how long it is valid, such as 30d")
        parser.add_argument("--extend", action="store_true", help="each use moves the end of its life")
        parser.add_argument("--read-only", action="store_true")
        parser.add_argument("-n", "--namespace", action="append", default=[], help="reach only this namespace; repeat it")
        parser.add_argument("--description", default="")
        add_dry_run(parser)
        parser = add_action(actions, "list", list_tokens, about="Lists tokens, newest first; never their text.")
        parser.add_argument("--user")
        parser = add_action(actions, "revoke", revoke, about="Revokes a token at once.")
        parser.add_argument("token", metavar="ID|NAME")
        parser.add_argument("--user")
        add_dry_run(parser)
        add_yes(parser)


def create(terminal: Terminal, options: argparse.Namespace) -> None:
    """Make a token. Standard output holds its text: as a line of its own, or under `token` in JSON."""
    with undone_if(options.dry_run):
        made = create_token(
            _get_user(options.user),
            name=options.name,
            description=options.description,
            lifetime=options.ttl,
            extends=options.extend,
            can_write=not options.read_only,
            namespaces=options.namespace,
            at=timezone.now(),
        )
    if options.dry_run:
        terminal.show_rows(COLUMNS, [_describe(made.row)], json_rows=_present(made.row))
        return
    if terminal.output == "json":
        terminal.show_json({**_present(made.row), "token": made.text})
        return
    terminal.say(f'Token "{made.row.name}" is valid until {format_moment(made.row.expires_at)}. It is not shown again.')
    terminal.write(made.text)


def list_tokens(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show tokens with the beginning of their text."""
    rows = ApiToken.objects.select_related("user")
    if options.user:
        rows = rows.filter(user=_get_user(options.user))
    found = list(rows)
    terminal.show_rows(COLUMNS, [_describe(row) for row in found], json_rows=[_present(row) for row in found])


def revoke(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a token by id, or by name where one person has it."""
    row = _get_token(options)
    if not options.dry_run:
        if not terminal.confirm(f'Revoke token "{row.name}" of {row.user.get_username()}?', yes=options.yes):
            return Exit.FAILED
        revoke_token(row.user, row.pk)
    terminal.show_rows(COLUMNS, [_describe(row)], json_rows=_present(row))
    return Exit.DONE


def _get_user(name: str | None) -> User:
    people = User.objects.filter(is_active=True)
    if name is not None:
        user = people.filter(username=name).first()
        if user is None:
            raise NotFoundError(f'There is no active account "{name}".', code="user-not-found")
        return user
    if people.count() != 1:
        raise UsageError("Several accounts exist, or none: name one with --user.")
    return people.get()


def _get_token(options: argparse.Namespace) -> ApiToken:
    rows = ApiToken.objects.select_related("user")
    if options.user:
        rows = rows.filter(user=_get_user(options.user))
    found = list(rows.filter(pk=options.token)) or list(rows.filter(name=options.token))
    if not found:
        raise NotFoundError(f'There is no token "{options.token}".', code="token-not-found")
    if len(found) > 1:
        raise UsageError(f'Several people have a token "{options.token}": add --user, or give its id.')
    return found[0]


def _describe(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user": row.user.get_username(),
        "name": row.name,
        "prefix": row.prefix,
        "writes": row.can_write,
        "namespaces": ", ".join(row.namespaces) or "all",
        "expires": format_moment(row.expires_at),
        "last_used": format_moment(row.last_used_at),
    }


def _present(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user": row.user.get_username(),
        "name": row.name,
        "description": row.description,
        "prefix": row.prefix,
        "canWrite": row.can_write,
        "namespaces": row.namespaces,
        "extended": row.extends,
        "creationDate": format_moment(row.created_at),
        "expirationDate": format_moment(row.expires_at),
        "lastUsed": format_moment(row.last_used_at),
    }

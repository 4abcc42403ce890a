"""`manage.py tokens ACTION`: the API tokens of people. The text of a token is shown once, when it is made."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from flows.management.connecting import add_remote, is_remote, open_target
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.presenters import Json, format_moment
from flows.management.selection import add_yes, parse_span
from flows.management.targets.actor import undone_if
from flows.management.targets.people import RemotePeople
from flows.management.targets.server import Server
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.models import ApiToken
from flows.operations.tokens import DEFAULT_LIFETIME, create_token, revoke_token
from flows.primitives.durations import format_duration
from flows.primitives.errors import NotFoundError

COLUMNS = ("id", "name", "prefix", "access", "namespaces", "expires", "last_used")


class Command(GroupCommand):
    """API tokens."""

    help = "Makes, lists and revokes API tokens."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of the reference."""
        parser = _add(actions, "create", create, "Makes a token and shows it once.")
        parser.add_argument("--name", required=True, help="lower-case letters, digits and single dashes")
        parser.add_argument("--ttl", type=parse_span, default=DEFAULT_LIFETIME, help="how long it is valid, such as 30d")
        parser.add_argument("--extend", action="store_true", help="each use moves the end of its life")
        parser.add_argument("--read-only", action="store_true", help="it may change nothing")
        parser.add_argument("-n", "--namespace", action="append", default=[], help="reach only this namespace; repeat it")
        parser.add_argument("--description", default="", help="what it is for")
        add_dry_run(parser)
        _add(actions, "list", list_tokens, "Lists tokens, newest first; never their text.")
        parser = _add(actions, "revoke", revoke, "Revokes a token at once.")
        parser.add_argument("token", metavar="ID|NAME", help="id or name of the token")
        add_dry_run(parser)
        add_yes(parser)


def _add(actions: Any, name: str, run: Any, about: str) -> argparse.ArgumentParser:
    parser = add_action(actions, name, run, about=about)
    add_remote(parser, with_user=False)
    parser.add_argument(
        "--user",
        dest="login",
        metavar="NAME",
        help="whose tokens; not needed where only one account exists. With --remote USER:PASSWORD, who asks",
    )
    parser.add_argument("--account", metavar="NAME", help="whose tokens, also with --remote; there your own when left out")
    return parser


def create(terminal: Terminal, options: argparse.Namespace) -> int:
    """Make a token. Standard output holds its text: as a line of its own, or under `token` in JSON."""
    made, text = _create_there(options) if is_remote(options) else _create_here(options)
    if options.dry_run:
        _show(terminal, [made], json=made)
        return conclude(options, would_change=True)
    if terminal.output == "json":
        terminal.show_json({**made, "token": text})
        return Exit.DONE
    terminal.say(f'Token "{made["name"]}" is valid until {made["exp"]}. It is not shown again.')
    terminal.write(text)
    return Exit.DONE


def _create_here(options: argparse.Namespace) -> tuple[Json, str]:
    with undone_if(options.dry_run):
        made = create_token(
            _get_user(options.account or options.login),
            name=options.name,
            description=options.description,
            lifetime=options.ttl,
            extends=options.extend,
            can_write=not options.read_only,
            namespaces=options.namespace,
            at=timezone.now(),
        )
        return _present(made.row), made.text


def _create_there(options: argparse.Namespace) -> tuple[Json, str]:
    body = {
        "name": options.name,
        "description": options.description,
        "maxAge": format_duration(options.ttl),
        "extended": options.extend,
        "access": "READ" if options.read_only else "WRITE",
        "namespaces": options.namespace,
    }
    server = _open_server(options)
    if options.dry_run:
        return {"id": "", "exp": format_moment(timezone.now() + options.ttl), **body}, ""
    path, of_tenant = _find_address(options, server)
    made = dict(server.send("POST", *path, body=body, of_tenant=of_tenant))
    return made, str(made.pop("fullToken"))


def list_tokens(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show tokens with the beginning of their text."""
    found = _list_there(options) if is_remote(options) else [_present(row) for row in _select(options)]
    _show(terminal, found, json=found)


def revoke(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete a token by id, or by name where one person has it."""
    if is_remote(options):
        token = _choose(options, _list_there(options))
    else:
        row = _get_row(options)
        token = _present(row)
    if not options.dry_run:
        if not terminal.confirm(f'Revoke token "{token["name"]}"?', yes=options.yes):
            return Exit.FAILED
        if is_remote(options):
            server = _open_server(options)
            path, of_tenant = _find_address(options, server)
            server.send("DELETE", *path, token["id"], of_tenant=of_tenant)
        else:
            revoke_token(row.user, row.pk)
    _show(terminal, [token], json=token)
    return conclude(options, would_change=True)


def _open_server(options: argparse.Namespace) -> Server:
    server = open_target(options).server
    assert server is not None
    return server


def _list_there(options: argparse.Namespace) -> list[Json]:
    server = _open_server(options)
    path, of_tenant = _find_address(options, server)
    return list(server.get(*path, of_tenant=of_tenant)["results"])


def _find_address(options: argparse.Namespace, server: Server) -> tuple[tuple[str, ...], bool]:
    """Return the address of the wanted tokens and whether it lies below the tenant."""
    if not options.account:
        return ("me", "api-tokens"), False
    path, found = RemotePeople(server).find_account(options.account)
    return (path, str(found["id"]), "api-tokens"), True


def _choose(options: argparse.Namespace, tokens: list[Json]) -> Json:
    found = [token for token in tokens if options.token in (token["id"], token["name"])]
    if not found:
        raise NotFoundError(f'There is no token "{options.token}".', code="token-not-found")
    return found[0]


def _select(options: argparse.Namespace) -> list[ApiToken]:
    rows = ApiToken.objects.select_related("user")
    name = options.account or options.login
    return list(rows.filter(user=_get_user(name)) if name else rows)


def _get_user(name: str | None) -> User:
    people = User.objects.filter(is_active=True)
    if name is not None:
        user = people.filter(username=name).first()
        if user is None:
            raise NotFoundError(f'There is no active account "{name}".', code="user-not-found")
        return user
    if people.count() != 1:
        raise UsageError("Several accounts exist, or none: name one with --account.")
    return people.get()


def _get_row(options: argparse.Namespace) -> ApiToken:
    rows = _select(options)
    found = [row for row in rows if row.pk == options.token] or [row for row in rows if row.name == options.token]
    if not found:
        raise NotFoundError(f'There is no token "{options.token}".', code="token-not-found")
    if len(found) > 1:
        raise UsageError(f'Several people have a token "{options.token}": add --account, or give its id.')
    return found[0]


def _show(terminal: Terminal, tokens: list[Json], *, json: Any) -> None:
    rows = [
        {
            **token,
            "namespaces": ", ".join(token.get("namespaces") or ()) or "all",
            "expires": token["exp"],
            "last_used": token.get("lastUsed"),
        }
        for token in tokens
    ]
    columns = ("user", *COLUMNS) if any("user" in token for token in tokens) else COLUMNS
    terminal.show_rows(columns, rows, json_rows=json)


def _present(row: ApiToken) -> Json:
    """Return a token as the API does, with its owner. Source: REST API, 8.13."""
    data: Json = {
        "id": row.pk,
        "user": row.user.get_username(),
        "name": row.name,
        "prefix": row.prefix,
        "iat": format_moment(row.created_at),
        "exp": format_moment(row.expires_at),
        "expired": row.expires_at <= timezone.now(),
        "extended": row.extends,
        "access": "WRITE" if row.can_write else "READ",
        "namespaces": row.namespaces,
        "description": row.description,
        "lastUsed": format_moment(row.last_used_at),
    }
    return {key: value for key, value in data.items() if value is not None}

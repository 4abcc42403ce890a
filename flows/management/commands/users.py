"""`manage.py users ACTION`: people, service accounts, groups and roles from the server itself, also when nobody can sign in."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from flows.management.presentation import format_moment
from flows.management.selection import add_yes
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError, add_action
from flows.models import Account, Binding
from flows.operations import accounts, bindings, groups, passwords, roles, second_factor, service_accounts, sessions
from flows.primitives.errors import NotFoundError

COLUMNS = ("name", "kind", "state", "roles", "groups", "second_factor", "last_sign_in")


class Command(GroupCommand):
    """People and what they may do."""

    help = "Makes, changes and lists people, service accounts, groups and who has which role."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of their use."""
        parser = add_action(actions, "list", list_users, about="Lists people and service accounts with their roles.")
        parser.add_argument("-q", "--query", default="", help="part of the name")
        parser = add_action(actions, "create", create, about="Makes an account for a person; asks for the first password.")
        parser.add_argument("name", help="an e-mail address")
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--group", action="append", default=[], help="a group to join; repeat it")
        parser.add_argument("--role", help="a role to give, such as editor")
        parser.add_argument("-n", "--namespace", default="", help="where the role holds; everywhere when left out")
        parser.add_argument("--no-password", action="store_true", help="for somebody who signs in through a provider only")
        parser.add_argument("--must-use-mfa", action="store_true", help="a second factor has to be set up at the first sign-in")
        parser = add_action(actions, "service-account", create_service, about="Makes an account for a program.")
        parser.add_argument("name", help="small letters, digits and single dashes")
        parser.add_argument("--description", default="", help="what it is for")
        for name, run, about in (
            ("disable", disable, "Shuts an account out at once; nothing is lost."),
            ("enable", enable, "Lets a disabled account in again."),
            ("password", set_password, "Sets a new password and signs the person out everywhere."),
            ("second-factor-off", drop_second_factor, "Takes the second factor from somebody who lost the phone."),
            ("sign-out", sign_out, "Ends all sessions of an account."),
        ):
            parser = add_action(actions, name, run, about=about)
            parser.add_argument("name", help="name of the account")
        parser = add_action(actions, "delete", delete, about="Deletes an account with its tokens and roles.")
        parser.add_argument("name", help="name of the account")
        add_yes(parser)
        for name, run, about in (("grant", grant, "Gives a role."), ("revoke", revoke, "Takes a role away.")):
            parser = add_action(actions, name, run, about=about)
            parser.add_argument("name", help="name of the account, or of the group with --to-group")
            parser.add_argument("role", help="name of the role")
            parser.add_argument("-n", "--namespace", default="", help="where it holds; everywhere when left out")
            parser.add_argument("--to-group", action="store_true", help="the name is that of a group")
        parser = add_action(actions, "roles", list_roles, about="Lists roles.")
        parser = add_action(actions, "groups", manage_groups, about="Lists groups, or makes, deletes and fills one.")
        parser.add_argument("group", nargs="?", help="name of a group; all are listed without it")
        parser.add_argument("--create", action="store_true", help="make it")
        parser.add_argument("--delete", action="store_true", help="delete it")
        parser.add_argument("--add", action="append", default=[], metavar="NAME", help="an account that joins; repeat it")
        parser.add_argument("--remove", action="append", default=[], metavar="NAME", help="an account that leaves; repeat it")


def list_users(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show accounts by name, people first."""
    people = accounts.list_people(query=options.query)
    found = [*people, *accounts.list_people(query=options.query, kind=Account.Kind.SERVICE)]
    _show(terminal, found)


def _show(terminal: Terminal, found: list[User]) -> None:
    rows = [_describe(user) for user in found]
    terminal.show_rows(COLUMNS, rows)


def _describe(user: User) -> dict[str, Any]:
    account = accounts.account_of(user)
    held = Binding.objects.filter(user=user).select_related("role")
    return {
        "name": user.username,
        "kind": str(account.kind),
        "state": "active" if user.is_active else "disabled",
        "roles": ", ".join((["superuser"] if user.is_superuser else []) + [_write(row) for row in held]),
        "groups": ", ".join(group.name for group in accounts.list_groups_of(user)),
        "second_factor": bool(account.mfa_secret),
        "last_sign_in": format_moment(user.last_login),
    }


def _write(row: Binding) -> str:
    return f"{row.role.name}@{row.namespace}" if row.namespace else row.role.name


def create(terminal: Terminal, options: argparse.Namespace) -> None:
    """Make a person, with a role when one is named."""
    role = roles.get_role(options.role) if options.role else None
    password = "" if options.no_password else read_password(terminal, options.name)
    at = timezone.now()
    user = accounts.create_person(
        options.name,
        password=password,
        first_name=options.first_name,
        last_name=options.last_name,
        groups=options.group,
        must_use_mfa=options.must_use_mfa,
        at=at,
    )
    if role is not None:
        bindings.give_role(role, user, namespace=options.namespace, at=at)
    _show(terminal, [user])


def read_password(terminal: Terminal, name: str) -> str:
    """
    Return a password that is typed twice, or the first line of standard input where nobody types; never an argument, which
    other users of the host could read.

    Raises:
        UsageError: the two differ, or there is none.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password of {name}: ")
        if getpass.getpass("The same again: ") != password:
            raise UsageError("The two passwords differ.")
    if not password:
        raise UsageError("Type a password, or send it on standard input.")
    return password


def create_service(terminal: Terminal, options: argparse.Namespace) -> None:
    """Make a service account; `tokens create --user NAME` makes its token."""
    user = service_accounts.create_service_account(options.name, description=options.description, at=timezone.now())
    terminal.say(
        f"Give it a role with `users grant {user.username} ROLE` and a token with `tokens create --user {user.username}`."
    )
    _show(terminal, [user])


def disable(terminal: Terminal, options: argparse.Namespace) -> None:
    """Shut an account out."""
    user = accounts.get_user(options.name)
    accounts.disable_account(user)
    _show(terminal, [user])


def enable(terminal: Terminal, options: argparse.Namespace) -> None:
    """Let an account in again."""
    user = accounts.get_user(options.name)
    accounts.enable_account(user)
    _show(terminal, [user])


def set_password(terminal: Terminal, options: argparse.Namespace) -> None:
    """Set a password from a prompt or standard input."""
    user = accounts.get_user(options.name)
    passwords.set_password(user, read_password(terminal, user.username))
    terminal.say(f"{user.username} has a new password and is signed out everywhere.")


def drop_second_factor(terminal: Terminal, options: argparse.Namespace) -> None:
    """Take the second factor away."""
    user = accounts.get_user(options.name)
    second_factor.disable_second_factor(user)
    terminal.say(f"{user.username} has no second factor any more.")


def sign_out(terminal: Terminal, options: argparse.Namespace) -> None:
    """End all sessions of an account."""
    user = accounts.get_user(options.name)
    terminal.say(f"{sessions.revoke_sessions(user)} sessions of {user.username} have ended.")


def delete(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete an account after a question."""
    user = accounts.get_user(options.name)
    if not terminal.confirm(f'Delete "{user.username}" with its tokens and roles?', yes=options.yes):
        return Exit.FAILED
    row = _describe(user)
    accounts.delete_account(user)
    terminal.show_rows(COLUMNS, [row])
    return Exit.DONE


def grant(terminal: Terminal, options: argparse.Namespace) -> None:
    """Give a role to an account or group."""
    row = bindings.give_role(roles.get_role(options.role), _get_subject(options), namespace=options.namespace, at=timezone.now())
    _show_bindings(terminal, [row])


def revoke(terminal: Terminal, options: argparse.Namespace) -> None:
    """Take a role from an account or group."""
    role, subject = roles.get_role(options.role), _get_subject(options)
    row = bindings.find_binding(role, subject, options.namespace)
    if row is None:
        where = f'in "{options.namespace}"' if options.namespace else "everywhere"
        raise NotFoundError(f"{bindings.describe_subject(subject)} is not {role.name} {where}.", code="binding-not-found")
    bindings.take_role(row)
    _show_bindings(terminal, [row])


def _get_subject(options: argparse.Namespace) -> User | Group:
    return groups.get_group(options.name) if options.to_group else accounts.get_user(options.name)


def _show_bindings(terminal: Terminal, found: list[Binding]) -> None:
    rows = [
        {
            "who": bindings.describe_subject(row.user or row.group),  # type: ignore[arg-type]
            "role": row.role.name,
            "namespace": row.namespace or "everywhere",
            "given_by": row.created_by,
        }
        for row in found
    ]
    terminal.show_rows(("who", "role", "namespace", "given_by"), rows)


def list_roles(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show roles with what they are for."""
    rows = [{"role": row.name, "built_in": row.is_built_in, "description": row.description} for row in roles.list_roles()]
    terminal.show_rows(("role", "built_in", "description"), rows)


def manage_groups(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show groups, or make, delete and fill one."""
    if options.group is None:
        if options.create or options.delete or options.add or options.remove:
            raise UsageError("Name the group.")
        _show_groups(terminal, groups.list_groups())
        return
    group = groups.create_group(options.group) if options.create else groups.get_group(options.group)
    if options.delete:
        groups.delete_group(group)
        terminal.say(f'Group "{options.group}" is deleted.')
        return
    for name in options.add:
        groups.add_member(group, accounts.get_user(name))
    for name in options.remove:
        groups.remove_member(group, accounts.get_user(name))
    _show_groups(terminal, [group])


def _show_groups(terminal: Terminal, found: list[Group]) -> None:
    rows = []
    for group in found:
        held = Binding.objects.filter(group=group).select_related("role")
        members = ", ".join(user.username for user in groups.list_members(group))
        rows.append({"group": group.name, "roles": ", ".join(_write(row) for row in held), "members": members})
    terminal.show_rows(("group", "roles", "members"), rows)

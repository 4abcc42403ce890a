"""`manage.py users ACTION`: people, service accounts, groups and roles, here (also when nobody can sign in) or elsewhere."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from typing import Any

from flows.management.connecting import add_data_action, open_target
from flows.management.presenters import Json
from flows.management.selection import add_yes
from flows.management.targets.people import Holding, Person
from flows.management.terminal import Exit, GroupCommand, Terminal, UsageError

COLUMNS = ("name", "kind", "state", "roles", "groups", "second_factor", "last_sign_in")


class Command(GroupCommand):
    """People and what they may do."""

    help = "Makes, changes and lists people, service accounts, groups and who has which role."

    def add_actions(self, actions: Any) -> None:
        """Add the actions in the order of their use."""
        parser = add_data_action(actions, "list", list_users, about="Lists people and service accounts with their roles.")
        parser.add_argument("-q", "--query", default="", help="part of the name")
        parser = add_data_action(actions, "create", create, about="Makes an account for a person; asks for the first password.")
        parser.add_argument("name", help="an e-mail address")
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--group", action="append", default=[], help="a group to join; repeat it")
        parser.add_argument("--role", help="a role to give, such as editor")
        parser.add_argument("-n", "--namespace", default="", help="where the role holds; everywhere when left out")
        parser.add_argument("--no-password", action="store_true", help="for somebody who signs in through a provider only")
        parser.add_argument("--must-use-mfa", action="store_true", help="a second factor has to be set up at the first sign-in")
        parser = add_data_action(actions, "service-account", create_service, about="Makes an account for a program.")
        parser.add_argument("name", help="small letters, digits and single dashes")
        parser.add_argument("--description", default="", help="what it is for")
        for name, run, about in (
            ("disable", disable, "Shuts an account out at once; nothing is lost."),
            ("enable", enable, "Lets a disabled account in again."),
            ("password", set_password, "Sets a new password and signs the person out everywhere."),
            ("second-factor-off", drop_second_factor, "Takes the second factor from somebody who lost the phone."),
            ("sign-out", sign_out, "Ends all sessions of an account."),
        ):
            parser = add_data_action(actions, name, run, about=about)
            parser.add_argument("name", help="name of the account")
        parser = add_data_action(actions, "delete", delete, about="Deletes an account with its tokens and roles.")
        parser.add_argument("name", help="name of the account")
        add_yes(parser)
        for name, run, about in (("grant", grant, "Gives a role."), ("revoke", revoke, "Takes a role away.")):
            parser = add_data_action(actions, name, run, about=about)
            parser.add_argument("name", help="name of the account, or of the group with --to-group")
            parser.add_argument("role", help="name of the role")
            parser.add_argument("-n", "--namespace", default="", help="where it holds; everywhere when left out")
            parser.add_argument("--to-group", action="store_true", help="the name is that of a group")
        parser = add_data_action(actions, "roles", list_roles, about="Lists roles.")
        parser = add_data_action(actions, "groups", manage_groups, about="Lists groups, or makes, deletes and fills one.")
        parser.add_argument("group", nargs="?", help="name of a group; all are listed without it")
        parser.add_argument("--create", action="store_true", help="make it")
        parser.add_argument("--delete", action="store_true", help="delete it")
        parser.add_argument("--add", action="append", default=[], metavar="NAME", help="an account that joins; repeat it")
        parser.add_argument("--remove", action="append", default=[], metavar="NAME", help="an account that leaves; repeat it")


def list_users(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show accounts by name, people first."""
    _show(terminal, open_target(options).people.list_all(options.query))


def _show(terminal: Terminal, rows: Sequence[Json]) -> None:
    terminal.show_rows(COLUMNS, rows)


def create(terminal: Terminal, options: argparse.Namespace) -> None:
    """Make a person, with a role when one is named."""
    people = open_target(options).people
    if options.role:
        people.check_role(options.role)
    password = "" if options.no_password else read_password(terminal, options.name)
    made = people.create(
        Person(options.name, password, options.first_name, options.last_name, options.group, options.must_use_mfa)
    )
    if options.role:
        people.give(Holding(options.role, made["name"], options.namespace))
        made = people.get(made["name"])
    _show(terminal, [made])


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
    """Make a service account; `tokens create --account NAME` makes its token."""
    made = open_target(options).people.create_service(options.name, description=options.description)
    name = made["name"]
    terminal.say(f"Give it a role with `users grant {name} ROLE` and a token with `tokens create --account {name}`.")
    _show(terminal, [made])


def disable(terminal: Terminal, options: argparse.Namespace) -> None:
    """Shut an account out."""
    _show(terminal, [open_target(options).people.switch(options.name, is_active=False)])


def enable(terminal: Terminal, options: argparse.Namespace) -> None:
    """Let an account in again."""
    _show(terminal, [open_target(options).people.switch(options.name, is_active=True)])


def set_password(terminal: Terminal, options: argparse.Namespace) -> None:
    """Set a password from a prompt or standard input."""
    people = open_target(options).people
    name = people.get(options.name)["name"]
    people.set_password(name, read_password(terminal, name))
    terminal.say(f"{name} has a new password and is signed out everywhere.")


def drop_second_factor(terminal: Terminal, options: argparse.Namespace) -> None:
    """Take the second factor away."""
    open_target(options).people.drop_second_factor(options.name)
    terminal.say(f"{options.name} has no second factor any more.")


def sign_out(terminal: Terminal, options: argparse.Namespace) -> None:
    """End all sessions of an account."""
    open_target(options).people.end_sessions(options.name)
    terminal.say(f"All sessions of {options.name} have ended.")


def delete(terminal: Terminal, options: argparse.Namespace) -> int:
    """Delete an account after a question."""
    people = open_target(options).people
    row = people.get(options.name)
    if not terminal.confirm(f'Delete "{row["name"]}" with its tokens and roles?', yes=options.yes):
        return Exit.FAILED
    people.delete(row["name"])
    _show(terminal, [row])
    return Exit.DONE


def grant(terminal: Terminal, options: argparse.Namespace) -> None:
    """Give a role to an account or group."""
    _show_bindings(terminal, [open_target(options).people.give(_read_holding(options))])


def revoke(terminal: Terminal, options: argparse.Namespace) -> None:
    """Take a role from an account or group."""
    _show_bindings(terminal, [open_target(options).people.take(_read_holding(options))])


def _read_holding(options: argparse.Namespace) -> Holding:
    return Holding(options.role, options.name, options.namespace, options.to_group)


def _show_bindings(terminal: Terminal, rows: Sequence[Json]) -> None:
    terminal.show_rows(("who", "role", "namespace", "given_by"), rows)


def list_roles(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show roles with what they are for."""
    terminal.show_rows(("role", "built_in", "description"), open_target(options).people.list_roles())


def manage_groups(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show groups, or make, delete and fill one."""
    people = open_target(options).people
    if options.group is None:
        if options.create or options.delete or options.add or options.remove:
            raise UsageError("Name the group.")
        _show_groups(terminal, people.list_groups())
        return
    if options.create:
        people.create_group(options.group)
    if options.delete:
        people.delete_group(options.group)
        terminal.say(f'Group "{options.group}" is deleted.')
        return
    _show_groups(terminal, [people.change_members(options.group, add=options.add, remove=options.remove)])


def _show_groups(terminal: Terminal, rows: Sequence[Json]) -> None:
    terminal.show_rows(("group", "roles", "members"), rows)

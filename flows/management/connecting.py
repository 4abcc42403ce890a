"""Which installation a command works on: options, environment variables and credentials. No secret is ever printed."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandParser

from flows.conf import DEFAULT_TENANT
from flows.management.targets import Target, local_target, remote_target
from flows.management.targets.server import Server, basic_credentials
from flows.management.terminal import Action, UsageError, add_action

URL, USER, PASSWORD, TOKEN = "ORCH_URL", "ORCH_USER", "ORCH_PASSWORD", "ORCH_TOKEN"


def add_data_action(actions: Any, name: str, run: Action, *, about: str, aliases: tuple[str, ...] = ()) -> CommandParser:
    """Add an action that works on the data of this or another installation; `open_target` returns which."""
    parser = add_action(actions, name, run, about=about, aliases=aliases)
    add_remote(parser)
    return parser


def add_remote(parser: argparse.ArgumentParser, *, with_user: bool = True) -> None:
    """Add the options that choose the installation. Source: command line, 2.1."""
    parser.add_argument("--tenant", default=DEFAULT_TENANT, help="the tenant, of which there is one here")
    parser.add_argument("--remote", dest="server_url", metavar="URL", help=f"work on that installation; else ${URL}, else here")
    if with_user:
        parser.add_argument("--user", dest="login", metavar="USER:PASSWORD", help=f"for --remote; else ${USER} and ${PASSWORD}")
    parser.add_argument("--token", dest="api_token", metavar="TOKEN", help=f"API token for --remote; else ${TOKEN}")


def is_remote(options: argparse.Namespace) -> bool:
    """Tell whether a command works on another installation."""
    return bool(_read_url(options))


def open_target(options: argparse.Namespace) -> Target:
    """
    Return the installation that the options and the environment name, our own when they name none.

    Raises:
        UsageError: an address that is none, missing or doubled credentials, or another tenant than the one that exists here.
    """
    url = _read_url(options)
    if not url:
        if options.tenant != DEFAULT_TENANT:
            raise UsageError(f'This installation has the tenant "{DEFAULT_TENANT}" only; got "{options.tenant}".')
        return local_target()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError("--remote takes the address of an installation, such as https://flows.example.org.")
    if parts.username or parts.password:
        raise UsageError(f"Credentials do not belong into an address, which is logged: use --user, --token, ${USER} or ${TOKEN}.")
    return remote_target(Server(url, tenant=options.tenant, authorization=_read_credentials(options)))


def _read_url(options: argparse.Namespace) -> str:
    given = getattr(options, "server_url", None)
    return str(given if given is not None else os.environ.get(URL, "")).strip()


def _read_credentials(options: argparse.Namespace) -> str:
    token, login = options.api_token, getattr(options, "login", None)
    if token and login:
        raise UsageError("Give either --user or --token, not both.")
    if not token and not login:
        token, login = os.environ.get(TOKEN), os.environ.get(USER)
    if not token and not login:
        raise UsageError(
            f"--remote needs --user USER:PASSWORD or --token TOKEN, or the variables ${USER} and ${PASSWORD}, or ${TOKEN}."
        )
    if not all(letter.isprintable() for letter in f"{token or ''}{login or ''}"):
        raise UsageError("The credentials hold a line break or another character that no token or user name has.")
    if token:
        return f"Bearer {token}"
    user, colon, password = str(login).partition(":")
    return basic_credentials(user, password if colon else _ask_password(user))


def _ask_password(user: str) -> str:
    password = os.environ.get(PASSWORD)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise UsageError(f"The password of {user} is missing: write --user {user}:PASSWORD, or set ${PASSWORD}.")
    return getpass.getpass(f"Password of {user}: ")

"""`manage.py server`: chosen parts of the system in the foreground, and `manage.py server status`: which parts report."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from flows.conf import changed_settings, get_settings
from flows.engine.presence import PartPresence, list_parts
from flows.management.presenters import Json, format_moment
from flows.management.selection import parse_span
from flows.management.supervisor.system import ROLES, Plan, run_system
from flows.management.terminal import Exit, PlainCommand, ServerUnreachableError, Terminal, add_action
from flows.operations.system import drain_worker, undrain_worker

INDEXER = "indexer"
"""A role of Kestra that has no counterpart: what is committed is found. Its name is taken, so that scripts run unchanged."""

COLUMNS = ("service", "id", "state", "host", "started", "last_seen")
SERVICES = ("web", "scheduler", "worker")
"""What has to be there for executions to run; the engine's own work is done by workers."""


class Command(PlainCommand):
    """Parts of the system."""

    help = "Starts the system, or some roles of it, in the foreground; `server status` shows which parts are alive."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of a start, and the action that looks."""
        super().add_arguments(parser)
        parser.add_argument("--port", type=_parse_port, help="port of the site, CELESTRA_PORT when left out")
        parser.add_argument("--host", help="address to listen on, CELESTRA_HOST when left out")
        parser.add_argument("--management-port", type=_parse_port, help="a second port with /health, /ping and /prometheus alone")
        parser.add_argument(
            "--roles", type=_parse_roles, default=frozenset(ROLES), help=f"some of {','.join(ROLES)}; all when left out"
        )
        parser.add_argument("--no-indexer", action="store_true", help="accepted for scripts that were written for Kestra")
        parser.add_argument("--worker-threads", type=int, metavar="N", help="tasks at the same time; 0 for no worker")
        parser.add_argument("--flow-path", metavar="DIR", help="save the flows of this folder now and whenever they change")
        parser.add_argument("--no-tutorials", action="store_true", help="without the example flows in a new installation")
        parser.add_argument("--migrate", action="store_true", help="apply missing migrations; our own database always gets them")
        parser.add_argument("--grace", type=parse_span, help="how long running tasks may go on after TERM, such as 5m")
        actions = parser.add_subparsers(dest="action", metavar="ACTION")
        add_action(actions, "status", show_status, about="Shows which parts are alive; status 1 when one is missing.")
        drain = add_action(actions, "drain", drain_one, about="Has a worker take no more work: it finishes what it has.")
        drain.add_argument("worker", help="name of the worker, as `server status` shows it")
        drain.add_argument("--undo", action="store_true", help="have it take work again")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, or show the state."""
        if options.get("action"):
            super().handle(*args, **options)
            return
        given = argparse.Namespace(**options)
        if given.no_indexer or INDEXER in given.roles:
            self.stderr.write("There is no indexer here, and none is needed: every row can be found once it is committed.")
        roles = given.roles - {INDEXER}
        if not roles:
            self.stderr.write(f"Nothing is left to start: name another role, such as {','.join(ROLES)}.")
            sys.exit(Exit.USAGE)
        folder = Path(given.flow_path) if given.flow_path else None
        if folder is not None and not folder.is_dir():
            self.stderr.write(f'"{folder}" is no folder: --flow-path takes the folder of your flow files.')
            sys.exit(Exit.USAGE)
        plan = Plan(
            examples=None if given.no_tutorials else Path(settings.BASE_DIR) / "examples",
            trusted_proxies=",".join(settings.TRUSTED_PROXIES),
            roles=roles,
            flow_path=folder.resolve() if folder else None,
            management_port=given.management_port,
            migrates=given.migrate,
        )
        with ExitStack() as stack:
            stack.enter_context(changed_settings(**_read_changes(given)))
            if given.host and given.host not in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
                settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, given.host]
            sys.exit(run_system(get_settings(), plan))

    def run(self, terminal: Terminal, options: argparse.Namespace) -> int:
        """Do the action: a start does not come here."""
        return int(options.run_action(terminal, options))


def show_status(terminal: Terminal, options: argparse.Namespace) -> int:
    """Show every part that reported within 15 s, and the roles that nobody has."""
    found = list_parts()
    if found is None:
        raise ServerUnreachableError("The broker, to which all parts report, does not answer. Is it running?")
    missing = [kind for kind in SERVICES if kind not in {part.kind for part in found}]
    rows = [*map(_describe, found), *({"service": kind, "state": "missing"} for kind in missing)]
    terminal.show_rows(
        COLUMNS, rows, json_rows=[*map(_present, found), *({"type": kind.upper(), "state": "MISSING"} for kind in missing)]
    )
    return Exit.FAILED if missing else Exit.DONE


def drain_one(terminal: Terminal, options: argparse.Namespace) -> int:
    """Drain a worker of this installation, or let it take work again; it hears of it within five seconds."""
    if options.undo:
        undrain_worker(options.worker)
        terminal.say(f"{options.worker} takes work again.")
    else:
        drain_worker(options.worker, at=datetime.now(UTC), actor="command line")
        terminal.say(f"{options.worker} takes no more work and finishes what it has.")
    return Exit.DONE


def _describe(part: PartPresence) -> Json:
    seconds = max(0.0, (datetime.now(UTC) - part.last_seen_at).total_seconds())
    return {
        "service": part.kind,
        "id": part.name,
        "state": "running",
        "host": part.host,
        "started": f"{part.started_at:%Y-%m-%d %H:%M:%S}" if part.started_at else None,
        "last_seen": f"{seconds:.0f} s ago",
    }


def _present(part: PartPresence) -> Json:
    return {
        "type": part.kind.upper(),
        "id": part.name,
        "state": "RUNNING",
        "host": part.host,
        "startedAt": format_moment(part.started_at),
        "lastSeen": format_moment(part.last_seen_at),
    }


def _read_changes(given: argparse.Namespace) -> dict[str, Any]:
    before = get_settings()
    changes: dict[str, Any] = {}
    if given.port is not None:
        changes["port"] = given.port
    if given.host:
        changes["host"] = given.host
    if changes and "CELESTRA_PUBLIC_URL" not in os.environ:
        changes["public_url"] = f"http://{changes.get('host', before.host)}:{changes.get('port', before.port)}"
    if given.worker_threads is not None:
        changes["worker_concurrency"] = max(0, given.worker_threads)
    if given.grace is not None:
        changes["soft_shutdown_seconds"] = given.grace.total_seconds()
    return changes


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is no port between 1 and 65535')
    return int(text)


def _parse_roles(text: str) -> frozenset[str]:
    roles = frozenset(word.strip() for word in text.split(",") if word.strip())
    unknown = sorted(roles - {*ROLES, INDEXER})
    if unknown or not roles:
        raise argparse.ArgumentTypeError(f'"{", ".join(unknown) or text}" is no role; known ones: {", ".join(ROLES)}')
    return roles

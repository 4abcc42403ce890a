"""`manage.py doctor`: asks every part of the installation how it is, and repairs what can be repaired."""

from __future__ import annotations

import argparse
from typing import Any

import redis
from django.core.management.base import CommandParser
from django.db import Error
from kombu.exceptions import OperationalError

from flows.management import diagnosis, service_checks
from flows.management.diagnosis import FAIL, OK, WARN, Check, Finding
from flows.management.selection import add_yes, parse_span
from flows.management.terminal import Exit, PlainCommand, Terminal
from flows.primitives.errors import FlowsError

COLUMNS = ("check", "status", "detail")

CHECKS: dict[str, Check] = {
    "settings": diagnosis.check_settings,
    "keys": diagnosis.check_keys,
    "versions": diagnosis.check_versions,
    "disk": diagnosis.check_disk,
    "port": diagnosis.check_port,
    "docker": diagnosis.check_docker,
    "database": service_checks.check_database,
    "migrations": service_checks.check_migrations,
    "clock": service_checks.check_clock,
    "storage": service_checks.check_storage,
    "broker": service_checks.check_broker,
    "queues": service_checks.check_queues,
    "workers": service_checks.check_workers,
    "round-trip": service_checks.check_round_trip,
    "scheduler": service_checks.check_scheduler,
    "stuck": service_checks.check_stuck,
    "trigger-locks": service_checks.check_locks,
    "flows": service_checks.check_flows,
}

NEEDED_BY = {
    "database": ("migrations", "clock", "round-trip", "scheduler", "stuck", "trigger-locks", "flows"),
    "migrations": ("scheduler", "stuck", "trigger-locks", "flows"),
    "broker": ("queues", "workers", "round-trip"),
    "workers": ("round-trip",),
}
"""What cannot be asked when a check has failed: the same complaint ten times hides the one that matters."""

_UNREACHABLE = (Error, redis.RedisError, OperationalError, FlowsError, OSError)


class Command(PlainCommand):
    """The health of the installation, seen from this host."""

    help = "Checks settings, database, broker, storage and workers, and looks for what is stuck."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of the reference."""
        super().add_arguments(parser)
        parser.add_argument("--only", action="append", default=[], choices=tuple(CHECKS), help="only this check; repeat it")
        parser.add_argument("--fix", action="store_true", help="repair what can be repaired; each repair asks first")
        parser.add_argument("--timeout", type=parse_span, default="5s", help="how long to wait for an answer")
        add_yes(parser)

    def run(self, terminal: Terminal, options: argparse.Namespace) -> int:
        """Show one row per check; status 1 when one of them fails. Warnings do not."""
        seconds = options.timeout.total_seconds()
        findings: list[Finding] = []
        for name in options.only or CHECKS:
            lacking = next(
                (each.check for each in findings if each.status == FAIL and name in NEEDED_BY.get(each.check, ())), None
            )
            findings.append(Finding(name, WARN, f"not asked: {lacking} has failed") if lacking else _ask(name, seconds))
        if options.fix:
            findings = [_repair(terminal, finding, options, seconds) for finding in findings]
        _show(terminal, findings)
        return Exit.FAILED if any(finding.status == FAIL for finding in findings) else Exit.DONE


def _ask(name: str, seconds: float) -> Finding:
    try:
        return CHECKS[name](seconds)
    except _UNREACHABLE as error:
        return service_checks.explain_failure(name, error)


def _repair(terminal: Terminal, finding: Finding, options: argparse.Namespace, seconds: float) -> Finding:
    if finding.status == OK or finding.fix is None:
        return finding
    terminal.say(f"{finding.check}: {finding.detail}")
    if not terminal.confirm(finding.fix.question, yes=options.yes):
        return finding
    try:
        terminal.say(f"{finding.check}: {finding.fix.apply()}")
    except _UNREACHABLE as error:
        return service_checks.explain_failure(finding.check, error)
    return _ask(finding.check, seconds)


def _show(terminal: Terminal, findings: list[Finding]) -> None:
    rows: list[dict[str, Any]] = [{name: getattr(finding, name) for name in COLUMNS} for finding in findings]
    json_rows = [{**row, "fixable": finding.fix is not None} for row, finding in zip(rows, findings, strict=True)]
    terminal.show_rows(COLUMNS, rows, json_rows=json_rows)
    for finding in findings:
        # A table cell is cut; whoever repairs needs the whole sentence.
        if finding.status == FAIL and terminal.output == "table":
            terminal.say(f"{finding.check}: {finding.detail}")

"""`manage.py worker`: one worker with our defaults, where the parts are started one by one."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from flows.conf import get_settings
from flows.management.selection import parse_count, parse_span
from flows.management.supervisor.roles import run_worker
from flows.primitives.identifiers import NameKind, find_name_fault


class Command(BaseCommand):
    """Run until TERM or INT."""

    help = "Runs one worker: it takes tasks from its queues until TERM or Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of the reference."""
        parser.add_argument(
            "--threads", type=parse_count, help="tasks at the same time, CELESTRA_WORKER_CONCURRENCY when left out"
        )
        parser.add_argument(
            "--group",
            action="append",
            default=[],
            type=_parse_group,
            metavar="KEY",
            help="serve this worker group only; repeat it",
        )
        parser.add_argument("--queues", metavar="A,B", help="queues to serve, CELESTRA_WORKER_QUEUES when left out")
        parser.add_argument("--drain-timeout", type=parse_span, help="how long running tasks may go on after TERM, such as 5m")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the worker and leave with its exit status."""
        given = get_settings()
        named = [queue.strip() for queue in (options["queues"] or "").split(",") if queue.strip()]
        drain = options["drain_timeout"]
        status = run_worker(
            [*named, *options["group"]] or given.worker_queues,
            threads=options["threads"] or given.worker_concurrency,
            drain_seconds=given.soft_shutdown_seconds if drain is None else drain.total_seconds(),
        )
        sys.exit(status)


def _parse_group(text: str) -> str:
    fault = find_name_fault(NameKind.WORKER_GROUP, text)
    if fault:
        raise argparse.ArgumentTypeError(f'"{text}" {fault}')
    return text

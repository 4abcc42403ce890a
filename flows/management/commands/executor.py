"""`manage.py executor`: a worker of the default queue, in which the engine's own work is done."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.management.selection import parse_count
from flows.management.supervisor.roles import run_worker


class Command(BaseCommand):
    """Run until TERM or INT."""

    help = "Runs the execution engine: a worker of the default queue, until TERM or Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number of processes."""
        parser.add_argument("--threads", type=parse_count, help="processes, CELESTRA_WORKER_CONCURRENCY when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the worker and leave with its exit status."""
        given = get_settings()
        threads = options["threads"] or given.worker_concurrency
        sys.exit(run_worker([DEFAULT_QUEUE], threads=threads, drain_seconds=given.soft_shutdown_seconds))

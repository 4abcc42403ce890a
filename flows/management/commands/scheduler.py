"""`manage.py scheduler`: the clock, where the parts are started one by one. Any number of them may run."""

from __future__ import annotations

import sys
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser

from flows.management.selection import parse_span
from flows.management.supervisor.roles import run_celery


class Command(BaseCommand):
    """Run until TERM or INT."""

    help = "Runs the clock: schedules, polls, timers and the repair of lost work, until TERM or Ctrl-C. It may run twice."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add how often it looks."""
        parser.add_argument(
            "--interval", type=parse_span, help="how often it looks when nothing is due soon, 250ms when left out"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the clock and leave with its exit status."""
        if options["interval"] is not None:
            current_app.conf.beat_max_loop_interval = options["interval"].total_seconds()
        sys.exit(run_celery(["beat"]))

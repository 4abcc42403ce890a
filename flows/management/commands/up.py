"""`manage.py up`: the whole system on this machine, in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from flows.conf import get_settings
from flows.management.supervisor.system import Plan, run_system


class Command(BaseCommand):
    """Start everything, run until Ctrl-C or TERM."""

    help = (
        "Starts the whole system in the foreground: PostgreSQL and Valkey (unless CELESTRA_DATABASE_URL and CELESTRA_BROKER_URL "
        "name others), web, worker, beat and listener. Stops with Ctrl-C or TERM."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the system and leave with its exit status."""
        examples = Path(settings.BASE_DIR) / "examples"
        plan = Plan(examples=examples, trusted_proxies=",".join(settings.TRUSTED_PROXIES))
        sys.exit(run_system(get_settings(), plan))

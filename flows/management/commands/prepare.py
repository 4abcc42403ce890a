"""`manage.py prepare`: the database part of a first start, for installations that do not use `up`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from flows.conf import get_settings
from flows.management.supervisor.preparation import prepare_database


class Command(BaseCommand):
    """Migrate, make the administrator, load the examples. Safe to run at every deployment and from several hosts at once."""

    help = (
        "Brings the database up to date, makes the administrator if there is none, loads the examples into an empty installation."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, and show a generated password once."""
        given = get_settings()
        password = prepare_database(given, None, Path(settings.BASE_DIR) / "examples")
        if password:
            self.stdout.write(f"Sign in as {given.admin_user} with the password {password} (shown only now).")

#!/usr/bin/env python
"""Entry point of every command: `python manage.py up`, `python manage.py migrate`, ..."""

from __future__ import annotations

import os
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command of the command line against `orchestrator.settings`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    if sys.argv[1:2] == ["up"] or (sys.argv[1:2] == ["server"] and "status" not in sys.argv):
        # It owns its folder, so it may write the keys that a server without CELESTRA_SECRET_KEY needs.
        os.environ.setdefault("CELESTRA_GENERATE_KEYS", "true")
        # While it loads, nothing has been started that a stop would have to end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(0))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Celestra cannot start: {error}")


if __name__ == "__main__":
    main()

"""`manage.py listen`: the process of the realtime triggers."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from flows.management.supervisor.liveness import mark_alive

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 5.0


class Command(BaseCommand):
    """Run until TERM or INT."""

    help = "Runs the realtime triggers (queues and streams) until TERM or Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012 (Django's way)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the listener."""
        run_listener()


def run_listener() -> int:
    """Wait for realtime triggers until TERM or INT. No installed plugin offers one yet, and the log says so at DEBUG."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("listener.started")
    mark_alive()
    while not stopping.wait(CHECK_EVERY_SECONDS):
        mark_alive()
        log.debug("listener.idle", extra={"reason": "no realtime triggers"})
    log.info("listener.stopped")
    return 0

"""When a running command has to stop, whichever runner has it."""

from __future__ import annotations

import threading
import time

from flows.plugin_api.context import RunContext

KILLED = "killed"
TIMEOUT = "timeout"
LOOK_SECONDS = 0.1
"""How often a runner looks."""


def find_stop_cause(context: RunContext, stop: threading.Event) -> str:
    """Return why a run has to stop now, `killed` or `timeout`; empty while it may go on."""
    if stop.is_set():
        return KILLED
    if context.deadline is not None and time.monotonic() >= context.deadline:
        return TIMEOUT
    return KILLED if context.cancelled.is_set() else ""

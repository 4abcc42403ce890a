"""What pages say of triggers: how things stand, what the last evaluation found, where a webhook is called."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest

from flows.conf import DEFAULT_TENANT
from flows.language.flow import Trigger
from flows.models import TriggerState
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource
from flows.ui.wording import write_duration

ICONS = {"schedule": "clock", "polling": "loop", "realtime": "trigger", "webhook": "globe", "flow": "flow"}
"""Symbols of icons.svg by family of triggers."""

KINDS = {"schedule": "Schedule", "polling": "Polling", "realtime": "Realtime", "webhook": "Webhook", "flow": "Flow"}
"""What people call the families of triggers."""

_WORDS = {"STARTED": "started", "NOTHING": "nothing", "FAILED": "failed"}
_HEARD = {**_WORDS, "NOTHING": "no start"}


def read_evaluation(row: TriggerState) -> dict[str, Any] | None:
    """Return what a row keeps of its last evaluation, as pages show it; None before the first one."""
    kept = row.evaluation
    if not kept:
        return None
    words = _HEARD if row.family in ("webhook", "flow") else _WORDS
    return {
        "at": datetime.fromisoformat(kept["at"]),
        "duration": write_duration(timedelta(seconds=kept["seconds"])),
        "result": words.get(kept["result"], kept["result"]),
        "has_failed": kept["result"] == "FAILED",
        "message": kept["message"],
        "execution_id": kept["executionId"] or "",
    }


def find_address(request: HttpRequest, namespace: str, flow_id: str, trigger: Trigger | None) -> str:
    """
    Return the address that calls a webhook, key included; empty for other triggers, for a key that is an expression, and for
    callers who may not read the source of the flow, in which the key stands.
    """
    key = trigger.properties.get("key") if trigger is not None and trigger.family == "webhook" else None
    if not isinstance(key, str) or "{{" in key or not current_caller().may(Action.READ, Resource.FLOW, namespace):
        return ""
    path = f"/api/v1/{DEFAULT_TENANT}/executions/webhook/{namespace}/{flow_id}/{quote(key.strip(), safe='')}"
    return request.build_absolute_uri(path)

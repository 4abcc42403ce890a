"""JSON of rows, from here or from another installation, as people read it: the short columns of tables, and lines of a log."""

from __future__ import annotations

from datetime import datetime, timedelta

from flows.management.presenters import Json
from flows.primitives.states import TERMINAL

EXECUTION_COLUMNS = ("id", "namespace", "flow", "state", "started", "duration")
TASK_RUN_COLUMNS = ("task", "value", "state", "started", "duration", "attempts")


def format_seconds(length: timedelta) -> str:
    """Return a length of time for people: `0.42s`, `1m 05s`, `2h 03m`."""
    seconds = length.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


def describe_execution(execution: Json, *, at: datetime) -> Json:
    """Return the columns of one execution."""
    return {
        "id": execution["id"],
        "namespace": execution["namespace"],
        "flow": execution["flowId"],
        "state": execution["state"]["current"],
        "started": _shorten(execution["state"].get("startDate")),
        "duration": format_seconds(_length(execution["state"], at)),
    }


def describe_task_run(run: Json, *, at: datetime) -> Json:
    """Return the columns of one task run."""
    return {
        "task": run["taskId"],
        "value": run.get("value"),
        "state": run["state"]["current"],
        "started": _shorten(run["state"].get("startDate")),
        "duration": format_seconds(_length(run["state"], at)),
        "attempts": len(run.get("attempts") or ()),
    }


def describe_flow(flow: Json) -> Json:
    """Return the columns of one flow."""
    return {
        "namespace": flow["namespace"],
        "id": flow["id"],
        "revision": flow["revision"],
        "disabled": flow["disabled"],
        "updated": _shorten(flow.get("updated")),
        "problem": flow.get("exception"),
    }


def describe_revision(flow: Json) -> Json:
    """Return the columns of one revision."""
    return {
        "revision": flow["revision"],
        "saved": _shorten(flow.get("updated")),
        "draft": flow["draft"],
        "deleted": flow["deleted"],
        "lines": flow["source"].count("\n") + 1,
    }


def format_log(entry: Json) -> str:
    """Return `TIMESTAMP LEVEL MESSAGE`. Source: command line, 2.3."""
    return f"{entry['timestamp']} {entry['level']:5} {entry.get('message', '')}"


def describe_key(pair: Json) -> Json:
    """Return the columns of one key."""
    return {
        "namespace": pair["namespace"],
        "key": pair["key"],
        "revision": pair["revision"],
        "updated": _shorten(pair.get("updateDate")),
        "expires": pair.get("expirationDate"),
        "description": pair.get("description"),
    }


def describe_trigger(trigger: Json) -> Json:
    """Return the columns of one trigger."""
    return {
        "namespace": trigger["namespace"],
        "flow": trigger["flowId"],
        "trigger": trigger["triggerId"],
        "kind": trigger["kind"],
        "disabled": trigger["disabled"],
        "next": trigger.get("nextEvaluationDate"),
        "last": trigger.get("lastTriggeredDate"),
        "locked_by": trigger.get("executionId"),
    }


def _shorten(moment: str | None) -> str:
    return moment[:19].replace("T", " ") if moment else ""


def _length(state: Json, at: datetime) -> timedelta:
    histories = state["histories"]
    if not histories:
        return timedelta(0)
    end = datetime.fromisoformat(histories[-1]["date"]) if state["current"] in TERMINAL else at
    return end - datetime.fromisoformat(histories[0]["date"])

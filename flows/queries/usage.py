"""How much the installation holds and does, in a few counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from flows.models import Execution, Flow, TriggerState
from flows.queries.visibility import visible


def count_usage(*, at: datetime) -> dict[str, Any]:
    """Return counts of flows, namespaces and triggers, and of the executions of the last day by state."""
    flows = visible(Flow).filter(deleted=False).aggregate(count=Count("pk"), namespaces=Count("namespace", distinct=True))
    since = at - timedelta(days=1)
    recent = visible(Execution).filter(created_at__gte=since, kind="NORMAL")
    states = recent.order_by().values("state").annotate(count=Count("pk"))
    counts = {row["state"]: row["count"] for row in states}
    return {
        "flows": {
            "count": flows["count"],
            "namespacesCount": flows["namespaces"],
            "triggersCount": visible(TriggerState).count(),
        },
        "executions": {"lastDayCount": sum(counts.values()), "lastDayByState": counts},
    }

"""Deleting old revisions of flows; the published one and the draft on top of it always stay."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.models import Flow, FlowRevision
from flows.models.key_values import choose_namespaces


def purge_revisions(
    *,
    namespaces: list[str] | None = None,
    namespace_pattern: str | None = None,
    include_child_namespaces: bool = True,
    flow_pattern: str | None = None,
    behavior: Mapping[str, Any] | None = None,
    **_: Any,
) -> int:
    """
    Delete old revisions and return how many. `behavior` is `{type: version, keepAmount: n}` or `{type: version, before: date}`.

    Source: core tasks, PurgeFlows.
    """
    wanted = choose_namespaces(namespaces, namespace_pattern, include_child_namespaces)
    rule = dict(behavior or {"keepAmount": 1})
    count = 0
    for flow in Flow.objects.all():
        if not wanted(flow.namespace) or (flow_pattern and not fnmatch.fnmatchcase(flow.flow_id, flow_pattern)):
            continue
        old = FlowRevision.objects.filter(flow=flow).exclude(revision__in=flow.live_revisions)
        if rule.get("before") is not None:
            before = rule["before"]
            old = old.filter(created_at__lt=before if isinstance(before, datetime) else datetime.fromisoformat(str(before)))
        else:
            keep = max(1, int(rule.get("keepAmount", 1)))
            old = old.filter(revision__lte=flow.revision - keep)
        count += old.delete()[0]
    return count

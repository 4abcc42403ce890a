"""Deleting old revisions of flows; the published one and the draft on top of it always stay."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.models import Flow, FlowRevision
from flows.models.key_values import choose_namespaces
from flows.operations.acts import MOST_NAMED, act
from flows.operations.flows import get_flow_for_update, no_such_flow
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource


def delete_revisions(namespace: str, flow_id: str, revisions: list[int]) -> int:
    """
    Delete old revisions of a flow and return how many there were. The published one and the draft stay, whatever is asked.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the published revision or the draft on top of it is among them.
    """
    missing = no_such_flow(namespace, flow_id)
    what = "flow.delete-revisions"
    with act(what, Action.DELETE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = get_flow_for_update(namespace, flow_id)
        doing.before = {"revisions": revisions[:MOST_NAMED]}
        for number in row.live_revisions:
            if number in revisions:
                which = "the draft" if number == row.draft_revision else "the newest one"
                raise InvalidError(
                    f'Revision {number} is {which} of flow "{namespace}/{flow_id}": delete the flow instead.',
                    code="newest-revision",
                )
        count: int = row.revisions.filter(revision__in=revisions).delete()[0]
    return count


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

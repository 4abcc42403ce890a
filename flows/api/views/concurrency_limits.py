"""The slots of flows that limit how many of their executions run: how many are taken, and the count set right."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page
from flows.api.describing import OBJECT, describes, page_of
from flows.conf import DEFAULT_TENANT
from flows.models import Flow
from flows.operations import concurrency
from flows.queries import flows as queries


@describes(answer=page_of(OBJECT))
def search(request: Request) -> HttpResponse:
    """Return how many executions of each limited flow hold a slot now."""
    rows = queries.list_limited_flows()
    return answer_page((_present_limit(row) for row in rows), len(rows))


def _present_limit(row: Flow) -> dict[str, Any]:
    return {
        "tenantId": DEFAULT_TENANT,
        "namespace": row.namespace,
        "flowId": row.flow_id,
        "running": row.running_count,
        "limit": row.concurrency_limit,
    }


@describes(body=OBJECT, needs_body=False, answer=OBJECT)
def recount_slots(request: Request, namespace: str, flow_id: str) -> HttpResponse:
    """Set the count of a flow's taken slots to what its executions hold."""
    return answer(_present_limit(concurrency.recount_slots(namespace, flow_id)))

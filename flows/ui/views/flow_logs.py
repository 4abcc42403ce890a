"""The log lines of all executions of one flow: the panel of the page "Logs", bound to the flow."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from flows.queries.criteria import Condition, Operation
from flows.queries.flows import FlowText, get_flow_row
from flows.streams import answer_stream
from flows.ui.filters import LEVELS, Filters, write_query
from flows.ui.log_panel import Log, answer_lines, make_panel, stream_log, wants_lines
from flows.ui.painters.log_lines import Origin
from flows.ui.views.logs import EVERY_EXECUTION, find_lines, send_lines

FILTERS = ("q", "task", "execution", "level", "range", "from", "to")


def show_logs(request: HttpRequest, found: FlowText) -> dict[str, Any]:
    """Return what the tab "Logs" shows."""
    namespace, flow_id = found.flow.namespace, found.flow.flow_id
    filters, log = _read_log(request, namespace, flow_id)
    return {
        "filters": filters,
        "log": make_panel(request, log),
        "levels": LEVELS,
        "task_ids": [task.id for task in found.definition.all_tasks()] if found.definition else [],
        "download_url": f"{reverse('ui:flow-logs-download', args=[namespace, flow_id])}{write_query(request)}",
    }


def send_lines_only(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponseBase | None:
    """Return the answer to a script that asks for lines and nothing else; None for every other request."""
    return answer_lines(request, _read_log(request, namespace, flow_id)[1]) if wants_lines(request) else None


def follow_logs(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponseBase:
    """Stream the lines of all executions of a flow that match, as they are written."""
    get_flow_row(namespace, flow_id)
    return answer_stream(
        stream_log(
            request,
            lambda: _read_log(request, namespace, flow_id)[1],
            lambda: (None, False),
            channel=EVERY_EXECUTION,
            namespace=None,
        )
    )


def download_logs(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponseBase:
    """Answer with the newest lines of a flow that match as a text file."""
    get_flow_row(namespace, flow_id)
    return send_lines(_read_log(request, namespace, flow_id)[1].rows)


def _read_log(request: HttpRequest, namespace: str, flow_id: str) -> tuple[Filters, Log]:
    fixed = (Condition("namespace", Operation.EQUALS, namespace), Condition("flowId", Operation.EQUALS, flow_id))
    filters, rows, note = find_lines(request, FILTERS, fixed=fixed)
    return filters, Log(
        rows=rows,
        hits=rows,
        searched=filters.values["q"],
        note=note,
        origin=Origin.EXECUTION,
        is_filtered=bool(filters.chips),
        live_url=reverse("ui:live-flow-logs", args=[namespace, flow_id]),
    )

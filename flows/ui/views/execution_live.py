"""The stream that tells a page of an execution when to ask for its parts again. It sends no part of the execution itself."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from flows.queries.executions import find_progress, get_execution
from flows.queries.log_tail import NewLines
from flows.streams import Viewer, answer_stream
from flows.ui.live import Look, follow_log

GATHER_SECONDS = 0.03
"""A ring costs little: the page itself gathers those that follow closely."""


def follow_execution(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """
    Stream `changed` whenever an execution or one of its task runs moved, `alive` now and then, and `end` when all have ended.

    The address tells with `seen` what the page shows already. Raises NotFoundError.
    """
    viewer = Viewer(get_execution(execution_id).namespace, session_key=request.session.session_key or "")

    def look() -> Look:
        found = find_progress(execution_id)
        return Look(NewLines(), found.mark if found else "", found is None or found.is_settled)

    seen = request.GET.get("seen") or None
    return answer_stream(follow_log(execution_id, look, lambda _: [], viewer, seen=seen, gather_seconds=GATHER_SECONDS))

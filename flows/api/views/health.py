"""Health of the system for load balancers and supervisors. Open to everybody; no data of anybody is shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_text
from flows.api.describing import TEXT, describes
from flows.queries.health import check_parts


@describes(answer=TEXT, media="text/plain")
def ping(request: Request) -> HttpResponse:
    """Answer at once."""
    return answer_text("pong")


@describes(answer={200: "Health", 503: "Health"})
def show(request: Request) -> HttpResponse:
    """Return whether the system can take executions, and the state of each part."""
    parts = check_parts()
    is_up = all(part.is_up for part in parts if part.needed)
    details: dict[str, Any] = {}
    for part in parts:
        word = "UP" if part.is_up else "DOWN" if part.needed else "UNKNOWN"
        details[part.name] = {"status": word, **({"details": part.details} if part.details else {})}
    return answer({"status": "UP" if is_up else "DOWN", "details": details}, 200 if is_up else 503)


@describes(answer="Health")
def liveness(request: Request) -> HttpResponse:
    """Return that this process answers."""
    return answer({"status": "UP"})

"""Every error below /ui/ as a page in the shell, with the right status."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.urls import reverse

from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, NotFoundError, TooLargeError
from flows.storage.contract import StorageUnavailableError

log = logging.getLogger(__name__)

_TITLES = {
    400: "This cannot be read",
    403: "You may not do this",
    404: "Nothing is here",
    405: "This address does not take that",
    409: "Not possible now",
    413: "Too large",
    422: "Something is wrong with what was sent",
    500: "Something broke on our side",
    503: "A part of the system does not answer",
}

_SEARCHES = (
    ("execution_id", "executions", "q", "executions"),
    ("flow_id", "flows", "q", "flows"),
    ("namespace", "namespaces", "q", "namespaces"),
    ("blueprint_id", "blueprints", "q", "blueprints"),
)
"""Which part of an address names a thing, and where things of its kind are searched; the narrowest first."""


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look for what was not found: an address, the name of its field, what stands in it, and what is looked for."""

    url: str
    field: str
    text: str
    things: str


def answer_error(
    request: HttpRequest, status: int, message: str, *, code: str = "", search: Search | None = None
) -> HttpResponse:
    """Answer with an error page, with the same navigation as every other page of the caller."""
    title = _TITLES.get(status, "Not possible")
    context: dict[str, Any] = {
        # A script takes parts of a page, and would put the navigation into them.
        "layout": "flows/fragment.html" if "X-Fragment" in request.headers else "flows/layout.html",
        "title": title,
        "crumbs": [{"text": title}],
        "caller": current_caller(),
        "status": status,
        "message": message,
        "code": code,
        "search": search,
    }
    return HttpResponse(render_to_string("flows/error.html", context, request), status=status)


def answer_exception(request: HttpRequest, error: Exception) -> HttpResponse:
    """Turn whatever a view raised into a page."""
    if isinstance(error, FlowsError):
        return answer_error(request, status_of(error), error.message, code=error.code, search=_find_search(request, error))
    if isinstance(error, Http404):
        return answer_error(request, 404, "No page has this address.", code="not-found")
    if isinstance(error, PermissionDenied):
        return answer_error(request, 403, "Your account has no right for this.", code="forbidden")
    if isinstance(error, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        return answer_error(request, 413, "The form is larger than the limit for one request.", code="too-large")
    if isinstance(
        error, BadRequest | SuspiciousOperation | UnreadablePostError | MultiPartParserError | DataError | UnicodeEncodeError
    ):
        return answer_error(request, 400, "The request holds a value that cannot be read or stored.", code="bad-request")
    if isinstance(error, OperationalError):
        log.error("ui.database_unavailable", extra={"path": request.path}, exc_info=error)
        return answer_error(request, 503, "The database does not answer now. Try again in a moment.", code="database-unavailable")
    correlation = secrets.token_hex(8)
    log.error("ui.failed", extra={"path": request.path, "method": request.method, "correlation": correlation}, exc_info=error)
    return answer_error(
        request, 500, f"The page could not be made. The server's log has the details under {correlation}.", code="internal"
    )


def status_of(error: FlowsError) -> int:
    """Return the HTTP status of one of our own errors."""
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ForbiddenError):
        return 403
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, TooLargeError):
        return 413
    return 503 if isinstance(error, StorageUnavailableError) else 422


def _find_search(request: HttpRequest, error: FlowsError) -> Search | None:
    match = request.resolver_match
    if not isinstance(error, NotFoundError) or match is None:
        return None
    for name, route_name, field, things in _SEARCHES:
        if name in match.kwargs:
            return Search(reverse(f"ui:{route_name}"), field, str(match.kwargs[name]), things)
    return None


def refuse_stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is missing or old. Source: security, S-08."""
    log.info("ui.token_refused", extra={"path": request.path, "reason": reason})
    return answer_error(
        request, 403, "The form was sent without a valid token: load the page again and repeat.", code="csrf-token"
    )

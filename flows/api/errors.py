"""Every error below /api/ as JSON: which status an error has and how its body looks. The one place for both."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import APIException, NotAuthenticated

from flows.api.answers import answer
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, InvalidError, NotFoundError, TooLargeError
from flows.primitives.problems import Problem
from flows.queries.criteria import CriteriaError
from flows.storage.contract import StorageUnavailableError

log = logging.getLogger(__name__)

# Actions whose refusal in the wrong state has been 422 since 0.21; conformance cases ask for it. Every other one is 409.
UNPROCESSABLE_CONFLICTS = frozenset({"pause", "force-run", "unqueue", "restart", "replay", "replay-with-inputs"})
# Labels of an execution that has not ended are refused with 400 in every version.
BAD_REQUEST_CONFLICTS = frozenset({"labels"})

SIGN_IN = "This address needs a user: send a user name and a password (HTTP Basic), or sign in at /ui/login."


class BadRequestError(InvalidError):
    """A query value is missing or malformed: 400."""

    code = "bad-request"


class BulkError(InvalidError):
    """Some members of a bulk request cannot be processed, so none was: 400. `invalids` are `{message, invalidValue, path}`."""

    code = "bulk"

    def __init__(self, message: str, invalids: Sequence[dict[str, str]]) -> None:
        super().__init__(message)
        self.invalids = list(invalids)


class GoneError(FlowsError):
    """The object existed and has expired: 410."""

    code = "gone"


def conflict_status(action: str) -> int:
    """Return the status for an action that the object's present state does not allow. Source: REST API, 5."""
    if action in UNPROCESSABLE_CONFLICTS:
        return 422
    return 400 if action in BAD_REQUEST_CONFLICTS else 409


def error_body(
    request: HttpRequest, status: int, message: str, *, code: str, errors: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """
    Return the body that clients of both generations understand.

    There is no `type` key on purpose: clients of the first generation take such a body for a key-value pair.
    """
    body: dict[str, Any] = {
        "message": message,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "code": code,
        "_links": {"self": {"href": request.path, "templated": False}},
    }
    if errors:
        body["_embedded"] = {"errors": list(errors)}
    return body


def answer_error(
    request: HttpRequest, status: int, message: str, *, code: str, errors: Sequence[dict[str, Any]] = ()
) -> HttpResponse:
    """Answer with the error body."""
    return answer(error_body(request, status, message, code=code, errors=errors), status)


def describe_problems(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Return problems as clients expect them: message and path first, then what our own pages use."""
    described = []
    for problem in problems:
        item: dict[str, Any] = {
            "message": str(problem),
            "path": problem.place.path if problem.place else "",
            "code": problem.code,
        }
        if problem.place:
            item |= {"line": problem.place.line, "column": problem.place.column}
        described.append(item)
    return described


def answer_exception(request: HttpRequest, error: Exception, *, action: str = "") -> HttpResponse:
    """
    Turn whatever a view raised into an answer.

    Args:
        action: name of the action on an execution, which decides between 409 and 422 for a wrong state.
    """
    if isinstance(error, FlowsError):
        return _answer_own_error(request, error, action)
    if isinstance(error, APIException):
        return _answer_framework_error(request, error)
    if isinstance(error, Http404):
        return answer_error(request, 404, "Not Found", code="not-found")
    if isinstance(error, PermissionDenied):
        return answer_error(request, 403, "You may not do this.", code="forbidden")
    if isinstance(error, RequestDataTooBig):
        return answer_error(
            request,
            413,
            f"The request body holds more than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes of text. "
            "Send large data as a file: as an input of the type FILE, or as a namespace file.",
            code="too-large",
        )
    if isinstance(error, (TooManyFieldsSent, TooManyFilesSent)):
        return answer_error(
            request, 413, "The request has more fields or files than one request may carry.", code="too-many-fields"
        )
    if isinstance(error, MultiPartParserError):
        return answer_error(request, 400, f"The multipart form cannot be read: {error}", code="multipart")
    if isinstance(error, (BadRequest, SuspiciousOperation, UnreadablePostError)):
        return answer_error(request, 400, "The request cannot be read.", code="bad-request")
    # Half of a character pair, which JSON can escape, fails before it reaches the database.
    if isinstance(error, (DataError, UnicodeEncodeError)):
        log.info("api.value_refused", extra={"path": request.path}, exc_info=error)
        return answer_error(
            request,
            422,
            "Invalid entity: a value is too long, or holds characters that cannot be stored.",
            code="value-not-storable",
        )
    if isinstance(error, IntegrityError):
        log.warning("api.write_race_lost", extra={"path": request.path}, exc_info=error)
        return answer_error(
            request, 409, "Illegal state: somebody else changed the same object now. Try again.", code="lost-race"
        )
    if isinstance(error, OperationalError):
        log.error("api.database_unavailable", extra={"path": request.path}, exc_info=error)
        response = answer_error(request, 503, "The database does not answer now. Try again.", code="database-unavailable")
        response["Retry-After"] = "2"
        return response
    return _answer_bug(request, error)


def _answer_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    correlation = secrets.token_hex(8)
    log.error("api.failed", extra={"path": request.path, "method": request.method, "correlation": correlation}, exc_info=error)
    message = f"Internal server error. The server's log has the details under {correlation}."
    response = answer_error(request, 500, message, code="internal")
    response["X-Correlation-Id"] = correlation
    return response


def _answer_own_error(request: HttpRequest, error: FlowsError, action: str) -> HttpResponse:
    status, prefix = _classify(error, action)
    problems = getattr(error, "problems", ())
    message = error.message
    if problems and not all(problem.message in message for problem in problems):
        message = "; ".join(str(problem) for problem in problems)
    if isinstance(error, BulkError):
        body = error_body(request, status, message, code=error.code)
        return answer({**body, "invalids": error.invalids}, status)
    return answer_error(request, status, prefix + message, code=error.code, errors=describe_problems(problems))


def _classify(error: FlowsError, action: str) -> tuple[int, str]:
    if isinstance(error, NotFoundError):
        return 404, "Not Found: "
    if isinstance(error, GoneError):
        return 410, ""
    if isinstance(error, ForbiddenError):
        return 403, ""
    if isinstance(error, ConflictError):
        return conflict_status(action), "Illegal state: "
    if isinstance(error, TooLargeError):
        return 413, ""
    if isinstance(error, CriteriaError):
        return 400, "Invalid query filters: "
    if isinstance(error, (BadRequestError, BulkError)):
        return 400, ""
    if isinstance(error, StorageUnavailableError):
        return 503, ""
    if error.code == "sort":
        return 422, ""
    return 422, "Invalid entity: "


def _answer_framework_error(request: HttpRequest, error: APIException) -> HttpResponse:
    status = error.status_code
    # The framework's words for a body that is no JSON are 400; every known client of this API expects 422.
    if error.default_code == "parse_error":
        status = 422
    message = SIGN_IN if isinstance(error, NotAuthenticated) else str(error.detail)
    response = answer_error(request, status, message, code=str(error.default_code).replace("_", "-"))
    wait = getattr(error, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(ceil(wait))
    challenge = getattr(error, "auth_header", None)
    if challenge:
        response["WWW-Authenticate"] = challenge
    return response

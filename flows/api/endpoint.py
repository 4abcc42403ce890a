"""The one door of the API: every route is an `Endpoint` that checks credentials and size, calls one function, answers errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import update_wrapper
from typing import Any, ClassVar, cast

from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.parsers import FileUploadParser, FormParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from flows.api.auth import BrowserSession, HeaderCredentials, IsSignedIn, is_open, is_sent_from_login_page
from flows.api.errors import BadRequestError, answer_exception
from flows.api.limits import address_of
from flows.api.rate_limits import Allowance, check_rate, show_allowance
from flows.api.schema.operations import DeclaredOperations
from flows.api.scopes import check_scope
from flows.conf import get_settings
from flows.models import ApiToken
from flows.operations.callers import caller_of
from flows.primitives.callers import NOBODY, Door, acting_as, current_caller, enter_as, stream_as
from flows.primitives.errors import InvalidError, TooLargeError

Handler = Callable[..., HttpResponseBase]

_MOST_READ_AWAY = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_ODD_IN_PATHS = ("\0", "//", "\\", ";", "/./", "/../")


class Endpoint(APIView):
    """
    One address of the API. `accepts_files` raises the limit of the body from texts to uploads; `action` names an action on an
    execution for the choice between 409 and 422.
    """

    authentication_classes = (HeaderCredentials, BrowserSession)
    permission_classes = (IsSignedIn,)
    parser_classes = (MultiPartParser, FormParser, FileUploadParser)
    renderer_classes = (JSONRenderer,)
    schema = DeclaredOperations()
    route_name: ClassVar[str] = ""
    accepts_files: ClassVar[bool] = False
    action: ClassVar[str] = ""
    allowance: Allowance | None = None

    def get_authenticators(self) -> list[Any]:
        """Leave credentials unread on open routes: a webhook's caller may send a header that is not meant for us."""
        request = getattr(self, "request", None)
        return [] if request is not None and is_open(request) else super().get_authenticators()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """Never answer 406: clients send all kinds of Accept headers."""
        return JSONRenderer(), "application/json"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in the name of the caller, who is nobody until the credentials were checked."""
        with acting_as(NOBODY):
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            show_allowance(response, self.allowance)
            return stream_as_caller(response)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who is calling first, then what was sent."""
        super().initial(request, *args, **kwargs)
        if request.user.is_authenticated:
            token = request.auth if isinstance(request.auth, ApiToken) else None
            enter_as(caller_of(request.user, door=Door.API, token=token, address=address_of(request)))
        self.allowance = check_rate(request, self.route_name)
        if any(odd in request.path for odd in _ODD_IN_PATHS) or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequestError("The address holds a character or an empty or dotted part that no address of the API has.")
        check_body_size(request, accepts_files=self.accepts_files)
        check_scope(request)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]  # a stream, too
        """Answer every exception as JSON."""
        if isinstance(exc, (TooLargeError, RequestDataTooBig)):
            _read_away(self.request._request)
        if isinstance(exc, (NotAuthenticated, AuthenticationFailed)) and not is_sent_from_login_page(self.request):
            # The header is what turns the framework's refusal into a 401 that clients understand.
            exc.auth_header = self.get_authenticate_header(self.request)  # type: ignore[union-attr]  # both have it
        return answer_exception(self.request._request, exc, action=self.action or self.kwargs.get("action", ""))


def stream_as_caller(response: HttpResponseBase) -> HttpResponseBase:
    """Have the parts of a streamed answer made in the name of the present caller, because they are made after the view."""
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse) and not response.is_async:
        response.streaming_content = stream_as(current_caller(), cast("Iterator[bytes]", response.streaming_content))
    return response


def _read_away(request: HttpRequest) -> None:
    """
    Read what a client still sends of a body that is too large, up to a limit.

    Many clients look for an answer only after they have sent everything; to them a connection that is closed before is a
    broken pipe without any message.
    """
    left = _MOST_READ_AWAY
    try:
        while left > 0 and (chunk := request.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
    except OSError:
        return


def check_body_size(request: Request, *, accepts_files: bool) -> None:
    """Raise TooLargeError when the announced body is larger than the limit for texts, or for uploads."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdigit():
        raise BadRequestError("The header Content-Length must be a number.")
    limits = get_settings()
    name, limit = ("max_file_bytes", limits.max_file_bytes) if accepts_files else ("max_body_bytes", limits.max_body_bytes)
    if int(announced) > limit:
        raise TooLargeError(
            f"The request body has {int(announced):,} bytes; at most {limit:,} are allowed here (limit {name}). "
            "Send large data as a file: as an input of the type FILE, or as a namespace file."
        )


def route(
    pattern: str,
    name: str,
    *,
    get: Handler | None = None,
    post: Handler | None = None,
    put: Handler | None = None,
    patch: Handler | None = None,
    delete: Handler | None = None,
    accepts_files: bool = False,
    action: str = "",
) -> URLPattern:
    """
    Return one address with the functions that answer it, by method; other methods give 405.

    A function takes the request and the parts of the address as keywords. What it raises becomes the answer.
    """
    handlers = {"get": get, "post": post, "put": put, "patch": patch, "delete": delete}
    methods = {method: _as_method(function) for method, function in handlers.items() if function is not None}
    view = type("Endpoint", (Endpoint,), {**methods, "accepts_files": accepts_files, "action": action, "route_name": name})
    return path(pattern, view.as_view(), name=name)  # type: ignore[attr-defined]  # a view of ours


def _as_method(function: Handler) -> Callable[..., HttpResponseBase]:
    def method(self: Endpoint, request: Request, **kwargs: Any) -> HttpResponseBase:
        return function(request, **kwargs)

    # The OpenAPI document is made from what is said about the function.
    return update_wrapper(method, function)


def now() -> datetime:
    """Return the moment of a request; everything below receives it as an argument."""
    return timezone.now()


def read_text(request: Request) -> str:
    """Return the body as text. Raises InvalidError when it is no UTF-8."""
    try:
        return raw_body(request).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError(f"The request body must be UTF-8 text; byte {error.start} is not.", code="encoding") from error


def raw_body(request: Request) -> bytes:
    """Return the body as bytes. Raises RequestDataTooBig beyond the limit for texts."""
    body: bytes = request._request.body
    return body


def read_json(request: Request, *, default: Any = ...) -> Any:
    """Return the parsed JSON body; an empty body gives `default`, or an error when there is none."""
    text = read_text(request)
    if not text.strip():
        if default is ...:
            raise InvalidError("Invalid json: the request needs a JSON body and has none.", code="json-missing")
        return default
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidError("Invalid json: the body is nested too deeply.", code="json") from error
    except ValueError as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = getattr(error, "msg", str(error))
        raise InvalidError(f"Invalid json: the request body cannot be read{place}: {reason}.", code="json") from error


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


def read_object(request: Request, *, default: Any = ...) -> dict[str, Any]:
    """Return the JSON body, which must be an object."""
    value = read_json(request, default=default)
    if not isinstance(value, dict):
        raise InvalidError("Invalid json: the body must be an object.", code="json-shape")
    return value


def read_list(request: Request, *, of: type, default: Any = ...) -> list[Any]:
    """Return the JSON body, which must be a list whose members are all `of` one type."""
    value = read_json(request, default=default)
    if not isinstance(value, list) or not all(isinstance(item, of) for item in value):
        words = "texts" if of is str else "objects"
        raise InvalidError(f"Invalid json: the body must be a list of {words}.", code="json-shape")
    return value


def media_type(request: HttpRequest | Request) -> str:
    """Return the content type of the body in lower case, without its parameters."""
    return str(request.META.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()

"""The one door of the console: every address checks who is calling, runs one function, and answers errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse

from flows.operations.callers import caller_of
from flows.primitives.callers import NOBODY, Door, acting_as, current_caller, enter_as
from flows.ui.choices import send_look
from flows.ui.errors import answer_error, answer_exception
from flows.ui.marks import UnchangedError

OPEN_ROUTES = frozenset({"login", "login-code", "login-enrol", "oidc-begin", "oidc-return", "set-up"})
"""Names of the pages that need no session. Whatever is not listed needs one. Source: security, S-01."""

FRAGMENT_HEADER = "X-Fragment"

Handler = Callable[..., HttpResponseBase]

# It adds a random length and the tokens in the forms are masked anew each time, so that sizes tell nothing about them.
_compressor = GZipMiddleware(lambda _: HttpResponse())


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the way to a page; the last one has no address, and may have something to copy, such as an id."""

    text: str
    url: str = ""
    copies: str = ""


def route(pattern: str, name: str, *, get: Handler | None = None, post: Handler | None = None) -> URLPattern:
    """
    Return one address with the functions that answer it. They take the request and the parts of the address as keywords.

    HEAD is answered like GET; other methods give 405. Without a session the caller is sent to the login page.
    """
    handlers = {"GET": get, "HEAD": get, "POST": post}

    def view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        with acting_as(NOBODY):
            return answer_as_caller(request, **kwargs)

    def answer_as_caller(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.user.is_authenticated:
                enter_as(caller_of(request.user, door=Door.CONSOLE, address=str(request.META.get("REMOTE_ADDR", ""))))
            if name not in OPEN_ROUTES and not request.user.is_authenticated:
                return _send_to_login(request)
            handler = handlers.get(request.method or "")
            if handler is None:
                answered: HttpResponseBase = answer_error(request, 405, f"{request.method} is not possible here.", code="method")
            else:
                answered = handler(request, **kwargs)
        except UnchangedError:
            answered = HttpResponse(status=204)
        except Exception as error:  # noqa: BLE001 (the edge of a request: everything becomes a page)
            answered = answer_exception(request, error)
        # Pages hold what only this person may see, and change all the time.
        answered.headers.setdefault("Cache-Control", "private, no-store")
        return answered if answered.streaming else _compressor.process_response(request, answered)

    # For whoever walks the address table: which methods do something here.
    view.answered_methods = frozenset(method for method, handler in handlers.items() if handler)  # type: ignore[attr-defined]
    return path(pattern, view, name=name)


def _send_to_login(request: HttpRequest) -> HttpResponse:
    if FRAGMENT_HEADER in request.headers or request.method == "POST":
        # A script cannot log in; it loads the page again, which leads to the login.
        return answer_error(request, 403, "Your session has ended: load the page again and sign in.", code="signed-out")
    return HttpResponseRedirect(f"{reverse('ui:login')}?{urlencode({'next': request.get_full_path()})}")


def answer_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    title: str,
    nav: str = "",
    crumbs: Sequence[Crumb] = (),
    status: int = 200,
) -> HttpResponse:
    """
    Answer with a page. A request of a script gets the page without its frame, from which it takes the parts that it wants.

    Args:
        nav: name of the entry of the navigation that is marked.
        crumbs: the way to the page, above its title; the title itself when empty.
    """
    layout = "flows/fragment.html" if FRAGMENT_HEADER in request.headers else "flows/layout.html"
    shared = {"layout": layout, "title": title, "nav": nav, "crumbs": crumbs or [Crumb(title)], "caller": current_caller()}
    response = HttpResponse(render_to_string(template, {**shared, **context}, request), status=status)
    send_look(request, response)
    return response


def name_of(request: HttpRequest) -> str:
    """Return the name under which actions of this request are recorded."""
    return request.user.get_username()


def redirect(name: str, *args: str, **query: str) -> HttpResponseRedirect:
    """Return a redirect to a page by its name, after a form was processed."""
    address = reverse(f"ui:{name}", args=args)
    return HttpResponseRedirect(f"{address}?{urlencode(query)}" if query else address)

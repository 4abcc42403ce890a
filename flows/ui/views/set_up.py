"""The first start: one page that makes the first owner, and never answers again afterwards."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from flows.operations import sessions
from flows.operations.set_up import is_set_up, make_first_owner, needs_token
from flows.operations.throttle import throttle
from flows.primitives.callers import Door
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError
from flows.ui.page import answer_page
from flows.ui.views.session import address_of

_GUESSES = "set-up token"


def show_set_up(request: HttpRequest) -> HttpResponse:
    """Show the form while there is no account."""
    if is_set_up():
        return HttpResponseRedirect(reverse("ui:login"))
    return _answer_form(request)


def set_up(request: HttpRequest) -> HttpResponse:
    """Make the first owner and sign the browser in. Source: security, S-05."""
    sent, address = request.POST, address_of(request)
    if is_set_up():
        raise ConflictError("This installation is set up. Sign in, or ask an owner for an account.", code="account-exists")
    wait = throttle.seconds_to_wait(_GUESSES, address)
    if wait > 0:
        return _answer_form(request, f"Too many tries. Wait {int(wait) + 1} seconds and try again.", status=429)
    try:
        if sent.get("password") != sent.get("again"):
            return _answer_form(request, "The two passwords differ.", status=422)
        user = make_first_owner(
            sent.get("username", ""),
            sent.get("password", ""),
            token=sent.get("token", ""),
            headers=request.META,
            door=Door.CONSOLE,
            at=timezone.now(),
        )
    except ForbiddenError as error:
        throttle.add_failure(_GUESSES, address)
        return _answer_form(request, error.message, status=403)
    except ConflictError:
        raise
    except FlowsError as error:
        return _answer_form(request, error.message, status=422)
    sessions.open_session(request, user, door=Door.CONSOLE, method="set-up")
    return HttpResponseRedirect(reverse("ui:welcome"))


def _answer_form(request: HttpRequest, error: str = "", *, status: int = 200) -> HttpResponse:
    context = {
        "error": error,
        "needs_token": needs_token(request.META),
        "token": (request.POST.get("token") or request.GET.get("token") or "")[:100],
        "name": request.POST.get("username", "")[:256],
    }
    return answer_page(request, "flows/sign_in/set_up.html", context, title="Set up", status=status)

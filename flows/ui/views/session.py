"""Signing in with a password, the second step after it, and signing out. Single sign-on: `single_sign_on.py`."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from flows.conf import get_settings
from flows.operations import second_factor, sessions, sign_in
from flows.operations.account_rows import account_of
from flows.operations.callers import caller_of
from flows.operations.oidc import is_configured
from flows.operations.set_up import is_set_up
from flows.operations.sign_in import SecondStep, TooManyTriesError, WrongCredentialsError
from flows.primitives.callers import Door, enter_as
from flows.primitives.errors import FlowsError
from flows.ui.page import answer_page

PENDING = "sign-in"
PENDING_SECONDS = 600


def safe_path(text: str) -> str:
    """Return a path of this site, the first page when `text` leads elsewhere. Source: security, S-43."""
    if url_has_allowed_host_and_scheme(text, allowed_hosts=None) and text.startswith("/"):
        return text
    return reverse("ui:home")


def _next_url(request: HttpRequest) -> str:
    return safe_path(request.POST.get("next") or request.GET.get("next") or "")


def show_login(request: HttpRequest) -> HttpResponse:
    """Show the form; somebody who is signed in goes on, and an installation without accounts is set up first."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_next_url(request))
    if not is_set_up():
        return HttpResponseRedirect(reverse("ui:set-up"))
    return answer_login(request)


def log_in(request: HttpRequest) -> HttpResponse:
    """Open a session. The answer to a wrong name and a wrong password is the same. Source: security, S-06 and S-07."""
    name, password = request.POST.get("username", ""), request.POST.get("password", "")
    try:
        user = sign_in.verify_password(name, password, address=address_of(request), door=Door.CONSOLE, request=request)
    except TooManyTriesError as error:
        return answer_login(request, error.message, status=429)
    except WrongCredentialsError as error:
        return answer_login(request, error.message, status=401)
    return go_on(request, user, method="password", next_url=_next_url(request))


def answer_login(request: HttpRequest, error: str = "", *, status: int = 200) -> HttpResponse:
    """Answer with the form of the first step."""
    context = {
        "error": error,
        "next": request.POST.get("next") or request.GET.get("next") or "",
        "name": request.POST.get("username", "")[:256],
        "provider": get_settings().oidc_name if is_configured() else "",
    }
    return answer_page(request, "flows/sign_in/login.html", context, title="Sign in", status=status)


def go_on(request: HttpRequest, user: User, *, method: str, next_url: str, is_strong: bool = False) -> HttpResponse:
    """
    Go on after the first step: to the page that was wanted, or to the second factor.

    Args:
        is_strong: the first step had a second factor of its own.
    """
    step = SecondStep.NONE if is_strong else sign_in.next_step(user)
    if step is SecondStep.NONE:
        sessions.open_session(request, user, door=Door.CONSOLE, method=method)
        return HttpResponseRedirect(next_url)
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk,
        "until": int(time.time()) + PENDING_SECONDS,
        "next": next_url,
        "method": method,
        # A password that is changed meanwhile ends the attempt.
        "stamp": user.get_session_auth_hash(),
    }
    return HttpResponseRedirect(reverse("ui:login-code" if step is SecondStep.CODE else "ui:login-enrol"))


def _find_pending(request: HttpRequest) -> tuple[User, dict[str, Any]] | None:
    kept = request.session.get(PENDING)
    if not isinstance(kept, dict) or kept["until"] < time.time():
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != kept["stamp"]:
        return None
    return user, kept


def _start_again() -> HttpResponse:
    return HttpResponseRedirect(reverse("ui:login"))


def show_code(request: HttpRequest) -> HttpResponse:
    """Ask for the one-time code."""
    if _find_pending(request) is None:
        return _start_again()
    return _answer_code(request)


def check_code(request: HttpRequest) -> HttpResponse:
    """Open the session when the code is right."""
    pending = _find_pending(request)
    if pending is None:
        return _start_again()
    user, kept = pending
    try:
        code = request.POST.get("code", "")
        sign_in.verify_code(user, code, address=address_of(request), door=Door.CONSOLE, at=timezone.now())
    except TooManyTriesError as error:
        return _answer_code(request, error.message, status=429)
    except WrongCredentialsError as error:
        return _answer_code(request, error.message, status=401)
    del request.session[PENDING]
    sessions.open_session(request, user, door=Door.CONSOLE, method=f"{kept['method']}, second-factor")
    return HttpResponseRedirect(safe_path(kept["next"]))


def _answer_code(request: HttpRequest, error: str = "", *, status: int = 200) -> HttpResponse:
    return answer_page(request, "flows/sign_in/code.html", {"error": error}, title="Second factor", status=status)


def show_enrolment(request: HttpRequest) -> HttpResponse:
    """Show the picture for the authenticator app of somebody who must have a second factor and has none."""
    pending = _find_pending(request)
    if pending is None:
        return _start_again()
    return _answer_enrolment(request, pending[0], pending[1])


def enrol(request: HttpRequest) -> HttpResponse:
    """Turn the second factor on, open the session, and show the recovery codes once."""
    pending = _find_pending(request)
    if pending is None:
        return _start_again()
    user, kept = pending
    # Who knew the password acts for the own account from here on.
    enter_as(caller_of(user, door=Door.CONSOLE, address=address_of(request)))
    try:
        secret = second_factor.unseal_secret(user, kept["secret"]) if kept.get("secret") else ""
        code = request.POST.get("code", "")
        codes = second_factor.enable_second_factor(
            user, secret=secret, code=code, keep_session=request.session.session_key or "", at=timezone.now()
        )
    except FlowsError as error:
        return _answer_enrolment(request, user, kept, error.message, status=401)
    del request.session[PENDING]
    sessions.open_session(request, user, door=Door.CONSOLE, method=f"{kept['method']}, second-factor")
    context = {"codes": codes, "next": safe_path(kept["next"])}
    return answer_page(request, "flows/sign_in/recovery.html", context, title="Recovery codes")


def _answer_enrolment(
    request: HttpRequest, user: User, kept: dict[str, Any], error: str = "", *, status: int = 200
) -> HttpResponse:
    if not kept.get("secret"):
        kept["secret"] = second_factor.seal_secret(user, second_factor.make_secret())
        request.session[PENDING] = kept
    context = {**describe_secret(user, kept["secret"]), "error": error, "is_own_rule": account_of(user).must_use_mfa}
    return answer_page(request, "flows/sign_in/enrol.html", context, title="Second factor", status=status)


def describe_secret(user: User, sealed: str) -> dict[str, Any]:
    """Return the picture and the text of a key that is about to become a second factor."""
    secret = second_factor.unseal_secret(user, sealed)
    width, path = second_factor.draw_code(second_factor.write_address(user, secret))
    spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return {"qr_width": width, "qr_path": path, "secret": spaced}


def log_out(request: HttpRequest) -> HttpResponse:
    """Close the session."""
    sessions.close_session(request, door=Door.CONSOLE)
    return HttpResponseRedirect(reverse("ui:login"))


def address_of(request: HttpRequest) -> str:
    """Return where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", ""))

"""Signing in through the provider: off to it, and back. What is checked stands in `flows/operations/oidc.py`."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from flows.models import AuditEntry
from flows.operations import oidc, oidc_accounts
from flows.operations.account_acts import act_on_account
from flows.operations.sessions import record_sign_in
from flows.primitives.callers import Door
from flows.primitives.errors import FlowsError, NotFoundError
from flows.ui.page import redirect
from flows.ui.views.session import address_of, answer_login, go_on, safe_path

_COOKIE = "celestra-sign-on"


def _cookie_name() -> str:
    return f"__Host-{_COOKIE}" if settings.SESSION_COOKIE_SECURE else _COOKIE


def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider. What belongs to the attempt stays in an encrypted cookie, so nothing is stored."""
    link_to = request.user.pk if request.user.is_authenticated and "connect" in request.GET else None
    try:
        attempt = oidc.begin_sign_in(next_url=safe_path(request.GET.get("next", "")), at=timezone.now(), link_to=link_to)
    except FlowsError as error:
        return answer_login(request, error.message, status=404 if isinstance(error, NotFoundError) else 503)
    response = HttpResponseRedirect(attempt.address)
    response.set_cookie(
        _cookie_name(),
        attempt.sealed,
        max_age=oidc.ATTEMPT_SECONDS,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )
    return response


def finish(request: HttpRequest) -> HttpResponse:
    """Open a session for whom the provider has recognised, or say why not. The attempt is over either way."""
    response = _finish(request)
    response.delete_cookie(_cookie_name(), samesite="Lax")
    return response


def _finish(request: HttpRequest) -> HttpResponse:
    answer = {name: request.GET.get(name, "") for name in ("code", "state", "iss", "error")}
    address, at = address_of(request), timezone.now()
    try:
        identity = oidc.finish_sign_in(answer, request.COOKIES.get(_cookie_name(), ""), at=at)
        if identity.link_to is not None:
            return _connect(request, identity)
        user = oidc_accounts.find_or_make_account(identity, address=address, at=at)
    except FlowsError as error:
        if _cookie_name() in request.COOKIES:
            record_sign_in("", door=Door.CONSOLE, address=address, method=error.code, result=AuditEntry.Result.DENIED)
        return answer_login(request, error.message, status=403)
    return go_on(
        request,
        user,
        method="single sign-on",
        next_url=safe_path(identity.next_url),
        is_strong=oidc_accounts.is_strong(identity.claims),
    )


def _connect(request: HttpRequest, identity: oidc.Identity) -> HttpResponse:
    user = request.user
    if not isinstance(user, User) or user.pk != identity.link_to:
        raise oidc.SingleSignOnError("Somebody else is signed in here now. Start again on the page of your account.")
    with act_on_account(user, "account.connect"):
        oidc_accounts.link_account(user, identity)
    return redirect("account", note="Your account is connected")

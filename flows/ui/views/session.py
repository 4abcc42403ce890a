"""Signing in and out."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.contrib.auth import login as open_session
from django.contrib.auth import logout as close_session
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from flows.ui.page import answer_page
from flows.ui.throttle import throttle


def _next_url(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/"):
        return wanted
    return reverse("ui:home")


def show_login(request: HttpRequest) -> HttpResponse:
    """Show the form; somebody who is signed in goes on."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_next_url(request))
    return _answer_form(request)


def log_in(request: HttpRequest) -> HttpResponse:
    """Open a session. The answer to a wrong name and a wrong password is the same. Source: security, S-06 and S-07."""
    name, password = request.POST.get("username", "")[:256], request.POST.get("password", "")[:256]
    address = request.META.get("REMOTE_ADDR", "")
    wait = throttle.seconds_to_wait(name, address)
    if wait > 0:
        return _answer_form(request, f"Too many tries. Wait {int(wait) + 1} seconds and try again.", status=429)
    user = authenticate(request=request, username=name, password=password) if "\0" not in name + password else None
    if user is None:
        throttle.add_failure(name, address)
        return _answer_form(request, "The user name or the password is wrong.", status=401)
    throttle.forget(name, address)
    open_session(request, user)
    return HttpResponseRedirect(_next_url(request))


def _answer_form(request: HttpRequest, error: str = "", *, status: int = 200) -> HttpResponse:
    context = {
        "error": error,
        "next": request.POST.get("next") or request.GET.get("next") or "",
        "name": request.POST.get("username", "")[:256],
    }
    return answer_page(request, "flows/login.html", context, title="Sign in", status=status)


def log_out(request: HttpRequest) -> HttpResponse:
    """Close the session."""
    close_session(request)
    return HttpResponseRedirect(reverse("ui:login"))

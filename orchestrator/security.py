"""Headers that every answer carries, static files and errors included, so that a browser runs nothing but our own scripts."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

_POLICY = (
    "default-src 'self'; script-src 'self'{nonce}; style-src 'self'{nonce}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The theme of the admin site builds its pages in the browser with a library that compiles expressions, and writes style tags.
_ADMIN_POLICY = _POLICY.replace("script-src 'self'{nonce}", "script-src 'self' 'unsafe-eval'{nonce}").replace(
    "style-src 'self'{nonce}", "style-src 'self' 'unsafe-inline'"
)


def browser_safety(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """
    Middleware for both kinds of servers. A template that needs an inline script writes `nonce="{{ request.csp_nonce }}"`; the
    nonce appears in the policy only when something has asked for it.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            nonce = _attach_nonce(request)
            awaited: Awaitable[HttpResponseBase] = get_response(request)
            return _add_headers(request, await awaited, nonce)

        return markcoroutinefunction(answer_async)

    def answer(request: HttpRequest) -> HttpResponseBase:
        nonce = _attach_nonce(request)
        return _add_headers(request, get_response(request), nonce)

    return answer


browser_safety.sync_capable = True  # type: ignore[attr-defined]  # Django's mark
browser_safety.async_capable = True  # type: ignore[attr-defined]  # Django's mark


def _attach_nonce(request: HttpRequest) -> list[str]:
    used: list[str] = []

    def make_nonce() -> str:
        used.append(secrets.token_urlsafe(16))
        return used[0]

    request.csp_nonce = SimpleLazyObject(make_nonce)  # type: ignore[attr-defined]  # for the templates
    return used


def _add_headers(request: HttpRequest, response: HttpResponseBase, nonce: list[str]) -> HttpResponseBase:
    policy = _ADMIN_POLICY if getattr(request, "is_themed_admin", False) else _POLICY
    response.headers.setdefault("Content-Security-Policy", policy.format(nonce=f" 'nonce-{nonce[0]}'" if nonce else ""))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    return response

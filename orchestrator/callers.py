"""Whose request it is, before anybody was recognised: nobody's. The API and the console recognise their callers themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from flows.operations.callers import caller_of
from flows.primitives.callers import NOBODY, Door, acting_as, enter_as


class CallerMiddleware:
    """Lets every request begin without any right, and recognises staff at the admin site. Source: security, S-01 and S-44."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_asynchronous = iscoroutinefunction(get_response)
        if self._is_asynchronous:
            markcoroutinefunction(cast(Any, self))

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_asynchronous:
            return self._answer_later(request)
        with acting_as(NOBODY):
            return cast(HttpResponseBase, self._get_response(request))

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(NOBODY):
            return cast(HttpResponseBase, await self._get_response(request))

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Recognise who is at the admin site; its pages ask for the rights of the operations that they call."""
        match = request.resolver_match
        if match is not None and "admin" in match.app_names and request.user.is_authenticated:
            address = str(request.META.get("REMOTE_ADDR", ""))
            enter_as(caller_of(request.user, door=Door.ADMIN, address=address))

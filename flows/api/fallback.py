"""Addresses below /api/ that no route knows: tidied once and looked up again, else answered with 404 in JSON."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from flows.api.endpoint import Endpoint
from flows.primitives.errors import NotFoundError

_SLASHES = re.compile("/{2,}")


class UnknownAddress(Endpoint):
    """Answers 404 to whoever is signed in, for every method."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check credentials as everywhere, then say that there is nothing here."""
        for method in self.http_method_names:
            setattr(self, method, self._refuse)
        return super().dispatch(request, *args, **kwargs)

    def _refuse(self, request: Request, **_: Any) -> HttpResponseBase:
        raise NotFoundError(f"there is no address {request.path[:200]} in this API.", code="unknown-address")


_answer_not_found = UnknownAddress.as_view()


@csrf_exempt
def answer_unknown(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """
    Drop doubled slashes and one at the end, once, and answer as the tidy address does, with all of its checks.

    Source: REST API, 1; security, 0b.
    """
    tidy = _SLASHES.sub("/", request.path_info).rstrip("/")
    if tidy != request.path_info:
        try:
            match = resolve(tidy)
        except Resolver404:
            return _answer_not_found(request)
        if match.func is not answer_unknown:
            request.path = request.path.removesuffix(request.path_info) + tidy
            request.path_info = tidy
            request.resolver_match = match
            response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
            return response
    return _answer_not_found(request)

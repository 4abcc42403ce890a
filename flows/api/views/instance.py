"""The installation itself: its configuration, who is signed in, and the browser's log-in."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth import login as open_session
from django.contrib.auth import logout as close_session
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing
from flows.api.auth import name_of, verify_password
from flows.api.endpoint import read_object
from flows.conf import DEFAULT_TENANT, get_settings
from flows.expressions import list_filters, list_functions
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.queries.health import list_worker_names

PLATFORM_VERSION = "0.1.0"
REPORTED_VERSION = "2.0.3"
"""The version of the API that we speak; clients choose their dialect by it."""


def show_configuration(request: Request) -> HttpResponse:
    """Return what clients and pages need to know of this installation."""
    settings = get_settings()
    return answer(
        {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, settings.public_url)),
            "version": REPORTED_VERSION,
            "platformVersion": PLATFORM_VERSION,
            "edition": "OSS",
            "chartDefaultDuration": "P30D",
            "isCustomDashboardsEnabled": False,
            "isAnonymousUsageEnabled": False,
            "isUiAnonymousUsageEnabled": False,
            "isAiEnabled": False,
            "isBasicAuthInitialized": _has_account(),
            "isConcurrencyViewEnabled": True,
            "url": settings.public_url,
            "preview": {"initial": 100, "max": 5000},
            "systemNamespace": settings.system_namespace,
            "hiddenLabelsPrefixes": ["system."],
            "pluginsHash": len(get_registry()),
        }
    )


def _has_account() -> bool:
    return bool(get_user_model().objects.filter(is_active=True).exists())


def show_login(request: Request) -> HttpResponse:
    """Return whether there is an account to sign in with."""
    return answer({"isBasicAuthInitialized": _has_account()})


def login(request: Request) -> HttpResponse:
    """Open a session for a browser. The cookie is opaque and never holds the password."""
    body = read_object(request)
    name, password = body.get("username"), body.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or len(name) > 256 or len(password) > 256:
        raise InvalidError('The body must hold "username" and "password", texts of at most 256 characters.', code="json-shape")
    open_session(request._request, verify_password(request, name, password))
    return answer(_present_user(name))


def logout(request: Request) -> HttpResponse:
    """Close the session of a browser."""
    close_session(request._request)
    return answer_nothing(200)


def show_me(request: Request) -> HttpResponse:
    """Return who is signed in."""
    return answer(_present_user(name_of(request)))


def _present_user(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "profile": {"username": name, "email": name},
        "auths": [{"type": "BASIC_AUTH"}],
        "tenants": [{"id": DEFAULT_TENANT, "name": DEFAULT_TENANT}],
    }


def list_validation_errors(request: Request) -> HttpResponse:
    """Return what is wrong with the configured account; an account that exists was checked when it was made."""
    return answer([])


def list_auths(request: Request) -> HttpResponse:
    """Return which ways to sign in exist."""
    return answer(["BASIC_AUTH"])


def _list_services() -> list[dict[str, Any]]:
    services = [{"id": f"web-{DEFAULT_TENANT}", "type": "WEBSERVER", "state": "RUNNING"}]
    services += [{"id": name, "type": "WORKER", "state": "RUNNING"} for name in list_worker_names()]
    return [{**service, "metrics": [], "events": []} for service in services]


def search_services(request: Request) -> HttpResponse:
    """Return the parts of the system that report."""
    services = _list_services()
    return answer({"results": services, "total": len(services)})


def count_services(request: Request) -> HttpResponse:
    """Return how many parts of each kind report."""
    counts: dict[str, int] = {}
    for service in _list_services():
        counts[service["type"]] = counts.get(service["type"], 0) + 1
    return answer({"total": sum(counts.values()), "services": [{"type": kind, "total": total} for kind, total in counts.items()]})


def list_expression_filters(request: Request) -> HttpResponse:
    """Return the names of the filters of the expression language."""
    return answer(sorted(signature.name for signature in list_filters()))


def list_expression_functions(request: Request) -> HttpResponse:
    """Return the functions of the expression language with the names of their arguments."""
    functions = sorted(list_functions(), key=lambda signature: signature.name)
    return answer([{"name": one.name, "arguments": list(one.arguments)} for one in functions])

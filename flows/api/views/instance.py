"""The installation itself: its configuration, who is signed in, and the browser's log-in."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth import login as open_session
from django.contrib.auth import logout as close_session
from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing
from flows.api.auth import verify_password
from flows.api.describing import ANYTHING, OBJECT, TEXT, describes, list_of, object_of
from flows.api.endpoint import read_object
from flows.conf import DEFAULT_TENANT, get_settings
from flows.expressions import list_filters, list_functions
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import ConflictError, InvalidError

PLATFORM_VERSION = "0.1.0"
LONGEST_NAME = 150
REPORTED_VERSION = "2.0.3"
"""The version of the API that we speak; clients choose their dialect by it."""


@describes(answer="Configuration")
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
            "isCustomDashboardsEnabled": True,
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


@describes(answer=OBJECT)
def show_login(request: Request) -> HttpResponse:
    """Return whether there is an account to sign in with."""
    return answer({"isBasicAuthInitialized": _has_account()})


@describes(body=object_of(["username", "password"], username=TEXT, password=TEXT), answer=None)
def login(request: Request) -> HttpResponse:
    """Open a session for a browser. The cookie is opaque and never holds the password."""
    body = read_object(request)
    name, password = body.get("username"), body.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or len(name) > 256 or len(password) > 256:
        raise InvalidError('The body must hold "username" and "password", texts of at most 256 characters.', code="json-shape")
    user = verify_password(request, name, password)
    open_session(request._request, user)
    return answer(_present_user(user))


@describes(answer=None)
def logout(request: Request) -> HttpResponse:
    """Close the session of a browser."""
    close_session(request._request)
    return answer_nothing(200)


@describes(answer=OBJECT)
def show_me(request: Request) -> HttpResponse:
    """Return who is signed in."""
    assert isinstance(request.user, User)
    return answer(_present_user(request.user))


def _present_user(user: User) -> dict[str, Any]:
    name = user.get_username()
    profile = {"username": name, "email": name, "firstName": user.first_name, "lastName": user.last_name}
    return {
        "id": name,
        "profile": {key: value for key, value in profile.items() if value},
        "auths": [{"type": "BASIC_AUTH"}],
        "tenants": [{"id": DEFAULT_TENANT, "name": DEFAULT_TENANT}],
    }


@describes(body=OBJECT, answer=OBJECT)
def update_me(request: Request) -> HttpResponse:
    """Change the first and last name of whoever is signed in; the e-mail address is the user name and stays."""
    body = read_object(request)
    user = request.user
    assert isinstance(user, User)
    for key, name in (("firstName", "first_name"), ("lastName", "last_name")):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > LONGEST_NAME:
            raise InvalidError(f'"{key}" must be a text of at most {LONGEST_NAME} characters.', code="json-shape")
        setattr(user, name, value)
    user.save(update_fields=["first_name", "last_name"])
    return answer(_present_user(user))


@describes(body=OBJECT, needs_body=False, answer={409: "Error"})
def refuse_account(request: Request) -> HttpResponse:
    """Refuse to make the first account: whoever could sign in to ask for it has one."""
    raise ConflictError("An account exists already. Administrators make others at /admin/.", code="account-exists")


@describes(answer=OBJECT)
def show_setup(request: Request) -> HttpResponse:
    """Return whether the installation is set up, and from which kinds of parts."""
    return answer(
        {
            "done": _has_account(),
            "repositoryType": "postgres",
            "queueType": "celery",
            "storageType": get_settings().storage_url.partition(":")[0],
            "secretType": "postgres",
        }
    )


@describes(answer=OBJECT)
def show_info(request: Request) -> HttpResponse:
    """Return which version runs."""
    return answer({"version": REPORTED_VERSION, "platformVersion": PLATFORM_VERSION, "name": "Celestra"})


@describes(answer=list_of(TEXT))
def list_validation_errors(request: Request) -> HttpResponse:
    """Return what is wrong with the configured account; an account that exists was checked when it was made."""
    return answer([])


@describes(answer=list_of(ANYTHING))
def list_auths(request: Request) -> HttpResponse:
    """Return which ways to sign in exist."""
    return answer(["BASIC_AUTH"])


@describes(answer=list_of(TEXT))
def list_expression_filters(request: Request) -> HttpResponse:
    """Return the names of the filters of the expression language."""
    return answer(sorted(signature.name for signature in list_filters()))


@describes(answer=list_of(ANYTHING))
def list_expression_functions(request: Request) -> HttpResponse:
    """Return the functions of the expression language with the names of their arguments."""
    functions = sorted(list_functions(), key=lambda signature: signature.name)
    return answer([{"name": one.name, "arguments": list(one.arguments)} for one in functions])

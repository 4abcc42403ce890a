"""The installation itself: its configuration, who is signed in, and the browser's log-in."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing
from flows.api.auth import verify_password
from flows.api.describing import ANYTHING, OBJECT, TEXT, describes, list_of, object_of
from flows.api.endpoint import now, read_object
from flows.api.limits import address_of
from flows.api.views.own_account import list_rights
from flows.conf import DEFAULT_TENANT, PLATFORM_VERSION, get_settings
from flows.expressions import list_filters, list_functions
from flows.operations import accounts, sessions, sign_in
from flows.plugin_api.registry import get_registry
from flows.primitives.callers import Door
from flows.primitives.errors import InvalidError

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


@describes(body=object_of(["username", "password"], username=TEXT, password=TEXT, code=TEXT), answer=None)
def login(request: Request) -> HttpResponse:
    """Open a session for a browser. The cookie is opaque and never holds the password."""
    body = read_object(request)
    name, password = body.get("username"), body.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or len(name) > 256 or len(password) > 256:
        raise InvalidError('The body must hold "username" and "password", texts of at most 256 characters.', code="json-shape")
    user = verify_password(request, name, password)
    method = _take_second_step(request, user, body.get("code"))
    sessions.open_session(request._request, user, door=Door.API, method=method)
    return answer(_present_user(user))


def _take_second_step(request: Request, user: User, code: Any) -> str:
    step = sign_in.next_step(user)
    if step is sign_in.SecondStep.NONE:
        return "password"
    if step is sign_in.SecondStep.ENROL or not isinstance(code, str):
        raise AuthenticationFailed(
            'This account needs a second factor: send the code of the app as "code".'
            if step is sign_in.SecondStep.CODE
            else "This account must set up a second factor first: sign in at /ui/login with a browser."
        )
    try:
        sign_in.verify_code(user, code, address=address_of(request), door=Door.API, at=now())
    except sign_in.TooManyTriesError as error:
        raise Throttled(wait=error.wait_seconds) from error
    except sign_in.WrongCredentialsError as error:
        raise AuthenticationFailed(error.message) from error
    return "password, second-factor"


@describes(answer=None)
def logout(request: Request) -> HttpResponse:
    """Close the session of a browser."""
    sessions.close_session(request._request, door=Door.API)
    return answer_nothing(200)


@describes(answer=OBJECT)
def show_me(request: Request) -> HttpResponse:
    """Return who is signed in."""
    assert isinstance(request.user, User)
    return answer({**_present_user(request.user), "rights": list_rights()})


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
    for key in ("firstName", "lastName"):
        value = body.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST_NAME):
            raise InvalidError(f'"{key}" must be a text of at most {LONGEST_NAME} characters.', code="json-shape")
    accounts.update_person(user, first_name=body.get("firstName"), last_name=body.get("lastName"))
    return answer(_present_user(user))


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


@describes(answer=list_of(TEXT))
def list_expression_filters(request: Request) -> HttpResponse:
    """Return the names of the filters of the expression language."""
    return answer(sorted(signature.name for signature in list_filters()))


@describes(answer=list_of(ANYTHING))
def list_expression_functions(request: Request) -> HttpResponse:
    """Return the functions of the expression language with the names of their arguments."""
    functions = sorted(list_functions(), key=lambda signature: signature.name)
    return answer([{"name": one.name, "arguments": list(one.arguments)} for one in functions])

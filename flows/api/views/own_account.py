"""The account of whoever calls: what it may do, its password, its sessions; and making the very first account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page, format_moment
from flows.api.describing import OBJECT, TEXT, describes, list_of, object_of, page_of
from flows.api.endpoint import now, read_object
from flows.api.limits import address_of
from flows.operations import passwords, sessions
from flows.operations.oidc import is_configured
from flows.operations.set_up import is_set_up, make_first_owner
from flows.operations.throttle import throttle
from flows.primitives.callers import Door, current_caller
from flows.primitives.errors import ForbiddenError, InvalidError
from flows.primitives.rights import EVERYWHERE

_GUESSES = "set-up token"


def _me(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user


def list_rights() -> list[dict[str, Any]]:
    """Return what the caller may do: permissions by resource, once per namespace, the empty one for everywhere."""
    tables: dict[str, dict[str, set[str]]] = {}
    for grant in current_caller().grants:
        table = tables.setdefault(grant.namespace, {})
        for resource, action in grant.permissions:
            table.setdefault(resource.value, set()).add(action.value)
    return [
        {
            "namespace": namespace or None,
            "everywhere": namespace == EVERYWHERE,
            "permissions": {resource: sorted(actions) for resource, actions in sorted(table.items())},
        }
        for namespace, table in sorted(tables.items())
    ]


@describes(answer=list_of(OBJECT))
def show_rights(request: Request) -> HttpResponse:
    """Return what the caller may do, per namespace; each holds for all namespaces below, too."""
    return answer(list_rights())


@describes(body=object_of(["oldPassword", "newPassword"], oldPassword=TEXT, newPassword=TEXT), answer={204: None})
def change_password(request: Request) -> HttpResponse:
    """Change the caller's password; all sessions of the account end."""
    body = read_object(request)
    old, new = body.get("oldPassword"), body.get("newPassword")
    if not isinstance(old, str) or not isinstance(new, str):
        raise InvalidError('The body must hold "oldPassword" and "newPassword", both texts.', code="json-shape")
    key = f"password of {_me(request).get_username()}"
    wait = throttle.seconds_to_wait(key, address_of(request))
    if wait > 0:
        raise Throttled(wait=wait)
    try:
        passwords.change_own_password(_me(request), old=old, new=new)
    except ForbiddenError:
        throttle.add_failure(key, address_of(request))
        raise
    return answer_nothing()


@describes(answer=page_of(OBJECT))
def list_sessions(request: Request) -> HttpResponse:
    """Return the browsers in which the caller is signed in."""
    rows = sessions.list_sessions(_me(request), at=now())
    key = request.session.session_key if hasattr(request, "session") else ""
    shown = [
        {
            "id": sessions.public_id(row),
            "address": row.address,
            "userAgent": row.agent,
            "startDate": format_moment(row.started_at),
            "lastSeen": format_moment(row.seen_at),
            "endDate": format_moment(min(row.ends_at, row.idle_until)),
            "current": sessions.is_session_of(row, key),
        }
        for row in rows
    ]
    return answer_page(shown, len(shown))


@describes(answer={204: None})
def revoke_sessions(request: Request) -> HttpResponse:
    """Sign the caller out of all browsers but this one."""
    sessions.revoke_sessions(_me(request), keep=request.session.session_key or "" if hasattr(request, "session") else "")
    return answer_nothing()


@describes(answer={204: None})
def revoke_session(request: Request, session_id: str) -> HttpResponse:
    """Sign the caller out of one browser."""
    sessions.revoke_session(_me(request), session_id)
    return answer_nothing()


@describes(
    body=object_of(["username", "password"], uid=TEXT, username=TEXT, password=TEXT, token=TEXT),
    answer={204: None, 409: "Error"},
)
def create_first_account(request: Request) -> HttpResponse:
    """
    Make the first account. From this host it needs no token; from elsewhere `token` is what the server log shows.

    Source: security, 0b and S-05.
    """
    address = address_of(request)
    wait = throttle.seconds_to_wait(_GUESSES, address)
    if wait > 0 and not is_set_up():
        raise Throttled(wait=wait)
    body = read_object(request)
    name, password, token = body.get("username"), body.get("password"), body.get("token") or ""
    if not isinstance(name, str) or not isinstance(password, str) or not isinstance(token, str):
        raise InvalidError('The body must hold "username" and "password", both texts.', code="json-shape")
    try:
        make_first_owner(name, password, token=token, headers=request.META, door=Door.API, at=now())
    except ForbiddenError:
        throttle.add_failure(_GUESSES, address)
        raise
    return answer_nothing()


@describes(answer=list_of(TEXT))
def list_auths(request: Request) -> HttpResponse:
    """Return which ways to sign in exist."""
    return answer(["BASIC_AUTH", "OIDC"] if is_configured() else ["BASIC_AUTH"])

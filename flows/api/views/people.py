"""People and service accounts: their facts, passwords, groups, sessions and tokens. Roles: `access.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page, format_moment
from flows.api.describing import FLAG, OBJECT, PAGING, QUERY, TEXT, describes, list_of, object_of, page_of
from flows.api.endpoint import now, read_object
from flows.api.pagination import read_window
from flows.api.views.tokens import TOKEN_BODY, make_token, present_token
from flows.conf import DEFAULT_TENANT
from flows.models import Account
from flows.operations import account_rows, accounts, groups, passwords, second_factor, service_accounts, sessions, tokens
from flows.operations.acts import check_right
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource
from flows.queries.tokens import list_tokens

PERSON, SERVICE = Account.Kind.PERSON, Account.Kind.SERVICE
_PERSON_BODY = object_of(
    ["email"],
    email=TEXT,
    firstName=TEXT,
    lastName=TEXT,
    password=TEXT,
    groups=list_of(TEXT),
    mustUseSecondFactor=FLAG,
    disabled=FLAG,
)
_SERVICE_BODY = object_of(["name"], name=TEXT, description=TEXT, groups=list_of(TEXT), disabled=FLAG)


def read_text(body: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    """Return a text of a body, None when it is not there. Raises InvalidError when it is something else."""
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise InvalidError(f'"{name}" must be a text.', code="json-shape")
    return value


def read_flag(body: dict[str, Any], name: str) -> bool | None:
    """Return a yes or no of a body, None when it is not there. Raises InvalidError when it is something else."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidError(f'"{name}" must be true or false.', code="json-shape")
    return value


def read_texts(body: dict[str, Any], name: str) -> list[str] | None:
    """Return a list of texts of a body, None when it is not there. Raises InvalidError when it is something else."""
    value = body.get(name)
    if value is not None and (not isinstance(value, list) or not all(isinstance(each, str) for each in value)):
        raise InvalidError(f'"{name}" must be a list of texts.', code="json-shape")
    return value


def answer_window(request: Request, rows: Sequence[Any]) -> HttpResponse:
    """Answer with the wanted page of a short list."""
    window = read_window(request)
    start = (window.page - 1) * window.size
    return answer_page(rows[start : start + window.size], len(rows))


def present_user(user: User) -> dict[str, Any]:
    """Return an account as clients see it. Secrets of any kind are never part of it."""
    account = account_rows.account_of(user)
    data: dict[str, Any] = {
        "id": str(user.pk),
        "username": user.username,
        "displayName": user.get_full_name() or user.username,
        "type": "SERVICE_ACCOUNT" if account.kind == SERVICE else "STANDARD",
        "disabled": not user.is_active,
        "instanceOwner": user.is_superuser,
        "groups": [{"id": str(group.pk), "name": group.name} for group in user.groups.all()],
        "tenants": [{"id": DEFAULT_TENANT, "name": DEFAULT_TENANT}],
        "createdDate": format_moment(account.created_at),
    }
    if account.kind == SERVICE:
        return {**data, "name": user.username, "description": account.description}
    ways = [way for way, has in (("BASIC_AUTH", user.has_usable_password()), ("OIDC", bool(account.oidc_subject))) if has]
    data |= {
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "auths": [{"type": way} for way in ways],
        "secondFactor": bool(account.mfa_secret),
        "mustUseSecondFactor": account.must_use_mfa,
    }
    if user.last_login:
        data["lastLogin"] = format_moment(user.last_login)
    return data


def _get(name: str, kind: str) -> User:
    check_right(Action.READ, Resource.USER)
    return account_rows.get_user(name, kind=kind)


@describes(QUERY, PAGING, answer=page_of(OBJECT))
def search_users(request: Request) -> HttpResponse:
    """Return people by name."""
    rows = accounts.list_people(query=request.query_params.get("q", ""))
    return answer_window(request, [present_user(user) for user in rows])


@describes(body=_PERSON_BODY, answer=OBJECT)
def create_user(request: Request) -> HttpResponse:
    """Make an account for a person. Groups are named by their names."""
    body = read_object(request)
    user = accounts.create_person(
        read_text(body, "email") or read_text(body, "username", required=True) or "",
        password=read_text(body, "password") or "",
        first_name=read_text(body, "firstName") or "",
        last_name=read_text(body, "lastName") or "",
        groups=read_texts(body, "groups") or (),
        must_use_mfa=bool(read_flag(body, "mustUseSecondFactor")),
        at=now(),
    )
    return answer(present_user(user))


@describes(answer=OBJECT)
def get_user(request: Request, user_id: str) -> HttpResponse:
    """Return one person, by id or e-mail address."""
    return answer(present_user(_get(user_id, PERSON)))


@describes(body=_PERSON_BODY, answer=OBJECT)
def update_user(request: Request, user_id: str) -> HttpResponse:
    """Change what the body holds of a person."""
    body = read_object(request)
    user = _get(user_id, PERSON)
    accounts.update_person(
        user,
        name=read_text(body, "email"),
        first_name=read_text(body, "firstName"),
        last_name=read_text(body, "lastName"),
        must_use_mfa=read_flag(body, "mustUseSecondFactor"),
    )
    _switch(user, body)
    return answer(present_user(user))


def _switch(user: User, body: dict[str, Any]) -> None:
    disabled = read_flag(body, "disabled")
    if disabled is not None:
        (accounts.disable_account if disabled else accounts.enable_account)(user)


@describes(answer={204: None})
def delete_user(request: Request, user_id: str) -> HttpResponse:
    """Delete a person with their tokens and roles."""
    accounts.delete_account(_get(user_id, PERSON))
    return answer_nothing()


@describes(body=object_of(["password"], password=TEXT), answer=OBJECT)
def set_password(request: Request, user_id: str) -> HttpResponse:
    """Give a person another password and sign them out everywhere."""
    user = _get(user_id, PERSON)
    passwords.set_password(user, read_text(read_object(request), "password", required=True) or "")
    return answer(present_user(user))


@describes(body=object_of(["instanceOwner"], instanceOwner=FLAG), answer=OBJECT)
def change_ownership(request: Request, user_id: str) -> HttpResponse:
    """Take the mark of an administrator of the server from a person; giving rights is done with roles."""
    user = _get(user_id, PERSON)
    if read_flag(read_object(request), "instanceOwner") is not False:
        raise InvalidError('Only false is possible: give the role "owner" by a binding instead.', code="json-shape")
    accounts.leave_superusers(user)
    return answer(present_user(user))


@describes(answer={204: None})
def remove_second_factor(request: Request, user_id: str) -> HttpResponse:
    """Take the second factor from a person who lost the phone."""
    second_factor.disable_second_factor(_get(user_id, PERSON))
    return answer_nothing()


@describes(answer={204: None})
def end_sessions(request: Request, user_id: str) -> HttpResponse:
    """Sign a person out of all browsers."""
    sessions.revoke_sessions(_get(user_id, PERSON))
    return answer_nothing()


@describes(body=object_of(["groups"], groups=list_of(TEXT)), answer=OBJECT)
def set_groups(request: Request, user_id: str) -> HttpResponse:
    """Put a person into exactly these groups, named by their names or ids."""
    check_right(Action.READ, Resource.USER)
    user = account_rows.get_user(user_id)
    groups.set_groups(user, [groups.get_group(name) for name in read_texts(read_object(request), "groups") or ()])
    return answer(present_user(account_rows.get_user(user_id)))


@describes(QUERY, PAGING, answer=page_of(OBJECT))
def search_service_accounts(request: Request) -> HttpResponse:
    """Return service accounts by name."""
    rows = accounts.list_people(query=request.query_params.get("q", ""), kind=SERVICE)
    return answer_window(request, [present_user(user) for user in rows])


@describes(body=_SERVICE_BODY, answer=OBJECT)
def create_service_account(request: Request) -> HttpResponse:
    """Make an account for a program; it has tokens and no password."""
    body = read_object(request)
    user = service_accounts.create_service_account(
        read_text(body, "name", required=True) or "",
        description=read_text(body, "description") or "",
        groups=read_texts(body, "groups") or (),
        at=now(),
    )
    return answer(present_user(user))


@describes(answer=OBJECT)
def get_service_account(request: Request, user_id: str) -> HttpResponse:
    """Return one service account, by id or name."""
    return answer(present_user(_get(user_id, SERVICE)))


@describes(body=_SERVICE_BODY, answer=OBJECT)
def update_service_account(request: Request, user_id: str) -> HttpResponse:
    """Change what the body holds of a service account."""
    body = read_object(request)
    user = _get(user_id, SERVICE)
    service_accounts.update_service_account(user, name=read_text(body, "name"), description=read_text(body, "description"))
    _switch(user, body)
    return answer(present_user(user))


@describes(answer={204: None})
def delete_service_account(request: Request, user_id: str) -> HttpResponse:
    """Delete a service account; its tokens stop working at once."""
    accounts.delete_account(_get(user_id, SERVICE))
    return answer_nothing()


@describes(answer=page_of("Token"))
def list_service_tokens(request: Request, user_id: str) -> HttpResponse:
    """Return the tokens of a service account, without their texts."""
    at, rows = now(), list_tokens(_get(user_id, SERVICE))
    return answer_page((present_token(row, at) for row in rows), len(rows))


@describes(body=TOKEN_BODY, answer="NewToken")
def create_service_token(request: Request, user_id: str) -> HttpResponse:
    """Make a token for a service account; its text is shown only here."""
    return make_token(request, _get(user_id, SERVICE))


@describes(answer={204: None})
def revoke_service_token(request: Request, user_id: str, token_id: str) -> HttpResponse:
    """Revoke a token of a service account; it is refused from now on."""
    tokens.revoke_token(_get(user_id, SERVICE), token_id)
    return answer_nothing()


@describes(answer=page_of("Token"))
def list_user_tokens(request: Request, user_id: str) -> HttpResponse:
    """Return the tokens of a person, without their texts."""
    at, rows = now(), list_tokens(_get(user_id, PERSON))
    return answer_page((present_token(row, at) for row in rows), len(rows))


@describes(body=TOKEN_BODY, answer="NewToken")
def create_user_token(request: Request, user_id: str) -> HttpResponse:
    """Make a token for another person, whose rights the caller must have too; its text is shown only here."""
    return make_token(request, _get(user_id, PERSON))


@describes(answer={204: None})
def revoke_user_token(request: Request, user_id: str, token_id: str) -> HttpResponse:
    """Revoke a token of a person; it is refused from now on."""
    tokens.revoke_token(_get(user_id, PERSON), token_id)
    return answer_nothing()

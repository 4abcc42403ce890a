"""The API tokens of whoever is signed in. The text of a token is in the answer to its making and nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page, format_moment
from flows.api.describing import FLAG, TEXT, describes, list_of, object_of, page_of
from flows.api.endpoint import now, read_object
from flows.models import ApiToken
from flows.operations import tokens as operations
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError
from flows.queries.tokens import list_tokens


def present_token(token: ApiToken, at: datetime) -> dict[str, Any]:
    """Return a token as clients see it, without its text."""
    data: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "iat": format_moment(token.created_at),
        "exp": format_moment(token.expires_at),
        "expired": token.expires_at <= at,
        "extended": token.extends,
        "access": "WRITE" if token.can_write else "READ",
        "namespaces": token.namespaces,
    }
    if token.description:
        data["description"] = token.description
    if token.last_used_at:
        data["lastUsed"] = format_moment(token.last_used_at)
    return data


def _owner(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user


@describes(answer=page_of("Token"))
def list_own(request: Request) -> HttpResponse:
    """Return the caller's tokens, without their texts."""
    at = now()
    rows = list_tokens(_owner(request))
    return answer_page((present_token(row, at) for row in rows), len(rows))


TOKEN_BODY = object_of(
    ["name"],
    name=TEXT,
    description=TEXT,
    maxAge=TEXT,
    extended=FLAG,
    access={"type": "string", "enum": ["READ", "WRITE"]},
    namespaces=list_of(TEXT),
)


@describes(body=TOKEN_BODY, answer="NewToken")
def create(request: Request) -> HttpResponse:
    """Make a token for the caller. Besides the known keys, `access` (READ or WRITE) and `namespaces` limit what it reaches."""
    return make_token(request, _owner(request))


def make_token(request: Request, owner: User) -> HttpResponse:
    """Make a token for an account as the body says."""
    body = read_object(request)
    name, description = body.get("name"), body.get("description") or ""
    extended, namespaces = body.get("extended") or False, body.get("namespaces") or []
    access = body.get("access") or "WRITE"
    if not isinstance(name, str) or not isinstance(description, str) or not isinstance(extended, bool):
        raise InvalidError(
            'The body must hold "name", a text; "description" is a text, "extended" true or false.', code="json-shape"
        )
    if not isinstance(namespaces, list) or not all(isinstance(item, str) for item in namespaces):
        raise InvalidError('"namespaces" must be a list of texts.', code="json-shape")
    if access not in ("READ", "WRITE"):
        raise InvalidError('"access" must be READ or WRITE.', code="json-shape")
    made = operations.create_token(
        owner,
        name=name,
        description=description,
        lifetime=_read_lifetime(body.get("maxAge")),
        extends=extended,
        can_write=access == "WRITE",
        namespaces=namespaces,
        at=now(),
    )
    return answer({**present_token(made.row, made.row.created_at), "fullToken": made.text})


def _read_lifetime(text: Any) -> timedelta:
    if text is None or text == "":
        return operations.DEFAULT_LIFETIME
    try:
        return parse_duration(text)
    except DurationError as error:
        raise InvalidError(f'"maxAge" must be a duration such as P90D; got "{str(text)[:60]}".', code="token-lifetime") from error


@describes(answer={204: None})
def revoke(request: Request, token_id: str) -> HttpResponse:
    """Revoke a token of the caller; it is refused from now on."""
    operations.revoke_token(_owner(request), token_id)
    return answer_nothing()

"""Key-value pairs of namespaces."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page, format_moment
from flows.api.auth import name_of
from flows.api.describing import (
    ANYTHING,
    FLAG,
    JSON_TYPE,
    PAGING,
    TEXT,
    Value,
    describes,
    filtering,
    list_of,
    object_of,
    page_of,
    sorting,
)
from flows.api.endpoint import now, read_object, read_text
from flows.api.errors import BadRequestError, GoneError
from flows.api.filters import read_criteria
from flows.api.pagination import read_window
from flows.api.presenters import present_key
from flows.models.key_values import KeyExpiredError
from flows.operations import key_values as operations
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError
from flows.queries import key_values as queries


@describes(
    Value("ttl", "How long it lives, such as PT1H.", where="header"),
    Value("description", "What it is for.", where="header"),
    body={"text/plain": TEXT, JSON_TYPE: ANYTHING},
    answer=None,
)
def put(request: Request, namespace: str, key: str) -> HttpResponse:
    """Store a value; its kind follows from how it is written."""
    headers = request.headers
    ttl = headers.get("ttl")
    try:
        lifetime = parse_duration(ttl) if ttl else None
    except DurationError as error:
        raise BadRequestError(f'The header "ttl" of key "{key}" is no duration: {error}.') from error
    operations.set_key_value_text(
        namespace, key, read_text(request), ttl=lifetime, description=headers.get("description"), at=now(), actor=name_of(request)
    )
    return answer_nothing(200)


@describes(answer="KeyValue")
def get(request: Request, namespace: str, key: str) -> HttpResponse:
    """Return a value with its kind."""
    try:
        pair = operations.get_key_value(namespace, key, at=now())
    except KeyExpiredError as error:
        raise GoneError(error.message, code=error.code) from error
    data: dict[str, Any] = {
        "type": pair.kind,
        "value": pair.value,
        "revision": pair.revision,
        "updated": format_moment(pair.updated_at),
    }
    return answer(data)


@describes(answer=FLAG)
def delete(request: Request, namespace: str, key: str) -> HttpResponse:
    """Delete a key and say whether it was there."""
    return answer(operations.delete_key_value(namespace, key, at=now(), actor=name_of(request)))


@describes(body=object_of(["keys"], keys=list_of(TEXT)), answer=object_of(["keys"], keys=list_of(TEXT)))
def delete_many(request: Request, namespace: str) -> HttpResponse:
    """Delete several keys and return those that were there."""
    keys = read_object(request).get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InvalidError('The body must be an object with a list of texts "keys".', code="json-shape")
    return answer({"keys": operations.delete_key_values(namespace, keys, at=now(), actor=name_of(request))})


@describes(answer=list_of("Key"))
def list_of_namespace(request: Request, namespace: str) -> HttpResponse:
    """Return the keys of a namespace."""
    return answer([present_key(pair) for pair in operations.list_key_values(namespace, at=now())])


@describes(answer=list_of("Key"))
def list_with_inheritance(request: Request, namespace: str) -> HttpResponse:
    """Return the keys of a namespace and of its parents."""
    return answer([present_key(pair) for pair in operations.list_key_values(namespace, at=now(), inherit=True)])


@describes(PAGING, sorting(("key", "namespace", "updateDate")), filtering(queries.KEY_FIELDS), answer=page_of("Key"))
def search(request: Request) -> HttpResponse:
    """Return one page of the keys of all namespaces."""
    found = queries.search_key_values(read_criteria(request, queries.KEY_FIELDS), read_window(request), at=now())
    return answer_page((present_key(pair) for pair in found.results), found.total)

"""Namespaces, their variables and the names of their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page
from flows.api.auth import name_of
from flows.api.describing import (
    FLAG,
    OBJECT,
    PAGING,
    TEXT,
    Value,
    describes,
    filtering,
    list_of,
    map_of,
    object_of,
    page_of,
    sorting,
)
from flows.api.endpoint import now, read_object
from flows.api.filters import read_criteria
from flows.api.pagination import read_flag, read_window
from flows.conf import DEFAULT_TENANT
from flows.models import Secret
from flows.operations import namespaces as operations
from flows.primitives.errors import InvalidError
from flows.queries.criteria import Condition, Criteria, SortError
from flows.queries.pages import Window, slice_page

NAMESPACE_FIELDS = frozenset({"q", "existingOnly", "id"})
SECRET_FIELDS = frozenset({"q", "namespace"})


def _present(namespace: operations.NamespaceInfo) -> dict[str, Any]:
    data: dict[str, Any] = {"id": namespace.id, "tenantId": DEFAULT_TENANT, "deleted": False}
    if namespace.description:
        data["description"] = namespace.description
    if namespace.variables:
        data["variables"] = dict(namespace.variables)
    if namespace.plugin_defaults:
        data["pluginDefaults"] = list(namespace.plugin_defaults)
    return data


def _find_value(criteria: Criteria, name: str) -> str:
    return next((item.value for item in criteria.members if isinstance(item, Condition) and item.field == name), "")


@describes(
    PAGING,
    sorting(("id",)),
    filtering(NAMESPACE_FIELDS),
    Value("existing", "Without parents that own nothing.", FLAG),
    answer=page_of("Namespace"),
)
def search(request: Request) -> HttpResponse:
    """Return one page of namespaces, parents of used ones included."""
    criteria = read_criteria(request, NAMESPACE_FIELDS)
    existing = _find_value(criteria, "existingOnly").lower() == "true" or read_flag(request, "existing", default=False)
    window = read_window(request)
    found = operations.list_namespaces(query=_find_value(criteria, "q"), existing_only=existing)
    page = slice_page(_sort(found, window), window)
    return answer_page((_present(namespace) for namespace in page.results), page.total)


def _sort(found: list[operations.NamespaceInfo], window: Window) -> list[operations.NamespaceInfo]:
    for name, direction in reversed(window.sort):
        if name != "id":
            raise SortError(f'Invalid sort parameter: "{name}" cannot be sorted here. Known fields: id.')
        found = sorted(found, key=lambda namespace: namespace.id, reverse=direction == "desc")
    return found


@describes(answer="Namespace")
def get(request: Request, namespace: str) -> HttpResponse:
    """Return a namespace, also one that exists only through its flows."""
    return answer(_present(operations.get_namespace(namespace)))


def _read_settings(request: Request) -> tuple[str, dict[str, Any]]:
    body = read_object(request)
    settings: dict[str, Any] = {}
    for key, name, kind in (
        ("description", "description", str),
        ("variables", "variables", dict),
        ("pluginDefaults", "plugin_defaults", list),
    ):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, kind):
            words = {str: "a text", dict: "an object", list: "a list"}[kind]
            raise InvalidError(f'"{key}" of a namespace must be {words}.', code="json-shape")
        settings[name] = value
    return str(body.get("id") or ""), settings


@describes(body="Namespace", answer="Namespace")
def create(request: Request) -> HttpResponse:
    """Describe a namespace for the first time."""
    name, settings = _read_settings(request)
    return answer(_present(operations.create_namespace(name, **settings, at=now(), actor=name_of(request))))


@describes(body="Namespace", answer="Namespace")
def update(request: Request, namespace: str) -> HttpResponse:
    """Change what the body names and keep the rest."""
    name, settings = _read_settings(request)
    if name and name != namespace:
        raise InvalidError(
            f'The body names the namespace "{name}", but it was sent to "{namespace}".', code="namespace-name-mismatch"
        )
    return answer(_present(operations.update_namespace(namespace, **settings, at=now(), actor=name_of(request))))


@describes(answer={204: None})
def delete(request: Request, namespace: str) -> HttpResponse:
    """Delete a namespace with what it owns; flows must be gone before."""
    operations.delete_namespace(namespace, at=now(), actor=name_of(request))
    return answer_nothing()


@describes(body=object_of([], q=TEXT, ids=list_of(TEXT), existingOnly=FLAG), needs_body=False, answer=list_of(TEXT))
def autocomplete(request: Request) -> HttpResponse:
    """Return the names of namespaces that hold a text."""
    body = read_object(request, default={})
    ids = body.get("ids")
    wanted = {str(name) for name in ids} if isinstance(ids, list) and ids else None
    found = operations.list_namespaces(query=str(body.get("q") or ""), existing_only=body.get("existingOnly") is True)
    return answer([namespace.id for namespace in found if wanted is None or namespace.id in wanted])


@describes(answer=OBJECT)
def read_variables(request: Request, namespace: str) -> HttpResponse:
    """Return the variables of a namespace with those of its parents."""
    return answer(operations.show_inherited_variables(namespace))


@describes(answer=map_of(list_of(TEXT)))
def list_inherited_secrets(request: Request, namespace: str) -> HttpResponse:
    """Return the names of the secrets that flows of a namespace may use, by owner."""
    return answer(operations.list_inherited_secrets(namespace))


def _present_secret(secret: Secret) -> dict[str, Any]:
    return {"key": secret.key, "namespace": secret.namespace, "description": secret.description, "tags": secret.tags}


@describes(PAGING, filtering(SECRET_FIELDS), answer="SecretPage")
def search_secrets(request: Request, namespace: str | None = None) -> HttpResponse:
    """Return one page of secrets without their values, of one or of all namespaces."""
    criteria = read_criteria(request, SECRET_FIELDS)
    found = operations.list_secrets(namespace or _find_value(criteria, "namespace") or None, query=_find_value(criteria, "q"))
    page = slice_page(found, read_window(request))
    return answer({"readOnly": False, "results": [_present_secret(secret) for secret in page.results], "total": page.total})


def _read_tags(body: dict[str, Any]) -> Sequence[dict[str, str]] | None:
    tags = body.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise InvalidError('"tags" must be a list of objects with "key" and "value".', code="json-shape")
    return [{"key": str(tag.get("key", "")), "value": str(tag.get("value", ""))} for tag in tags]


def _read_description(body: dict[str, Any]) -> str | None:
    description = body.get("description")
    return None if description is None else str(description)


@describes(
    body=object_of(["key", "value"], key=TEXT, value=TEXT, description=TEXT, tags=list_of(OBJECT)), answer=list_of("Secret")
)
def put_secret(request: Request, namespace: str) -> HttpResponse:
    """Store a secret. Its value never comes back."""
    body = read_object(request)
    key, value = body.get("key"), body.get("value")
    if not isinstance(key, str) or not isinstance(value, str):
        raise InvalidError('The body must hold the texts "key" and "value".', code="json-shape")
    operations.set_secret(
        namespace, key, value, description=_read_description(body), tags=_read_tags(body), at=now(), actor=name_of(request)
    )
    return answer([_present_secret(secret) for secret in operations.list_secrets(namespace)])


@describes(body=object_of([], key=TEXT, description=TEXT, tags=list_of(OBJECT)), answer=list_of("Secret"))
def patch_secret(request: Request, namespace: str, key: str) -> HttpResponse:
    """Change description and tags of a secret."""
    body = read_object(request)
    operations.describe_secret(
        namespace, key, description=_read_description(body), tags=_read_tags(body), at=now(), actor=name_of(request)
    )
    return answer([_present_secret(secret) for secret in operations.list_secrets(namespace)])


@describes(answer={204: None})
def delete_secret(request: Request, namespace: str, key: str) -> HttpResponse:
    """Delete a stored secret."""
    operations.delete_secret(namespace, key, at=now(), actor=name_of(request))
    return answer_nothing()

"""Turns the declarations beside the functions of the API into operations of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.openapi import AutoSchema

from flows.api.auth import OPEN_ROUTES
from flows.api.describing import JSON_TYPE, Description, Schema, Value, ref

_WORD = re.compile(r"[A-Za-z0-9]+")
_IN_BRACES = re.compile(r"\{(\w+)\}")
_METHOD_WORDS = {"GET": "get", "POST": "post", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}


class DeclaredOperations(AutoSchema):
    """Reads `describes` of the function behind a route and method; nothing is guessed from serializers."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> dict[str, Any] | None:
        """Return one operation, or None for a route that is not part of the document."""
        handler = getattr(type(self.view), method.lower())
        route: str = getattr(type(self.view), "route_name", "")
        description: Description = getattr(handler, "api_description", None) or Description()
        summary, _, details = _split_doc(handler.__doc__)
        operation: dict[str, Any] = {
            "operationId": _camel(route, _METHOD_WORDS[method.upper()]),
            "summary": summary,
            "tags": [handler.__module__.rpartition(".")[2].replace("_", " ")],
            "parameters": [*_path_values(path), *(_parameter(value) for value in description.values)],
            "responses": _responses(description),
            "security": [] if route in OPEN_ROUTES else [{"basic": []}, {"token": []}, {"session": []}],
        }
        if details:
            operation["description"] = details
        if description.is_deprecated:
            operation["deprecated"] = True
        if description.body:
            content = {media: {"schema": schema} for media, schema in description.body.items()}
            operation["requestBody"] = {"required": description.needs_body, "content": content}
        return operation


def _split_doc(doc: str | None) -> tuple[str, str, str]:
    lines = [line.strip() for line in (doc or "").strip().splitlines()]
    paragraph = " ".join(lines).partition("  ")[0] if "" not in lines else " ".join(lines[: lines.index("")])
    summary, _, rest = paragraph.partition(". ")
    return summary.rstrip(".").replace("`", ""), "", rest


def _camel(route: str, method: str) -> str:
    words = [word.capitalize() for word in _WORD.findall(route)]
    return method + "".join(words)


def _path_values(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _IN_BRACES.findall(path)
    ]


def _parameter(value: Value) -> dict[str, Any]:
    schema: Schema = {"type": "array", "items": value.schema} if value.many else value.schema
    found: dict[str, Any] = {"name": value.name, "in": value.where, "description": value.description, "schema": schema}
    if value.required:
        found["required"] = True
    if value.many:
        found |= {"style": "form", "explode": True}
    return found


def _responses(description: Description) -> dict[str, Any]:
    answers: Mapping[int, Mapping[str, Schema] | None] = description.answers or {200: {JSON_TYPE: {}}}
    found: dict[str, Any] = {}
    for status, content in answers.items():
        found[str(status)] = {"description": "Done." if status < 300 else "See the body."}
        if content is not None:
            found[str(status)]["content"] = {media: {"schema": schema} for media, schema in content.items()}
    found["4XX"] = {"description": "Refused; the body says why and what to do.", "content": {JSON_TYPE: {"schema": ref("Error")}}}
    return found


def keep_one_form(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Leave out the form of an address without tenant where the same route exists with it. A hook of drf-spectacular."""
    with_tenant = {callback.cls.route_name for path, _, _, callback in endpoints if path.startswith("/api/v1/main/")}
    return [
        endpoint
        for endpoint in endpoints
        if hasattr(endpoint[3].cls, "route_name")
        and (endpoint[0].startswith("/api/v1/main/") or endpoint[3].cls.route_name not in with_tenant)
        and endpoint[3].cls.route_name != "prometheus-alias"
    ]

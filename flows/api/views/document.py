"""The OpenAPI document of this API, made from the declarations beside its functions."""

from __future__ import annotations

from functools import lru_cache

import yaml
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request

from flows.api.answers import encode_json
from flows.api.describing import OBJECT, TEXT, Value, describes


@lru_cache(maxsize=2)
def write_document(form: str) -> bytes:
    """Return the document as `json` or `yaml`. It changes only with the program, so each form is made once."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    if form == "json":
        return encode_json(document).encode()
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode()


@describes(
    Value("format", "Wins over the header Accept.", {"type": "string", "enum": ["json", "yaml"]}),
    answer={"application/vnd.oai.openapi+json": OBJECT, "application/vnd.oai.openapi": TEXT},
)
def show(request: Request) -> HttpResponse:
    """Return the OpenAPI document of the API. As JSON or YAML, by `format` or the header Accept."""
    wanted = request.query_params.get("format", "")
    form = wanted if wanted in ("json", "yaml") else "yaml" if "yaml" in request.META.get("HTTP_ACCEPT", "") else "json"
    media = "application/vnd.oai.openapi+json" if form == "json" else "application/vnd.oai.openapi"
    response = HttpResponse(write_document(form), content_type=f"{media}; charset=utf-8")
    response["Cache-Control"] = "private, max-age=300"
    return response

"""Templates, for clients that still have them. All of it answers 404 while templates are switched off."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page
from flows.api.auth import name_of
from flows.api.describing import FLAG, PAGING, REVISION, YAML_BODIES, Value, describes, filtering, page_of
from flows.api.endpoint import now
from flows.api.filters import read_criteria
from flows.api.pagination import find_number, read_flag, read_window
from flows.api.sources import read_source
from flows.conf import get_settings
from flows.language.templates import Template as TypedTemplate
from flows.language.templates import parse_template
from flows.models import Template, TemplateRevision
from flows.operations import templates as operations
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import NotFoundError
from flows.queries import templates as queries

Handler = Callable[..., HttpResponse]


def _while_enabled(handler: Handler) -> Handler:
    def guarded(request: Request, **kwargs: Any) -> HttpResponse:
        if not get_settings().templates_enabled:
            raise NotFoundError(
                "Templates are switched off here: set CELESTRA_TEMPLATES_ENABLED=true to use them.", code="templates-disabled"
            )
        return handler(request, **kwargs)

    return update_wrapper(guarded, handler)


def _present(
    row: Template, revision: TemplateRevision, definition: TypedTemplate | None, *, with_source: bool = False
) -> dict[str, Any]:
    data = {
        **(definition.raw if definition else {}),
        "id": row.template_id,
        "namespace": row.namespace,
        "revision": revision.revision,
        "deleted": row.deleted,
    }
    if with_source:
        data["source"] = revision.source
    return data


@_while_enabled
@describes(PAGING, filtering(queries.TEMPLATE_FIELDS), answer=page_of("Template"))
def search(request: Request) -> HttpResponse:
    """Return one page of templates."""
    found = queries.search_templates(read_criteria(request, queries.TEMPLATE_FIELDS), read_window(request))
    rows = list(found.results)
    texts = queries.list_newest_texts(rows)
    shown = [_present(row, texts[row.pk], parse_template(texts[row.pk].source, get_registry())[0]) for row in rows]
    return answer_page(shown, found.total)


@_while_enabled
@describes(body=YAML_BODIES, answer="Template")
def create(request: Request) -> HttpResponse:
    """Save a new template."""
    saved = operations.save_template(read_source(request), mode="create", at=now(), actor=name_of(request))
    return answer(_present(saved.template, saved.revision, saved.definition))


@_while_enabled
@describes(REVISION, Value("source", "Whether the text comes along.", FLAG), answer="Template")
def get(request: Request, namespace: str, template_id: str) -> HttpResponse:
    """Return a revision of a template."""
    found = operations.get_template(namespace, template_id, find_number(request, "revision"))
    with_source = read_flag(request, "source", default=False)
    return answer(_present(found.template, found.revision, found.definition, with_source=with_source))


@_while_enabled
@describes(body=YAML_BODIES, answer="Template")
def update(request: Request, namespace: str, template_id: str) -> HttpResponse:
    """Save a new revision of a template."""
    saved = operations.save_template(
        read_source(request), namespace=namespace, template_id=template_id, mode="update", at=now(), actor=name_of(request)
    )
    return answer(_present(saved.template, saved.revision, saved.definition))


@_while_enabled
@describes(answer={204: None})
def delete(request: Request, namespace: str, template_id: str) -> HttpResponse:
    """Delete a template."""
    operations.delete_template(namespace, template_id, at=now())
    return answer_nothing()

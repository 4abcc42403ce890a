"""Blueprints: ready-made flows to begin with."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page, answer_text, format_moment
from flows.api.filters import read_criteria
from flows.api.pagination import read_window
from flows.api.views.graphs import answer_graph_of_text
from flows.primitives.errors import NotFoundError
from flows.queries import blueprints as queries
from flows.queries.criteria import Condition
from flows.queries.pages import slice_page

BLUEPRINT_FIELDS = frozenset({"q", "tags"})
_KINDS = frozenset({"flow", "dashboard", "app"})


def _present(one: queries.Blueprint) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "includedTasks": list(one.task_types),
        "tags": [],
        "publishedAt": format_moment(one.published_at),
    }


def _check_kind(kind: str) -> str:
    if kind.lower() not in _KINDS:
        raise NotFoundError(f'There are no blueprints of the kind "{kind[:60]}".', code="blueprint-not-found")
    return kind.lower()


def _get(kind: str, blueprint_id: str) -> queries.Blueprint:
    if _check_kind(kind) != "flow":
        raise NotFoundError(f'Blueprint "{blueprint_id[:100]}" does not exist.', code="blueprint-not-found")
    return queries.get_blueprint(blueprint_id)


def search(request: Request, kind: str = "flow") -> HttpResponse:
    """Return one page of blueprints; there are ready-made flows only."""
    criteria = read_criteria(request, BLUEPRINT_FIELDS)
    text = next((one.value for one in criteria.members if isinstance(one, Condition) and one.field == "q"), "")
    found = queries.list_blueprints(text) if _check_kind(kind) == "flow" else []
    page = slice_page(found, read_window(request))
    return answer_page((_present(one) for one in page.results), page.total)


def list_tags(request: Request, kind: str = "flow") -> HttpResponse:
    """Return the tags of blueprints: they have none."""
    _check_kind(kind)
    return answer([])


def get(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return a blueprint with its text."""
    found = _get(kind, blueprint_id)
    return answer({**_present(found), "source": found.source, "kind": "FLOW"})


def get_source(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return the text of a blueprint."""
    return answer_text(_get(kind, blueprint_id).source, "application/yaml; charset=utf-8")


def get_graph(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return the graph of a blueprint."""
    return answer_graph_of_text(_get(kind, blueprint_id).source)

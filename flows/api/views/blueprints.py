"""Blueprints: ready-made flows and dashboards to begin with, and the flows that people saved as such."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_nothing, answer_page, answer_text, format_moment
from flows.api.auth import name_of
from flows.api.describing import OBJECT, PAGING, QUERY, TEXT, Value, describes, list_of, page_of
from flows.api.endpoint import now, read_object
from flows.api.filters import read_criteria
from flows.api.pagination import read_window
from flows.api.views.graphs import answer_graph_of_text
from flows.operations import blueprints as operations
from flows.operations.blueprint_templates import fill_template, is_template, read_template
from flows.primitives.errors import InvalidError, NotFoundError
from flows.queries import blueprints as queries
from flows.queries.blueprints import BlueprintEntry
from flows.queries.criteria import split_list

BLUEPRINT_FIELDS = frozenset({"q", "tags"})
_KINDS = frozenset({"flow", "dashboard", "app"})


def _present(one: BlueprintEntry) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "includedTasks": list(one.task_types),
        "tags": list(one.tags),
        "publishedAt": format_moment(one.published_at),
    }


def _present_own(one: BlueprintEntry) -> dict[str, Any]:
    """Return what clients of both kinds of own blueprints read: one calls the text `source`, the other `flow`."""
    data = {**_present(one), "source": one.source, "flow": one.source, "kind": "FLOW", "deleted": False}
    if is_template(one.source):
        template = read_template(one.source)
        declared = {str(argument.get("id")): dict(argument) for argument in template.declared}
        data["template"] = {"source": template.text, "templateArguments": declared}
    return data


def _check_kind(kind: str) -> str:
    if kind.lower() not in _KINDS:
        raise NotFoundError(f'There are no blueprints of the kind "{kind[:60]}".', code="blueprint-not-found")
    return kind.lower()


def _read_search(request: Request) -> tuple[str, list[str]]:
    """Return the text and the tags of a search, from filters or from the older `q` and `tags`."""
    criteria = read_criteria(request, BLUEPRINT_FIELDS)
    named = criteria.conditions()
    text = " ".join(one.value for one in named if one.field == "q")
    tags = [tag for one in named if one.field == "tags" for tag in split_list(one.value)]
    if not tags:
        tags = [tag for value in request.query_params.getlist("tags") for tag in split_list(value)]
    return text, tags


@describes(PAGING, QUERY, Value("tags", "Only with one of these tags, divided by commas."), answer=page_of("Blueprint"))
def search(request: Request, kind: str = "flow") -> HttpResponse:
    """Return one page of the product's blueprints of a kind."""
    text, tags = _read_search(request)
    page = queries.page_blueprints(queries.list_blueprints(text, tags=tags, kind=_check_kind(kind)), read_window(request))
    return answer_page((_present(one) for one in page.results), page.total)


@describes(answer=list_of(OBJECT))
def list_tags(request: Request, kind: str = "flow") -> HttpResponse:
    """Return the tags that blueprints of a kind bear."""
    found = queries.list_blueprints(kind=_check_kind(kind))
    newest = max((one.published_at for one in found), default=None)
    shown = [{"id": tag, "name": queries.name_tag(tag)} for tag in queries.count_tags(found)]
    return answer([{**one, "publishedAt": format_moment(newest)} for one in shown] if newest else shown)


@describes(answer="Blueprint")
def get(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return a blueprint with its text."""
    found = queries.get_blueprint(blueprint_id, kind=_check_kind(kind))
    return answer({**_present(found), "source": found.source, "kind": kind.upper()})


@describes(answer=TEXT, media="application/yaml")
def get_source(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return the text of a blueprint."""
    found = queries.get_blueprint(blueprint_id, kind=_check_kind(kind))
    return answer_text(found.source, "application/yaml; charset=utf-8")


@describes(answer="Graph")
def get_graph(request: Request, blueprint_id: str, kind: str = "flow") -> HttpResponse:
    """Return the graph of a blueprint; only flows have one."""
    _check_kind(kind)
    return answer_graph_of_text(queries.get_blueprint(blueprint_id).source)


@describes(PAGING, QUERY, answer=page_of("Blueprint"))
def search_own(request: Request) -> HttpResponse:
    """Return one page of the blueprints that people saved."""
    text, tags = _read_search(request)
    page = queries.page_blueprints(queries.list_own_blueprints(text, tags=tags), read_window(request))
    with_source = request.query_params.get("source", "").lower() == "true"
    return answer_page((_present_own(one) if with_source else _present_listed(one) for one in page.results), page.total)


def _present_listed(one: BlueprintEntry) -> dict[str, Any]:
    return {name: value for name, value in _present_own(one).items() if name not in ("source", "flow", "template")}


@describes(answer=list_of(OBJECT))
def list_own_tags(request: Request) -> HttpResponse:
    """Return the tags that the blueprints of people bear."""
    return answer([{"id": tag, "name": queries.name_tag(tag)} for tag in queries.count_tags(queries.list_own_blueprints())])


@describes(body=OBJECT, answer="Blueprint")
def create_own(request: Request) -> HttpResponse:
    """Keep a flow as a blueprint."""
    return answer(_present_own(operations.create_blueprint(_read_draft(request), at=now(), actor=name_of(request))))


@describes(answer="Blueprint")
def get_own(request: Request, blueprint_id: str) -> HttpResponse:
    """Return a blueprint that somebody saved, with its text."""
    return answer(_present_own(queries.get_own_blueprint(blueprint_id)))


@describes(answer=TEXT, media="application/yaml")
def get_own_source(request: Request, blueprint_id: str) -> HttpResponse:
    """Return the text of a blueprint that somebody saved."""
    return answer_text(queries.get_own_blueprint(blueprint_id).source, "application/yaml; charset=utf-8")


@describes(answer="Graph")
def get_own_graph(request: Request, blueprint_id: str) -> HttpResponse:
    """Return the graph of a blueprint that somebody saved."""
    return answer_graph_of_text(queries.get_own_blueprint(blueprint_id).source)


@describes(body=OBJECT, answer="Blueprint")
def update_own(request: Request, blueprint_id: str) -> HttpResponse:
    """Replace what a blueprint holds."""
    draft = _read_draft(request)
    return answer(_present_own(operations.update_blueprint(blueprint_id, draft, at=now(), actor=name_of(request))))


@describes(answer={204: None})
def delete_own(request: Request, blueprint_id: str) -> HttpResponse:
    """Delete a blueprint that somebody saved."""
    operations.delete_blueprint(blueprint_id)
    return answer_nothing()


@describes(body=OBJECT, needs_body=False, answer=OBJECT)
def use_template(request: Request, blueprint_id: str) -> HttpResponse:
    """Return the flow that a blueprint makes with the arguments of the request."""
    body = read_object(request, default={})
    values = body.get("templateArgumentsInputs") or {}
    if not isinstance(values, dict):
        raise InvalidError('Invalid json: "templateArgumentsInputs" must be an object of values.', code="json-shape")
    return answer({"generatedFlowSource": fill_template(queries.get_own_blueprint(blueprint_id).source, values)})


def _read_draft(request: Request) -> operations.BlueprintDraft:
    body = read_object(request)
    title, description = body.get("title"), body.get("description") or ""
    source, tags = body.get("source") or body.get("flow"), body.get("tags") or []
    if not isinstance(title, str) or not isinstance(source, str) or not isinstance(description, str):
        raise InvalidError(
            'Invalid json: a blueprint needs the texts "title" and "source", and "description" must be a text.', code="json-shape"
        )
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidError('Invalid json: "tags" must be a list of texts.', code="json-shape")
    return operations.BlueprintDraft(title, source, description, tags)

"""The gallery of blueprints, a page about each, and what can be done with one: run, keep, change, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Input
from flows.language.parse import parse_flow
from flows.models import Blueprint
from flows.operations import blueprints as operations
from flows.operations.blueprint_templates import is_template, read_template, resolve_arguments
from flows.plugin_api.registry import get_registry
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries import blueprints as queries
from flows.queries import flows as flow_queries
from flows.queries.blueprint_needs import KnownNeed, list_needs
from flows.queries.blueprints import BlueprintEntry, Origin
from flows.ui.errors import status_of
from flows.ui.families import family_of, list_families
from flows.ui.filters import write_query
from flows.ui.input_fields import (
    PREFIX,
    InputField,
    convert_typed,
    make_fields,
    read_prefill,
    read_touched,
    read_typed,
)
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.thumbnail import draw_thumbnail
from flows.ui.painters.topology import draw_topology
from flows.ui.painters.yaml_source import paint_yaml

DEFAULT_NAMESPACE = "company.team"
FAMILIES_ON_A_CARD = 5
_NEED_WORDS = {
    "secret": ("key", "Secret"),
    "account": ("admin", "Account"),
    "network": ("globe", "Network"),
    "package": ("download", "Python package"),
    "program": ("code", "Program on the worker"),
    "flow": ("flow", "Another flow"),
    "plugin": ("plugin", "Plugin"),
    "container": ("system", "Containers"),
}
CARDS_AT_ONCE = 24


def show_gallery(request: HttpRequest) -> HttpResponse:
    """Show the blueprints that hold the words and bear the tag, as cards."""
    text, tag, kind = request.GET.get("q", ""), request.GET.get("tag", ""), request.GET.get("kind", "")
    own = queries.list_own_blueprints(text)
    ready = [*queries.list_blueprints(text), *queries.list_blueprints(text, kind="dashboard")]
    everything = {"": [*ready, *own], "own": own}.get(kind, [one for one in ready if one.kind == kind])
    counts = queries.count_tags(everything)
    found = [one for one in everything if not tag or tag in one.tags]
    count = _read_count(request)
    shown = found[:count]
    needs = list_needs(shown, namespace=DEFAULT_NAMESPACE)
    context = {
        "cards": [make_card(one, needs[one.id]) for one in shown],
        "more": max(0, len(found) - count),
        "more_url": write_query(request, show=str(count + CARDS_AT_ONCE)),
        "found": len(found),
        "tags": [{"id": name, "name": queries.name_tag(name), "count": count} for name, count in counts.items()],
        "text": text,
        "tag": tag,
        "kind": kind,
        "has_own": bool(queries.list_own_blueprints()),
        "total": len(everything),
    }
    return answer_page(request, "flows/blueprint/gallery.html", context, title="Blueprints", nav="blueprints")


def _read_count(request: HttpRequest) -> int:
    text = request.GET.get("show", "")
    return max(CARDS_AT_ONCE, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else CARDS_AT_ONCE


def make_card(entry: BlueprintEntry, needs: Sequence[KnownNeed] = ()) -> dict[str, Any]:
    """Return what the card of a blueprint shows."""
    return {
        "missing": [_describe_need(one) for one in needs if one.is_missing],
        "needs_container": any(one.need.kind == "container" for one in needs),
        "entry": entry,
        "is_own": entry.origin is Origin.OWN,
        "tags": [{"id": tag, "name": queries.name_tag(tag)} for tag in entry.tags if tag != "getting-started"][:3],
        "families": list_families(entry.task_types, most=FAMILIES_ON_A_CARD),
        "thumbnail": _draw_small(entry.source) if entry.kind == "flow" else "",
    }


@lru_cache(maxsize=512)
def _draw_small(source: str) -> SafeString | str:
    definition = _parse(source)
    return draw_thumbnail(definition) if definition is not None else ""


@lru_cache(maxsize=512)
def _parse(source: str) -> TypedFlow | None:
    """Return the flow of a text without the defaults of its namespace, which change no picture and no form."""
    return parse_flow(source, get_registry()).flow


def show_blueprint(request: HttpRequest, blueprint_id: str) -> HttpResponse:
    """Show one blueprint: what it does, its shape, its text, and the form that runs it."""
    return _answer(request, queries.get_any_blueprint(blueprint_id))


def run(request: HttpRequest, blueprint_id: str) -> HttpResponse:
    """Save the flow of a blueprint in a namespace, start it with the inputs of the form, and lead to its execution."""
    entry = queries.get_any_blueprint(blueprint_id)
    namespace, at, actor = _read_namespace(request), timezone.now(), name_of(request)
    definition = _place(entry, namespace)
    if definition is None:
        raise InvalidError(f'The flow cannot live in the namespace "{namespace[:150]}".', code="invalid-namespace")
    typed = read_typed(request, definition.inputs)
    try:
        supplied = convert_typed(definition.inputs, typed, at=at)
        execution = operations.run_blueprint(entry.id, namespace=namespace, inputs=supplied, at=at, actor=actor)
    except (InvalidError, ConflictError) as error:
        return _answer(request, entry, namespace=namespace, typed=typed, error=error)
    return redirect("execution", execution.namespace, execution.flow_id, execution.id)


def fill(request: HttpRequest, blueprint_id: str) -> HttpResponse:
    """Fill in the blanks of a template: save the flow that comes out, or open the editor with it."""
    entry = queries.get_any_blueprint(blueprint_id)
    template = read_template(entry.source)
    namespace, at = _read_namespace(request), timezone.now()
    typed = read_typed(request, template.arguments)
    values = convert_typed(template.arguments, typed, at=at)
    try:
        if request.POST.get("then") == "edit":
            operations.make_source(entry, namespace=namespace, values=values)
            given = {f"{PREFIX}{name}": value for name, value in values.items()}
            return redirect("flow-new", blueprint=entry.id, namespace=namespace, **given)
        saved = operations.save_template(entry, namespace=namespace, values=values, at=at, actor=name_of(request))
    except (InvalidError, ConflictError) as error:
        return _answer(request, entry, namespace=namespace, typed=typed, error=error)
    return redirect("flow", saved.flow.namespace, saved.flow.flow_id, note="Flow saved")


def make_new_source(request: HttpRequest, blueprint_id: str) -> str:
    """Return the text with which the editor opens for a blueprint; arguments of a template stand in the query."""
    entry = queries.get_any_blueprint(blueprint_id)
    namespace = request.GET.get("namespace", "")
    given = is_template(entry.source) and any(name.startswith(PREFIX) for name in request.GET)
    if not given:
        return operations.place_source(entry, namespace)
    arguments = read_template(entry.source).arguments
    values = convert_typed(arguments, read_prefill(request, arguments))
    return operations.make_source(entry, namespace=namespace, values=values)


def _read_namespace(request: HttpRequest) -> str:
    return request.POST.get("namespace", "").strip() or DEFAULT_NAMESPACE


def refresh_fields(request: HttpRequest, blueprint_id: str) -> HttpResponse:
    """Show the form again with what was entered so far, because other inputs depend on it. Nothing starts."""
    entry = queries.get_any_blueprint(blueprint_id)
    namespace = _read_namespace(request)
    inputs = _list_inputs(entry, namespace)
    typed = {name: value for name, value in read_typed(request, inputs).items() if isinstance(value, str | list)}
    return _answer(request, entry, namespace=namespace, typed=typed)


def _list_inputs(entry: BlueprintEntry, namespace: str) -> Sequence[Input]:
    if is_template(entry.source):
        return read_template(entry.source).arguments
    definition = _place(entry, namespace)
    return definition.inputs if definition else ()


def _place(entry: BlueprintEntry, namespace: str) -> TypedFlow | None:
    """Return the flow as it would be in a namespace; None when its text cannot be put there."""
    definition = _parse(operations.place_source(entry, namespace)) if entry.kind == "flow" else None
    return definition if definition is not None and definition.namespace == namespace else None


def _answer(
    request: HttpRequest,
    entry: BlueprintEntry,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    typed: dict[str, Any] | None = None,
    error: FlowsError | None = None,
) -> HttpResponse:
    definition = _parse(entry.source) if entry.kind == "flow" else None
    caller = current_caller()
    # The form renders defaults, which may read what the namespace holds: it is made for the one that the caller may use.
    placed = _place(entry, namespace)
    has_blanks = is_template(entry.source)
    may_save = caller.may(Action.CREATE, Resource.FLOW, namespace)
    can_fill = has_blanks and may_save
    can_run = placed is not None and not has_blanks and may_save and caller.may(Action.CREATE, Resource.EXECUTION, namespace)
    needs = list_needs([entry], namespace=namespace)[entry.id]
    arguments = read_template(entry.source).arguments if can_fill else ()
    context = {
        **make_card(entry, needs),
        "definition": definition,
        "picture": draw_topology(definition) if definition else "",
        "painted": paint_yaml(entry.source),
        "needs": [_describe_need(one) for one in needs],
        "has_blanks": has_blanks,
        "can_fill": can_fill,
        "can_open": not any(one.type == "SECRET" for one in arguments),
        "can_use": _can_use(entry),
        "record": Blueprint(id=entry.id) if entry.origin is Origin.OWN else None,
        "needs_flow": any(need.kind == "flow" for need in entry.needs),
        "types": [
            {
                "name": name,
                "family": family_of(name),
                "group": name.removeprefix("io.kestra.plugin.").rpartition(".")[0],
                "known": _is_known(name),
            }
            for name in entry.task_types
        ],
        "all_tags": [{"id": tag, "name": queries.name_tag(tag)} for tag in entry.tags],
        "fields": _make_fields(request, entry, placed if can_run else None, arguments, typed, error),
        "can_run": can_run,
        "can_change": entry.origin is Origin.OWN and caller.may(Action.UPDATE, Resource.BLUEPRINT),
        "namespace": namespace,
        "error": error,
    }
    crumbs = [Crumb("Blueprints", reverse("ui:blueprints")), Crumb(entry.title)]
    return answer_page(
        request,
        "flows/blueprint/page.html",
        context,
        title=entry.title,
        nav="blueprints",
        crumbs=crumbs,
        status=status_of(error) if error is not None else 200,
    )


def _make_fields(
    request: HttpRequest,
    entry: BlueprintEntry,
    definition: TypedFlow | None,
    arguments: Sequence[Input],
    typed: dict[str, Any] | None,
    error: FlowsError | None,
) -> list[InputField]:
    inputs = definition.inputs if definition is not None else arguments
    if not inputs:
        return []
    at: datetime = timezone.now()
    given = typed if typed is not None else read_prefill(request, inputs)
    texts = {name: value for name, value in given.items() if isinstance(value, str | list)}
    values = convert_typed(inputs, texts, at=at)
    if definition is not None:
        resolved = operations.preview_inputs(definition, values, at=at)
    else:
        resolved = resolve_arguments(read_template(entry.source), values)
    shown: bool | frozenset[str] = True if error is not None else read_touched(request.POST)
    return make_fields(inputs, given=texts, resolved=resolved, show_errors=shown)


def _can_use(entry: BlueprintEntry) -> bool:
    resource = Resource.DASHBOARD if entry.kind == "dashboard" else Resource.FLOW
    return current_caller().list_reached(resource, Action.CREATE) != ()


def _describe_need(known: KnownNeed) -> dict[str, Any]:
    need = known.need
    icon, word = _NEED_WORDS.get(need.kind, ("plugin", need.kind.capitalize()))
    title = queries.get_any_blueprint(need.text).title if need.kind == "flow" else ""
    return {
        "icon": icon,
        "word": word,
        "text": need.text,
        "kind": need.kind,
        "is_flow": need.kind == "flow",
        "title": title,
        "is_missing": known.is_missing,
    }


def _is_known(name: str) -> bool:
    if name.startswith("io.kestra.plugin.core.dashboard."):
        return False
    try:
        get_registry().get(name)
    except NotFoundError:
        return False
    return True


def keep_flow(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Keep the text of a flow as a blueprint and lead to its page: the published one where there is one."""
    found = flow_queries.get_flow_text(namespace, flow_id, prefer_published=True)
    draft = _read_draft(request, found.revision.source)
    entry = operations.create_blueprint(draft, at=timezone.now(), actor=name_of(request))
    return redirect("blueprint", entry.id, note="Saved as a blueprint")


def change(request: HttpRequest, blueprint_id: str, action: str) -> HttpResponse:
    """Rename or delete a blueprint that somebody saved."""
    if action == "delete":
        operations.delete_blueprint(blueprint_id)
        return HttpResponseRedirect(f"{reverse('ui:blueprints')}?note=Blueprint+deleted")
    if action == "edit":
        entry = queries.get_own_blueprint(blueprint_id)
        operations.update_blueprint(blueprint_id, _read_draft(request, entry.source), at=timezone.now(), actor=name_of(request))
        return redirect("blueprint", blueprint_id, note="Blueprint saved")
    raise NotFoundError(f'A blueprint has no action "{action}".', code="unknown-action")


def _read_draft(request: HttpRequest, source: str) -> operations.BlueprintDraft:
    return operations.BlueprintDraft(
        title=request.POST.get("title", ""),
        source=source,
        description=request.POST.get("description", "").replace("\r\n", "\n"),
        tags=request.POST.get("tags", "").split(","),
    )

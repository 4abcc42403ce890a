"""The gallery of blueprints, a page about each, and what can be done with one: run, keep, change, delete."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.language.flow import Flow as TypedFlow
from flows.language.parse import parse_flow
from flows.operations import blueprints as operations
from flows.operations.blueprint_templates import is_template
from flows.plugin_api.registry import get_registry
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, FlowsError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries import blueprints as queries
from flows.queries import flows as flow_queries
from flows.queries.blueprints import BlueprintEntry, Origin
from flows.ui.errors import status_of
from flows.ui.families import family_of, list_families
from flows.ui.input_fields import make_fields, read_inputs, read_prefill
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
}


def show_gallery(request: HttpRequest) -> HttpResponse:
    """Show the blueprints that hold the words and bear the tag, as cards."""
    text, tag, kind = request.GET.get("q", ""), request.GET.get("tag", ""), request.GET.get("kind", "")
    own = queries.list_own_blueprints(text)
    ready = [*queries.list_blueprints(text), *queries.list_blueprints(text, kind="dashboard")]
    everything = {"": [*ready, *own], "own": own}.get(kind, [one for one in ready if one.kind == kind])
    counts = queries.count_tags(everything)
    found = [one for one in everything if not tag or tag in one.tags]
    context = {
        "cards": [make_card(one) for one in found],
        "tags": [{"id": name, "name": queries.name_tag(name), "count": count} for name, count in counts.items()],
        "text": text,
        "tag": tag,
        "kind": kind,
        "has_own": bool(queries.list_own_blueprints()),
        "total": len(everything),
    }
    return answer_page(request, "flows/blueprint/gallery.html", context, title="Blueprints", nav="blueprints")


def make_card(entry: BlueprintEntry) -> dict[str, Any]:
    """Return what the card of a blueprint shows."""
    return {
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
    namespace, at, actor = request.POST.get("namespace", "").strip() or DEFAULT_NAMESPACE, timezone.now(), name_of(request)
    definition = _place(entry, namespace)
    if definition is None:
        raise InvalidError(f'The flow cannot live in the namespace "{namespace[:150]}".', code="invalid-namespace")
    supplied = read_inputs(request, definition.inputs)
    try:
        execution = operations.run_blueprint(entry.id, namespace=namespace, inputs=supplied, at=at, actor=actor)
    except (InvalidError, ConflictError) as error:
        return _answer(request, entry, namespace=namespace, given=supplied, error=error)
    return redirect("execution", execution.namespace, execution.flow_id, execution.id)


def refresh_fields(request: HttpRequest, blueprint_id: str) -> HttpResponse:
    """Show the form again with what was entered so far, because other inputs depend on it. Nothing starts."""
    entry = queries.get_any_blueprint(blueprint_id)
    definition = _place(entry, DEFAULT_NAMESPACE)
    given = read_inputs(request, definition.inputs) if definition else {}
    return _answer(request, entry, given={name: value for name, value in given.items() if isinstance(value, str)})


def _place(entry: BlueprintEntry, namespace: str) -> TypedFlow | None:
    """Return the flow as it would be in a namespace; None when its text cannot be put there."""
    definition = _parse(operations.place_source(entry, namespace)) if entry.kind == "flow" else None
    return definition if definition is not None and definition.namespace == namespace else None


def _answer(
    request: HttpRequest,
    entry: BlueprintEntry,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    given: dict[str, Any] | None = None,
    error: FlowsError | None = None,
) -> HttpResponse:
    definition = _parse(entry.source) if entry.kind == "flow" else None
    caller = current_caller()
    # The form renders defaults, which may read what the namespace holds: it is made for the one that the caller may use.
    placed = _place(entry, namespace)
    can_run = (
        placed is not None
        and not is_template(entry.source)
        and caller.may(Action.CREATE, Resource.FLOW, namespace)
        and caller.may(Action.CREATE, Resource.EXECUTION, namespace)
    )
    context = {
        **make_card(entry),
        "definition": definition,
        "picture": draw_topology(definition) if definition else "",
        "painted": paint_yaml(entry.source),
        "needs": [_describe_need(need) for need in entry.needs],
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
        "fields": _make_fields(request, placed, given, error) if can_run and placed else [],
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
    request: HttpRequest, definition: TypedFlow, given: dict[str, Any] | None, error: FlowsError | None
) -> list[Any]:
    texts = given if given is not None else read_prefill(request, definition.inputs)
    texts = {name: value for name, value in texts.items() if isinstance(value, str | list)}
    at: datetime = timezone.now()
    resolved = operations.preview_inputs(definition, texts, at=at)
    return make_fields(definition.inputs, given=texts, resolved=resolved, show_errors=error is not None)


def _describe_need(need: queries.Need) -> dict[str, Any]:
    icon, word = _NEED_WORDS.get(need.kind, ("plugin", need.kind.capitalize()))
    title = queries.get_any_blueprint(need.text).title if need.kind == "flow" else ""
    return {"icon": icon, "word": word, "text": need.text, "is_flow": need.kind == "flow", "title": title}


def _is_known(name: str) -> bool:
    if name.startswith("io.kestra.plugin.core.dashboard."):
        return False
    try:
        get_registry().get(name)
    except NotFoundError:
        return False
    return True


def keep_flow(request: HttpRequest, namespace: str, flow_id: str) -> HttpResponse:
    """Keep the newest text of a flow as a blueprint and lead to its page."""
    found = flow_queries.get_flow_text(namespace, flow_id)
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

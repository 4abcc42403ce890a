"""Saving flows as blueprints, filling in templates, and turning a blueprint into a flow of a namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.engine.catalog import LoadedFlow
from flows.engine.graph import build_graph
from flows.engine.starting import resolve_for
from flows.language.flow import Flow as TypedFlow
from flows.language.inputs import ResolvedInputs
from flows.models import Blueprint, Execution, FlowRevision
from flows.operations.acts import act, check_right
from flows.operations.blueprint_templates import fill_template, find_template_faults, is_template
from flows.operations.executions import start_execution
from flows.operations.flow_checks import check_document
from flows.operations.flows import SavedFlow, save_flow
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.ids import new_id
from flows.primitives.problems import Problem
from flows.primitives.rights import Action, Resource
from flows.queries.blueprints import BlueprintEntry, get_any_blueprint, get_own_blueprint, list_types, read_entry

LONGEST_TITLE = 150
LONGEST_TAG = 60
MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class BlueprintDraft:
    """What somebody wants to keep: `source` is the text of a flow, `description` Markdown, `tags` any words."""

    title: str
    source: str
    description: str = ""
    tags: Sequence[str] = field(default_factory=tuple)


def create_blueprint(draft: BlueprintDraft, *, at: datetime, actor: str = "") -> BlueprintEntry:
    """
    Keep a flow as a blueprint and return it.

    Raises:
        InvalidError: no title, too long, or a source with faults (all of them are in `problems`).
        ForbiddenError: the caller may not save blueprints.

    Source: REST API, 8.12.
    """
    with act("blueprint.create", Action.CREATE, Resource.BLUEPRINT) as doing:
        row = _fill(Blueprint(id=new_id(), created_at=at), draft, at=at, actor=actor)
        row.save(force_insert=True)
        doing.object_id, doing.after = row.id, {"title": row.title}
    return read_entry(row)


def update_blueprint(blueprint_id: str, draft: BlueprintDraft, *, at: datetime, actor: str = "") -> BlueprintEntry:
    """Replace what a blueprint of somebody holds. Raises NotFoundError, and what `create_blueprint` raises."""
    with act("blueprint.update", Action.UPDATE, Resource.BLUEPRINT, object_id=blueprint_id), transaction.atomic():
        get_own_blueprint(blueprint_id)
        row = _fill(Blueprint.objects.select_for_update().get(pk=blueprint_id), draft, at=at, actor=actor)
        row.save()
    return read_entry(row)


def delete_blueprint(blueprint_id: str) -> None:
    """Delete a blueprint that somebody saved; flows that were made from it stay. Raises NotFoundError."""
    with act("blueprint.delete", Action.DELETE, Resource.BLUEPRINT, object_id=blueprint_id) as doing:
        doing.before = {"title": get_own_blueprint(blueprint_id).title}
        Blueprint.objects.filter(pk=blueprint_id).delete()


def place_source(entry: BlueprintEntry, namespace: str) -> str:
    """Return the text of a flow blueprint for another namespace: wherever it names its own one, it names this one instead."""
    found = _NAMESPACE.search(entry.source)
    if found is None or not namespace or found[2] == namespace:
        return entry.source
    same = re.compile(rf"(\bnamespace:[ \t]*[\"']?){re.escape(found[2])}(?=[\"'\s,}}]|$)", re.MULTILINE)
    return same.sub(lambda match: match[1] + namespace, entry.source)


def make_source(entry: BlueprintEntry, *, namespace: str, values: Mapping[str, Any]) -> str:
    """
    Return the text of a flow blueprint for a namespace, with the blanks of a template filled in.

    Raises:
        InvalidError: a value is missing or wrong.
    """
    return place_source(replace(entry, source=fill_template(entry.source, values)), namespace)


def save_template(
    entry: BlueprintEntry, *, namespace: str, values: Mapping[str, Any], at: datetime, actor: str = ""
) -> SavedFlow:
    """
    Save what a template makes with these values as a new flow of a namespace, and return it.

    Raises:
        ForbiddenError: the caller may not save flows there.
        InvalidError: a value is missing or wrong, or makes a text that is no flow of this namespace.
        ConflictError: the namespace has a flow of this name.
    """
    check_right(Action.CREATE, Resource.FLOW, namespace, what="blueprint.fill", object_id=entry.id)
    source = make_source(entry, namespace=namespace, values=values)
    return save_flow(source, namespace=namespace, at=at, actor=actor, mode="create")


def install_blueprint(blueprint_id: str, *, namespace: str, at: datetime, actor: str = "") -> SavedFlow:
    """
    Save the flow of a blueprint in a namespace, and before it the flows that it calls, and return it.

    A flow that is there already with the same text is used as it is; one that was called and changed by its owner, too.

    Raises:
        ConflictError: the namespace has another flow of this name.
        InvalidError: the text is a template or a dashboard, or cannot be used in this namespace.
        NotFoundError: no such blueprint.
    """
    entry = get_any_blueprint(blueprint_id)
    if entry.kind != "flow" or is_template(entry.source):
        raise InvalidError(
            f'Blueprint "{entry.title}" is no flow that can run as it is: open it in the editor.', code="blueprint-not-runnable"
        )
    for need in entry.needs:
        if need.kind == "flow":
            other = get_any_blueprint(need.text)
            if _find_text(namespace, _id_of(other.source)) is None:
                save_flow(place_source(other, namespace), namespace=namespace, at=at, actor=actor)
    source = place_source(entry, namespace)
    flow_id = _id_of(source)
    present = _find_text(namespace, flow_id)
    if present is not None and present != source:
        raise ConflictError(
            f'The namespace "{namespace}" has another flow with the name "{flow_id}" already. Choose another namespace, or open '
            "the blueprint in the editor and give the flow another id.",
            code="flow-exists",
        )
    return save_flow(source, namespace=namespace, at=at, actor=actor)


def run_blueprint(blueprint_id: str, *, namespace: str, inputs: Mapping[str, Any], at: datetime, actor: str = "") -> Execution:
    """
    Save the flow of a blueprint as `install_blueprint` does, start it, and return the execution.

    Inputs are checked before anything is saved, so a wrong one leaves no flow behind.

    Raises:
        ForbiddenError: the caller may not save flows or start executions in the namespace.
        InvalidError: an input is missing or wrong, and what `install_blueprint` and `start_execution` raise.
    """
    # Defaults may read secrets of the namespace, so nothing is looked at before the right to run there is certain.
    check_right(Action.CREATE, Resource.FLOW, namespace, what="blueprint.run", object_id=blueprint_id)
    check_right(Action.CREATE, Resource.EXECUTION, namespace, what="blueprint.run", object_id=blueprint_id)
    check = check_document(place_source(get_any_blueprint(blueprint_id), namespace))
    if check.definition is not None and check.definition.namespace == namespace:
        resolved = preview_inputs(check.definition, inputs, at=at)
        for value in inputs.values():
            if hasattr(value, "seek"):
                value.seek(0)
        if resolved.problems:
            raise InvalidError("; ".join(str(problem) for problem in resolved.problems), code="input-invalid")
    saved = install_blueprint(blueprint_id, namespace=namespace, at=at, actor=actor)
    return start_execution(namespace=namespace, flow_id=saved.flow.flow_id, inputs=inputs, at=at, actor=actor)


def preview_inputs(definition: TypedFlow, given: Mapping[str, Any], *, at: datetime) -> ResolvedInputs:
    """Resolve the inputs of a flow that is not stored, for the form that would start it."""
    loaded = LoadedFlow(definition, 0, "", build_graph(definition))
    return resolve_for(loaded, given, execution_id="preview", at=at)


_NAMESPACE = re.compile(r"^(namespace:[ \t]*[\"']?)([\w.-]+)", re.MULTILINE)


def _id_of(source: str) -> str:
    return check_document(source).flow_id or ""


def _find_text(namespace: str, flow_id: str) -> str | None:
    """Return the newest text of a flow that is not deleted, or None."""
    rows = FlowRevision.objects.filter(flow__namespace=namespace, flow__flow_id=flow_id, flow__deleted=False)
    return rows.order_by("-revision").values_list("source", flat=True).first()


def _fill(row: Blueprint, draft: BlueprintDraft, *, at: datetime, actor: str) -> Blueprint:
    title = draft.title.strip()
    if not title or len(title) > LONGEST_TITLE:
        raise _refuse("blueprint-title", f"A blueprint needs a title of 1 to {LONGEST_TITLE} letters; got {len(title)}.")
    tags = list(dict.fromkeys(tag.strip() for tag in draft.tags if tag.strip()))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        raise _refuse("blueprint-tags", f"A blueprint may have up to {MOST_TAGS} tags of up to {LONGEST_TAG} letters each.")
    _check_source(draft.source)
    row.title, row.description, row.tags, row.source = title, draft.description, tags, draft.source
    row.included_tasks, row.saved_by, row.updated_at = list_types(draft.source), actor[:254], at
    return row


def _check_source(source: str) -> None:
    if is_template(source):
        faults = find_template_faults(source)
    else:
        check = check_document(source)
        faults = [] if check.definition is not None else list(check.problems)
    if faults:
        reasons = "; ".join(str(fault) for fault in faults)
        raise InvalidError(f"The source of the blueprint cannot be used: {reasons}", code="blueprint-source", problems=faults)


def _refuse(code: str, message: str) -> InvalidError:
    return InvalidError(message, code=code, problems=[Problem(code, message)])

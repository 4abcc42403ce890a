"""Saving, deleting and switching flows: every revision is written here. Bundles of many flows are in `flow_bundles`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal

from django.db import IntegrityError, transaction

from flows.engine.catalog import describe_missing_flow, list_namespace_defaults
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import PluginDefault, label_pairs
from flows.language.parse import parse_flow, parse_task, parse_trigger
from flows.language.source import read_document, split_documents
from flows.models import Flow, FlowRevision, Namespace
from flows.operations.acts import act, act_on_many
from flows.operations.source_changes import describe_source_change
from flows.operations.templates import list_refused_templates
from flows.operations.trigger_rows import sync_triggers
from flows.plugin_api.registry import get_registry
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.problems import Problem, Severity
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import can_see

SaveMode = Literal["create", "update", "upsert"]

_REVISION_LINE = re.compile(r"^revision[ \t]*:[^\n]*(?:\n|\Z)", re.MULTILINE)
_REVISION_NUMBER = re.compile(r"^revision[ \t]*:[ \t]*([0-9]{1,9})[ \t]*(?:#[^\n]*)?$", re.MULTILINE)
_DISABLED_LINE = re.compile(r"^disabled[ \t]*:[^\n]*$", re.MULTILINE)
_BLOCKING = frozenset({Severity.ERROR})

LONGEST_MESSAGE = 500

MOST_NAMED = 100
"""How many objects of a bulk action the audit log names."""


@dataclass(frozen=True, slots=True)
class SavedFlow:
    """
    What a save did. `changed` is False when the stored text was the same already; after a dry run the rows are not stored.
    `warnings` are the problems that do not block, deprecations included; `previous` is the newest revision before the save.
    """

    flow: Flow
    revision: FlowRevision
    definition: TypedFlow
    changed: bool
    warnings: tuple[Problem, ...] = ()
    previous: FlowRevision | None = None


@dataclass(frozen=True, slots=True)
class ManyFlows:
    """What became of an action on many flows: those that it changed, and those that refused it with the reason."""

    changed: Sequence[tuple[str, str]]
    refused: Sequence[tuple[tuple[str, str], FlowsError]]


@dataclass(frozen=True, slots=True)
class DocumentCheck:
    """
    What is to be said about one document. `index` counts from 0; `namespace` and `flow_id` are None when they cannot be read;
    `outdated` tells that the document names an older revision than the stored one. `sketch` is what can be drawn, which is also
    there while types are unknown.
    """

    index: int
    namespace: str | None
    flow_id: str | None
    definition: TypedFlow | None = None
    problems: tuple[Problem, ...] = field(default_factory=tuple)
    outdated: bool = False
    sketch: TypedFlow | None = None

    def list_problems(self, severity: Severity) -> list[Problem]:
        """Return the problems of one severity, in the order of the document."""
        return [problem for problem in self.problems if problem.severity is severity]

    @property
    def is_valid(self) -> bool:
        """True when nothing in the document blocks it."""
        return not self.list_problems(Severity.ERROR)


def check_document(text: str) -> DocumentCheck:
    """
    Parse one document and validate it against the installed plugins and the defaults of its namespace. Nothing is stored.

    Source: flow language, 2.4.
    """
    defaults: Sequence[PluginDefault] = ()
    name, flow_id = find_names(text)
    # The faults of a document may quote the defaults, which strangers to the namespace must not read.
    if name and can_see(Resource.FLOW, name) and Namespace.objects.exclude(plugin_defaults=[]).exists():
        defaults = tuple(list_namespace_defaults(name))
    result = parse_flow(text, get_registry(), namespace_defaults=defaults)
    refused = [] if result.flow is None else list_refused_templates(result.flow)
    definition = None if refused else result.flow
    return DocumentCheck(0, name, flow_id, definition, (*result.problems, *refused), sketch=result.sketch)


def find_names(text: str) -> tuple[str | None, str | None]:
    """Return the namespace and the id that a document names, None for one that it does not name as a text."""
    data = read_document(text).data
    if not isinstance(data, dict):
        return None, None
    namespace, flow_id = data.get("namespace"), data.get("id")
    return (namespace if isinstance(namespace, str) else None), (flow_id if isinstance(flow_id, str) else None)


def validate_source(text: str) -> list[DocumentCheck]:
    """
    Check every document of a text that `---` lines divide. Nothing is stored.

    Returns:
        One entry per document, in order; one for a text without any.

    Source: REST API, 8.1; flow language, 2.4.
    """
    checks = []
    for index, document in enumerate(split_documents(text) or [text]):
        check = check_document(document)
        checks.append(
            DocumentCheck(index, check.namespace, check.flow_id, check.definition, check.problems, _is_outdated(document, check))
        )
    return checks


def check_task(text: str) -> DocumentCheck:
    """Check one task alone; what needs the rest of its flow is left out."""
    _, problems = parse_task(text, get_registry())
    return DocumentCheck(0, None, None, problems=tuple(problems))


def check_trigger(text: str) -> DocumentCheck:
    """Check one trigger alone."""
    _, problems = parse_trigger(text, get_registry())
    return DocumentCheck(0, None, None, problems=tuple(problems))


def _is_outdated(text: str, check: DocumentCheck) -> bool:
    named = _REVISION_NUMBER.search(text)
    if named is None or not check.namespace or not check.flow_id or not can_see(Resource.FLOW, check.namespace):
        return False
    stored = Flow.objects.filter(namespace=check.namespace, flow_id=check.flow_id, deleted=False).values_list(
        "revision", flat=True
    )
    return any(revision > int(named[1]) for revision in stored)


def save_flow(
    source: str,
    *,
    at: datetime,
    actor: str = "",
    namespace: str | None = None,
    flow_id: str | None = None,
    mode: SaveMode = "upsert",
    dry_run: bool = False,
    origin: str = "",
    message: str = "",
) -> SavedFlow:
    """
    Store the text as the newest revision of its flow, unless it is the newest revision already.

    Args:
        source: one YAML document; a line `revision: N` is not kept.
        actor: who saves, for the history.
        namespace, flow_id: what the document must name, when the caller says so (an update by address).
        mode: `create` refuses a flow that exists, `update` one that does not.
        dry_run: compute the answer and store nothing.
        origin: how the text came in, one of `FlowRevision.Origin`; the caller's door when left out.
        message: why it is saved, for the history, at most 500 characters.

    Returns:
        The flow, its newest revision and whether one was written.

    Raises:
        InvalidError: the document has faults (all of them are in `problems`), names another flow, or exists already.
        NotFoundError: nothing to update.
        ForbiddenError: the caller may not write flows in the namespace.

    Source: flow language, 2.5.
    """
    named, named_id = _name_flow(source, namespace, flow_id)
    action = _choose_action(named, named_id, mode)
    missing = _no_flow_to_update(named, named_id) if mode == "update" else None
    with act("flow.save", action, Resource.FLOW, named, named_id, missing=missing) as doing:
        history = _History(at, actor, origin, message)
        saved = _save(source, history, namespace=named, flow_id=named_id, mode=mode, dry_run=dry_run)
        doing.before, doing.after = describe_source_change(saved.previous, saved.revision.source, saved.revision.revision)
    return saved


def _name_flow(source: str, namespace: str | None, flow_id: str | None) -> tuple[str, str]:
    """Return which flow a text is about, before anything is known of its faults."""
    if not namespace or not flow_id:
        found = find_names(source)
        namespace, flow_id = namespace or found[0], flow_id or found[1]
    if namespace and flow_id:
        return namespace, flow_id
    check = check_document(source)
    if check.definition is None:
        raise _refuse_document(check)
    return check.definition.namespace, check.definition.id


def _choose_action(namespace: str, flow_id: str, mode: SaveMode) -> Action:
    """Return which right a save needs. Who may both need not be told apart, so that an owner's save looks nothing up."""
    if mode != "upsert":
        return Action.CREATE if mode == "create" else Action.UPDATE
    caller = current_caller()
    may_create, may_update = (caller.may(action, Resource.FLOW, namespace) for action in (Action.CREATE, Action.UPDATE))
    if may_create == may_update:
        return Action.UPDATE
    exists = Flow.objects.filter(namespace=namespace, flow_id=flow_id, deleted=False).exists()
    return Action.UPDATE if exists else Action.CREATE


def _no_flow_to_update(namespace: str, flow_id: str) -> NotFoundError:
    return NotFoundError(f'Flow not found: namespace "{namespace}" has no flow "{flow_id}" to update.', code="flow-not-found")


@dataclass(frozen=True, slots=True)
class _History:
    """What a revision keeps of how it came about. An empty `origin` stands for the caller's door."""

    at: datetime
    actor: str
    origin: str = ""
    message: str = ""

    def make_revision(self, flow: Flow, source: str, *, deleted: bool = False) -> FlowRevision:
        """Return the newest revision of a flow, not stored yet."""
        return FlowRevision(
            flow=flow,
            revision=flow.revision,
            source=source,
            deleted=deleted,
            saved_by=self.actor[:254],
            origin=self.origin or current_caller().door.value,
            message=" ".join(self.message.replace("\0", "").split())[:LONGEST_MESSAGE],
            created_at=self.at,
        )


def _save(
    source: str, history: _History, *, namespace: str | None, flow_id: str | None, mode: SaveMode, dry_run: bool
) -> SavedFlow:
    check = check_document(source)
    definition = check.definition
    if definition is None:
        raise _refuse_document(check)
    warnings = tuple(problem for problem in check.problems if problem.severity not in _BLOCKING)
    _check_names(definition, namespace, flow_id)
    text = text_to_store(source)
    try:
        with transaction.atomic():
            return _store(definition, text, history, mode=mode, dry_run=dry_run, warnings=warnings)
    except IntegrityError:
        # Somebody else created the flow between our look and our write: now it exists, and the second look sees it.
        with transaction.atomic():
            return _store(definition, text, history, mode=mode, dry_run=dry_run, warnings=warnings)


def text_to_store(source: str) -> str:
    """Return a document as it is stored: without its line `revision: N`, which the platform counts itself."""
    return _REVISION_LINE.sub("", source)


def _refuse_document(check: DocumentCheck) -> InvalidError:
    errors = check.list_problems(Severity.ERROR)
    name = f'"{check.namespace}/{check.flow_id}"' if check.namespace and check.flow_id else "that was sent"
    message = (
        f"Flow {name} has {len(errors)} {'fault' if len(errors) == 1 else 'faults'}: {'; '.join(str(error) for error in errors)}"
    )
    return InvalidError(message, code="invalid-flow", problems=errors)


def _check_names(definition: TypedFlow, namespace: str | None, flow_id: str | None) -> None:
    for name, wanted, found in (("namespace", namespace, definition.namespace), ("id", flow_id, definition.id)):
        if wanted is not None and wanted != found:
            message = (
                f'The document names the {name} "{found}", but it was sent to "{wanted}". The {name} of a flow cannot change.'
            )
            raise InvalidError(message, code="flow-name-mismatch", problems=[Problem("flow-name-mismatch", message)])


def _store(
    definition: TypedFlow, text: str, history: _History, *, mode: SaveMode, dry_run: bool, warnings: tuple[Problem, ...]
) -> SavedFlow:
    names = {"namespace": definition.namespace, "flow_id": definition.id}
    row = Flow.objects.select_for_update().filter(**names).first()
    exists = row is not None and not row.deleted
    if mode == "create" and exists:
        message = f'Flow "{definition.namespace}/{definition.id}" already exists: update it, or choose another id.'
        raise InvalidError(message, code="flow-exists", problems=[Problem("flow-exists", message)])
    if mode == "update" and not exists:
        raise _no_flow_to_update(definition.namespace, definition.id)
    previous = None
    if row is not None and exists:
        newest = row.revisions.get(revision=row.revision)
        if newest.source == text:
            return SavedFlow(row, newest, definition, False, warnings, newest)
        previous = newest
    if row is None:
        row = Flow(**names, revision=0, created_at=history.at)
    row.revision += 1
    row.deleted = False
    row.description = definition.description or ""
    row.labels = label_pairs(definition.labels)
    row.disabled = definition.disabled
    row.problem = ""
    row.concurrency_limit = definition.concurrency.limit if definition.concurrency else None
    row.updated_at = history.at
    revision = history.make_revision(row, text)
    if not dry_run:
        _write(row)
        revision.flow = row
        revision.save(force_insert=True)
        sync_triggers(row, definition)
    return SavedFlow(row, revision, definition, True, warnings, previous)


def _write(row: Flow) -> None:
    if row.pk is None:
        row.save(force_insert=True)
        return
    # The count of running executions belongs to the engine, which may be changing it now.
    row.save(
        update_fields=["revision", "deleted", "description", "labels", "disabled", "problem", "concurrency_limit", "updated_at"]
    )


def delete_flow(namespace: str, flow_id: str, *, at: datetime, actor: str = "") -> Flow:
    """
    Delete a flow by appending a revision that is marked as deleted. Its executions stay.

    Raises:
        NotFoundError: there is no such flow, or it was deleted before.

    Source: flow language, 2.5.
    """
    missing = _no_such_flow(namespace, flow_id)
    with act("flow.delete", Action.DELETE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        source = row.revisions.values_list("source", flat=True).get(revision=row.revision)
        doing.before = {"revision": row.revision}
        row.revision += 1
        row.deleted = True
        row.updated_at = at
        row.save(update_fields=["revision", "deleted", "updated_at"])
        _History(at, actor).make_revision(row, source, deleted=True).save(force_insert=True)
        sync_triggers(row)
    return row


def _get_for_update(namespace: str, flow_id: str) -> Flow:
    row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, deleted=False).first()
    if row is None:
        raise _no_such_flow(namespace, flow_id)
    return row


def _no_such_flow(namespace: str, flow_id: str) -> NotFoundError:
    return NotFoundError(describe_missing_flow(namespace, flow_id), code="flow-not-found")


def delete_flows(names: Sequence[tuple[str, str]], *, at: datetime, actor: str = "") -> ManyFlows:
    """Delete the flows with these (namespace, id) pairs, each on its own; what cannot be deleted is told. One act."""
    return _do_with_many("flow.delete", Action.DELETE, names, partial(delete_flow, at=at, actor=actor))


def set_flows_disabled(names: Sequence[tuple[str, str]], *, disabled: bool, at: datetime, actor: str = "") -> ManyFlows:
    """Switch the flows with these (namespace, id) pairs off or on, each on its own. One act."""
    switch = partial(set_flow_disabled, disabled=disabled, at=at, actor=actor)
    return _do_with_many("flow.disable" if disabled else "flow.enable", Action.UPDATE, names, switch)


def _do_with_many(what: str, action: Action, names: Sequence[tuple[str, str]], do: Callable[[str, str], object]) -> ManyFlows:
    changed: list[tuple[str, str]] = []
    refused: list[tuple[tuple[str, str], FlowsError]] = []
    with act_on_many(what, action, Resource.FLOW) as doing:
        for namespace, flow_id in names:
            try:
                if do(namespace, flow_id) is not None:
                    changed.append((namespace, flow_id))
            except FlowsError as error:
                refused.append(((namespace, flow_id), error))
        if names and not changed and all(isinstance(error, ForbiddenError) for _, error in refused) and refused:
            raise refused[0][1]
        doing.after = {"count": len(changed), "flows": [f"{namespace}/{flow_id}" for namespace, flow_id in changed[:MOST_NAMED]]}
    return ManyFlows(changed, refused)


def set_flow_disabled(namespace: str, flow_id: str, *, disabled: bool, at: datetime, actor: str = "") -> SavedFlow | None:
    """
    Switch a flow off or on by rewriting the `disabled:` line of its source, which makes a new revision.

    Returns:
        What was saved, or None when the flow is in that state already.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the source cannot be used any more, or is written in a way that has no place for the line.

    Source: flow language, 2.5.
    """
    missing = _no_such_flow(namespace, flow_id)
    what = "flow.disable" if disabled else "flow.enable"
    with act(what, Action.UPDATE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        doing.before, doing.after = {"disabled": row.disabled}, {"disabled": disabled}
        if row.disabled is disabled:
            return None
        source = row.revisions.values_list("source", flat=True).get(revision=row.revision)
        saved = save_flow(
            rewrite_disabled(source, disabled), at=at, actor=actor, namespace=namespace, flow_id=flow_id, mode="update"
        )
        if saved.definition.disabled is not disabled:
            raise InvalidError(
                f'Flow "{namespace}/{flow_id}" has no place for a line "disabled:": write it into the source yourself.',
                code="flow-not-rewritable",
            )
    return saved


def rewrite_disabled(source: str, disabled: bool) -> str:
    """Return the source with its top-level `disabled` set: the line is replaced, or added at the end."""
    line = f"disabled: {'true' if disabled else 'false'}"
    if _DISABLED_LINE.search(source):
        return _DISABLED_LINE.sub(line, source, count=1)
    if source.lstrip().startswith("{"):
        return source.replace("{", f"{{{line}, ", 1)
    return f"{source if source.endswith(chr(10)) else source + chr(10)}{line}\n"


def delete_revisions(namespace: str, flow_id: str, revisions: list[int]) -> int:
    """
    Delete old revisions of a flow and return how many there were. The newest one stays, whatever is asked.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the newest revision is among them.
    """
    missing = _no_such_flow(namespace, flow_id)
    what = "flow.delete-revisions"
    with act(what, Action.DELETE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        doing.before = {"revisions": revisions[:MOST_NAMED]}
        if row.revision in revisions:
            raise InvalidError(
                f'Revision {row.revision} is the newest one of flow "{namespace}/{flow_id}": delete the flow instead.',
                code="newest-revision",
            )
        count: int = row.revisions.filter(revision__in=revisions).delete()[0]
    return count

"""Saving and deleting flows: every revision is written here. `flow_rewriting` changes stored texts, `flow_bulk` many flows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction

from flows.engine.catalog import describe_missing_flow
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import label_pairs
from flows.models import Flow, FlowRevision
from flows.operations.acts import act
from flows.operations.flow_checks import DocumentCheck, check_document, find_names
from flows.operations.source_changes import describe_source_change
from flows.operations.trigger_rows import sync_triggers
from flows.primitives.callers import current_caller
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.problems import Problem, Severity
from flows.primitives.rights import Action, Resource
from flows.primitives.storable import make_storable

SaveMode = Literal["create", "update", "upsert"]

_REVISION_LINE = re.compile(r"^revision[ \t]*:[^\n]*(?:\n|\Z)", re.MULTILINE)
_BLOCKING = frozenset({Severity.ERROR})

LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class SavedFlow:
    """
    What a save did. `changed` is False when the stored text was the same already; after a dry run the rows are not stored.
    `warnings` are the problems that do not block, deprecations included; `previous` is the newest revision before the save.
    `definition` is None for a draft with faults, which then stand among the warnings.
    """

    flow: Flow
    revision: FlowRevision
    definition: TypedFlow | None
    changed: bool
    warnings: tuple[Problem, ...] = ()
    previous: FlowRevision | None = None


def save_flow(
    source: str,
    *,
    at: datetime,
    actor: str = "",
    namespace: str | None = None,
    flow_id: str | None = None,
    mode: SaveMode = "upsert",
    base: int | None = None,
    dry_run: bool = False,
    draft: bool = False,
    origin: str = "",
    message: str = "",
) -> SavedFlow:
    """
    Store the text as the newest revision of its flow, unless it is the newest revision already.

    A draft runs nothing and changes no trigger: executions go on with the newest published revision. It may have faults, as
    long as it can be read and names its flow. Saved without `draft`, the same text becomes a revision that is published; a
    draft that is older than the newest published revision is history.

    Args:
        source: one YAML document; a line `revision: N` is not kept.
        actor: who saves, for the history.
        namespace, flow_id: what the document must name, when the caller says so (an update by address).
        mode: `create` refuses a flow that exists, `update` one that does not.
        base: the revision that the text was made of; when another one was saved since, nothing is stored.
        dry_run: compute the answer and store nothing.
        draft: whether it is only kept, and not published.
        origin: how the text came in, one of `FlowRevision.Origin`; the caller's door when left out.
        message: why it is saved, for the history, at most 500 characters.

    Returns:
        The flow, its newest revision and whether one was written.

    Raises:
        InvalidError: the document has faults (all of them are in `problems`), names another flow, or exists already.
        ConflictError: somebody saved another revision than `base`.
        NotFoundError: nothing to update.
        ForbiddenError: the caller may not write flows in the namespace.

    Source: flow language, 2.5; REST API, 8.1 (`draft`); decision 0028.
    """
    named, named_id = _name_flow(source, namespace, flow_id)
    action = _choose_action(named, named_id, mode)
    missing = _no_flow_to_update(named, named_id) if mode == "update" else None
    with act("flow.save", action, Resource.FLOW, named, named_id, missing=missing) as doing:
        history = _History(at, actor, origin, message, draft)
        saved = _save(source, history, namespace=named, flow_id=named_id, mode=mode, base=base, dry_run=dry_run)
        doing.before, doing.after = describe_source_change(saved.previous, saved.revision.source, saved.revision.revision)
        if draft:
            doing.after["draft"] = True
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
    draft: bool = False

    def make_revision(self, flow: Flow, source: str, *, deleted: bool = False) -> FlowRevision:
        """Return the newest revision of a flow, not stored yet."""
        return FlowRevision(
            flow=flow,
            revision=flow.newest_revision,
            source=source,
            deleted=deleted,
            draft=self.draft,
            saved_by=self.actor[:254],
            origin=self.origin or current_caller().door.value,
            message=" ".join(make_storable(self.message).split())[:LONGEST_MESSAGE],
            created_at=self.at,
        )


def _save(
    source: str,
    history: _History,
    *,
    namespace: str | None,
    flow_id: str | None,
    mode: SaveMode,
    base: int | None,
    dry_run: bool,
) -> SavedFlow:
    check = check_document(source)
    if check.definition is None and not (history.draft and check.is_nameable):
        raise _refuse_document(check)
    _check_names(check, namespace, flow_id)
    text = text_to_store(source)
    try:
        with transaction.atomic():
            return _store(check, text, history, mode=mode, base=base, dry_run=dry_run)
    except IntegrityError:
        # Somebody else created the flow between our look and our write: now it exists, and the second look sees it.
        with transaction.atomic():
            return _store(check, text, history, mode=mode, base=base, dry_run=dry_run)


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


def _list_names(check: DocumentCheck) -> tuple[str, str]:
    if check.definition is not None:
        return check.definition.namespace, check.definition.id
    return str(check.namespace), str(check.flow_id)


def _check_names(check: DocumentCheck, namespace: str | None, flow_id: str | None) -> None:
    for name, wanted, found in zip(("namespace", "id"), (namespace, flow_id), _list_names(check), strict=True):
        if wanted is not None and wanted != found:
            message = (
                f'The document names the {name} "{found}", but it was sent to "{wanted}". The {name} of a flow cannot change.'
            )
            raise InvalidError(message, code="flow-name-mismatch", problems=[Problem("flow-name-mismatch", message)])


def _store(check: DocumentCheck, text: str, history: _History, *, mode: SaveMode, base: int | None, dry_run: bool) -> SavedFlow:
    definition = check.definition
    namespace, flow_id = _list_names(check)
    warnings = tuple(problem for problem in check.problems if definition is None or problem.severity not in _BLOCKING)
    row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id).first()
    exists = row is not None and not row.deleted
    if mode == "create" and exists:
        message = f'Flow "{namespace}/{flow_id}" already exists: update it, or choose another id.'
        raise InvalidError(message, code="flow-exists", problems=[Problem("flow-exists", message)])
    if mode == "update" and not exists:
        raise _no_flow_to_update(namespace, flow_id)
    previous = None
    if row is not None and exists:
        newest = row.revisions.get(revision=row.newest_revision)
        if newest.source == text and newest.draft is history.draft:
            return SavedFlow(row, newest, definition, False, warnings, newest)
        # The same text again, as two clicks send it, has lost nothing to anybody.
        if base not in (None, row.newest_revision):
            raise ConflictError(
                f"Somebody saved revision {row.newest_revision} while you were editing revision {base}.", code="edit-conflict"
            )
        previous = newest
    if row is None:
        row = Flow(namespace=namespace, flow_id=flow_id, revision=0, created_at=history.at)
    _count_on(row, is_draft=history.draft)
    if not history.draft or not row.is_published:
        _describe(row, definition)
    row.updated_at = history.at
    revision = history.make_revision(row, text)
    if not dry_run:
        _write(row)
        revision.flow = row
        revision.save(force_insert=True)
        if not history.draft:
            sync_triggers(row, definition)
    return SavedFlow(row, revision, definition, True, warnings, previous)


def _count_on(row: Flow, *, is_draft: bool) -> None:
    """Give a flow its next revision. What was published before the flow was deleted does not run again for a draft."""
    number = row.newest_revision + 1
    if not is_draft:
        row.revision, row.draft_revision = number, None
    elif row.deleted:
        row.revision, row.draft_revision = 0, number
    else:
        row.draft_revision = number
    row.deleted = False


def _describe(row: Flow, definition: TypedFlow | None) -> None:
    """Fill in what lists and limits read from the text: of the published revision, or of a draft as long as none is published."""
    row.description = (definition.description if definition else None) or ""
    row.labels = label_pairs(definition.labels) if definition else []
    row.disabled = definition is not None and definition.disabled
    row.problem = ""
    limits = definition.concurrency if definition and row.is_published else None
    row.concurrency_limit = limits.limit if limits else None


def _write(row: Flow) -> None:
    if row.pk is None:
        row.save(force_insert=True)
        return
    # The count of running executions belongs to the engine, which may be changing it now.
    row.save(
        update_fields=[
            "revision",
            "draft_revision",
            "deleted",
            "description",
            "labels",
            "disabled",
            "problem",
            "concurrency_limit",
            "updated_at",
        ]
    )


def delete_flow(namespace: str, flow_id: str, *, at: datetime, actor: str = "") -> Flow:
    """
    Delete a flow by appending a revision that is marked as deleted. Its executions stay.

    Raises:
        NotFoundError: there is no such flow, or it was deleted before.

    Source: flow language, 2.5.
    """
    missing = no_such_flow(namespace, flow_id)
    with act("flow.delete", Action.DELETE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = get_flow_for_update(namespace, flow_id)
        last = row.revision or row.newest_revision
        source = row.revisions.values_list("source", flat=True).get(revision=last)
        doing.before = {"revision": last}
        # The mark of a draft stays on it, so that a flow of which nothing was published comes back as a draft.
        history = _History(at, actor, draft=not row.is_published)
        row.revision, row.draft_revision = row.newest_revision + 1, None
        row.deleted = True
        row.updated_at = at
        row.save(update_fields=["revision", "draft_revision", "deleted", "updated_at"])
        history.make_revision(row, source, deleted=True).save(force_insert=True)
        sync_triggers(row)
    return row


def get_flow_for_update(namespace: str, flow_id: str) -> Flow:
    """Return the locked row of a flow. Raises NotFoundError. Call it in a transaction."""
    row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, deleted=False).first()
    if row is None:
        raise no_such_flow(namespace, flow_id)
    return row


def no_such_flow(namespace: str, flow_id: str) -> NotFoundError:
    """Return the error about a flow that does not exist, or is none of the caller's business."""
    return NotFoundError(describe_missing_flow(namespace, flow_id), code="flow-not-found")

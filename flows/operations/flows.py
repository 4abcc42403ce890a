"""Saving, deleting and switching flows: every revision is written here. `flow_bundles` has many at once, `flow_drafts` drafts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from django.db import IntegrityError, transaction

from flows.engine.catalog import describe_missing_flow, unpublished_flow
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import label_pairs
from flows.models import Flow, FlowRevision
from flows.operations.acts import act, act_on_many, check_right
from flows.operations.flow_checks import DocumentCheck, check_document, find_names
from flows.operations.source_changes import describe_source_change
from flows.operations.trigger_rows import sync_triggers
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.problems import Problem, Severity
from flows.primitives.rights import Action, Resource

SaveMode = Literal["create", "update", "upsert"]

_REVISION_LINE = re.compile(r"^revision[ \t]*:[^\n]*(?:\n|\Z)", re.MULTILINE)
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
    `definition` is None for a draft with faults, which then stand among the warnings.
    """

    flow: Flow
    revision: FlowRevision
    definition: TypedFlow | None
    changed: bool
    warnings: tuple[Problem, ...] = ()
    previous: FlowRevision | None = None


@dataclass(frozen=True, slots=True)
class ManyFlows:
    """What became of an action on many flows: those that it changed, and those that refused it with the reason."""

    changed: Sequence[tuple[str, str]]
    refused: Sequence[tuple[tuple[str, str], FlowsError]]


def save_flow(
    source: str,
    *,
    at: datetime,
    actor: str = "",
    namespace: str | None = None,
    flow_id: str | None = None,
    mode: SaveMode = "upsert",
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
        dry_run: compute the answer and store nothing.
        draft: whether it is only kept, and not published.
        origin: how the text came in, one of `FlowRevision.Origin`; the caller's door when left out.
        message: why it is saved, for the history, at most 500 characters.

    Returns:
        The flow, its newest revision and whether one was written.

    Raises:
        InvalidError: the document has faults (all of them are in `problems`), names another flow, or exists already.
        NotFoundError: nothing to update.
        ForbiddenError: the caller may not write flows in the namespace.

    Source: flow language, 2.5; REST API, 8.1 (`draft`); decision 0028.
    """
    named, named_id = _name_flow(source, namespace, flow_id)
    action = _choose_action(named, named_id, mode)
    missing = _no_flow_to_update(named, named_id) if mode == "update" else None
    with act("flow.save", action, Resource.FLOW, named, named_id, missing=missing) as doing:
        history = _History(at, actor, origin, message, draft)
        saved = _save(source, history, namespace=named, flow_id=named_id, mode=mode, dry_run=dry_run)
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
            message=" ".join(self.message.replace("\0", "").split())[:LONGEST_MESSAGE],
            created_at=self.at,
        )


def _save(
    source: str, history: _History, *, namespace: str | None, flow_id: str | None, mode: SaveMode, dry_run: bool
) -> SavedFlow:
    check = check_document(source)
    if check.definition is None and not (history.draft and check.is_nameable):
        raise _refuse_document(check)
    _check_names(check, namespace, flow_id)
    text = text_to_store(source)
    try:
        with transaction.atomic():
            return _store(check, text, history, mode=mode, dry_run=dry_run)
    except IntegrityError:
        # Somebody else created the flow between our look and our write: now it exists, and the second look sees it.
        with transaction.atomic():
            return _store(check, text, history, mode=mode, dry_run=dry_run)


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


def _store(check: DocumentCheck, text: str, history: _History, *, mode: SaveMode, dry_run: bool) -> SavedFlow:
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
        row = _get_for_update(namespace, flow_id)
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


def _get_for_update(namespace: str, flow_id: str) -> Flow:
    row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, deleted=False).first()
    if row is None:
        raise no_such_flow(namespace, flow_id)
    return row


def no_such_flow(namespace: str, flow_id: str) -> NotFoundError:
    """Return the error about a flow that does not exist, or is none of the caller's business."""
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
        InvalidError: the source cannot be used any more, is written in a way that has no place for the line, or is a draft alone.

    Source: flow language, 2.5.
    """
    missing = no_such_flow(namespace, flow_id)
    what = "flow.disable" if disabled else "flow.enable"
    with act(what, Action.UPDATE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        doing.before, doing.after = {"disabled": row.disabled}, {"disabled": disabled}
        if not row.is_published:
            raise unpublished_flow(namespace, flow_id)
        if row.disabled is disabled:
            return None
        saved = rewrite_flow(namespace, flow_id, partial(rewrite_disabled, disabled=disabled), at=at, actor=actor)
        if saved.definition is None or saved.definition.disabled is not disabled:
            raise InvalidError(
                f'Flow "{namespace}/{flow_id}" has no place for a line "disabled:": write it into the source yourself.',
                code="flow-not-rewritable",
            )
    return saved


def rewrite_flow(
    namespace: str, flow_id: str, rewrite: Callable[[str], str], *, at: datetime, actor: str = "", message: str = ""
) -> SavedFlow:
    """
    Change the published text of a flow by a rule, and in the same way the draft that waits on top of it.

    Returns:
        What was saved of the published text; of the draft when nothing is published.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the published text would have faults; and what `rewrite` raises.
    """
    missing = no_such_flow(namespace, flow_id)
    check_right(Action.UPDATE, Resource.FLOW, namespace, what="flow.save", object_id=flow_id, missing=missing)
    with transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        texts = dict(row.revisions.filter(revision__in=row.live_revisions).values_list("revision", "source"))
        save = partial(save_flow, at=at, actor=actor, namespace=namespace, flow_id=flow_id, mode="update", message=message)
        changed = {number: rewrite(text) for number, text in texts.items()}
        saved = None
        if row.is_published and (row.draft_revision is None or changed[row.revision] != texts[row.revision]):
            saved = save(changed[row.revision])
        # Whatever is published now is newer than the draft, so the draft is laid on top again.
        draft = save(changed[row.draft_revision], draft=True) if row.draft_revision is not None else None
    found = saved or draft
    assert found is not None
    return found


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
    Delete old revisions of a flow and return how many there were. The published one and the draft stay, whatever is asked.

    Raises:
        NotFoundError: there is no such flow.
        InvalidError: the published revision or the draft on top of it is among them.
    """
    missing = no_such_flow(namespace, flow_id)
    what = "flow.delete-revisions"
    with act(what, Action.DELETE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        row = _get_for_update(namespace, flow_id)
        doing.before = {"revisions": revisions[:MOST_NAMED]}
        for number in row.live_revisions:
            if number in revisions:
                which = "the draft" if number == row.draft_revision else "the newest one"
                raise InvalidError(
                    f'Revision {number} is {which} of flow "{namespace}/{flow_id}": delete the flow instead.',
                    code="newest-revision",
                )
        count: int = row.revisions.filter(revision__in=revisions).delete()[0]
    return count

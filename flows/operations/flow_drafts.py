"""What becomes of the draft on top of a flow: it is published or given up. `save_flow` keeps it in the first place."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from flows.models import FlowRevision
from flows.operations.acts import act
from flows.operations.flows import SavedFlow, get_flow_for_update, no_such_flow, save_flow
from flows.primitives.errors import ConflictError
from flows.primitives.rights import Action, Resource


def publish_draft(
    namespace: str, flow_id: str, *, revision: int | None = None, at: datetime, actor: str = "", message: str = ""
) -> SavedFlow:
    """
    Save the text of the draft as a revision that is published: from now on executions and triggers run it.

    Args:
        revision: the draft that the caller has seen; another one is refused.

    Raises:
        NotFoundError: there is no such flow.
        ConflictError: the flow has no draft, or another one than was seen.
        InvalidError: the draft has faults; `problems` holds all of them.

    Source: decision 0028.
    """
    missing = no_such_flow(namespace, flow_id)
    with act("flow.publish", Action.UPDATE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        draft = _get_draft(namespace, flow_id, revision)
        saved = save_flow(
            draft.source,
            namespace=namespace,
            flow_id=flow_id,
            mode="update",
            at=at,
            actor=actor,
            message=message or f"Draft {draft.revision} published",
        )
        doing.before, doing.after = {"draft": draft.revision}, {"revision": saved.revision.revision}
    return saved


def discard_draft(namespace: str, flow_id: str, *, revision: int | None = None, at: datetime, actor: str = "") -> SavedFlow:
    """
    Give the draft up by saving the published text again as the newest revision. The draft stays in the history.

    Arguments and errors as `publish_draft`; ConflictError also when nothing is published that could come instead.
    """
    missing = no_such_flow(namespace, flow_id)
    what = "flow.discard-draft"
    with act(what, Action.UPDATE, Resource.FLOW, namespace, flow_id, missing=missing) as doing, transaction.atomic():
        draft = _get_draft(namespace, flow_id, revision)
        if not draft.flow.is_published:
            raise ConflictError(
                f'Flow "{namespace}/{flow_id}" has only drafts: publish one, or delete the flow.', code="flow-not-published"
            )
        text = FlowRevision.objects.get(flow=draft.flow, revision=draft.flow.revision).source
        saved = save_flow(
            text,
            namespace=namespace,
            flow_id=flow_id,
            mode="update",
            at=at,
            actor=actor,
            message=f"Draft {draft.revision} discarded",
        )
        doing.before, doing.after = {"draft": draft.revision}, {"revision": saved.revision.revision}
    return saved


def _get_draft(namespace: str, flow_id: str, seen: int | None) -> FlowRevision:
    row = get_flow_for_update(namespace, flow_id)
    if row.draft_revision is None:
        raise ConflictError(f'Flow "{namespace}/{flow_id}" has no draft: all of it is published.', code="flow-has-no-draft")
    if seen is not None and seen != row.draft_revision:
        raise ConflictError(
            f'The draft of flow "{namespace}/{flow_id}" is revision {row.draft_revision} by now, not {seen}: look at it again.',
            code="edit-conflict",
        )
    return FlowRevision.objects.select_related("flow").get(flow=row, revision=row.draft_revision)

"""Changing the text of a stored flow by a rule, and its line `disabled:`, which switches it off or on."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction

from flows.engine.catalog import unpublished_flow
from flows.operations.acts import act, check_right
from flows.operations.flows import SavedFlow, get_flow_for_update, no_such_flow, save_flow
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource

_DISABLED_LINE = re.compile(r"^disabled[ \t]*:[^\n]*$", re.MULTILINE)


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
        row = get_flow_for_update(namespace, flow_id)
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
        row = get_flow_for_update(namespace, flow_id)
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


def rewrite_disabled(source: str, disabled: bool) -> str:
    """Return the source with its top-level `disabled` set: the line is replaced, or added at the end."""
    line = f"disabled: {'true' if disabled else 'false'}"
    if _DISABLED_LINE.search(source):
        return _DISABLED_LINE.sub(line, source, count=1)
    if source.lstrip().startswith("{"):
        return source.replace("{", f"{{{line}, ", 1)
    return f"{source if source.endswith(chr(10)) else source + chr(10)}{line}\n"

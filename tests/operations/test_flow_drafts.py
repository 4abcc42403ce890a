"""Drafts of flows: kept among the revisions, run by nothing, published or given up."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from flows.engine.catalog import get_flow
from flows.models import AuditEntry, Flow, FlowRevision, TriggerState
from flows.operations import flow_bundles, flow_drafts, flow_revisions, flow_rewriting, flows
from flows.operations.bulk_acts import label_flow, restore_flow
from flows.operations.executions import replay_execution, start_execution
from flows.operations.source_replacing import Replacement, apply_replacement
from flows.primitives.callers import Caller, CallerKind, Door, acting_as
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.rights import ALL_PERMISSIONS, EVERYWHERE, Grant
from flows.queries.flows import get_flow_text
from tests.operations.conftest import AT, NIGHTLY, SOURCE

NAME = ("company.team", "daily")
DRAFT = SOURCE.replace("Hello", "Hi there")
FAULTY = SOURCE.replace("core.log.Log", "core.log.Lug")

pytestmark = pytest.mark.django_db


def _publish(source: str = SOURCE) -> flows.SavedFlow:
    return flows.save_flow(source, at=AT)


def _draft(source: str = DRAFT, **values: Any) -> flows.SavedFlow:
    return flows.save_flow(source, at=AT, draft=True, **values)


def _revisions() -> list[tuple[int, bool]]:
    return list(FlowRevision.objects.order_by("revision").values_list("revision", "draft"))


def _start(**values: Any) -> Any:
    return start_execution(namespace=NAME[0], flow_id=NAME[1], at=AT, **values)


def test_a_draft_is_the_newest_revision_and_the_published_one_runs() -> None:
    _publish()
    saved = _draft()

    assert (saved.revision.revision, saved.revision.draft, saved.changed) == (2, True, True)
    assert get_flow(*NAME).revision == 1
    assert get_flow_text(*NAME).revision.revision == 2
    assert get_flow_text(*NAME, prefer_published=True).revision.revision == 1


def test_the_same_draft_is_not_saved_twice_and_the_same_text_without_the_mark_is_published() -> None:
    _publish()
    _draft()
    same = _draft()
    published = _publish(DRAFT)

    assert (same.changed, published.changed, published.revision.revision) == (False, True, 3)
    assert (Flow.objects.get().revision, Flow.objects.get().draft_revision) == (3, None)
    assert _revisions() == [(1, False), (2, True), (3, False)]


def test_a_draft_leaves_triggers_limits_and_what_lists_show_alone() -> None:
    _publish(SOURCE + NIGHTLY + "labels: {team: data}\nconcurrency: {limit: 2}\n")
    _draft(SOURCE + "disabled: true\nlabels: {team: other}\n")

    row = Flow.objects.get()
    assert (row.disabled, row.concurrency_limit, row.labels) == (False, 2, [{"key": "team", "value": "data"}])
    assert TriggerState.objects.get().flow_revision == 1


def test_triggers_begin_when_a_draft_is_published() -> None:
    _draft(SOURCE + NIGHTLY)
    before = TriggerState.objects.count()
    flow_drafts.publish_draft(*NAME, revision=1, at=AT)

    assert (before, TriggerState.objects.get().flow_revision) == (0, 2)


def test_a_draft_may_have_faults_which_are_told_as_warnings_and_keep_it_from_being_published() -> None:
    _publish()
    saved = _draft(FAULTY)

    assert saved.definition is None
    assert [problem.code for problem in saved.warnings] == ["unknown-task-type"]
    with pytest.raises(InvalidError, match="Lug"):
        flow_drafts.publish_draft(*NAME, at=AT)


@pytest.mark.parametrize(
    "text", ["id: daily\n", "id: [\n", "id: not a name\nnamespace: company.team\n", "id: daily\nnamespace: A B\n"]
)
def test_a_text_that_names_no_flow_is_no_draft_either(text: str) -> None:
    with pytest.raises(InvalidError):
        _draft(text)

    assert not Flow.objects.exists()


def test_a_flow_with_drafts_alone_cannot_be_started_switched_or_exported() -> None:
    _draft()

    with pytest.raises(InvalidError, match="published revision first") as refused:
        _start()
    with pytest.raises(InvalidError, match="published revision first"):
        flow_rewriting.set_flow_disabled(*NAME, disabled=True, at=AT)
    with zipfile.ZipFile(io.BytesIO(flow_bundles.export_flows(Flow.objects.all()))) as archive:
        assert archive.namelist() == []
    assert refused.value.code == "flow-not-published"


def test_an_export_holds_the_published_text() -> None:
    _publish()
    _draft()

    with zipfile.ZipFile(io.BytesIO(flow_bundles.export_flows(Flow.objects.all()))) as archive:
        assert archive.read("company.team.daily.yml").decode() == SOURCE


def test_a_named_draft_runs_in_the_playground_alone() -> None:
    _publish()
    _draft()

    with pytest.raises(InvalidError) as refused:
        _start(revision=2)
    assert refused.value.code == "flow-is-draft"
    assert _start(revision=2, kind="PLAYGROUND").flow_revision == 2
    assert _start().flow_revision == 1


def test_a_normal_execution_is_not_replayed_with_a_draft() -> None:
    _publish()
    normal = _start()
    _draft()
    trial = _start(revision=2, kind="PLAYGROUND")

    with pytest.raises(InvalidError) as refused:
        replay_execution(normal.id, revision=2, at=AT)
    assert refused.value.code == "flow-is-draft"
    assert replay_execution(trial.id, at=AT).flow_revision == 2


def test_only_the_draft_that_was_seen_is_published() -> None:
    _publish()
    _draft()
    _draft(DRAFT + "# more\n")

    with pytest.raises(ConflictError, match="revision 3 by now"):
        flow_drafts.publish_draft(*NAME, revision=2, at=AT)
    published = flow_drafts.publish_draft(*NAME, revision=3, at=AT)

    assert (published.revision.revision, published.revision.message) == (4, "Draft 3 published")
    with pytest.raises(ConflictError, match="no draft"):
        flow_drafts.publish_draft(*NAME, at=AT)


def test_a_discarded_draft_gives_way_to_the_published_text() -> None:
    _publish()
    _draft()
    saved = flow_drafts.discard_draft(*NAME, revision=2, at=AT)

    assert (saved.revision.revision, saved.revision.source) == (3, SOURCE)
    assert get_flow_text(*NAME).revision.draft is False
    _draft(SOURCE.replace("daily", "weekly"))
    with pytest.raises(ConflictError, match="only drafts"):
        flow_drafts.discard_draft("company.team", "weekly", at=AT)


def test_switching_labelling_and_replacing_change_the_published_text_and_keep_the_draft() -> None:
    _publish()
    _draft()
    flow_rewriting.set_flow_disabled(*NAME, disabled=True, at=AT)
    label_flow(*NAME, [["team", "data"]], at=AT)
    apply_replacement(Replacement("id: hello", "id: hullo"), at=AT)

    published, draft = get_flow_text(*NAME, prefer_published=True), get_flow_text(*NAME)
    for text in (published.revision.source, draft.revision.source):
        assert "disabled: true" in text and "team: data" in text and "id: hullo" in text
    assert (published.revision.draft, draft.revision.draft) == (False, True)
    assert "message: Hello" in published.revision.source and "message: Hi there" in draft.revision.source


def test_the_history_keeps_the_published_revision_and_the_draft() -> None:
    _publish()
    _publish(SOURCE + "# two\n")
    _draft()
    _draft(DRAFT + "# more\n")

    for number in (2, 4):
        with pytest.raises(InvalidError, match=f"Revision {number} is"):
            flow_revisions.delete_revisions(*NAME, [number])
    assert flow_revisions.purge_revisions() == 1
    assert flow_revisions.delete_revisions(*NAME, [3]) == 1
    assert _revisions() == [(2, False), (4, True)]


def test_what_was_published_before_a_deletion_does_not_run_for_a_draft() -> None:
    _publish()
    flows.delete_flow(*NAME, at=AT)
    saved = _draft()

    assert saved.revision.revision == 3
    with pytest.raises(InvalidError, match="only drafts"):
        get_flow(*NAME)


def test_a_deleted_draft_comes_back_as_a_draft() -> None:
    _draft()
    flows.delete_flow(*NAME, at=AT)
    with pytest.raises(NotFoundError):
        get_flow(*NAME)
    restored = restore_flow(*NAME, at=AT)

    assert (restored.revision.revision, restored.revision.draft) == (3, True)


def test_deleting_a_flow_with_a_draft_keeps_the_published_text_for_its_return() -> None:
    _publish()
    _draft()
    flows.delete_flow(*NAME, at=AT)
    restored = restore_flow(*NAME, at=AT)

    assert (restored.revision.revision, restored.revision.source, restored.revision.draft) == (4, SOURCE, False)


def test_the_audit_log_tells_drafts_from_what_is_published() -> None:
    owner = Caller("ann", CallerKind.PERSON, Door.API, (Grant(EVERYWHERE, ALL_PERMISSIONS),))
    with acting_as(owner):
        _draft()
        flow_drafts.publish_draft(*NAME, at=AT)

    kept, published = AuditEntry.objects.order_by("pk")
    assert (kept.what, kept.after["draft"], kept.after["revision"]) == ("flow.save", True, 1)
    assert (published.what, published.before, published.after) == ("flow.publish", {"draft": 1}, {"revision": 2})

"""Saving, deleting, switching and bundling flows."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from flows.models import Flow, FlowRevision, Namespace, TriggerState
from flows.operations import flow_bundles, flow_rewriting, flows
from flows.operations.flow_checks import check_document
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from tests.operations.conftest import AT, NIGHTLY, SOURCE

WITH_TRIGGER = SOURCE + NIGHTLY

pytestmark = pytest.mark.django_db


def _sources() -> list[tuple[int, str, bool]]:
    return list(FlowRevision.objects.order_by("revision").values_list("revision", "source", "deleted"))


def test_a_line_with_a_revision_is_not_kept() -> None:
    saved = flows.save_flow(f"revision: 7\n{SOURCE}", at=AT, actor="ann")

    assert (saved.revision.revision, saved.revision.source, saved.revision.saved_by) == (1, SOURCE, "ann")


def test_the_same_text_is_not_saved_twice_and_a_remark_is_another_text() -> None:
    flows.save_flow(SOURCE, at=AT)
    same = flows.save_flow(f"{SOURCE}revision: 1\n", at=AT)
    other = flows.save_flow(f"{SOURCE}# remark\n", at=AT)

    assert (same.changed, other.changed, other.flow.revision) == (False, True, 2)


def test_a_dry_run_answers_the_coming_revision_and_stores_nothing() -> None:
    flows.save_flow(SOURCE, at=AT)
    planned = flows.save_flow(f"{SOURCE}# remark\n", at=AT, dry_run=True)

    assert (planned.changed, planned.revision.revision) == (True, 2)
    assert len(_sources()) == 1 and Flow.objects.get().revision == 1


def test_deleting_keeps_the_text_and_takes_the_triggers() -> None:
    flows.save_flow(WITH_TRIGGER, at=AT)
    assert TriggerState.objects.count() == 1
    flows.delete_flow("company.team", "daily", at=AT)

    assert _sources() == [(1, WITH_TRIGGER, False), (2, WITH_TRIGGER, True)]
    assert not TriggerState.objects.exists()
    with pytest.raises(NotFoundError):
        flows.delete_flow("company.team", "daily", at=AT)


def test_a_flow_comes_back_after_its_deletion_with_the_same_text() -> None:
    flows.save_flow(SOURCE, at=AT)
    flows.delete_flow("company.team", "daily", at=AT)
    back = flows.save_flow(SOURCE, at=AT, mode="create")

    assert (back.changed, back.flow.revision, back.flow.deleted) == (True, 3, False)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (SOURCE, f"{SOURCE}disabled: true\n"),
        (SOURCE.rstrip("\n"), f"{SOURCE}disabled: true\n"),
        (f"disabled: false # for now\n{SOURCE}", f"disabled: true\n{SOURCE}"),
        ("{id: a, namespace: b}", "{disabled: true, id: a, namespace: b}"),
    ],
)
def test_switching_off_touches_only_the_line_that_says_so(written: str, expected: str) -> None:
    assert flow_rewriting.rewrite_disabled(written, True) == expected


def test_switching_makes_a_revision_only_when_something_changes() -> None:
    flows.save_flow(SOURCE, at=AT)
    first = flow_rewriting.set_flow_disabled("company.team", "daily", disabled=True, at=AT)
    second = flow_rewriting.set_flow_disabled("company.team", "daily", disabled=True, at=AT)

    assert first is not None and first.revision.revision == 2 and Flow.objects.get().disabled
    assert second is None


def test_a_document_that_names_another_flow_is_refused() -> None:
    flows.save_flow(SOURCE, at=AT)

    with pytest.raises(InvalidError, match="weekly"):
        flows.save_flow(SOURCE, at=AT, namespace="company.team", flow_id="weekly", mode="update")


def test_defaults_of_a_namespace_count_when_a_flow_is_checked() -> None:
    without = SOURCE.replace("    message: Hello\n", "")
    before = check_document(without).is_valid
    Namespace.objects.create(
        id="company", plugin_defaults=[{"type": "io.kestra.plugin.core.log.Log", "values": {"message": "from above"}}]
    )

    assert (before, check_document(without).is_valid) == (False, True)


@pytest.mark.django_db(transaction=True)
def test_two_creations_at_once_make_one_flow_and_one_refusal() -> None:
    gate = Barrier(2)

    def create(text: str) -> str:
        gate.wait(10)
        try:
            flows.save_flow(text, at=AT, mode="create")
            return "saved"
        except InvalidError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(create, [SOURCE, f"{SOURCE}# other\n"]))

    assert outcomes == ["flow-exists", "saved"]
    assert Flow.objects.get().revision == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_edit_the_same_revision_at_once_one_is_told() -> None:
    flows.save_flow(SOURCE, at=AT)
    barrier = Barrier(2)

    def edit(text: str) -> str:
        try:
            barrier.wait(10)
            flows.save_flow(text, at=AT, mode="update", base=1)
            return "saved"
        except ConflictError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(edit, [f"{SOURCE}# ann\n", f"{SOURCE}# bob\n"]))

    assert outcomes == ["edit-conflict", "saved"]
    assert Flow.objects.get().revision == 2


def test_bundles_are_all_or_nothing() -> None:
    flows.save_flow(SOURCE, at=AT)
    twice = f"{SOURCE}# new\n---\n{SOURCE}"

    with pytest.raises(InvalidError, match="appears twice"):
        flow_bundles.apply_documents(twice, at=AT, namespace="company.team")
    assert Flow.objects.get().revision == 1


def test_a_bundle_may_move_documents_into_its_namespace() -> None:
    _, saved = flow_bundles.apply_documents(SOURCE, at=AT, namespace="elsewhere", override=True)

    assert [one.flow.namespace for one in saved] == ["elsewhere"]


def test_children_of_a_namespace_are_touched_only_when_asked() -> None:
    flows.save_flow(SOURCE.replace("company.team", "company.team.child"), at=AT)
    flow_bundles.apply_documents(SOURCE, at=AT, namespace="company.team")
    assert Flow.objects.filter(deleted=False).count() == 2
    flow_bundles.apply_documents(SOURCE, at=AT, namespace="company.team", allow_children=True)

    assert list(Flow.objects.filter(deleted=False).values_list("namespace", flat=True)) == ["company.team"]


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.yml", b"#" * (flow_bundles.LARGEST_ENTRY_BYTES + 1))

    with pytest.raises(TooLargeError):
        flow_bundles.import_flows(buffer.getvalue(), name="x.zip", at=AT)
    with pytest.raises(InvalidError):
        flow_bundles.import_flows(b"no zip", name="x.zip", at=AT)
    with pytest.raises(InvalidError):
        flow_bundles.import_flows(b"x", name="x.exe", at=AT)

"""Drafts on the pages of a flow: what is shown, and the ways to keep, publish and give one up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from flows.models import Blueprint, Flow, FlowRevision
from flows.operations import flows as operations
from tests.ui.conftest import FLOW_ID, NAMESPACE, SOURCE

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"
DRAFT = SOURCE.replace("hello {{", "hi {{")
FAULTY = SOURCE.replace("core.log.Log", "core.log.Lug")

pytestmark = pytest.mark.django_db


def _save(source: str, **values: Any) -> None:
    operations.save_flow(source, at=AT, **values)


def _read(alice: Client, path: str, **query: str) -> str:
    answer = alice.get(path, query)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


@pytest.fixture
def drafted(alice: Client) -> None:
    """A draft on top of a published flow."""
    _save(SOURCE)
    _save(DRAFT, draft=True)


def test_the_flow_says_on_its_page_and_in_the_list_that_a_draft_waits(alice: Client, drafted: None) -> None:
    overview, listed = _read(alice, FLOW), _read(alice, "/ui/flows")

    assert "Revision 2 is a draft. Executions and triggers run revision 1 until it is published." in overview
    assert "draft 2</a>" in overview
    assert '<span class="chip is-draft" title="Revision 2 is a draft; revision 1 runs">draft</span>' in listed


def test_the_editor_opens_the_draft_and_the_other_tabs_show_what_runs(alice: Client, drafted: None) -> None:
    assert "hi {{ inputs.name }}" in _read(alice, f"{FLOW}/edit")
    assert 'data-base="2"' in _read(alice, f"{FLOW}/edit")
    assert alice.get(f"{FLOW}/download").content.decode() == SOURCE


def test_the_revisions_show_what_would_change_and_publish_the_draft(alice: Client, drafted: None) -> None:
    page = _read(alice, f"{FLOW}/revisions")
    answer = alice.post(f"{FLOW}/act/publish", {"revision": "2"})

    assert "Revision 1 → 2" in page and "1 line added" in page and f"{FLOW}/act/publish" in page
    assert "Run revision 2" not in page and "Restore revision 2" not in page
    assert answer.status_code == 302
    assert (Flow.objects.get().revision, Flow.objects.get().draft_revision) == (3, None)
    assert "act/publish" not in _read(alice, f"{FLOW}/revisions")


def test_a_draft_that_changed_meanwhile_is_not_published(alice: Client, drafted: None) -> None:
    _save(DRAFT + "# more\n", draft=True)
    answer = alice.post(f"{FLOW}/act/publish", {"revision": "2"})

    assert answer.status_code == 409
    assert Flow.objects.get().revision == 1


def test_a_draft_is_discarded(alice: Client, drafted: None) -> None:
    alice.post(f"{FLOW}/act/discard", {"revision": "2"})

    assert FlowRevision.objects.order_by("-revision").values_list("revision", "source", "draft")[0] == (3, SOURCE, False)


def test_an_old_draft_comes_back_as_a_draft(alice: Client, drafted: None) -> None:
    _save(SOURCE + "# three\n")
    alice.post(f"{FLOW}/act/restore", {"revision": "2"})

    assert (Flow.objects.get().revision, Flow.objects.get().draft_revision) == (3, 4)


def test_a_flow_with_drafts_alone_cannot_be_executed(alice: Client) -> None:
    _save(SOURCE, draft=True)
    pages = [_read(alice, FLOW), _read(alice, f"{FLOW}/triggers"), _read(alice, "/ui/flows"), _read(alice, f"{FLOW}/revisions")]

    assert "nothing runs until one is published" in pages[0] and "nothing runs until one is published" in pages[1]
    assert "Only drafts were saved: publish one first" in pages[0] and "/execute" not in pages[0]
    assert "nothing is published yet" in pages[2] and f"{FLOW}/execute" not in pages[2]
    assert "act/publish" in pages[3] and "act/discard" not in pages[3]
    assert alice.get(f"{FLOW}/execute").status_code == 422


def test_a_draft_with_faults_is_shown_and_cannot_be_published(alice: Client) -> None:
    _save(SOURCE)
    _save(FAULTY, draft=True)
    page = _read(alice, f"{FLOW}/revisions")

    assert "The draft has faults" in page and "repair them first" in page
    assert "The draft has faults" in _read(alice, f"{FLOW}/edit")
    assert "The draft has faults" not in _read(alice, FLOW)
    assert alice.post(f"{FLOW}/act/publish", {"revision": "2"}).status_code == 422


def test_the_form_says_which_revision_runs_and_refuses_a_draft(alice: Client, drafted: None) -> None:
    form = _read(alice, f"{FLOW}/execute")
    draft = alice.get(f"{FLOW}/execute", {"revision": "2"})

    assert "Revision 2 is a draft. This runs revision 1." in form
    assert draft.status_code == 422 and "runs in the playground alone" in draft.content.decode()


def test_the_editor_keeps_a_draft_and_tells_of_conflicts_with_one(alice: Client, drafted: None) -> None:
    def send(**values: Any) -> Any:
        body = {"source": DRAFT + "# more\n", "flow": f"{NAMESPACE}/{FLOW_ID}", **values}
        return alice.post("/ui/flows/save", json.dumps(body), content_type="application/json")

    conflict, kept = send(base=1, draft=True), send(base=2, draft=True)
    published = send(base=3)

    assert conflict.status_code == 409
    assert (kept.json()["revision"], kept.json()["changed"]) == (3, True)
    assert (published.json()["revision"], Flow.objects.get().revision) == (4, 4)


def test_a_new_flow_begins_as_a_draft(alice: Client) -> None:
    body = {"source": FAULTY, "base": 0, "draft": True}
    answer = alice.post("/ui/flows/save", json.dumps(body), content_type="application/json").json()

    assert (answer["revision"], answer["url"]) == (1, f"{FLOW}/edit")
    assert [warning["message"] for warning in answer["warnings"]]


def test_a_flow_is_kept_as_a_blueprint_without_its_draft(alice: Client, drafted: None) -> None:
    alice.post(f"{FLOW}/keep", {"title": "My daily"})

    assert Blueprint.objects.get().source == SOURCE

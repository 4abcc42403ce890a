"""Drafts over the API: what is kept, shown, and refused to run."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from flows.models import Flow
from tests.api.conftest import SOURCE, Api

DRAFT = SOURCE.replace("Hello", "Hi there")
FAULTY = SOURCE.replace("core.log.Log", "core.log.Lug")
HOOKED = SOURCE + "triggers:\n  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}\n"
PATH = "/flows/company.team/daily"

pytestmark = pytest.mark.usefixtures("broker_url")


@pytest.fixture
def drafted(api: Api, daily: dict[str, Any]) -> dict[str, Any]:
    """A draft on top of the saved flow."""
    answer = api.send_yaml("PUT", f"{PATH}?draft=true", DRAFT)
    assert answer.status_code == 200, answer.content
    return answer.json()


def _shown(flow: dict[str, Any]) -> tuple[int, bool]:
    return flow["revision"], flow["draft"]


def test_a_draft_is_what_reading_shows_and_the_published_revision_runs(api: Api, drafted: dict[str, Any]) -> None:
    newest = api.get(PATH, source="true").json()
    listed = [api.get("/flows/search").json()["results"][0], api.get("/flows/company.team").json()[0]]
    started = api.send("POST", "/executions/company.team/daily").json()

    assert [_shown(flow) for flow in (drafted, newest, *listed)] == [(2, True)] * 4
    assert newest["source"] == DRAFT
    assert _shown(api.get(PATH, revision="1").json()) == (1, False)
    assert [_shown(row) for row in api.get(f"{PATH}/revisions").json()] == [(1, False), (2, True)]
    assert _shown(api.get("/executions/flows/company.team/daily").json()) == (1, False)
    assert _shown(api.get("/executions/flows/company.team/daily", revision="2").json()) == (2, True)
    assert started["flowRevision"] == 1


def test_saving_the_text_of_a_draft_publishes_it(api: Api, drafted: dict[str, Any]) -> None:
    again = api.send_yaml("PUT", f"{PATH}?draft=true", DRAFT).json()
    published = api.send_yaml("PUT", PATH, DRAFT).json()

    assert [_shown(flow) for flow in (again, published, api.get(PATH).json())] == [(2, True), (3, False), (3, False)]
    assert api.send("POST", "/executions/company.team/daily").json()["flowRevision"] == 3


def test_a_named_draft_starts_as_a_playground_execution_alone(api: Api, drafted: dict[str, Any]) -> None:
    refused = api.send("POST", "/executions/company.team/daily?revision=2")
    played = api.send("POST", "/executions/company.team/daily?revision=2&kind=PLAYGROUND")

    assert (refused.status_code, refused.json()["code"]) == (422, "flow-is-draft")
    assert (played.status_code, played.json()["flowRevision"]) == (200, 2)


def test_a_flow_with_drafts_alone_says_how_to_make_it_run(api: Api, stranger: Api) -> None:
    created = api.send_yaml("POST", "/flows?draft=true", HOOKED)
    answers = [api.send("POST", "/executions/company.team/daily"), api.get("/executions/flows/company.team/daily")]
    hook = stranger.send("POST", "/executions/webhook/company.team/daily/a-secret-key")

    assert (created.status_code, _shown(created.json())) == (200, (1, True))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "flow-not-published")] * 2
    assert "published revision first" in answers[0].json()["message"]
    assert hook.status_code == 404
    assert api.get("/executions/namespaces/company.team/flows").json() == []
    assert api.send_yaml("POST", "/flows?draft=true", SOURCE).status_code == 422


def test_exports_leave_drafts_out(api: Api, drafted: dict[str, Any]) -> None:
    api.send_yaml("POST", "/flows?draft=true", SOURCE.replace("id: daily", "id: weekly"))
    answer = api.get("/flows/export/by-query")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["company.team.daily.yml"]
        assert archive.read("company.team.daily.yml").decode() == SOURCE


def test_a_draft_with_faults_is_kept_and_shown_as_unusable(api: Api, daily: dict[str, Any]) -> None:
    saved = api.send_yaml("PUT", f"{PATH}?draft=true", FAULTY)
    started = api.send("POST", "/executions/company.team/daily?revision=2&kind=PLAYGROUND")
    published = api.send_yaml("PUT", PATH, FAULTY)

    assert (saved.status_code, _shown(saved.json())) == (200, (2, True))
    assert "faults" in api.get(PATH).json()["exception"]
    assert (started.status_code, published.status_code) == (422, 422)


@pytest.mark.parametrize("text", ["id: [", "id: daily\n", "id: daily\nnamespace: Not One\n", "a\0b"])
def test_a_text_without_usable_names_is_no_draft(api: Api, text: str) -> None:
    assert api.send_yaml("POST", "/flows?draft=true", text).status_code == 422
    assert not Flow.objects.exists()


def test_a_changed_task_keeps_the_draft_on_top(api: Api, drafted: dict[str, Any]) -> None:
    task = "id: hello\ntype: io.kestra.plugin.core.log.Log\nmessage: Changed\n"
    changed = api.send_yaml("PATCH", f"{PATH}/hello", task)

    assert (changed.status_code, _shown(changed.json())) == (200, (3, False))
    assert _shown(api.get(PATH).json()) == (4, True)

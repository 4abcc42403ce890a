"""Triggers and webhooks over the API."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from flows.models import Execution, TriggerState
from tests.api.conftest import AT, SOURCE, Api

pytestmark = pytest.mark.usefixtures("broker_url")

SCHEDULED = SOURCE + "triggers:\n  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 1 * * *'}\n"
HOOKED = SOURCE + "triggers:\n  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key}\n"
TID = {"namespace": "company.team", "flowId": "daily", "triggerId": "nightly"}


@pytest.fixture
def scheduled(api: Api) -> None:
    """The flow with a schedule, saved."""
    answer = api.send_yaml("POST", "/flows", SCHEDULED)
    assert answer.status_code == 200, answer.content


@pytest.fixture
def hooked(api: Api) -> None:
    """The flow with a webhook, saved."""
    answer = api.send_yaml("POST", "/flows", HOOKED)
    assert answer.status_code == 200, answer.content


def test_a_trigger_shows_what_the_flow_says_and_its_state_under_old_and_new_names(api: Api, scheduled: None) -> None:
    body = api.get("/triggers/search").json()
    row = body["results"][0]

    assert body["total"] == 1
    assert row["trigger"]["cron"] == "0 1 * * *" and row["abstractTrigger"] == row["trigger"]
    assert row["state"] == row["triggerContext"]
    assert row["state"]["nextEvaluationDate"] == row["state"]["nextExecutionDate"] == row["state"]["date"]
    assert (row["state"]["disabled"], row["state"]["kind"], row["state"]["triggerId"]) == (False, "SCHEDULE", "nightly")
    assert api.get("/triggers/company.team/daily").json()["results"] == [row["state"]]


def test_a_trigger_is_switched_off_and_on(api: Api, scheduled: None) -> None:
    off = api.send("PUT", "/triggers/set-disabled", {**TID, "disabled": True, "extra": {}}).json()
    bulk = api.send("POST", "/triggers/set-disabled/by-query?disabled=false").json()

    assert (off["disabled"], "nextEvaluationDate" in off) == (True, False)
    assert bulk["count"] == 1 and TriggerState.objects.get().disabled is False


def test_unlocking_a_free_trigger_is_refused_and_in_bulk_skipped(api: Api, scheduled: None) -> None:
    assert api.send("POST", "/triggers/company.team/daily/nightly/unlock").status_code == 409
    assert api.send("POST", "/triggers/unlock/by-triggers", [TID]).json()["count"] == 0
    assert api.send("POST", "/triggers/company.team/daily/nope/unlock").status_code == 404
    assert api.send("POST", "/triggers/company.team/daily/nightly/restart").status_code == 200


def test_a_trigger_of_a_living_flow_is_not_deleted(api: Api, scheduled: None) -> None:
    assert api.call("DELETE", "/triggers/company.team/daily/nightly").status_code == 409


def test_a_backfill_is_made_paused_and_ended(api: Api, scheduled: None) -> None:
    backfill = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-05T00:00:00Z", "labels": [{"key": "a", "value": "b"}]}
    made = api.send("PUT", "/triggers/backfill/create", {**TID, "backfill": backfill})
    again = api.send("PUT", "/triggers/backfill/create", {**TID, "backfill": backfill})
    paused = api.send("PUT", "/triggers/backfill/pause", TID).json()
    ended = api.send("POST", "/triggers/backfill/delete", TID).json()

    assert made.status_code == 200 and made.json()["backfill"]["paused"] is False
    assert made.json()["backfill"]["start"].startswith("2025-01-01")
    assert made.json()["backfill"]["labels"] == [{"key": "a", "value": "b"}]
    assert again.status_code == 409
    assert paused["backfill"]["paused"] is True
    assert "backfill" not in ended
    assert api.send("PUT", "/triggers/backfill/pause", TID).status_code == 409


@pytest.mark.parametrize("backfill", [None, {}, {"start": 7}, {"start": "soon"}, {"start": "2025-01-01T00:00Z", "inputs": []}])
def test_a_malformed_backfill_is_refused(api: Api, scheduled: None, backfill: Any) -> None:
    answer = api.send("PUT", "/triggers/backfill/create", {**TID, "backfill": backfill})

    assert answer.status_code in (400, 422) and answer.json()["message"]


def test_triggers_are_exported_as_a_table(api: Api, scheduled: None) -> None:
    lines = b"".join(api.get("/triggers/export/by-query/csv").streaming_content).decode().splitlines()

    assert lines[1].startswith("company.team,daily,nightly,SCHEDULE,false,20")


def test_a_webhook_starts_an_execution_without_login(stranger: Api, hooked: None) -> None:
    answer = stranger.send("POST", "/executions/webhook/company.team/daily/a-secret-key?a=1&a=2", {"hello": "world"})
    body = answer.json()

    assert answer.status_code == 200, body
    assert body["trigger"]["variables"]["body"] == {"hello": "world"}
    assert body["trigger"]["variables"]["parameters"]["a"] == ["1", "2"]
    assert body["url"] and body["state"]["current"] == "CREATED" and "inputs" not in body
    assert Execution.objects.get().id == body["id"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_every_webhook_method_works_in_both_address_forms(stranger: Api, hooked: None, method: str) -> None:
    for prefix in ("/api/v1", "/api/v1/main"):
        assert stranger.call(method, f"{prefix}/executions/webhook/company.team/daily/a-secret-key").status_code == 200


def test_a_webhook_takes_forms_with_files(stranger: Api, hooked: None) -> None:
    answer = stranger.post_form(
        "/executions/webhook/company.team/daily/a-secret-key", {"field": "x", "file": SimpleUploadedFile("a.txt", b"hello")}
    )

    assert answer.status_code == 200, answer.content


def test_wrong_keys_flows_and_namespaces_get_one_and_the_same_answer(stranger: Api, hooked: None) -> None:
    paths = [
        "company.team/daily/wrong",
        "company.team/nope/a-secret-key",
        "nope/daily/a-secret-key",
        "company.team/daily/a-secret-key/x",
    ]
    answers = [stranger.send("POST", f"/executions/webhook/{path}") for path in paths]
    bodies = [{**answer.json(), "_links": None} for answer in answers]

    assert {answer.status_code for answer in answers} == {404}
    assert all(body == bodies[0] for body in bodies) and "Flow not found" in bodies[0]["message"]
    assert not Execution.objects.exists()


def test_the_right_key_of_a_disabled_flow_is_told_so(api: Api, stranger: Api, hooked: None) -> None:
    api.send("POST", "/flows/disable/by-query")

    assert stranger.send("POST", "/executions/webhook/company.team/daily/a-secret-key").status_code == 409


def test_calls_with_the_same_idempotency_key_give_the_same_execution(stranger: Api, hooked: None) -> None:
    ids = [
        stranger.client.post(
            "/api/v1/main/executions/webhook/company.team/daily/a-secret-key", headers={"idempotency-key": "k"}
        ).json()["id"]
        for _ in range(2)
    ]

    assert ids[0] == ids[1] and Execution.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filters[triggerState][EQUALS]=ENABLED", {"free"}),
        ("filters[triggerState][NOT_EQUALS]=enabled", {"off", "off-in-source"}),
        ("filters[triggerState][IN]=ENABLED,DISABLED", {"free", "off", "off-in-source"}),
        ("filters[locked][EQUALS]=true", {"off"}),
        ("filters[locked][EQUALS]=false", {"free", "off-in-source"}),
        ("filters[startDate][GREATER_THAN_OR_EQUAL_TO]=2031-05-05T00:00Z", {"free"}),
        ("filters[endDate][LESS_THAN]=2031-05-05T00:00:00Z", {"off-in-source"}),
        ("dateFilter=LAST_TRIGGERED_DATE&startDate=2031-05-05T00:00:00Z", {"off"}),
        ("dateFilter=NEXT_EXECUTION_DATE&startDate=2031-05-05T00:00:00Z", {"free"}),
    ],
)
def test_triggers_are_found_by_what_they_do_and_when(api: Api, query: str, found: set[str]) -> None:
    first, later = AT, AT + timedelta(days=2)
    for trigger_id, values in {
        "free": {"next_at": later, "last_triggered_at": first},
        "off": {"disabled": True, "execution_id": "0001ABCDEFGHabcdefgh", "last_triggered_at": later},
        "off-in-source": {"source_disabled": True, "next_at": first},
    }.items():
        TriggerState.objects.create(
            namespace="company.team",
            flow_id="daily",
            trigger_id=trigger_id,
            family="schedule",
            type="x",
            flow_revision=1,
            **values,
        )

    body = api.call("GET", f"/triggers/search?{query}").json()

    assert {row["state"]["triggerId"] for row in body["results"]} == found


@pytest.mark.parametrize("query", ["filters[triggerState][EQUALS]=asleep", "filters[locked][EQUALS]=maybe", "dateFilter=SOMEDAY"])
def test_values_that_no_trigger_can_have_are_refused(api: Api, query: str) -> None:
    answer = api.call("GET", f"/triggers/search?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid query filters: ")


RULED = HOOKED.replace("key: a-secret-key", "key: a-secret-key, allowedMethods: [POST], maxBodyBytes: 5")


def test_a_call_that_breaks_a_rule_of_the_webhook_is_told_which(api: Api, stranger: Api) -> None:
    assert api.send_yaml("POST", "/flows", RULED).status_code == 200
    path = "/executions/webhook/company.team/daily/a-secret-key"

    method, size, right = (
        stranger.send("PUT", path, "{}"),
        stranger.send("POST", path, '"long text"'),
        stranger.send("POST", path, "{}"),
    )

    assert [(one.status_code, one.json().get("code")) for one in (method, size)] == [
        (405, "webhook-method"),
        (413, "webhook-size"),
    ]
    assert right.status_code == 200


def test_a_form_with_files_can_be_signed(api: Api, stranger: Api) -> None:
    rules = "key: a-secret-key, signature: {secret: shared, header: X-Hub-Signature-256, prefix: sha256=}"
    assert api.send_yaml("POST", "/flows", HOOKED.replace("key: a-secret-key", rules)).status_code == 200
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
    signature = hmac.new(b"shared", body, "sha256").hexdigest()

    def send(text: str) -> Any:
        return stranger.client.generic(
            "POST",
            "/api/v1/main/executions/webhook/company.team/daily/a-secret-key",
            data=body,
            content_type="multipart/form-data; boundary=x",
            headers={"X-Hub-Signature-256": f"sha256={text}"},
        )

    right, wrong = send(signature), send("0" * 64)

    assert (right.status_code, wrong.status_code, wrong.json()["code"]) == (200, 403, "webhook-signature")
    assert right.json()["trigger"]["variables"]["parts"][0]["size"] == 5

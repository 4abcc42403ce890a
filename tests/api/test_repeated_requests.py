"""Requests that come twice, and requests that come too often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from flows.models import Execution, IdempotencyKey
from flows.operations.idempotency import purge_old_keys
from tests.api.conftest import Api, MakeExecution

START = "/executions/company.team/daily"


@pytest.fixture(autouse=True)
def _owner(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True)


def start(api: Api, key: str, **fields: Any) -> Any:
    return api.client.post(api.prefix + START, fields, headers={"Idempotency-Key": key})


def test_the_same_request_with_the_same_key_starts_one_execution(api: Api, daily: dict[str, Any]) -> None:
    first = start(api, "order-7", day="2031-05-04")
    second = start(api, "order-7", day="2031-05-04")

    assert first.json()["id"] == second.json()["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Execution.objects.count() == 1


def test_another_request_with_the_same_key_is_refused(api: Api, daily: dict[str, Any]) -> None:
    start(api, "order-7", day="2031-05-04")

    answer = start(api, "order-7", day="2031-05-05")

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key-reused"
    assert Execution.objects.count() == 1


def test_a_refused_request_does_not_use_up_its_key(api: Api, daily: dict[str, Any]) -> None:
    refused = api.client.post(f"{api.prefix}{START}?labels=broken", {}, headers={"Idempotency-Key": "order-7"})
    accepted = start(api, "order-7")

    assert (refused.status_code, accepted.status_code) == (422, 200)


def test_keys_of_different_callers_are_different_keys(api: Api, daily: dict[str, Any]) -> None:
    User.objects.create_superuser("bob@example.org", "bob@example.org", "correct-Horse-7-battery")

    one, other = start(api, "order-7"), start(Api("bob@example.org"), "order-7")

    assert one.json()["id"] != other.json()["id"]


def test_the_content_of_a_file_belongs_to_the_request(api: Api) -> None:
    api.send_yaml(
        "POST",
        "/flows",
        "id: daily\nnamespace: company.team\ninputs:\n  - id: data\n    type: FILE\ntasks:\n"
        "  - id: hello\n    type: io.kestra.plugin.core.log.Log\n    message: Hello\n",
    )
    start(api, "order-7", data=SimpleUploadedFile("a.txt", b"one"))

    assert start(api, "order-7", data=SimpleUploadedFile("a.txt", b"one")).headers["Idempotency-Replayed"] == "true"
    assert start(api, "order-7", data=SimpleUploadedFile("a.txt", b"two")).status_code == 422


def test_a_replay_with_a_key_happens_once(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    ended = make_execution()
    path = f"{api.prefix}/executions/{ended.id}/actions/replay"

    first, second = (api.client.post(path, headers={"Idempotency-Key": "again"}) for _ in range(2))

    assert first.json()["id"] == second.json()["id"] != ended.id
    assert Execution.objects.count() == 2


@pytest.mark.parametrize("key", ["", " ", "k" * 256])
def test_a_key_without_sense_is_refused(api: Api, daily: dict[str, Any], key: str) -> None:
    answer = start(api, key)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key"


def test_keys_are_forgotten_after_a_day(api: Api, daily: dict[str, Any]) -> None:
    start(api, "order-7")
    row = IdempotencyKey.objects.get()

    assert purge_old_keys(at=row.created_at + timedelta(hours=23)) == 0
    assert purge_old_keys(at=row.created_at + timedelta(hours=25)) == 1


@pytest.fixture
def _three_a_minute(settings: Any, broker_url: str) -> None:
    settings.CELESTRA = {**settings.CELESTRA, "rate_limit_per_minute": 3, "anonymous_rate_limit_per_minute": 2}


@pytest.mark.usefixtures("_three_a_minute")
def test_too_many_requests_of_an_account_are_refused_until_the_minute_is_over(db: None) -> None:
    name = f"{uuid4()}@example.org"
    User.objects.create_superuser(name, name, "correct-Horse-7-battery")
    busy = Api(name)

    # Eight, because the minute may turn in between: three fit into each.
    answers = [busy.get("/flows/search") for _ in range(8)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].headers["RateLimit-Limit"] == "3"
    assert len(refused) >= 2
    assert {1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused} == {True}


@pytest.mark.usefixtures("_three_a_minute")
def test_probes_are_never_refused(stranger: Api) -> None:
    assert {stranger.client.get("/ping").status_code for _ in range(8)} == {200}


def test_a_counter_that_does_not_answer_lets_everybody_pass(api: Api, settings: Any) -> None:
    settings.CELESTRA = {**settings.CELESTRA, "redis_url": "redis://127.0.0.1:1/0", "rate_limit_per_minute": 1}

    assert [api.get("/flows/search").status_code for _ in range(3)] == [200, 200, 200]

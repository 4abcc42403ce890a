"""Actions on very many executions go on after the answer: as much as was asked for, and never with more rights than who asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.api.views import execution_bulk
from flows.models import ApiToken, AuditEntry, Binding, BulkJob, Execution, Role
from flows.operations.bulk_jobs import run_job_step
from flows.primitives.ids import new_id
from tests.api.conftest import PASSWORD, SOURCE, Api, MakeExecution
from tests.api.test_tokens import bearer

LABELS = [{"key": "seen", "value": "yes"}]
OTHER = "company.other"

Fill = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three are many here."""
    monkeypatch.setattr(execution_bulk, "MOST_AT_ONCE", 2)
    yield


@pytest.fixture
def fill(api: Api, daily: Any, make_execution: MakeExecution) -> Fill:
    """Make executions of the last hour and return their ids."""
    api.send_yaml("POST", "/flows", SOURCE.replace("company.team", OTHER))

    def make(count: int, state: str = "SUCCESS", **values: Any) -> list[str]:
        moment = timezone.now() - timedelta(hours=1)
        return [make_execution(state, created_at=moment + timedelta(seconds=number), **values).id for number in range(count)]

    return make


def _work_off(operation_id: str) -> BulkJob:
    while run_job_step(operation_id):
        pass
    return BulkJob.objects.get(pk=operation_id)


def _list_labelled() -> list[str]:
    return sorted(Execution.objects.filter(labels__contains=LABELS).values_list("namespace", flat=True))


def _make_token(api: Api, **body: Any) -> Api:
    answer = api.send("POST", "/api/v1/me/api-tokens", {"name": "ci", **body})
    assert answer.status_code == 200, answer.content
    return bearer(answer.json()["fullToken"])


def _give_role(name: str, namespace: str, permissions: dict[str, list[str]]) -> User:
    user = User.objects.create_user(name, name, PASSWORD)
    at = timezone.now()
    role = Role.objects.create(id=new_id(), name=f"role of {name}", permissions=permissions, created_at=at, updated_at=at)
    Binding.objects.create(id=new_id(), user=user, role=role, namespace=namespace, created_at=at)
    return user


def test_a_search_that_finds_many_is_answered_at_once_and_done_by_a_worker(api: Api, fill: Fill) -> None:
    fill(5)
    body = api.send("POST", "/executions/labels/by-query?filters[state][EQUALS]=SUCCESS", LABELS)
    before = _list_labelled()
    job = _work_off(body.json()["operationId"])

    assert body.status_code == 200
    assert (body.json()["count"], body.json()["totalItems"], before) == (5, 5, [])
    assert (job.phase, job.total, job.done_count, len(_list_labelled())) == ("DONE", 5, 5, 5)


def test_a_search_that_finds_few_is_done_before_the_answer(api: Api, fill: Fill) -> None:
    fill(2)
    fill(3, "RUNNING")
    body = api.send("POST", "/executions/labels/by-query?filters[state][EQUALS]=SUCCESS", LABELS).json()

    assert (body["count"], len(_list_labelled())) == (2, 2)
    assert not BulkJob.objects.exists()


def test_a_deletion_counts_what_is_gone_however_many(api: Api, fill: Fill) -> None:
    fill(4)
    fill(1, "RUNNING")
    body = api.send("DELETE", "/executions/by-query").json()

    assert (body["count"], Execution.objects.count(), BulkJob.objects.count()) == (4, 1, 0)


@pytest.mark.parametrize(
    ("method", "path", "act", "options"),
    [
        ("DELETE", "/executions/kill/by-query?isOnKillCascade=false", "kill", {"cascade": False}),
        ("POST", "/executions/restart/by-query", "restart", {}),
        ("POST", "/executions/replay/by-query?latestRevision=true", "replay", {"latest": True}),
        ("POST", "/executions/pause/by-query", "pause", {}),
        ("POST", "/executions/resume/by-query", "resume", {}),
        ("POST", "/executions/force-run/by-query", "force-run", {}),
        ("POST", "/executions/unqueue/by-query?newState=CANCELLED", "unqueue", {"state": "CANCELLED"}),
        ("POST", "/executions/change-status/by-query?newStatus=failed", "state", {"state": "FAILED"}),
    ],
)
def test_every_action_keeps_what_was_asked_with_it(
    method: str, path: str, act: str, options: dict[str, Any], api: Api, fill: Fill
) -> None:
    fill(3)
    begun = api.send(method, path).json()
    job = _work_off(begun["operationId"])

    assert (job.act, job.options, job.door) == (act, options, "API")
    assert (job.phase, job.failed_count, job.done_count + job.skipped_count) == ("DONE", 0, 3)


def test_the_status_of_many_is_changed(api: Api, fill: Fill) -> None:
    fill(3)
    _work_off(api.send("POST", "/executions/change-status/by-query?newStatus=WARNING").json()["operationId"])

    assert set(Execution.objects.values_list("state", flat=True)) == {"WARNING"}


def test_progress_tells_what_was_left_out_and_why(api: Api, fill: Fill) -> None:
    fill(3)
    running = fill(1, "RUNNING")
    begun = api.send("POST", "/executions/change-status/by-query?newStatus=FAILED").json()
    waiting = api.get(f"/bulk-operations/{begun['operationId']}").json()
    _work_off(begun["operationId"])
    found = api.get(f"/bulk-operations/{begun['operationId']}").json()

    assert (waiting["state"], waiting["total"], waiting["done"], waiting["results"]) == ("WAITING", 4, 0, [])
    assert [found[name] for name in ("state", "total", "done", "skipped", "failed")] == ["DONE", 4, 3, 1, 0]
    assert [(one["id"], one["outcome"]) for one in found["results"]] == [(running[0], "SKIPPED")]
    assert found["results"][0]["reason"]
    assert found["url"].endswith(f"/ui/jobs/{found['id']}") and found["endDate"] >= found["startDate"]


def test_operations_are_listed_newest_first_in_pages(api: Api, fill: Fill) -> None:
    fill(3)
    ids = [api.send("POST", "/executions/labels/by-query", LABELS).json()["operationId"] for _ in range(3)]
    first = api.get("/bulk-operations", size=2).json()
    with CaptureQueriesContext(connection) as found:
        second = api.get("/bulk-operations", size=2, page=2).json()

    assert [one["id"] for one in first["results"] + second["results"]] == ids[::-1]
    assert (first["total"], second["total"]) == (3, 3)
    assert len(found) <= 4


def test_a_stopped_operation_does_no_more(api: Api, fill: Fill) -> None:
    fill(3)
    operation_id = api.send("POST", "/executions/labels/by-query", LABELS).json()["operationId"]
    stopped = api.send("POST", f"/bulk-operations/{operation_id}/stop")
    again = api.send("POST", f"/bulk-operations/{operation_id}/stop")

    assert (stopped.status_code, stopped.json()["state"], again.status_code) == (200, "STOPPED", 409)
    assert run_job_step(operation_id) is False
    assert _list_labelled() == []


def test_operations_of_others_do_not_exist(api: Api, stranger: Api, fill: Fill) -> None:
    fill(3)
    User.objects.create_superuser("mallory@example.org", "mallory@example.org", PASSWORD)
    mallory = Api("mallory@example.org")
    operation_id = api.send("POST", "/executions/labels/by-query", LABELS).json()["operationId"]

    assert mallory.get("/bulk-operations").json()["total"] == 0
    assert mallory.get(f"/bulk-operations/{operation_id}").status_code == 404
    assert mallory.send("POST", f"/bulk-operations/{operation_id}/stop").status_code == 404
    assert stranger.get("/bulk-operations").status_code == 401


def test_a_token_for_one_namespace_starts_nothing_beyond_it(api: Api, fill: Fill) -> None:
    fill(3)
    fill(2, namespace=OTHER)
    caller = _make_token(api, namespaces=[OTHER])
    fill(1, namespace=OTHER)
    begun = caller.send("POST", "/executions/labels/by-query", LABELS).json()
    job = _work_off(begun["operationId"])

    assert (begun["count"], job.done_count, _list_labelled()) == (3, 3, [OTHER] * 3)
    assert set(AuditEntry.objects.filter(object_id=job.id).values_list("token", "door")) == {("ci", "API")}


def test_a_token_that_may_only_read_starts_no_operation(api: Api, fill: Fill) -> None:
    fill(3)
    caller = _make_token(api, access="READ")
    answer = caller.send("POST", "/executions/labels/by-query", LABELS)

    assert answer.status_code == 403
    assert not BulkJob.objects.exists()


def test_a_token_sees_what_was_begun_with_it_and_its_person_sees_all(api: Api, fill: Fill) -> None:
    fill(3)
    caller = _make_token(api)
    of_person, of_token = (one.send("POST", "/executions/labels/by-query", LABELS).json()["operationId"] for one in (api, caller))

    assert [one["id"] for one in caller.get("/bulk-operations").json()["results"]] == [of_token]
    assert caller.get(f"/bulk-operations/{of_person}").status_code == 404
    assert api.get("/bulk-operations").json()["total"] == 2


@pytest.mark.parametrize("is_revoked", [True, False])
def test_the_operation_of_a_token_ends_with_the_token(api: Api, fill: Fill, is_revoked: bool) -> None:
    fill(3)
    caller = _make_token(api)
    begun = caller.send("POST", "/executions/labels/by-query", LABELS).json()
    row = ApiToken.objects.get()
    if is_revoked:
        api.send("DELETE", f"/api/v1/me/api-tokens/{row.id}")
        _make_token(api)
    else:
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    job = _work_off(begun["operationId"])

    assert (job.phase, _list_labelled()) == ("FAILED", [])
    assert "API token" in api.get(f"/bulk-operations/{job.id}").json()["problem"]


def test_a_person_with_rights_in_one_namespace_changes_nothing_elsewhere(api: Api, fill: Fill) -> None:
    fill(3)
    fill(3, namespace=OTHER)
    _give_role("carol@example.org", OTHER, {"EXECUTION": ["READ", "UPDATE"]})
    carol = Api("carol@example.org")
    begun = carol.send("POST", "/executions/labels/by-query", LABELS).json()
    _work_off(begun["operationId"])

    assert (begun["count"], _list_labelled()) == (3, [OTHER] * 3)


def test_a_service_account_that_may_read_starts_no_operation(api: Api, fill: Fill) -> None:
    fill(3)
    made = api.send("POST", "/service-accounts", {"name": "robot"}).json()
    text = api.send("POST", f"/service-accounts/{made['id']}/api-tokens", {"name": "robot"}).json()["fullToken"]
    at = timezone.now()
    role = Role.objects.create(id=new_id(), name="Looks", permissions={"EXECUTION": ["READ"]}, created_at=at, updated_at=at)
    binding = Binding.objects.create(
        id=new_id(), user=User.objects.get(username="robot"), role=role, namespace="company", created_at=at
    )
    refused = bearer(text).send("POST", "/executions/labels/by-query", LABELS)
    role.permissions = {"EXECUTION": ["READ", "UPDATE"]}
    role.save()
    begun = bearer(text).send("POST", "/executions/labels/by-query", LABELS).json()
    binding.delete()
    job = _work_off(begun["operationId"])

    assert (refused.status_code, begun["count"]) == (403, 3)
    assert (job.done_count, _list_labelled()) == (0, [])

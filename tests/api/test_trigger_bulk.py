"""Actions on very many triggers go on after the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows.api.views import trigger_bulk
from flows.models import AuditEntry, BulkJob, TriggerState
from flows.operations.bulk_jobs import run_job_step
from tests.api.conftest import SOURCE, Api

pytestmark = pytest.mark.usefixtures("broker_url")

TRIGGERS = "triggers:\n" + "".join(
    f"  - {{id: {name}, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 1 * * *'}}\n" for name in ("a", "b", "c")
)


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three are many here."""
    monkeypatch.setattr(trigger_bulk, "MOST_AT_ONCE", 2)
    yield


@pytest.fixture(autouse=True)
def _many(api: Api) -> None:
    """Two flows with three schedules each."""
    for flow_id in ("daily", "weekly"):
        answer = api.send_yaml("POST", "/flows", SOURCE.replace("id: daily", f"id: {flow_id}") + TRIGGERS)
        assert answer.status_code == 200, answer.content


def _work_off(operation_id: str) -> BulkJob:
    while run_job_step(operation_id):
        pass
    return BulkJob.objects.get(pk=operation_id)


def test_a_search_that_finds_many_is_answered_at_once_and_done_by_a_worker(api: Api) -> None:
    answer = api.send("POST", "/triggers/set-disabled/by-query?disabled=true&filters[flowId][EQUALS]=daily").json()
    before = TriggerState.objects.filter(disabled=True).count()
    job = _work_off(answer["operationId"])
    shown = api.get(f"/bulk-operations/{job.pk}").json()

    assert (answer["count"], answer["totalItems"], before) == (3, 3, 0)
    assert set(TriggerState.objects.filter(disabled=True).values_list("flow_id", "trigger_id")) == {
        ("daily", name) for name in "abc"
    }
    assert (shown["kind"], shown["action"], shown["state"], shown["done"], shown["total"]) == ("trigger", "disable", "DONE", 3, 3)
    assert AuditEntry.objects.filter(what="trigger.disable", object_id=job.pk).get().after["count"] == 3


def test_a_search_that_finds_few_is_done_before_the_answer(api: Api) -> None:
    query = "filters[flowId][EQUALS]=daily&filters[triggerId][IN]=a,b"
    answer = api.send("POST", f"/triggers/set-disabled/by-query?disabled=true&{query}").json()

    assert (answer["count"], TriggerState.objects.filter(disabled=True).count()) == (2, 2)
    assert not BulkJob.objects.exists()


def test_many_named_triggers_are_done_by_a_worker_each_once(api: Api) -> None:
    named = [{"namespace": "company.team", "flowId": "daily", "triggerId": name} for name in ("a", "b", "c", "a")]

    few = api.send("POST", "/triggers/set-disabled/by-triggers", {"triggers": named[::3], "disabled": True}).json()
    many = api.send("POST", "/triggers/set-disabled/by-triggers", {"triggers": named, "disabled": True}).json()
    job = _work_off(many["operationId"])

    assert (few["count"], many["count"], job.done_count) == (1, 3, 3)
    assert set(TriggerState.objects.filter(disabled=True).values_list("trigger_id", flat=True)) == {"a", "b", "c"}


def test_what_cannot_take_it_is_left_out_with_the_reason(api: Api) -> None:
    TriggerState.objects.filter(trigger_id="a").update(execution_id="held")
    operation = api.send("POST", "/triggers/unlock/by-query").json()["operationId"]
    job = _work_off(operation)

    assert (job.done_count, job.skipped_count) == (2, 4)
    assert "is not locked" in job.results.exclude(reason="").first().reason
    assert job.results.filter(outcome="DONE").order_by("id").first().object_id == "company.team/daily/a"


@pytest.mark.parametrize(
    ("act", "paused"),
    [("pause", True), ("unpause", False), ("delete", None)],
)
def test_backfills_are_paused_continued_and_ended(api: Api, act: str, paused: bool | None) -> None:
    at = timezone.now()
    for state in TriggerState.objects.all():
        body = {
            "namespace": state.namespace,
            "flowId": state.flow_id,
            "triggerId": state.trigger_id,
            "backfill": {"start": (at - timedelta(days=9)).isoformat(), "end": (at - timedelta(days=1)).isoformat()},
        }
        assert api.send("PUT", "/triggers/backfill/create", body).status_code == 200
    _work_off(api.send("POST", f"/triggers/backfill/{act}/by-query").json()["operationId"])

    found = {state.backfill and state.backfill.get("paused", False) for state in TriggerState.objects.all()}
    assert found == {paused}


def test_states_without_a_trigger_are_deleted_and_the_others_left_out(api: Api) -> None:
    template = TriggerState.objects.first()
    assert template is not None
    for name in ("x", "y", "z"):
        template.pk, template.trigger_id = None, name
        template.save(force_insert=True)
    answer = api.send("DELETE", "/triggers/delete/by-query", {"filters": []}).json()
    job = _work_off(answer["operationId"])

    assert (answer["count"], job.done_count, job.skipped_count) == (9, 3, 6)
    assert TriggerState.objects.count() == 6


def test_the_range_of_a_search_keeps_the_date_that_it_means(api: Api) -> None:
    TriggerState.objects.filter(flow_id="daily").update(last_triggered_at=timezone.now())
    query = "dateFilter=LAST_TRIGGERED_DATE&filters[timeRange][EQUALS]=PT1H&disabled=true"
    answer: dict[str, Any] = api.send("POST", f"/triggers/set-disabled/by-query?{query}").json()
    _work_off(answer["operationId"])

    assert answer["count"] == 3
    assert set(TriggerState.objects.filter(disabled=True).values_list("flow_id", flat=True)) == {"daily"}


@pytest.mark.parametrize("name", ["\0", "\ud800", "a/b"])
def test_a_name_that_cannot_be_stored_is_refused_or_left_out(api: Api, name: str) -> None:
    named = [{"namespace": "company.team", "flowId": "daily", "triggerId": name}]

    answers = [
        api.send("POST", "/triggers/unlock/by-triggers", named),
        api.send("DELETE", "/triggers/delete/by-triggers", named),
        api.send("POST", "/triggers/set-disabled/by-triggers", {"triggers": named, "disabled": True}),
    ]

    assert {answer.status_code for answer in answers} == ({200} if name == "a/b" else {422})

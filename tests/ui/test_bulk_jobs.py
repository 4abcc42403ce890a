"""Actions on many executions or flows: jobs in the background, their progress, their results, and the rights they need."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.api.views.execution_bulk import MOST_AT_ONCE
from flows.models import AuditEntry, BulkJob, Execution, Flow, TriggerState
from flows.operations.bulk_jobs import purge_old_jobs, resend_jobs, run_job_step
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, save_execution, save_flow

pytestmark = pytest.mark.django_db


def _begin(client: Client, address: str, **fields: Any) -> BulkJob:
    response = client.post(address, fields)
    assert response.status_code == 302, response.content.decode()[:600]
    return BulkJob.objects.latest("created_at")


def _work_off(job: BulkJob) -> BulkJob:
    while run_job_step(job.id):
        pass
    job.refresh_from_db()
    return job


def _results(job: BulkJob, outcome: str) -> list[str]:
    return sorted(job.results.filter(outcome=outcome).values_list("object_id", flat=True))


def _save_past(name: str, *, minutes: int = 1, **fields: Any) -> Execution:
    return save_execution(name, created_at=timezone.now() - timedelta(minutes=minutes), **fields)


def test_ticked_rows_are_done_and_the_others_told_with_the_reason(alice: Client, flow: Flow) -> None:
    save_execution("done")
    save_execution("busy", state="RUNNING")

    job = _work_off(_begin(alice, "/ui/executions", act="delete", execution=["done", "busy", "gone"]))
    page = alice.get(f"/ui/jobs/{job.id}").content.decode()

    assert (job.phase, job.total, job.done_count, job.skipped_count) == ("DONE", 3, 1, 2)
    assert _results(job, "SKIPPED") == ["busy", "gone"]
    assert list(Execution.objects.values_list("id", flat=True)) == ["busy"]
    assert "Delete 3 executions" in page and "/ui/e/busy" in page


def test_all_that_match_are_done_in_several_steps(alice: Client, flow: Flow) -> None:
    for number in range(150):
        _save_past(f"run{number:03}", minutes=number // 2, state="RUNNING" if number == 30 else "FAILED")
    _save_past("kept")

    job = _begin(alice, "/ui/executions/bulk?state=FAILED&state=RUNNING", act="delete")
    assert run_job_step(job.id)
    job = _work_off(job)

    assert (job.total, job.done_count, _results(job, "SKIPPED")) == (150, 149, ["run030"])
    assert set(Execution.objects.values_list("pk", flat=True)) == {"run030", "kept"}


def test_what_begins_after_the_confirmation_is_left_alone(alice: Client, flow: Flow) -> None:
    _save_past("old")
    job = _begin(alice, "/ui/executions/bulk", act="delete")
    save_execution("new", created_at=timezone.now() + timedelta(hours=1))

    _work_off(job)

    assert list(Execution.objects.values_list("pk", flat=True)) == ["new"]


def test_a_stopped_job_does_no_more(alice: Client, flow: Flow) -> None:
    for number in range(120):
        _save_past(f"run{number}", minutes=number)
    job = _begin(alice, "/ui/executions/bulk", act="delete")
    run_job_step(job.id)

    alice.post(f"/ui/jobs/{job.id}/act/stop")
    job = _work_off(job)

    assert (job.phase, job.done_count, Execution.objects.count()) == ("STOPPED", 100, 20)
    assert "problem=" in alice.post(f"/ui/jobs/{job.id}/act/stop")["Location"]


def test_two_workers_never_hold_the_same_job(alice: Client, flow: Flow) -> None:
    _save_past("one")
    job = _begin(alice, "/ui/executions/bulk", act="delete")
    BulkJob.objects.update(leased_until=timezone.now() + timedelta(seconds=30))

    assert run_job_step(job.id) is False
    assert Execution.objects.count() == 1


def test_a_job_whose_worker_was_lost_goes_on_where_it_was(alice: Client, flow: Flow, broker_url: str) -> None:
    for name in ("a", "b"):
        save_execution(name)
    job = _begin(alice, "/ui/executions", act="delete", execution=["a", "b"])
    long_ago = timezone.now() - timedelta(minutes=5)
    BulkJob.objects.update(phase="RUNNING", cursor="1", leased_until=long_ago, created_at=long_ago)

    assert resend_jobs(at=timezone.now()) == 1
    assert _results(_work_off(job), "DONE") == ["b"]


def test_the_rights_of_the_moment_decide_about_each_object(client: Client, flow: Flow) -> None:
    User.objects.create_user("carol@example.org")
    carol = User.objects.get(username="carol@example.org")
    client.force_login(carol)
    save_execution("one")

    refused = client.post("/ui/executions", {"act": "delete", "execution": "one"})
    User.objects.filter(pk=carol.pk).update(is_superuser=True)
    job = _begin(client, "/ui/executions", act="delete", execution="one")
    User.objects.filter(pk=carol.pk).update(is_superuser=False)

    assert refused.status_code == 403
    assert _work_off(job).phase == "FAILED"
    assert Execution.objects.count() == 1


def test_nobody_sees_or_stops_the_job_of_somebody_else(alice: Client, client: Client, flow: Flow) -> None:
    save_execution("one")
    job = _begin(alice, "/ui/executions", act="delete", execution="one")
    client.force_login(User.objects.create_superuser("mallory@example.org"))

    assert client.get(f"/ui/jobs/{job.id}").status_code == 404
    assert client.post(f"/ui/jobs/{job.id}/act/stop").status_code == 404
    assert "No job yet" in client.get("/ui/jobs").content.decode()
    assert f"/ui/jobs/{job.id}" in alice.get("/ui/jobs").content.decode()


def test_flows_are_disabled_by_a_job_that_can_be_undone(alice: Client, flow: Flow) -> None:
    save_flow(flow_id="off", disabled=True)
    job = _work_off(_begin(alice, "/ui/flows", act="disable", flow=[f"{NAMESPACE}/{FLOW_ID}", f"{NAMESPACE}/off"]))
    was = Flow.objects.get(flow_id=FLOW_ID).disabled

    undo = _begin(alice, f"/ui/jobs/{job.id}/act/undo")
    _work_off(undo)

    assert (was, Flow.objects.get(flow_id=FLOW_ID).disabled) == (True, False)
    assert _results(job, "SKIPPED") == [f"{NAMESPACE}/off"]
    assert "problem=" in alice.post(f"/ui/jobs/{job.id}/act/undo")["Location"]


def test_a_deleted_flow_comes_back_with_its_text(alice: Client, flow: Flow) -> None:
    job = _work_off(_begin(alice, "/ui/flows", act="delete", flow=f"{NAMESPACE}/{FLOW_ID}"))
    gone = Flow.objects.get().deleted

    _work_off(_begin(alice, f"/ui/jobs/{job.id}/act/undo"))

    row = Flow.objects.get()
    assert (gone, row.deleted, row.revision) == (True, False, 3)


def test_labels_of_all_flows_that_match_are_set(alice: Client, flow: Flow) -> None:
    Flow.objects.update(created_at=timezone.now())

    job = _work_off(_begin(alice, "/ui/flows/bulk?namespace=company", act="labels", labels="tier:gold"))

    assert job.done_count == 1
    assert Flow.objects.get().labels == [{"key": "tier", "value": "gold"}]


@pytest.mark.parametrize(
    "fields", [{"act": "explode"}, {"act": "labels", "labels": "nonsense"}, {"act": "state", "state": "RUNNING"}, {"act": "kill"}]
)
def test_a_job_that_cannot_be_understood_is_refused(alice: Client, fields: dict[str, str]) -> None:
    execution = {} if fields["act"] == "kill" else {"execution": "one"}

    assert alice.post("/ui/executions", {**fields, **execution}).status_code == 422
    assert not BulkJob.objects.exists()


def test_the_audit_log_names_who_asked_and_what_was_done(alice: Client, flow: Flow) -> None:
    save_execution("one")
    job = _work_off(_begin(alice, "/ui/executions", act="delete", execution="one"))

    rows = {row.what: row for row in AuditEntry.objects.all()}
    assert rows["execution.delete-many"].object_id == job.id
    assert rows["execution.delete"].who == "alice@example.org"
    assert rows["execution.delete"].after == {"job": job.id, "count": 1, "executions": ["one"]}


def test_old_jobs_are_forgotten(alice: Client, flow: Flow) -> None:
    save_execution("one")
    _work_off(_begin(alice, "/ui/executions", act="delete", execution="one"))

    assert purge_old_jobs(at=timezone.now() + timedelta(days=29)) == 0
    assert purge_old_jobs(at=timezone.now() + timedelta(days=31)) > 0
    assert not BulkJob.objects.exists()


def test_the_confirmation_offers_every_action_that_is_allowed(alice: Client, flow: Flow) -> None:
    save_execution(created_at=AT)

    executions = alice.get("/ui/executions/bulk").content.decode()
    flows = alice.get("/ui/flows/bulk").content.decode()

    assert [word for word in ("Kill", "Replay", "Set labels", "Change state") if word not in executions] == []
    assert "Disable" in flows and "Restore" not in flows


def test_the_pages_of_jobs_cost_a_fixed_number_of_statements(alice: Client, flow: Flow) -> None:
    for number in range(60):
        save_execution(f"run{number}")
    job = _work_off(_begin(alice, "/ui/executions/bulk", act="kill"))
    for _ in range(5):
        _begin(alice, "/ui/executions/bulk", act="kill")

    for address in (f"/ui/jobs/{job.id}", "/ui/jobs", "/ui/executions/bulk", "/ui/flows/bulk"):
        with CaptureQueriesContext(connection) as found:
            assert alice.get(address).status_code == 200

        assert len(found) <= 15, address


def test_a_job_on_triggers_leads_to_their_flows(alice: Client, flow: Flow) -> None:
    api = "/api/v1/main/triggers/set-disabled/by-query?disabled=true"
    for number in range(MOST_AT_ONCE):
        TriggerState.objects.create(
            namespace=flow.namespace, flow_id=flow.flow_id, trigger_id=f"t{number}", type="x", family="schedule", flow_revision=1
        )
    alice.post(api)

    job = _work_off(BulkJob.objects.get())
    page = alice.get(f"/ui/jobs/{job.id}?show=DONE").content.decode()

    assert (job.phase, job.total, job.done_count) == ("DONE", MOST_AT_ONCE + 1, MOST_AT_ONCE + 1)
    assert f"Disable {MOST_AT_ONCE + 1} triggers" in page
    assert f"/ui/flows/edit/{flow.namespace}/{flow.flow_id}/triggers" in page
    assert "Enable the" in page
    assert alice.get("/ui/jobs").status_code == 200

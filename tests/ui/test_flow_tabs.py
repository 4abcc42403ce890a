"""The tabs of a flow over its runs, imports with a dry run, backfills, namespaces and settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.models import Binding, Firing, Flow, FlowRevision, KeyValue, Metric, NamespaceFile, Role, TriggerState
from flows.operations.roles import write_built_in_roles
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_execution, save_flow, save_task_run

FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"

pytestmark = pytest.mark.django_db


def test_the_grid_shows_the_worst_state_of_each_task(alice: Client, flow: Flow) -> None:
    execution = save_execution(state="FAILED")
    save_task_run(execution, "say", number=1)
    save_task_run(execution, "say", number=2, state="FAILED")

    page = alice.get(f"{FLOW}/executions").content.decode()

    assert 'title="say: FAILED' in page


def test_the_grid_costs_the_same_for_many_runs(alice: Client, flow: Flow) -> None:
    save_execution("one")
    with CaptureQueriesContext(connection) as few:
        alice.get(f"{FLOW}/executions")
    for number in range(25):
        save_task_run(save_execution(f"run{number}", created_at=AT + timedelta(seconds=number)), "hello")
    with CaptureQueriesContext(connection) as many:
        alice.get(f"{FLOW}/executions")

    assert len(many) <= len(few) + 1 <= 15


def test_metrics_are_summed_per_run(alice: Client, flow: Flow) -> None:
    for number, value in enumerate((1.0, 3.0)):
        execution = save_execution(f"run{number}", created_at=AT + timedelta(seconds=number))
        Metric.objects.create(
            namespace=NAMESPACE,
            flow_id=FLOW_ID,
            execution_id=execution.id,
            task_id="hello",
            kind="counter",
            name="rows",
            value=value,
            timestamp=AT,
        )

    card = alice.get(f"{FLOW}/metrics").context["cards"][0]

    assert (card["least"], card["median"], card["high"], card["count"]) == (1.0, 2.0, 3.0, 2)


def test_the_queue_of_a_flow_is_listed_and_can_be_cancelled(alice: Client) -> None:
    save_flow(SOURCE + "concurrency:\n  limit: 1\n", concurrency_limit=1)
    save_execution("holder", state="RUNNING", slot_held=True)
    save_execution("waits", state="QUEUED")

    page = alice.get(f"{FLOW}/concurrency")
    alice.post(f"{FLOW}/queue/cancel", {"execution": "waits"})

    assert [row.id for row in page.context["holders"]] == ["holder"]
    assert [row.id for row in page.context["waiting"]] == ["waits"]
    assert alice.get(f"{FLOW}/concurrency").context["waiting_count"] == 0


def test_a_viewer_is_offered_nothing_in_the_queue_of_a_flow(client: Client, alice: Client) -> None:
    save_flow(SOURCE + "concurrency:\n  limit: 1\n", concurrency_limit=1)
    save_execution("holder", state="RUNNING", slot_held=True)
    save_execution("waits", state="QUEUED")
    write_built_in_roles()
    viewer = User.objects.create_user("bob@example.org", password="Correct-horse-1")
    Binding.objects.create(id="b1", role=Role.objects.get(name="viewer"), user=viewer, created_at=AT)
    client.force_login(viewer)

    page, owners = (browser.get(f"{FLOW}/concurrency") for browser in (client, alice))

    assert page.context["holder_count"] == 1
    assert "Run now" not in page.content.decode() and "Run now" in owners.content.decode()


def test_the_runs_of_a_flow_are_counted_and_all_of_them_can_be_acted_on(alice: Client, flow: Flow) -> None:
    for number in range(3):
        save_execution(f"run{number}", state="FAILED" if number else "SUCCESS")

    page = alice.get(f"{FLOW}/executions?state=FAILED")

    assert page.context["total"] == "2"
    assert f"/ui/executions/bulk?flow={FLOW_ID}&amp;namespace={NAMESPACE}&amp;state=FAILED" in page.content.decode()


def test_the_question_before_a_backfill_is_cancelled_tells_what_stays(alice: Client, flow: Flow) -> None:
    held = {"id": "b1", "start": "2031-05-01T00:00:00+00:00", "end": "2031-05-05T00:00:00+00:00", "paused": False}
    TriggerState.objects.update(backfill={**held, "currentDate": "2031-05-02T00:00:00+00:00"})
    names = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "trigger_id": "nightly", "backfill_id": "b1"}
    for hour in range(2):
        Firing.objects.create(**names, scheduled_at=AT + timedelta(hours=hour), execution_id=f"f{hour}", fired_at=AT)

    page = alice.get(f"{FLOW}/triggers").content.decode()

    assert "The 2 executions that it started stay; 75 % of the range is left and will not run." in page
    assert "manage.py triggers backfill company.team daily nightly --cancel" in page


def test_revisions_are_compared_in_words_and_can_be_run(alice: Client, flow: Flow) -> None:
    FlowRevision.objects.create(flow=flow, revision=2, source=SOURCE.replace("0 3 * * *", "0 4 * * *"), created_at=AT)
    Flow.objects.update(revision=2)

    page = alice.get(f"{FLOW}/revisions")

    assert page.context["words"] == ["`cron` of `nightly` changed"]
    assert f"{FLOW}/execute?revision=1" in page.content.decode()
    assert alice.get(f"{FLOW}/execute?revision=1").status_code == 200


def test_an_import_is_shown_before_anything_is_written(alice: Client, flow: Flow) -> None:
    documents = "\n---\n".join(
        [SOURCE.replace("0 3", "0 5"), SOURCE.replace("id: daily", "id: fresh"), "id: broken\nnamespace: n\n"]
    )

    page = alice.post("/ui/flows/import", {"file": SimpleUploadedFile("all.yaml", documents.encode())})
    verdicts = [row["verdict"] for row in page.context["rows"]]
    before = Flow.objects.count()
    alice.post("/ui/flows/import/store", {"text": [row["text"] for row in page.context["good"]]})

    assert verdicts == ["update", "create", "invalid"]
    assert before == 1
    assert set(Flow.objects.values_list("flow_id", "revision")) == {("daily", 2), ("fresh", 1)}


def test_a_changed_dry_run_is_refused(alice: Client, flow: Flow) -> None:
    assert alice.post("/ui/flows/import/store", {"text": ["id: x\n:abc:def"]}).status_code == 422


def test_a_schedule_is_said_in_words_with_ten_dates_and_evaluated_without_a_start(alice: Client, flow: Flow) -> None:
    page = alice.get(f"{FLOW}/triggers")
    answer = alice.post(f"/ui/triggers/{NAMESPACE}/{FLOW_ID}/nightly/act/evaluate")

    assert page.context["rows"][0]["words"] == "at 03:00, UTC"
    assert len(page.context["rows"][0]["dates"]) == 10
    assert "Nothing+was+started" in answer["Location"]


def test_a_backfill_tells_what_ran_before(alice: Client, flow: Flow) -> None:
    save_execution(trigger={"id": "nightly", "type": "x", "variables": {"date": "2026-05-02T03:00:00Z"}})

    page = alice.get(f"/ui/triggers/{NAMESPACE}/{FLOW_ID}/nightly/backfill?start=2026-05-01T00:00:00Z&end=2026-05-04T00:00:00Z")

    assert page.context["count"] == 3
    assert page.context["overlap_count"] == 1


@pytest.mark.parametrize("tab", ["executions", "plugin-defaults", "dependencies"])
def test_each_tab_of_a_namespace_opens(alice: Client, flow: Flow, tab: str) -> None:
    save_execution()

    assert alice.get(f"/ui/namespaces/{NAMESPACE}/{tab}").status_code == 200


def test_a_key_keeps_the_type_that_was_chosen(alice: Client, flow: Flow) -> None:
    alice.post(f"/ui/namespaces/{NAMESPACE}/act/kv-set", {"key": "zip", "value": "01234", "kind": "STRING"})

    assert KeyValue.objects.get().value == "01234"


def test_files_are_made_moved_and_shown_in_their_versions(alice: Client, flow: Flow) -> None:
    url = f"/ui/namespaces/{NAMESPACE}"
    alice.post(f"{url}/act/file-new", {"path": "a/b.txt"})
    alice.post(f"{url}/act/file-save", {"path": "/a/b.txt", "text": "second"})
    old, new = (alice.get(f"{url}/files?path=/a/b.txt{query}").context["text"] for query in ("&version=1", ""))
    alice.post(f"{url}/act/file-move", {"path": "/a/b.txt", "target": "/c.txt"})

    assert (old, new) == ("", "second")
    assert set(NamespaceFile.objects.filter(is_directory=False).values_list("path", flat=True)) == {"/c.txt"}


def test_saving_variables_keeps_plugin_defaults(alice: Client, flow: Flow) -> None:
    url = f"/ui/namespaces/{NAMESPACE}"
    alice.post(f"{url}/act/defaults-set", {"text": "- type: io.kestra.plugin.core.log.Log\n  values: {level: WARN}\n"})
    alice.post(f"{url}/act/variables-set", {"text": "a: 1"})

    assert "WARN" in alice.get(f"{url}/plugin-defaults").context["text"]
    assert alice.get(f"{url}/variables").context["text"] == "a: 1\n"


def test_settings_are_kept_with_the_account(alice: Client, flow: Flow) -> None:
    del alice.cookies["look"]
    alice.post("/ui/settings", {"name": "theme", "value": "dark"})

    page = alice.get("/ui/settings")
    assert 'data-theme="dark"' in page.content.decode()
    assert page.cookies["look"].value == "v=1&theme=dark"
    assert alice.post("/ui/settings", {"name": "theme", "value": "<x>"}).status_code == 422

"""The list of flows, dependencies as a picture, revisions with their history, the log of a flow, and its triggers."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.engine.catalog import forget_flows
from flows.models import Execution, Firing, Flow, FlowRevision, TriggerState
from flows.ui.painters.flow_rows import TreeHeading, TriggerMark
from flows.ui.painters.source_hits import list_pieces
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_execution, save_flow, save_log

FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"
CALLER = """id: {flow_id}
namespace: {namespace}
tasks:
  - id: start
    type: io.kestra.plugin.core.flow.Subflow
    namespace: {target_namespace}
    flowId: {target}
"""
LISTENER = """id: {flow_id}
namespace: company.team
tasks:
  - {{id: a, type: io.kestra.plugin.core.log.Log, message: x}}
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - type: io.kestra.plugin.core.condition.ExecutionFlow
        namespace: company.team
        flowId: {source}
"""

pytestmark = pytest.mark.django_db


def save_plain_flow(source: str, namespace: str, flow_id: str) -> None:
    """Store a flow without a row for a trigger."""
    row = Flow.objects.create(namespace=namespace, flow_id=flow_id, created_at=AT, updated_at=AT)
    FlowRevision.objects.create(flow=row, revision=1, source=source, created_at=AT)
    forget_flows()


def save_chain() -> None:
    """Store `first` that starts `second` that starts `daily`, whose end triggers `last`."""
    for flow_id, target in (("first", "second"), ("second", FLOW_ID)):
        text = CALLER.format(flow_id=flow_id, namespace=NAMESPACE, target_namespace=NAMESPACE, target=target)
        save_plain_flow(text, NAMESPACE, flow_id)
    save_plain_flow(LISTENER.format(flow_id="last", source=FLOW_ID), NAMESPACE, "last")


def list_pairs(page: object) -> set[tuple[str, str, str]]:
    """Return the shown relations as source, kind, target."""
    return {(one["source"][1], one["kind"], one["target"][1]) for one in page.context["relations"]}  # type: ignore[attr-defined]


def test_dependencies_reach_as_far_as_the_address_says(alice: Client, flow: Flow) -> None:
    save_chain()

    near = alice.get(f"{FLOW}/dependencies?depth=1")
    far = alice.get(f"{FLOW}/dependencies")

    assert list_pairs(near) == {("second", "starts", "daily"), ("daily", "triggers", "last")}
    assert list_pairs(far) == {*list_pairs(near), ("first", "starts", "second")}


@pytest.mark.parametrize(
    ("direction", "found"), [("up", {("second", "starts", "daily")}), ("down", {("daily", "triggers", "last")})]
)
def test_dependencies_are_shown_in_one_direction(
    alice: Client, flow: Flow, direction: str, found: set[tuple[str, str, str]]
) -> None:
    save_chain()

    page = alice.get(f"{FLOW}/dependencies?depth=1&direction={direction}")

    assert list_pairs(page) == found


def test_the_picture_of_dependencies_is_coloured_by_the_last_run(alice: Client, flow: Flow) -> None:
    save_chain()
    save_execution("old", flow_id="second")
    save_execution("new", flow_id="second", state="FAILED", created_at=AT + timedelta(minutes=1))

    picture = alice.get(f"{FLOW}/dependencies").context["graph"]

    assert 'aria-label="second, failed, company.team"' in picture
    assert "st-failed" in picture and "st-good" not in picture


def test_dependencies_cost_the_same_for_few_and_for_many_flows(alice: Client, flow: Flow) -> None:
    save_chain()
    with CaptureQueriesContext(connection) as few:
        alice.get(f"{FLOW}/dependencies")
    for number in range(20):
        text = CALLER.format(flow_id=f"more{number}", namespace=NAMESPACE, target_namespace=NAMESPACE, target=FLOW_ID)
        save_plain_flow(text, NAMESPACE, f"more{number}")
    with CaptureQueriesContext(connection) as many:
        alice.get(f"{FLOW}/dependencies")

    assert len(many) == len(few) <= 15


def test_a_namespace_shows_the_dependencies_of_its_flows(alice: Client, flow: Flow) -> None:
    save_chain()

    page = alice.get(f"/ui/namespaces/{NAMESPACE}/dependencies?as=table")

    assert ("first", "starts", "second") in list_pairs(page)
    assert page.context["graph"] == ""


def test_the_tree_of_flows_counts_what_lies_below(alice: Client, flow: Flow) -> None:
    save_flow(namespace="company.team.deep", flow_id="other")

    rows = alice.get("/ui/flows?view=tree").context["rows"]

    heads = [(row.namespace, row.depth, row.count) for row in rows if isinstance(row, TreeHeading)]
    assert heads == [("company", 0, 2), ("company.team", 1, 2), ("company.team.deep", 2, 1)]


def test_the_list_names_triggers_that_keep_no_state(alice: Client) -> None:
    save_plain_flow(LISTENER.format(flow_id="last", source=FLOW_ID), NAMESPACE, "last")

    rows = alice.get("/ui/flows").context["rows"]

    assert rows[0].triggers == [TriggerMark("flow", f"after: after {NAMESPACE}.{FLOW_ID}")]


def test_the_list_shows_the_columns_that_were_chosen_in_their_order(alice: Client, flow: Flow) -> None:
    alice.post("/ui/flows/view", {"act": "columns", "column": ["revision", "namespace", "nonsense"], "query": "q=dai"})

    page = alice.get("/ui/flows?q=")

    heads = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)', page.content.decode())
    assert page.context["columns"] == ("revision", "namespace")
    assert heads == ["Flow", "Rev.", "Namespace"]


def test_the_list_opens_with_the_filter_that_was_saved_for_it(alice: Client, flow: Flow) -> None:
    kept = alice.post("/ui/flows/view", {"act": "save", "name": "mine", "query": "label=team:data", "default": "1"})

    opened = alice.get("/ui/flows")

    assert kept["Location"] == opened["Location"] == "/ui/flows?label=team:data"
    assert alice.get("/ui/flows?q=").status_code == 200


def test_a_head_sorts_the_list_and_turns_it_round(alice: Client, flow: Flow) -> None:
    save_flow(flow_id="zebra", updated_at=AT + timedelta(days=1))

    up, down = (alice.get(f"/ui/flows?sort=flow:{order}") for order in ("asc", "desc"))

    assert [row.flow.flow_id for row in up.context["rows"]] == ["daily", "zebra"]
    assert [row.flow.flow_id for row in down.context["rows"]] == ["zebra", "daily"]
    assert 'aria-sort="descending"' in down.content.decode()
    assert alice.get("/ui/flows?sort=nonsense:desc").status_code == 200


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_the_list_comes_as_a_file(alice: Client, flow: Flow, form: str) -> None:
    save_flow(flow_id="other")

    text = b"".join(alice.get(f"/ui/flows/export?form={form}&q=dai").streaming_content).decode()  # type: ignore[attr-defined]

    lines = text.splitlines()
    if form == "csv":
        assert lines[0].startswith("namespace,id,revision") and lines[1].startswith("company.team,daily,1,False")
    assert len(lines) == (2 if form == "csv" else 1)
    assert "daily" in lines[-1]


def test_a_bar_of_the_list_leads_to_its_run_by_the_begin_of_its_id(alice: Client, flow: Flow) -> None:
    save_execution("0AbCdEfGhIjKlMnOpQrStU")
    page = alice.get("/ui/flows").content.decode()

    address = re.findall(r'<a class="st-good b\d+" href="([^"]+)"', page)

    assert address == ["/ui/e/0AbCdEfGhIj"]
    assert alice.get(address[0])["Location"].endswith("/0AbCdEfGhIjKlMnOpQrStU")
    save_execution("0AbCdEfGhIjKlZZZZZZZZZ")
    assert alice.get(address[0]).status_code == 404


def test_a_hit_in_a_source_comes_with_three_lines_around_it(alice: Client, flow: Flow) -> None:
    page = alice.get("/ui/flows/search?q=taskrun.value").content.decode()

    assert re.findall(r'aria-label="Line (\d+)"', page) == ["17", "18", "19", "20", "21", "22", "23"]
    assert "<mark>taskrun.value</mark>" in page
    assert f"{FLOW}/edit?line=20" in page


def test_hits_that_lie_close_together_are_one_piece() -> None:
    assert list(list_pieces([1, 4, 20], 21)) == [(1, 7), (17, 21)]
    assert list(list_pieces([], 5)) == []


def test_a_pattern_that_is_none_is_told_on_the_page(alice: Client, flow: Flow) -> None:
    page = alice.get("/ui/flows/search?regex=1&q=(")

    assert page.status_code == 200
    assert "is no regular expression" in page.content.decode()


def test_triggers_are_sorted_and_come_as_a_file(alice: Client, flow: Flow) -> None:
    save_flow(flow_id="zebra")

    listed = alice.get("/ui/triggers?sort=flow:desc").context["rows"]
    text = b"".join(alice.get("/ui/triggers/export?q=zebra").streaming_content).decode()  # type: ignore[attr-defined]

    assert [row["state"].flow_id for row in listed] == ["zebra", "daily"]
    assert [line.split(",")[1] for line in text.splitlines()] == ["flowId", "zebra"]


def test_a_viewer_is_offered_no_action_on_flows(client: Client, flow: Flow) -> None:
    client.force_login(User.objects.create_user("charlie@example.org", password="Correct-horse-1"))

    page = client.get("/ui/flows").content.decode()

    assert "New flow" not in page and "Import" not in page


def test_a_save_in_the_editor_tells_its_message_and_its_way(alice: Client, flow: Flow) -> None:
    body = {"source": SOURCE.replace("0 3", "0 4"), "base": 1, "flow": f"{NAMESPACE}/{FLOW_ID}", "message": "An hour\nlater"}
    alice.post("/ui/flows/save", json.dumps(body), content_type="application/json")

    newest = alice.get(f"{FLOW}/revisions").context["rows"][0]

    assert (newest.message, newest.origin, newest.saved_by) == ("An hour later", "CONSOLE", "alice@example.org")


def test_a_restored_revision_says_so(alice: Client, flow: Flow) -> None:
    FlowRevision.objects.create(flow=flow, revision=2, source=SOURCE.replace("0 3", "0 4"), created_at=AT)
    Flow.objects.update(revision=2)
    alice.post(f"{FLOW}/act/restore", {"revision": "1"})

    newest = FlowRevision.objects.get(revision=3)

    assert (newest.source, newest.message) == (SOURCE, "Revision 1 restored")


def test_a_difference_is_shown_in_one_column(alice: Client, flow: Flow) -> None:
    FlowRevision.objects.create(flow=flow, revision=2, source=SOURCE.replace("0 3", "0 4"), created_at=AT)
    Flow.objects.update(revision=2)

    page = alice.get(f"{FLOW}/revisions?view=unified").content.decode()

    assert '<tr class="d-del">' in page and '<tr class="d-add">' in page


def test_the_log_of_a_flow_holds_no_line_of_another(alice: Client, flow: Flow) -> None:
    save_flow(flow_id="other")
    save_log(save_execution(), "of daily", task_id="hello")
    save_log(save_execution("exec2", flow_id="other"), "of other")
    save_log(save_execution("exec3", namespace=f"{NAMESPACE}.deep"), "of a flow below")

    page = alice.get(f"{FLOW}/logs").content.decode()
    file = b"".join(alice.get(f"{FLOW}/logs/download").streaming_content).decode()  # type: ignore[attr-defined]

    assert "of daily" in page and "of other" not in page and "of a flow below" not in page
    assert "of daily" in file and "of other" not in file and "of a flow below" not in file


def test_a_line_of_a_flows_log_names_its_execution_instead_of_the_flow(alice: Client, flow: Flow) -> None:
    save_log(save_execution("0AbCdEfGhIjKlMnOpQrStU"), "hello", task_id="hello")

    own, every = (
        re.findall(r'<a class="l-flow"[^>]*>([^<]*)', alice.get(url).content.decode()) for url in (f"{FLOW}/logs", "/ui/logs")
    )

    assert (own, every) == (["0AbCdEfG"], ["daily"])


def test_the_overview_shows_twenty_runs_with_ratio_and_median(alice: Client, flow: Flow) -> None:
    for number in range(25):
        save_execution(
            f"run{number}", state="FAILED" if number % 4 == 0 else "SUCCESS", created_at=AT + timedelta(seconds=number)
        )

    context = alice.get(FLOW).context

    assert context["run_count"] == 20
    assert context["ratio"] == 75


def test_a_trigger_that_cannot_be_used_is_listed_with_the_reason(alice: Client, flow: Flow) -> None:
    FlowRevision.objects.update(source=SOURCE.replace("trigger.Schedule", "trigger.Shedule"))
    forget_flows()

    page = alice.get("/ui/triggers").content.decode()

    assert "unusable" in page and "trigger.Shedule" in page


def test_the_last_evaluation_of_a_trigger_is_told(alice: Client, flow: Flow) -> None:
    failed = {"at": AT.isoformat(), "seconds": 1.5, "result": "FAILED", "message": "no such host", "executionId": None}
    TriggerState.objects.update(evaluation=failed)

    listed = alice.get("/ui/triggers?is=failed").context["rows"][0]["evaluation"]
    page = alice.get(f"{FLOW}/triggers").content.decode()

    assert (listed["has_failed"], listed["duration"]) == (True, "1.5 s")
    assert "no such host" in page
    assert not alice.get("/ui/triggers?is=off").context["rows"]


def test_a_schedule_is_evaluated_on_its_page_without_a_start(alice: Client, flow: Flow) -> None:
    page = alice.get(f"{FLOW}/triggers?dry=nightly")

    assert page.context["rows"][0]["dry"].fires
    assert "Evaluated without a start" in page.content.decode()
    assert not Execution.objects.exists()


def test_a_running_backfill_shows_what_it_started(alice: Client, flow: Flow) -> None:
    save_execution("filled")
    held = {"id": "b1", "start": "2031-05-01T00:00:00+00:00", "end": "2031-05-05T00:00:00+00:00", "paused": False}
    TriggerState.objects.update(backfill={**held, "currentDate": "2031-05-02T00:00:00+00:00"})
    names = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "trigger_id": "nightly", "backfill_id": "b1"}
    Firing.objects.create(**names, scheduled_at=AT, execution_id="filled", fired_at=AT)

    row = alice.get(f"{FLOW}/triggers").context["rows"][0]

    assert row["percent"] == 25
    assert [(date, run.pk) for date, run in row["runs"]] == [(AT, "filled")]


def test_an_action_of_the_list_of_triggers_leads_back_to_it(alice: Client, flow: Flow) -> None:
    answer = alice.post(f"/ui/triggers/{NAMESPACE}/{FLOW_ID}/nightly/act/disable", {"back": "list"})

    assert answer["Location"].startswith("/ui/triggers?")
    assert TriggerState.objects.get().disabled

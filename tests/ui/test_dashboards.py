"""Dashboards: the default one with its figures, and those that people write."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.language.dashboards import parse_dashboard
from flows.models import Binding, Dashboard, Execution, Flow, Role
from flows.operations.roles import write_built_in_roles
from flows.ui.painters.figures import draw_chart, nice_top
from flows.ui.views.dashboards import _EXAMPLE
from tests.ui.conftest import save_execution, save_log, save_task_run

HOSTILE = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


def save_now(execution_id: str, **fields: object) -> Execution:
    at = timezone.now() - timedelta(minutes=5)
    return save_execution(execution_id, created_at=at, ended_at=at + timedelta(seconds=3), **fields)  # type: ignore[arg-type]


def read_file(client: Client, url: str) -> str:
    return b"".join(client.get(url).streaming_content).decode()  # type: ignore[attr-defined]


def test_the_default_dashboard_counts_and_leads_to_the_lists(alice: Client, flow: Flow) -> None:
    save_now("good")
    save_log(save_now("bad", state="FAILED"), f"first {HOSTILE}\nsecond", level=4)
    with CaptureQueriesContext(connection) as queries:
        page = alice.get("/ui/?range=24h")
    text = page.content.decode()

    assert page.context["history"].total == 2
    assert page.context["ratio"] == 50.0
    assert "first &lt;script&gt;" in text and HOSTILE not in text
    assert "/ui/executions?range=24h&amp;state=FAILED" in text
    assert len(queries) <= 15


@pytest.mark.parametrize(
    "query", ["range=1h", "range=30d", "namespace=company", "flow=daily", "label=a:b", "from=nonsense", "range=x"]
)
def test_each_filter_gives_a_page(alice: Client, flow: Flow, query: str) -> None:
    save_now("good")

    assert alice.get(f"/ui/?{query}").status_code == 200


def test_a_dashboard_is_written_shown_exported_and_deleted(alice: Client, flow: Flow) -> None:
    save_now("good")
    saved = alice.post(
        "/ui/dashboards/save", json.dumps({"source": f"id: ours\n{_EXAMPLE}", "flow": ""}), content_type="application/json"
    )
    page = alice.get("/ui/dashboards/ours?range=24h")
    csv = read_file(alice, "/ui/dashboards/ours/by_state.csv")

    assert saved.json()["url"] == "/ui/dashboards/ours"
    assert [card.get("fault") for card in page.context["cards"]] == [None, None, None]
    assert csv.splitlines() == ["state,count", "SUCCESS,1"]
    assert alice.get("/ui/dashboards/ours/edit").status_code == alice.get("/ui/dashboards").status_code == 200
    alice.post("/ui/dashboards/ours/delete")
    assert not Dashboard.objects.exists()


def test_a_fault_is_told_with_its_line_and_a_preview_needs_no_saving(alice: Client) -> None:
    good = alice.post("/ui/dashboards/check", _EXAMPLE, content_type="text/plain").json()
    bad = alice.post("/ui/dashboards/check", "title: x\ncharts:\n  - id: a\n    type: no\n", content_type="text/plain").json()

    assert "Over time" in good["picture"] and not good["problems"]
    assert bad["problems"][0]["line"] >= 3 and "picture" not in bad
    assert not Dashboard.objects.exists()


def test_hostile_names_are_drawn_as_text() -> None:
    typed, _ = parse_dashboard(_EXAMPLE.replace("displayName: By state", f'displayName: "{HOSTILE}"'))
    assert typed is not None

    for chart in typed.charts:
        rows = [{column.key: HOSTILE if column.agg is None else 3 for column in chart.data.columns}] if chart.data else []
        assert HOSTILE not in draw_chart(chart, rows)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 5), (16, 20), (99, 100), (0.3, 0.5)])
def test_the_axis_ends_at_a_round_number(most: float, top: float) -> None:
    assert nice_top(most) == pytest.approx(top)


def test_a_latest_failure_says_what_its_card_says(alice: Client, flow: Flow) -> None:
    execution = save_now("bad", state="FAILED")
    group = save_task_run(execution, "group", state="FAILED")
    culprit = save_task_run(execution, "load", state="FAILED", number=1, parent_id=group.id)
    save_log(execution, "Traceback\nValueError: rows differ", level=4, task_run_id=culprit.id, task_id="load")
    save_log(execution, "The alert says so", level=4, task_id="alert")

    [(_, message)] = alice.get("/ui/").context["failures"]

    assert message == "ValueError: rows differ"


def test_every_part_of_the_default_dashboard_comes_as_csv(alice: Client, flow: Flow) -> None:
    save_now("good")
    save_log(save_now("bad", state="FAILED"), "no such table", level=4)
    page = alice.get("/ui/?range=1h")

    files = {name: read_file(alice, url).splitlines() for name, url in page.context["csv"].items()}

    assert files["executions_over_time"][0] == "begin,all,FAILED,SUCCESS"
    assert files["executions_over_time"][1].endswith(",2,1,1")
    assert files["latest_failures"][1].endswith(",no such table")
    assert files["failures_by_namespace"] == ["namespace,failed,all", "company.team,1,2"]
    assert set(files) == {
        "executions_over_time", "latest_failures", "running_longest", "next_scheduled", "failures_by_namespace",
        "slower_than_usual",
    }  # fmt: skip
    assert "as a table" in page.content.decode()


def test_what_runs_now_is_compared_with_what_ran_when_the_time_began(alice: Client, flow: Flow) -> None:
    at = timezone.now()
    save_execution("long_ago", created_at=at - timedelta(hours=3), ended_at=at - timedelta(minutes=30))
    save_execution("still", state="RUNNING", created_at=at - timedelta(hours=2))
    save_execution("fresh", state="RUNNING", created_at=at - timedelta(minutes=5))
    save_execution("fresher", state="QUEUED", created_at=at - timedelta(minutes=4))

    context = alice.get("/ui/?range=1h").context

    assert (context["alive"], context["alive_change"]) == (3, "+1")


def test_a_part_of_a_bar_leads_to_the_executions_of_its_time_and_state(alice: Client, flow: Flow) -> None:
    save_now("good")
    save_now("bad", state="FAILED")
    page = alice.get("/ui/?range=1h&flow=daily").content.decode()

    links = re.findall(r'<a href="(/ui/executions[?][^"]*from=[^"]*state=FAILED)"', page)

    assert len(links) == 1 and "flow=daily" in links[0]
    assert len(alice.get(unescape(links[0])).context["slice"].rows) == 1


def test_figures_lead_to_lists_with_the_filters_of_the_page(alice: Client, flow: Flow) -> None:
    context = alice.get(
        "/ui/dashboards/default?from=2031-05-01T00:00:00Z&to=2031-05-02T00:00:00Z&namespace=company&label=a:b"
    ).context

    assert context["list_url"] == (
        "/ui/executions?from=2031-05-01T00%3A00%3A00Z&to=2031-05-02T00%3A00%3A00Z&namespace=company&label=a%3Ab"
    )
    assert "namespace=company&label=a%3Ab" in context["alive_url"]


def test_a_chart_with_a_fault_says_so_in_its_own_place(alice: Client, flow: Flow) -> None:
    save_now("good")
    where = "\n      where:\n        - {field: START_DATE, type: GREATER_THAN, value: someday}\n"
    first, rest = _EXAMPLE.split("      columns:\n        field: ID\n        agg: COUNT\n", 1)
    source = f"id: ours\n{first}      columns:\n        field: ID\n        agg: COUNT{where}{rest}"
    alice.post("/ui/dashboards/save", json.dumps({"source": source, "flow": ""}), content_type="application/json")

    page = alice.get("/ui/dashboards/ours?range=24h")

    faults = [card.get("fault") for card in page.context["cards"]]
    assert faults[0].request_id and "START_DATE" in faults[0].message
    assert faults[1:] == [None, None]
    assert "Try again" in page.content.decode()


def test_a_viewer_is_offered_no_change_of_a_dashboard(client: Client, alice: Client) -> None:
    alice.post("/ui/dashboards/save", json.dumps({"source": f"id: ours\n{_EXAMPLE}"}), content_type="application/json")
    write_built_in_roles()
    viewer = User.objects.create_user("bob@example.org", password="Correct-horse-1")
    Binding.objects.create(id="b1", role=Role.objects.get(name="viewer"), user=viewer, created_at=timezone.now())
    client.force_login(viewer)

    page = client.get("/ui/dashboards/ours").content.decode()

    assert "Executions" in page
    assert "Delete dashboard" not in page and "/ui/dashboards/new" not in page and "/ui/dashboards/ours/edit" not in page

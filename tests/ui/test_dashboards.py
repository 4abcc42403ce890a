"""Dashboards: the default one with its figures, and those that people write."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.language.dashboards import parse_dashboard
from flows.models import Dashboard, Execution, Flow
from flows.ui.painters.figures import draw_chart, nice_top
from flows.ui.views.dashboards import _EXAMPLE
from tests.ui.conftest import save_execution, save_log, save_task_run

HOSTILE = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


def save_now(execution_id: str, **fields: object) -> Execution:
    at = timezone.now() - timedelta(minutes=5)
    return save_execution(execution_id, created_at=at, ended_at=at + timedelta(seconds=3), **fields)  # type: ignore[arg-type]


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
    csv = alice.get("/ui/dashboards/ours/by_state.csv")

    assert saved.json()["url"] == "/ui/dashboards/ours"
    assert [card.get("fault") for card in page.context["cards"]] == [None, None, None]
    assert csv.content.decode().splitlines() == ["state,count", "SUCCESS,1"]
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


def test_the_history_of_the_default_dashboard_comes_as_a_table_and_as_csv(alice: Client, flow: Flow) -> None:
    save_now("good")
    page = alice.get("/ui/?range=1h")

    text = alice.get(page.context["csv_url"]).content.decode()

    assert text.splitlines()[0] == "begin,all,SUCCESS"
    assert text.splitlines()[1].endswith(",1,1")
    assert "as a table" in page.content.decode()

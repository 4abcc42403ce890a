"""Addresses of the 0.x line: counts over time, the summary, and task runs of all executions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import AT, Api, MakeExecution

WINDOW = {"startDate": "2031-05-03T00:00:00Z", "endDate": "2031-05-05T12:00:00Z"}


def count(api: Api, what: str, **body: Any) -> Any:
    """Return what the statistics of that name answer."""
    answer = api.send("POST", f"/stats/{what}", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_executions_are_counted_by_day_and_state_with_empty_days_between(api: Api, make_execution: MakeExecution) -> None:
    for state in ("SUCCESS", "SUCCESS", "FAILED", "RUNNING"):
        make_execution(state)
    make_execution("SUCCESS", namespace="other")
    days = count(api, "executions/daily", namespace="company", **WINDOW)

    assert [day["startDate"] for day in days] == ["2031-05-03", "2031-05-04", "2031-05-05"]
    assert {state: number for state, number in days[1]["executionCounts"].items() if number} == {
        "SUCCESS": 2,
        "FAILED": 1,
        "RUNNING": 1,
    }
    assert days[1]["duration"] == {"min": 2.0, "avg": 2.0, "max": 2.0, "sum": 6.0, "count": 3}
    assert set(days[0]["executionCounts"].values()) == {0}
    assert days[0]["duration"]["avg"] == 0


@pytest.mark.parametrize(
    ("hours", "unit", "steps"), [(2, "minute", 121), (20, "hour", 21), (24 * 30, "day", 31), (24 * 200, "week", 29)]
)
def test_the_length_of_the_window_chooses_the_step(api: Api, hours: int, unit: str, steps: int) -> None:
    found = count(api, "executions/daily", startDate=(AT - timedelta(hours=hours)).isoformat(), endDate=AT.isoformat())

    assert ({bucket["groupBy"] for bucket in found}, len(found)) == ({unit}, steps)


def test_a_step_of_weeks_or_months_holds_what_began_in_it(api: Api, make_execution: MakeExecution) -> None:
    make_execution()
    for days in (300, 900):
        start = (AT - timedelta(days=days)).isoformat()
        found = count(api, "executions/daily", startDate=start, endDate=(AT + timedelta(hours=1)).isoformat())

        assert [bucket["executionCounts"]["SUCCESS"] for bucket in found][-1] == 1


def test_states_and_labels_narrow_the_counts(api: Api, make_execution: MakeExecution) -> None:
    make_execution("FAILED", labels=[{"key": "team", "value": "shop"}])
    make_execution("FAILED")
    make_execution("SUCCESS")

    def total(**body: Any) -> int:
        return sum(sum(day["executionCounts"].values()) for day in count(api, "executions/daily", **WINDOW, **body))

    assert total(state=["FAILED", "KILLED"]) == 2
    assert total(labels=["team:shop"]) == total(labels={"team": "shop"}) == 1


def test_log_lines_are_counted_by_level(api: Api, make_execution: MakeExecution) -> None:
    make_execution(logs=[(2, "fine"), (2, "fine"), (4, "broken")])
    days = count(api, "logs/daily", **WINDOW)

    assert days[1]["counts"] == {"TRACE": 0, "DEBUG": 0, "INFO": 2, "WARN": 0, "ERROR": 1}
    assert days[1]["timestamp"] == "2031-05-04T00:00:00Z"
    assert count(api, "logs/daily", minLevel="ERROR", **WINDOW)[1]["counts"]["INFO"] == 0


def test_the_summary_counts_flows_and_triggers(api: Api, daily: dict[str, Any]) -> None:
    source = daily["source"].replace("id: daily", "id: second") + (
        "triggers:\n  - id: nightly\n    type: io.kestra.plugin.core.trigger.Schedule\n    cron: 0 3 * * *\n"
    )
    assert api.send_yaml("POST", "/flows", source).status_code == 200

    assert count(api, "summary") == {"flows": 2, "triggers": 1}
    assert count(api, "summary", flowId="daily") == {"flows": 1, "triggers": 0}


@pytest.mark.parametrize(
    "body",
    [
        {"startDate": "yesterday"},
        {"startDate": "2031-05-05T00:00:00Z", "endDate": "2031-05-04T00:00:00Z"},
        {"startDate": "0001-01-01T00:00:00Z"},
        {"endDate": "0001-01-01T00:00:00Z"},
        {"startDate": "9999-12-30T00:00:00Z", "endDate": "9999-12-31T23:59:59Z"},
        {"timeRange": "long"},
        {"timeRange": "P9999999D"},
        {"namespace": {"a": 1}},
        {"state": ["UNKNOWN"]},
        [],
    ],
)
def test_a_window_or_filter_that_makes_no_sense_is_refused(api: Api, body: Any) -> None:
    assert api.send("POST", "/stats/executions/daily", body).status_code in (400, 422)


def test_task_runs_of_all_executions_are_searched(api: Api, make_execution: MakeExecution) -> None:
    first = make_execution(runs={"load": "SUCCESS", "store": "FAILED"})
    make_execution(runs={"load": "SUCCESS"}, namespace="other", minutes=5)
    newest = api.get("/taskruns/search").json()
    failed = api.get("/taskruns/search", state="FAILED", namespace="company").json()

    assert (newest["total"], newest["results"][0]["namespace"]) == (3, "other")
    assert [(run["taskId"], run["executionId"]) for run in failed["results"]] == [("store", first.id)]
    assert api.get("/taskruns/search", sort="taskId:asc", size=1).json()["results"][0]["taskId"] == "load"
    assert api.get("/taskruns/search", startDate=(AT + timedelta(minutes=4)).isoformat()).json()["total"] == 1
    assert api.get("/taskruns/search", sort="nothing:asc").status_code == 422


def test_a_page_of_task_runs_costs_the_same_whatever_its_length(
    api: Api, make_execution: MakeExecution, django_assert_max_num_queries: Any
) -> None:
    for minute in range(5):
        make_execution(runs={"load": "SUCCESS", "store": "FAILED"}, minutes=minute)
    api.get("/taskruns/search")

    with django_assert_max_num_queries(6):
        assert len(api.get("/taskruns/search", size=100).json()["results"]) == 10

"""Dashboards over the API: the documents, the data of every kind of chart, tables, and what hostile documents cannot do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.models import Metric, TriggerState
from tests.api.conftest import AT, Api, MakeExecution, content_of
from tests.language.test_dashboards import CHART, DATA, FAULTY, GOOD

WINDOW = {"startDate": (AT - timedelta(days=1)).isoformat(), "endDate": (AT + timedelta(days=1)).isoformat()}


def chart_text(kind: str, source: str, columns: str, options: str = "", rest: str = "") -> str:
    """Return the text of a chart."""
    return f"""\
id: chart
type: {CHART}.{kind}
chartOptions: {{displayName: Chart{", " + options if options else ""}}}
data: {{type: {DATA}.{source}, columns: {columns}{rest}}}
"""


def fetch(api: Api, chart: str, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of a chart."""
    answer = api.send("POST", "/dashboards/charts/preview", {"chart": chart, "globalFilter": {**WINDOW, **wanted}})
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def test_a_dashboard_is_made_read_changed_and_deleted(api: Api) -> None:
    made = api.send_yaml("POST", "/dashboards", GOOD)
    again = api.send_yaml("POST", "/dashboards", GOOD)
    read = api.get("/dashboards/overview").json()
    changed = api.send_yaml("PUT", "/dashboards/overview", GOOD.replace("title: Overview", "title: Another"))
    moved = api.send_yaml("PUT", "/dashboards/overview", GOOD.replace("id: overview", "id: elsewhere"))
    found = api.get("/dashboards", q="anoth").json()
    deleted = api.send("DELETE", "/dashboards/overview")

    assert (made.status_code, again.status_code, moved.status_code, deleted.status_code) == (200, 422, 422, 204)
    assert (read["sourceCode"], read["title"], read["deleted"]) == (GOOD, "Overview", False)
    assert [chart["id"] for chart in read["charts"]] == ["per_day", "note", "ratio"]
    assert read["timeWindow"] == {"default": "P7D", "max": "P90D"}
    assert changed.json()["title"] == "Another" and found["total"] == 1
    assert api.get("/dashboards/overview").status_code == 404
    assert api.send("DELETE", "/dashboards/overview").status_code == 404


def test_a_dashboard_without_an_id_gets_one(api: Api) -> None:
    made = api.send_yaml("POST", "/dashboards", "title: Untitled\ncharts: []\n").json()

    assert api.get(f"/dashboards/{made['id']}").json()["title"] == "Untitled"


def test_every_fault_of_a_dashboard_is_told_at_once(api: Api) -> None:
    check = api.send_yaml("POST", "/dashboards/validate", FAULTY).json()
    refused = api.send_yaml("POST", "/dashboards", FAULTY)

    assert check["constraints"].count("\n") >= 18
    assert refused.status_code == 422
    assert len(refused.json()["_embedded"]["errors"]) == check["constraints"].count("\n") + 1


def test_a_valid_dashboard_and_chart_have_no_constraints(api: Api) -> None:
    chart = chart_text("Pie", "Executions", "{state: {field: STATE}, n: {agg: COUNT}}")

    assert "constraints" not in api.send_yaml("POST", "/dashboards/validate", GOOD).json()
    assert "constraints" not in api.send_yaml("POST", "/dashboards/validate/chart", chart).json()
    assert api.get("/dashboards/settings/default-dashboards").json() == {}


def test_executions_are_counted_by_state(api: Api, make_execution: MakeExecution) -> None:
    for state in ("SUCCESS", "SUCCESS", "FAILED"):
        make_execution(state)
    make_execution("SUCCESS", kind="LOOP")
    chart = chart_text("Bar", "Executions", "{state: {field: STATE}, n: {agg: COUNT}}", "column: state")

    assert fetch(api, chart) == [{"state": "SUCCESS", "n": 2}, {"state": "FAILED", "n": 1}]


def test_a_series_counts_by_unit_of_time_and_colour(api: Api, make_execution: MakeExecution) -> None:
    make_execution("SUCCESS", minutes=-600)
    make_execution("SUCCESS")
    make_execution("FAILED")
    columns = "{day: {field: START_DATE}, state: {field: STATE}, n: {agg: COUNT}, length: {field: DURATION, agg: AVG}}"
    rows = fetch(api, chart_text("TimeSeries", "Executions", columns, "column: day, colorByColumn: state"))

    assert [(row["day"][:10], row["state"], row["n"]) for row in rows] == [
        ("2031-05-04", "FAILED", 1),
        ("2031-05-04", "SUCCESS", 2),
    ]
    assert rows[0]["length"] == 2.0


def test_a_table_lists_newest_first_page_by_page(api: Api, make_execution: MakeExecution) -> None:
    made = [make_execution(minutes=number).id for number in range(5)]
    chart = chart_text("Table", "Executions", "{id: {field: ID}, team: {field: LABELS, labelKey: team}}")
    answer = api.send(
        "POST", "/dashboards/charts/preview", {"chart": chart, "globalFilter": {**WINDOW, "pageSize": 2, "pageNumber": 2}}
    ).json()

    assert answer == {"results": [{"id": made[2], "team": "data"}, {"id": made[1], "team": "data"}], "total": 5}


def test_a_table_may_be_ordered_and_grouped_by_label(api: Api, make_execution: MakeExecution) -> None:
    for team in ("b", "a", "b"):
        make_execution(labels=[{"key": "team", "value": team}])
    make_execution(labels=[])
    columns = "{team: {field: LABELS, labelKey: team}, n: {agg: COUNT}}"
    rows = fetch(api, chart_text("Table", "Executions", columns, rest=", orderBy: [{column: team, order: DESC}]"))

    assert rows == [{"team": "b", "n": 2}, {"team": "a", "n": 1}, {"team": None, "n": 1}]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("{field: STATE, type: EQUAL_TO, value: FAILED}", 1),
        ("{field: STATE, type: NOT_EQUAL_TO, value: FAILED}", 2),
        ("{field: STATE, type: IN, values: [FAILED, KILLED]}", 2),
        ("{field: STATE, type: NOT_IN, values: [FAILED, KILLED]}", 1),
        ("{field: NAMESPACE, type: STARTS_WITH, value: company}", 3),
        ("{field: FLOW_ID, type: ENDS_WITH, value: ily}", 3),
        ("{field: FLOW_ID, type: CONTAINS, value: ail}", 3),
        ("{field: FLOW_ID, type: REGEX, value: '^d.*y$'}", 3),
        ("{field: DURATION, type: GREATER_THAN, value: 1}", 3),
        ("{field: DURATION, type: LESS_THAN_OR_EQUAL_TO, value: 1}", 0),
        ("{field: END_DATE, type: IS_NULL}", 0),
        ("{field: END_DATE, type: IS_NOT_NULL}", 3),
        ("{field: START_DATE, type: GREATER_THAN_OR_EQUAL_TO, value: '2031-05-04T10:01:00Z'}", 2),
        ("{field: LABELS, labelKey: team, type: EQUAL_TO, value: data}", 3),
        ("{field: LABELS, labelKey: other, type: IS_NULL}", 3),
        ("{type: OR, values: [{field: ID, type: IS_NULL}, {field: LABELS, labelKey: x, type: IS_NULL}]}", 3),
    ],
)  # fmt: skip
def test_filters_choose_rows(api: Api, make_execution: MakeExecution, where: str, count: int) -> None:
    for minutes, state in enumerate(("SUCCESS", "FAILED", "KILLED")):
        make_execution(state, minutes=minutes)
    rows = fetch(api, chart_text("Table", "Executions", "{id: {field: ID}}", rest=f", where: [{where}]"))

    assert len(rows) == count


@pytest.mark.parametrize(
    "where",
    [
        "{field: DURATION, type: EQUAL_TO, value: long}",
        "{field: DURATION, type: EQUAL_TO, value: .nan}",
        "{field: START_DATE, type: LESS_THAN, value: soon}",
        "{field: STATE, type: IS_TRUE}",
        "{field: DURATION, type: CONTAINS, value: 1}",
        "{field: FLOW_ID, type: REGEX, value: '('}",
    ],
)
def test_values_that_do_not_fit_their_field_are_refused(api: Api, where: str) -> None:
    chart = chart_text("Table", "Executions", "{id: {field: ID}}", rest=f", where: [{where}]")

    assert api.send("POST", "/dashboards/charts/preview", {"chart": chart}).status_code in (400, 422)


def test_logs_metrics_flows_and_triggers_are_sources_too(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution(logs=[(2, "a"), (4, "b"), (4, "c")])
    for value in (1.0, 3.0):
        Metric.objects.create(
            namespace="company.team", flow_id="daily", execution_id=execution.id, kind="counter", name="rows", value=value,
            timestamp=AT,
        )  # fmt: skip
    TriggerState.objects.create(
        namespace="company.team", flow_id="daily", trigger_id="nightly", type="x", family="schedule", flow_revision=1
    )
    levels = chart_text("Bar", "Logs", "{level: {field: LEVEL}, n: {agg: COUNT}}", "column: level")
    errors = chart_text("Table", "Logs", "{m: {field: MESSAGE}}", rest=", where: [{field: LEVEL, type: EQUAL_TO, value: ERROR}]")
    metrics = chart_text("Pie", "Metrics", "{name: {field: NAME}, sum: {field: VALUE, agg: SUM}}")
    flows = chart_text("Table", "Flows", "{id: {field: ID}, revision: {field: REVISION}, off: {field: DISABLED}}")
    triggers = chart_text("Table", "Triggers", "{id: {field: TRIGGER_ID}}", rest=", where: [{field: DISABLED, type: IS_FALSE}]")

    assert fetch(api, levels) == [{"level": "ERROR", "n": 2}, {"level": "INFO", "n": 1}]
    assert [row["m"] for row in fetch(api, errors)] == ["c", "b"]
    assert fetch(api, metrics) == [{"name": "rows", "sum": 4.0}]
    assert fetch(api, flows) == [{"id": "daily", "revision": 1, "off": False}]
    assert fetch(api, triggers) == [{"id": "nightly"}]


def test_a_figure_is_a_count_or_a_share(api: Api, make_execution: MakeExecution) -> None:
    for state in ("SUCCESS", "SUCCESS", "SUCCESS", "FAILED"):
        make_execution(state)
    count = chart_text("KPI", "ExecutionsKPI", "{field: ID, agg: COUNT}")
    share = chart_text(
        "KPI", "ExecutionsKPI", "{ok: {field: ID, agg: COUNT}}", "numberType: PERCENTAGE",
        ", numerator: [{field: STATE, type: EQUAL_TO, value: SUCCESS}]",
    )  # fmt: skip

    assert fetch(api, count) == [{"value": 4}]
    assert fetch(api, share) == [{"ok": 75.0}]
    assert fetch(api, share, namespace="nobody") == [{"ok": 0}]


def test_the_viewer_narrows_charts_by_namespace_labels_filters_and_time(api: Api, make_execution: MakeExecution) -> None:
    make_execution()
    make_execution("FAILED", namespace="company.teams", labels=[])
    chart = chart_text("Table", "Executions", "{ns: {field: NAMESPACE}}")

    assert fetch(api, chart, namespace="company.team") == [{"ns": "company.team"}]
    assert fetch(api, chart, labels={"team": "data"}) == [{"ns": "company.team"}]
    assert fetch(api, chart, filters=[{"field": "state", "operation": "IN", "value": ["FAILED"]}]) == [{"ns": "company.teams"}]
    assert len(fetch(api, chart, filters=[{"field": "level", "operation": "EQUALS", "value": "ERROR"}])) == 2
    assert fetch(api, chart, endDate=(AT - timedelta(hours=1)).isoformat()) == []


def test_the_window_of_a_dashboard_is_limited(api: Api) -> None:
    api.send_yaml("POST", "/dashboards", GOOD)
    wide = {"startDate": "2030-01-01T00:00:00Z", "endDate": "2031-01-01T00:00:00Z"}

    assert api.send("POST", "/dashboards/overview/charts/per_day", wide).status_code == 422
    assert api.send("POST", "/dashboards/overview/charts/per_day", {"startDate": "x"}).status_code == 400
    assert api.send("POST", "/dashboards/overview/charts/per_day").status_code == 200
    assert api.send("POST", "/dashboards/overview/charts/nope").status_code == 404
    assert api.send("POST", "/dashboards/nope/charts/per_day").status_code == 404


def test_markdown_gives_its_text_or_the_description_of_a_flow(api: Api, daily: dict[str, Any]) -> None:
    text = f"id: a\ntype: {CHART}.Markdown\ncontent: '# Hi'\n"
    flow = f"id: a\ntype: {CHART}.Markdown\nsource: {{type: FlowDescription, namespace: company.team, flowId: daily}}\n"

    assert fetch(api, text) == [{"content": "# Hi"}]
    assert fetch(api, flow) == [{"description": ""}]


def test_charts_are_exported_as_tables(api: Api, make_execution: MakeExecution) -> None:
    api.send_yaml("POST", "/dashboards", GOOD)
    make_execution("FAILED", flow_id="=cmd()")
    chart = chart_text("Table", "Executions", "{flow: {field: FLOW_ID}, at: {field: START_DATE}}")
    sent = content_of(api.send("POST", "/dashboards/charts/export?format=CSV", {"chart": chart, "globalFilter": WINDOW}))
    stored = api.send("POST", "/dashboards/overview/charts/per_day/export/to-csv", WINDOW)

    assert sent.decode().splitlines() == ["flow,at", "'=cmd(),2031-05-04T10:00:00Z"]
    assert stored["Content-Type"].startswith("text/csv")
    assert content_of(stored).decode().splitlines() == ["day,state,count", "2031-05-04T00:00:00Z,FAILED,1"]


@pytest.mark.parametrize("text", ["') or 1=1 --", "$[*]", '"}', "a'b", "%s", "%%", "{}", "\\"])
def test_labels_and_values_never_become_part_of_a_query(api: Api, make_execution: MakeExecution, text: str) -> None:
    make_execution(labels=[{"key": text, "value": text}])
    quoted = text.replace("'", "''")
    columns = f"{{v: {{field: LABELS, labelKey: '{quoted}'}}, n: {{agg: COUNT}}}}"
    where = f", where: [{{field: LABELS, labelKey: '{quoted}', type: EQUAL_TO, value: '{quoted}'}}]"

    assert fetch(api, chart_text("Table", "Executions", columns, rest=where)) == [{"v": text, "n": 1}]

"""Dashboard documents: what is read, and that one check names every fault."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.language.dashboards import parse_chart, parse_dashboard
from flows.primitives.problems import Severity

CHART = "io.kestra.plugin.core.dashboard.chart"
DATA = "io.kestra.plugin.core.dashboard.data"

GOOD = f"""\
id: overview
title: Overview
description: What happened
timeWindow: {{default: P7D, max: P90D}}
charts:
  - id: per_day
    type: {CHART}.TimeSeries
    chartOptions: {{displayName: Per day, column: day, colorByColumn: state, legend: {{enabled: true}}, width: 6}}
    data:
      type: {DATA}.Executions
      columns:
        day: {{field: START_DATE, displayName: Day}}
        state: {{field: STATE}}
        count: {{agg: COUNT, graphStyle: BARS}}
      where:
        - {{field: NAMESPACE, type: STARTS_WITH, value: company}}
        - type: OR
          values:
            - {{field: STATE, type: EQUAL_TO, value: FAILED}}
            - {{field: LABELS, labelKey: team, type: IN, values: [a, b]}}
      orderBy: [{{column: day, order: ASC}}]
  - {{id: note, type: {CHART}.Markdown, chartOptions: {{displayName: Note}}, content: "# Hello"}}
  - id: ratio
    type: {CHART}.KPI
    chartOptions: {{displayName: Ratio, numberType: PERCENTAGE}}
    data:
      type: {DATA}.ExecutionsKPI
      columns: {{field: ID, agg: COUNT}}
      numerator: [{{field: STATE, type: EQUAL_TO, value: SUCCESS}}]
"""

FAULTY = f"""\
title: ""
timeWindow: {{default: P400D, max: P1D}}
charts:
  - id: "no spaces"
    type: {CHART}.Bar
    chartOptions: {{column: missing, width: 13}}
    data:
      type: {DATA}.Executions
      columns:
        state: {{field: STATE}}
        colour: {{field: COLOUR}}
        nothing: {{displayName: Nothing}}
        label: {{field: LABELS}}
        odd: {{field: DURATION, agg: MEDIAN}}
      orderBy: [{{column: unknown}}]
      where: [{{field: STATE, type: LIKE, value: x}}]
  - id: twice
    type: {CHART}.Table
    chartOptions: {{displayName: Table, pagination: {{enabled: true}}}}
    data:
      type: {DATA}.Logs
      columns:
        text: {{field: MESSAGE}}
        one: {{field: LEVEL, agg: COUNT}}
        two: {{field: LEVEL, agg: COUNT}}
  - id: twice
    type: {CHART}.TimeSeries
    chartOptions: {{displayName: Series, column: level}}
    data:
      type: {DATA}.Logs
      columns:
        level: {{field: LEVEL}}
        one: {{agg: COUNT}}
        two: {{field: ATTEMPT_NUMBER, agg: MAX}}
        three: {{field: ATTEMPT_NUMBER, agg: MIN}}
  - {{id: what, type: {CHART}.Radar}}
"""


def list_errors(text: str) -> list[str]:
    """Return the messages of the errors of a dashboard."""
    return [problem.message for problem in parse_dashboard(text)[1] if problem.severity is Severity.ERROR]


def chart_of(options: str, columns: str, kind: str = "Bar", source: str = "Executions", rest: str = "") -> str:
    """Return the text of one chart."""
    return f"""\
id: chart
type: {CHART}.{kind}
chartOptions: {{displayName: Chart, {options}}}
data: {{type: {DATA}.{source}, columns: {columns}{rest}}}
"""


def test_a_dashboard_is_read_with_its_charts() -> None:
    dashboard, problems = parse_dashboard(GOOD)

    assert problems == []
    assert dashboard is not None
    assert (dashboard.id, dashboard.title, dashboard.window) == ("overview", "Overview", timedelta(days=7))
    assert [chart.kind for chart in dashboard.charts] == ["TimeSeries", "Markdown", "KPI"]
    series = dashboard.charts[0].data
    assert series is not None
    assert [column.key for column in series.columns] == ["day", "state", "count"]
    assert [member.field for member in series.where[1].members] == ["STATE", "LABELS"]


def test_one_check_names_every_fault_of_a_dashboard() -> None:
    errors = list_errors(FAULTY)

    for words in (
        "needs a title", "at most 366 days", "A chart needs an id", 'need a "displayName"', '"width" must be',
        '"column" names the text "missing"', 'shows the text "COLOUR"', 'The column "nothing" needs a "field"',
        'needs a "labelKey"', 'aggregates by the text "MEDIAN"', 'the column the text "unknown"', 'the type the text "LIKE"',
        "exactly 1 aggregating column; this one has 0", "MESSAGE, which cannot stand",
        'The columns "one" and "two" show the same',
        "cannot show pages", 'Two charts have the id "twice"', "must be a column with a date", "1 to 2 aggregating columns",
        "Radar",
    ):  # fmt: skip
        assert any(words in error for error in errors), words


def test_every_fault_has_its_place() -> None:
    _, problems = parse_dashboard(FAULTY)

    assert all(problem.place is not None and problem.place.line > 0 for problem in problems)
    assert any(problem.place and problem.place.path == "charts[0].data.orderBy[0]" for problem in problems)


@pytest.mark.parametrize(
    ("columns", "kind", "options"),
    [
        ("{state: {field: STATE}, n: {agg: COUNT}}", "Bar", "column: state"),
        ("{state: {field: STATE}, n: {agg: COUNT}}", "Pie", "colorByColumn: state"),
        ("{state: {field: STATE}, id: {field: ID}}", "Table", ""),
        ("{state: {field: STATE}, n: {agg: COUNT}}", "Table", ""),
        ("{day: {field: START_DATE}, n: {agg: COUNT}, d: {field: DURATION, agg: AVG}}", "TimeSeries", "column: day"),
        ("{team: {field: LABELS, labelKey: team}, n: {field: ID, agg: COUNT}}", "Bar", "column: team"),
    ],
)
def test_charts_that_make_sense_are_accepted(columns: str, kind: str, options: str) -> None:
    assert parse_chart(chart_of(options, columns, kind))[1] == []


@pytest.mark.parametrize(
    "chart",
    [
        chart_of("column: state", "{state: {field: STATE}, a: {agg: COUNT}, b: {field: ID, agg: COUNT}}"),
        chart_of("column: state", "{state: {field: STATE}, a: {field: STATE, agg: SUM}}"),
        chart_of("", "{state: {field: STATE}, a: {agg: COUNT}}"),
        chart_of("", "{a: {field: ID, agg: COUNT}}", "KPI"),
        chart_of("", "{a: {field: ID, agg: COUNT}}", "Pie", "ExecutionsKPI"),
        chart_of("numberType: PERCENTAGE", "{a: {field: ID, agg: COUNT}}", "KPI", "ExecutionsKPI"),
        chart_of("", "{a: {field: ID, agg: COUNT}, b: {field: STATE}}", "KPI", "ExecutionsKPI"),
        chart_of("", "{}", "Table"),
        chart_of("", "[a]", "Table"),
        chart_of("", "{a: {field: [ID]}}", "Table"),
        chart_of("", "{a: {field: ID}}", "Table", "Secrets"),
        chart_of("", "{a: {field: ID}}", "Table", rest=", where: [{field: STATE, type: IN}]"),
        chart_of("", "{a: {field: ID}}", "Table", rest=", where: [{type: OR}]"),
        chart_of("", "{a: {field: ID}}", "Table", rest=", where: [{field: {a: 1}, type: EQUAL_TO, value: 1}]"),
        chart_of("", "{a: {field: ID}}", "Table", rest=", where: [{field: LABELS, type: EQUAL_TO, value: 1}]"),
        chart_of("", "{a: {field: ID}}", "Table", rest=", orderBy: [{column: a, order: UP}]"),
        "id: a\ntype: Bar\n",
        "id: a\n",
        "[]",
        "- {a",
        "",
    ],
)
def test_charts_that_cannot_be_drawn_are_refused(chart: str) -> None:
    typed, problems = parse_chart(chart)

    assert typed is None
    assert any(problem.severity is Severity.ERROR for problem in problems)


def test_unknown_keys_are_told_but_block_nothing() -> None:
    dashboard, problems = parse_dashboard("title: A\ncharts: []\ntimewindow: {}\n")

    assert dashboard is not None
    assert [(problem.code, problem.severity) for problem in problems] == [("unknown-key", Severity.WARNING)]


def test_a_filter_that_nests_without_end_is_refused() -> None:
    inner = "{field: STATE, type: EQUAL_TO, value: x}"
    for _ in range(8):
        inner = f"{{type: OR, values: [{inner}]}}"
    _, problems = parse_chart(chart_of("", "{a: {field: ID}}", "Table", rest=f", where: [{inner}]"))

    assert any("nested at most" in problem.message for problem in problems)

"""Dashboards through the official client: save, check, read the data of a chart, export it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import NotFoundException
from kestrapy.models.chart_filters_overrides import ChartFiltersOverrides
from kestrapy.models.dashboard_controller_preview_request import DashboardControllerPreviewRequest

from tests.sdk.conftest import TENANT, SaveFlow

CHART = """\
id: states
type: io.kestra.plugin.core.dashboard.chart.Bar
chartOptions: {displayName: By state, column: state}
data:
  type: io.kestra.plugin.core.dashboard.data.Executions
  columns:
    state: {field: STATE}
    count: {agg: COUNT}
"""
DASHBOARD = "id: sdk-overview\ntitle: Overview\ncharts:\n" + "".join(
    f"{'  - ' if number == 0 else '    '}{line}\n" for number, line in enumerate(CHART.splitlines())
)


def test_a_dashboard_is_saved_drawn_exported_and_deleted(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow("tasks:\n  - {id: say, type: io.kestra.plugin.core.debug.Return, format: done}\n")
    client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    wanted = ChartFiltersOverrides(startDate=datetime.now(UTC) - timedelta(hours=1), namespace=namespace)
    dashboards = client.dashboards
    made = dashboards.create_dashboard(TENANT, DASHBOARD)
    drawn = dashboards.dashboard_chart_data("sdk-overview", "states", TENANT, wanted)
    table = dashboards.export_dashboard_chart("sdk-overview", "states", TENANT, wanted, format="CSV")
    request = DashboardControllerPreviewRequest(chart=CHART, globalFilter=wanted)
    preview = dashboards.preview_chart(TENANT, request)
    preview_table = dashboards.export_chart(TENANT, request, format="CSV")
    changed = dashboards.update_dashboard("sdk-overview", TENANT, DASHBOARD.replace("Overview", "What happened"))
    found = dashboards.search_dashboards(TENANT, page=1, size=5, q="what happened", sort=["title:asc"])
    dashboards.delete_dashboard("sdk-overview", TENANT)

    assert (made["id"], changed["title"], found["total"]) == ("sdk-overview", "What happened", 1)
    assert drawn.results == preview.results == [{"state": "SUCCESS", "count": 1}]
    assert table == preview_table
    assert table.decode().splitlines() == ["state,count", "SUCCESS,1"]
    assert dashboards.default_dashboards(TENANT) == {}
    with pytest.raises(NotFoundException):
        dashboards.dashboard("sdk-overview", TENANT)


def test_faults_of_dashboards_and_charts_are_told(client: KestraClient) -> None:
    good = client.dashboards.validate_dashboard(TENANT, DASHBOARD)
    bad = client.dashboards.validate_chart(TENANT, CHART.replace("STATE", "COLOUR").replace("column: state", "column: colour"))

    assert good.constraints is None
    assert "COLOUR" in bad.constraints and "colour" in bad.constraints

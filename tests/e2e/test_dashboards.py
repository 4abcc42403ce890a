"""The dashboard leads to the lists that it counts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, Seeded, send, start_execution, wait_for_state
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

BOARD = """id: {name}
title: Two charts
charts:
  - id: broken
    type: io.kestra.plugin.core.dashboard.chart.Table
    chartOptions: {{displayName: The broken one}}
    data:
      type: io.kestra.plugin.core.dashboard.data.Flows
      columns:
        flow: {{field: ID}}
      where:
        - {{field: ID, type: REGEX, value: "(("}}
  - id: whole
    type: io.kestra.plugin.core.dashboard.chart.KPI
    chartOptions: {{displayName: The whole one}}
    data:
      type: io.kestra.plugin.core.dashboard.data.ExecutionsKPI
      columns:
        field: ID
        agg: COUNT
"""
FLOW = "id: counted\nnamespace: e2e.board\ntasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}\n"


def test_a_bar_leads_to_as_many_executions_as_it_counts(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", FLOW)
    for _ in range(3):
        wait_for_state(running_system, start_execution(running_system, "e2e.board/counted"), *ENDED)
    console.open("?namespace=e2e.board")
    page = console.page
    bar = page.locator("main section svg a[href*='from=']").last
    counts = re.findall(r"(\d+) [A-Z]+", str(bar.locator("title").text_content()))
    bar.click()
    page.wait_for_url("**/ui/executions?*from=*")

    assert sum(map(int, counts)) > 0
    expect(page.locator("table.list tbody tr")).to_have_count(sum(map(int, counts)))
    assert console.faults == []


def test_another_range_stands_in_the_address_and_in_every_link(console: Watched, seeded: Seeded) -> None:
    console.open("")
    page = console.page
    page.locator(".seg label", has_text="7 d").click()
    expect(page).to_have_url(re.compile("range=7d"))
    expect(page.locator("a.figure").first).to_have_attribute("href", re.compile("range=7d"))

    page.locator(".moments summary").click()
    page.locator("[data-moment=from]").fill("2031-05-04T10:00:00")
    page.locator("[data-moment=to]").fill("2031-05-05T10:00:00")
    expect(page).to_have_url(re.compile("from=2031-05-0.*to=2031-05-0"))
    expect(page.locator("a.figure b").first).to_have_text("0")
    assert "range=" not in page.url
    assert console.faults == []


def test_a_broken_chart_says_so_and_the_others_are_drawn(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/dashboards", BOARD.format(name="half_broken"))
    console.open("dashboards/half_broken")
    page = console.page
    broken, whole = (page.locator("section.card", has_text=words) for words in ("The broken one", "The whole one"))
    expect(broken.locator(".note.bad")).to_be_visible()
    expect(broken).to_contain_text("Request")
    expect(whole.locator(".kpi b")).to_have_text(re.compile(r"^[\d,]+$"))
    expect(whole.locator(".note.bad")).to_have_count(0)
    broken.locator("text=Try again").click()

    expect(broken.locator(".note.bad")).to_be_visible()
    assert console.faults == []

"""The dashboard leads to the lists that it counts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

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

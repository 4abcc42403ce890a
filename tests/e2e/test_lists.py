"""Lists: filtered by the keyboard alone, sorted by their heads, and not pushed under the pointer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

FLOW = """id: {name}
namespace: e2e.lists
labels: {{kind: {name}}}
tasks:
  - {{id: a, type: io.kestra.plugin.core.log.Log, message: hello}}
"""


@pytest.fixture(scope="module")
def flows(running_system: SystemProcess) -> SystemProcess:
    """The system with three flows."""
    for name in ("apple", "pear", "plum"):
        send(running_system, "POST", "/flows", FLOW.format(name=name))
    return running_system


def test_flows_are_filtered_by_the_keyboard_only(console: Watched, flows: SystemProcess) -> None:
    console.open("flows")
    page = console.page
    page.keyboard.press("/")
    page.keyboard.type("nam")
    expect(page.locator("#offers li[aria-selected=true]")).to_contain_text("namespace:")
    page.keyboard.press("Enter")
    page.keyboard.type("e2e.li")
    expect(page.locator("#offers li[aria-selected=true]")).to_contain_text("e2e.lists")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/flows?*namespace=e2e.lists*")
    expect(page.locator("#chips a").first).to_contain_text("namespace: e2e.lists")
    expect(page.locator("table.list tbody tr")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("label: kind:p")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url("**label=kind*")
    expect(page.locator("table.list tbody tr")).to_have_count(1)
    expect(page.locator("table.list tbody tr")).to_contain_text("plum")
    assert console.faults == []


def test_a_head_turns_the_order_of_a_list(console: Watched, flows: SystemProcess) -> None:
    console.open("flows?namespace=e2e.lists")
    page = console.page
    names = page.locator("table.list tbody a.main-link")
    for direction, order in (("ascending", ["apple", "pear", "plum"]), ("descending", ["plum", "pear", "apple"])):
        page.locator("th a.sort", has_text=re.compile("^Flow")).click()
        expect(page.locator(f"th[aria-sort={direction}]")).to_have_count(1)
        expect(names).to_have_text(order)

    expect(page).to_have_url(re.compile("sort=flow%3Adesc|sort=flow:desc"))


def test_new_rows_wait_while_somebody_points_at_the_list(console: Watched, flows: SystemProcess) -> None:
    wait_for_state(flows, start_execution(flows, "e2e.lists/pear"), *ENDED)
    console.open("executions?flow=pear&namespace=e2e.lists")
    page = console.page
    rows = page.locator("table.list tbody tr")
    count = rows.count()
    rows.first.hover()
    wait_for_state(flows, start_execution(flows, "e2e.lists/pear"), *ENDED)
    button = page.locator(".new-rows")
    expect(button).to_have_text("1 new", timeout=15_000)
    expect(rows).to_have_count(count)
    button.click()

    expect(rows).to_have_count(count + 1)
    assert console.faults == []

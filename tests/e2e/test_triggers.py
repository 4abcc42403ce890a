"""Triggers: their switch, a dry evaluation, dates in words; and backfills that start exactly what their preview counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.triggers"
FLOW = """id: {name}
namespace: e2e.triggers
inputs:
  - id: region
    type: STRING
    defaults: north
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "{{{{ inputs.region }}}} {{{{ trigger.date ?? '' }}}}"
triggers:
  - id: monthly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 6 1 * *"
    timezone: UTC
"""
POLLING = """id: polled
namespace: e2e.triggers
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: found
triggers:
  - id: watch
    type: io.kestra.plugin.scripts.shell.CommandsTrigger
    disabled: true
    interval: PT1H
    exitCondition: exit 0
    commands:
      - echo looking
      - >-
        echo '::{"outputs": {"file": "orders.csv"}}::'
  - id: hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: 4wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9
"""


@pytest.fixture(scope="module")
def flows(running_system: SystemProcess) -> SystemProcess:
    """The system with one scheduled flow for each test that changes its trigger."""
    for name in ("switched", "evaluated", "filled", "paused", "cancelled", "listed"):
        send(running_system, "POST", "/flows", FLOW.format(name=name))
    send(running_system, "POST", "/flows", POLLING)
    return running_system


def _trigger(system: SystemProcess, name: str) -> dict[str, Any]:
    found = send(system, "GET", f"/triggers/search?size=100&filters[namespace][EQUALS]={NAMESPACE}")["results"]
    return next(_flatten(row) for row in found if _flatten(row)["flowId"] == name)


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **row.get("triggerContext", {})}


def _count(system: SystemProcess, name: str) -> int:
    return int(send(system, "GET", f"/executions/search?filters[flowId][EQUALS]={name}&size=1")["total"])


def _open_preview(console: Watched, name: str, start: str, end: str) -> Page:
    console.open(f"triggers/{NAMESPACE}/{name}/monthly/backfill")
    page = console.page
    page.fill("[name=start]:visible", start)
    page.fill("[name=end]:visible", end)
    return page


def test_a_schedule_says_when_it_fires(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/listed/triggers")
    card = console.page.locator("section.card", has_text="monthly").first

    expect(card).to_contain_text("0 6 1 * *")
    expect(card).to_contain_text(re.compile("month", re.IGNORECASE))
    assert card.locator(".dates time").count() >= 10
    assert console.faults == []


def test_a_trigger_is_switched_off_and_on(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/switched/triggers")
    page = console.page
    page.get_by_role("button", name="Disable", exact=True).first.click()
    eventually(lambda: _trigger(flows, "switched")["disabled"])
    expect(page.locator("main")).to_contain_text("switched off")
    page.locator("main").get_by_role("button", name="Enable", exact=True).first.click()

    eventually(lambda: not _trigger(flows, "switched")["disabled"])


def test_an_evaluation_starts_nothing(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/evaluated/triggers")
    page = console.page
    page.get_by_role("link", name="Evaluate now").click()

    expect(page.locator("main")).to_contain_text("Evaluated without a start")
    assert _count(flows, "evaluated") == 0


def test_a_worker_looks_and_starts_nothing(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/polled/triggers")
    page = console.page
    page.get_by_role("link", name="Evaluate now").click()
    page.get_by_role("button", name="Evaluate now").click()

    found = page.locator("section.card", has_text="What it found")
    expect(found).to_contain_text("would start", timeout=30_000)
    expect(found).to_contain_text('"file": "orders.csv"')
    expect(found).to_contain_text("looking")
    assert _count(flows, "polled") == 0
    assert console.faults == []


def test_kinds_are_chosen_by_keyboard_and_columns_are_kept(console: Watched, flows: SystemProcess) -> None:
    console.open("triggers")
    page = console.page
    field = page.locator("main input[type=search]")
    field.press_sequentially("kind: web")
    field.press("Enter")
    expect(page).to_have_url(re.compile("kind=webhook"))
    row = page.locator("table.list tbody tr", has_text="polled")
    expect(row.get_by_role("button", name="Copy the address of hook")).to_be_visible()

    page.get_by_text("Columns", exact=True).click()
    page.locator(".column-order").get_by_text("State", exact=True).click()
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("table.list th", has_text="State")).to_have_count(0)
    expect(page.locator("table.list th", has_text="Last execution")).to_be_visible()
    expect(page).to_have_url(re.compile("kind=webhook"))
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("button", name="Usual ones").click()
    expect(page.locator("table.list th", has_text="State")).to_be_visible()
    assert console.faults == []


def test_the_list_filters_and_leads_to_the_flow(console: Watched, flows: SystemProcess) -> None:
    console.open("triggers")
    page = console.page
    page.fill("main input[type=search]", "switched")
    rows = page.locator("table.list tbody tr")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("q=switched"))
    rows.first.locator("a.main-link").click()

    expect(page).to_have_url(re.compile(f"/ui/flows/edit/{NAMESPACE}/switched/triggers"))


def test_a_backfill_starts_what_its_preview_counted(console: Watched, flows: SystemProcess) -> None:
    page = _open_preview(console, "filled", "2025-01-01T00:00:00Z", "2025-06-15T00:00:00Z")
    button = page.get_by_role("button", name=re.compile(r"^Start \d+ execution"))
    expect(button).to_have_text("Start 6 executions")
    assert page.locator(".strip-dates > *").count() == 6
    assert _count(flows, "filled") == 0
    button.click()
    expect(page).to_have_url(re.compile("/triggers"))

    eventually(lambda: _count(flows, "filled") == 6, within=40, every=0.3)
    eventually(lambda: not _trigger(flows, "filled").get("backfill"), within=20, every=0.3)
    assert _count(flows, "filled") == 6

    # A second look at the same range tells what ran before.
    page = _open_preview(console, "filled", "2025-01-01T00:00:00Z", "2025-03-15T00:00:00Z")
    expect(page.locator(".note.warn")).to_contain_text("3 dates")
    assert console.faults == []


def test_a_preview_refuses_a_range_that_makes_no_sense(console: Watched, flows: SystemProcess) -> None:
    page = _open_preview(console, "listed", "yesterday-ish", "")
    expect(page.locator(".note.bad")).to_be_visible()
    page.fill("[name=start]:visible", "2025-01-02T00:00:00Z")
    page.fill("[name=end]:visible", "2025-01-03T00:00:00Z")

    expect(page.locator("#results")).to_contain_text("no date")
    expect(page.get_by_role("button", name=re.compile(r"^Start \d+"))).to_have_count(0)


def test_a_backfill_is_paused_continued_and_cancelled(console: Watched, flows: SystemProcess) -> None:
    trigger = {"namespace": NAMESPACE, "flowId": "paused", "triggerId": "monthly"}
    past = {"start": "1990-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"}
    send(flows, "PUT", "/triggers/backfill/create", {**trigger, "backfill": past})
    console.open(f"flows/edit/{NAMESPACE}/paused/triggers")
    page = console.page
    page.get_by_role("button", name="Pause", exact=True).click()
    eventually(lambda: (_trigger(flows, "paused").get("backfill") or {}).get("paused") is True)
    page.get_by_role("button", name="Continue", exact=True).click()
    eventually(lambda: (_trigger(flows, "paused").get("backfill") or {}).get("paused") is False)
    page.get_by_role("button", name="Pause", exact=True).click()
    eventually(lambda: (_trigger(flows, "paused").get("backfill") or {}).get("paused") is True)
    page.get_by_role("button", name=re.compile("Cancel the backfill")).click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("button", name="Let it go on")).to_be_focused()
    expect(dialog).to_contain_text("of the range is left")
    dialog.get_by_role("button", name="Cancel the backfill").click()
    eventually(lambda: not _trigger(flows, "paused").get("backfill"))

    assert _count(flows, "paused") < 420
    assert console.faults == []

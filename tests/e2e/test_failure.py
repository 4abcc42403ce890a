"""The failure card: which task, which line, what changed against the last success; and the way on from there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.failure"
GOOD = """id: fails_later
namespace: e2e.failure
inputs:
  - id: table
    type: STRING
    defaults: orders
tasks:
  - id: read
    type: io.kestra.plugin.core.log.Log
    message: reading {{ inputs.table }}
  - id: load
    type: io.kestra.plugin.scripts.shell.Commands
    commands:
      - echo "connecting to the warehouse"
      - echo "relation {{ inputs.table }} is there"
      - exit 0
"""
BAD = GOOD.replace("exit 0", "exit 3")


@pytest.fixture(scope="module")
def failed(running_system: SystemProcess) -> str:
    """An execution that failed with the second revision, after one that succeeded with the first."""
    system = running_system
    send(system, "POST", "/flows", GOOD)
    wait_for_state(system, start_execution(system, f"{NAMESPACE}/fails_later"), "SUCCESS")
    send(system, "PUT", f"/flows/{NAMESPACE}/fails_later", BAD)
    execution = start_execution(system, f"{NAMESPACE}/fails_later")
    wait_for_state(system, execution, "FAILED")
    return execution


def test_the_card_names_the_task_and_what_changed(console: Watched, failed: str) -> None:
    console.open(f"executions/{failed}")
    card = console.page.locator(".failure")

    expect(card).to_contain_text("Task load failed")
    expect(card).to_contain_text(re.compile("3"))
    expect(card.locator(".logs")).to_contain_text("connecting to the warehouse")
    expect(card.locator("ul")).to_contain_text(re.compile("revision", re.IGNORECASE))
    assert console.faults == []


def test_the_card_leads_to_the_line(console: Watched, failed: str) -> None:
    console.open(f"executions/{failed}")
    console.page.locator(".failure").get_by_role("link", name="Fix in the editor").click()
    page = console.page
    line = BAD.splitlines().index("  - id: load")

    eventually(lambda: page.evaluate("window.celestraEditor?.getCursorPosition().row") == line)


def test_a_replay_from_the_failed_task_keeps_the_rest(console: Watched, failed: str, running_system: SystemProcess) -> None:
    console.open(f"executions/{failed}")
    page = console.page
    page.locator(".failure").get_by_role("button", name="Replay from here").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("select[name=task_run]")).not_to_have_value("")
    dialog.locator("footer button.primary").click()
    page.wait_for_url(lambda url: "/act/" not in url and failed not in url)
    fresh = page.url.partition("/ui/executions/")[2].split("?")[0]
    wait_for_state(running_system, fresh, "FAILED")

    found = send(running_system, "GET", f"/executions/{fresh.rpartition('/')[2]}")
    assert found["originalId"] == failed.rpartition("/")[2]
    lines = send(running_system, "GET", f"/logs/{fresh.rpartition('/')[2]}")
    assert {line["taskId"] for line in lines if line.get("taskId")} == {"load"}


def test_two_runs_are_compared(console: Watched, failed: str) -> None:
    console.open(f"executions/{failed}")
    page = console.page
    page.locator("#live-acts details.pick summary").first.click()
    page.get_by_role("link", name="Compare with the run before").click()
    expect(page).to_have_url(re.compile(r"/compare\?a=.*b="))

    expect(page.locator("main")).to_contain_text("exit 3")
    expect(page.locator("main")).to_contain_text("exit 0")
    assert console.faults == []

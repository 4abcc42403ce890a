"""What people do in the console in a real browser: write, run, watch, kill, jump by keys; and how small a cold page is."""

from __future__ import annotations

import gzip

import brotli
import pytest
from playwright.sync_api import Browser, Response, expect

from tests.e2e.browsing import Watched, set_source
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

FLOW = """id: journey
namespace: e2e.console
inputs:
  - id: name
    type: STRING
  - id: fails
    type: BOOL
    defaults: false
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "hello {{ inputs.name }} <script>window.hacked = true</script>"
  - id: wait
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT1S
  - id: check
    type: io.kestra.plugin.core.flow.If
    condition: "{{ inputs.fails }}"
    then:
      - id: burn
        type: io.kestra.plugin.core.execution.Fail
        errorMessage: "the warehouse is on fire"
"""
LARGEST_PAGE_BYTES = 90 * 1024
MOST_REQUESTS = 6


def test_from_the_first_flow_to_a_failed_execution(console: Watched, running_system: SystemProcess) -> None:
    page = console.page

    # A new flow with a misspelt property: the mark stands at its line and nothing is stored.
    console.open("flows/new")
    set_source(page, FLOW.replace("message:", "mesage:"))
    problem = page.locator("#problems button", has_text="mesage")
    expect(problem).to_be_visible()
    expect(problem.locator(".at")).to_have_text("12:5")
    expect(page.locator(".squiggle.error").first).to_be_visible()
    page.click("#save")
    expect(page.locator(".toasts .bad")).to_be_visible()
    assert running_system.call("GET", "/api/v1/main/flows/e2e.console/journey")[0] == 404

    # Put right, it is drawn and saved.
    set_source(page, FLOW)
    expect(page.locator("#problems")).to_have_text("No problems.")
    expect(page.locator("#n-burn")).to_be_visible()
    page.click("#save")
    page.wait_for_url("**/ui/flows/edit/e2e.console/journey/edit")

    # The form asks for what is missing, then the execution runs to its end before our eyes.
    page.click("[data-execute]")
    page.click("form[data-main] button.primary")
    expect(page.locator(".field.is-bad .error").first).to_be_visible()
    page.fill("[name='in.name']", "Ada")
    page.click("form[data-main] button.primary")
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=20_000)

    page.click(".tabs a:has-text('Logs')")
    expect(page.locator(".logs")).to_contain_text("hello Ada <script>window.hacked = true</script>")
    assert page.evaluate("window.hacked") is None
    page.click(".tabs a:has-text('Gantt')")
    expect(page.locator(".g-name", has_text="hello")).to_be_visible()
    page.click("a[data-drawer]:has-text('hello')")
    expect(page.locator(".drawer")).to_contain_text("hello Ada")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)

    # The same with a failure: the card names the task and the reason, and leads to the line.
    console.open("flows/edit/e2e.console/journey/execute")
    page.fill("[name='in.name']", "Bob")
    page.check("[name='in.fails'][value=true]")
    page.click("form[data-main] button.primary")
    card = page.locator(".failure")
    expect(card).to_be_visible(timeout=20_000)
    expect(card).to_contain_text("Task burn failed")
    expect(card).to_contain_text("the warehouse is on fire")
    card.locator("text=Fix in the editor").click()
    eventually(lambda: page.evaluate("window.celestraEditor?.getCursorPosition().row") == 19)

    assert [fault for fault in console.faults if "422" not in fault] == []


def test_a_running_execution_changes_before_our_eyes_and_is_killed_by_its_button(
    console: Watched, running_system: SystemProcess
) -> None:
    source = "id: slow\nnamespace: e2e.console\ntasks:\n  - id: nap\n    type: io.kestra.plugin.scripts.shell.Commands\n"
    source += "    commands:\n      - for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 1; done\n"
    running_system.call("POST", "/api/v1/main/flows", source)
    page = console.page
    console.open("flows/edit/e2e.console/slow/execute")
    page.click("form[data-main] button.primary")
    page.wait_for_url("**/ui/executions/e2e.console/slow/*")
    expect(page.locator("#live-head [data-state=RUNNING]").first).to_be_visible(timeout=15_000)
    page.click(".tabs a:has-text('Logs')")
    expect(page.locator(".logs")).to_contain_text("line 3", timeout=15_000)

    page.click("[data-dialog=act-kill]:visible")
    page.click("dialog[open] button.danger")

    expect(page.locator("#live-head [data-state=KILLED]").first).to_be_visible(timeout=15_000)
    assert console.faults == []


def test_a_cold_page_is_small(browser: Browser, console: Watched) -> None:
    context = browser.new_context(storage_state=console.page.context.storage_state())
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(_measure(response)) if response.status == 200 else None)

    page.goto(f"{console.base_url}/ui/executions")
    page.wait_for_load_state("networkidle")
    context.close()

    assert sum(sizes) <= LARGEST_PAGE_BYTES
    assert len(sizes) <= MOST_REQUESTS


def _measure(response: Response) -> int:
    """Return the bytes of an answer as an installation sends it: pages with gzip, files compressed once."""
    body = response.body()
    return len(gzip.compress(body)) if response.request.resource_type == "document" else len(brotli.compress(body))


def test_the_keyboard_reaches_pages_filters_and_the_palette(console: Watched) -> None:
    page = console.page
    console.open("flows")
    page.keyboard.press("/")
    expect(page.locator("form[data-filters] input[type=search]")).to_be_focused()
    page.keyboard.type("gt")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")

    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/ui/executions")
    page.keyboard.press("Control+k")
    page.keyboard.type("workers")
    expect(page.locator("dialog.palette li").first).to_contain_text("Workers and queues")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/system")

    assert console.faults == []


def test_the_editor_completes_types_and_the_properties_of_a_type(console: Watched) -> None:
    page = console.page
    console.open("flows/new")
    set_source(page, "id: a\nnamespace: b\ntasks:\n  - id: hello\n    type: Lo")
    page.evaluate("window.celestraEditor.navigateFileEnd(); window.celestraEditor.execCommand('startAutocomplete')")
    expect(page.locator(".ace_autocomplete")).to_contain_text("Log")
    page.keyboard.press("Escape")

    set_source(page, "id: a\nnamespace: b\ntasks:\n  - id: hello\n    type: io.kestra.plugin.core.log.Log\n    ")
    page.evaluate("window.celestraEditor.navigateFileEnd(); window.celestraEditor.execCommand('startAutocomplete')")

    expect(page.locator(".ace_autocomplete")).to_contain_text("message")
    assert console.faults == []

"""The journey of a newcomer in one go: from signing in and a blueprint, over a failure, to a green replay."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import DESK, read_source, set_source, sign_in, watch
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FLOW_ID, NAMESPACE = "morning_greeting", "e2e.journey"
BROKEN_TASK = """
  - id: hand_over
    type: io.kestra.plugin.scripts.shell.Commands
    commands:
      - echo "handing over to {{ inputs.name }}"
      - sleep 2
      - cat /no/such/letter.txt

  - id: done
    type: io.kestra.plugin.core.log.Log
    message: Handed over.

outputs:"""


def test_a_newcomer_gets_from_a_blueprint_over_a_failure_to_a_green_replay(
    browser: Browser, running_system: SystemProcess
) -> None:
    context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]})
    journey = watch(context, running_system.base_url)
    page = journey.page

    # The start page asks who is there.
    journey.open("")
    page.wait_for_url("**/ui/login?next=*")
    sign_in(journey, running_system)

    # A flow from a blueprint.
    page.click("nav.nav a:has-text('Blueprints')")
    page.click("a[href='/ui/blueprints/hello_inputs'] >> nth=-1")
    expect(page.locator(".bp-page .topology").first).to_be_visible()
    page.click("a:has-text('Use this blueprint')")
    source = read_source(page).replace("id: hello_inputs", f"id: {FLOW_ID}")
    source = re.sub(r"^namespace: .*$", f"namespace: {NAMESPACE}", source, flags=re.MULTILINE).replace("\noutputs:", BROKEN_TASK)
    assert f"id: {FLOW_ID}" in source and NAMESPACE in source and "hand_over" in source

    # Broken: the marker stands at its line, and saving is refused.
    set_source(page, source.replace("commands:", "comands:"))
    line = source.splitlines().index("    commands:") + 1
    problem = page.locator("#problems button", has_text="comands")
    expect(problem).to_be_visible()
    expect(problem.locator(".at")).to_have_text(re.compile(rf"^{line}:"))
    expect(page.locator(".squiggle.error").first).to_be_visible()
    page.click("#save")
    expect(page.locator(".toasts .bad")).to_be_visible()
    refused = [fault for fault in journey.take_faults() if "422" not in fault]

    # Put right, saved, and run with the form.
    set_source(page, source)
    expect(page.locator("#problems")).to_have_text("No problems.")
    page.click("#save")
    page.wait_for_url(f"**/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/edit")
    page.click("[data-execute]")
    page.fill("[name='in.name']", "Grace")
    page.click("form[data-main] button.primary")
    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/{FLOW_ID}/*")

    # Gantt and logs change while it runs.
    page.click(".tabs a:has-text('Gantt')")
    expect(page.locator(".g-name", has_text="hand_over")).to_be_visible(timeout=20_000)
    page.click(".tabs a:has-text('Logs')")
    expect(page.locator(".logs")).to_contain_text("handing over to Grace", timeout=20_000)
    expect(page.locator("#live-head [data-state=FAILED]").first).to_be_visible(timeout=30_000)

    # The failure card names the task and the reason, and leads to the line.
    page.click(".tabs a:has-text('Overview')")
    card = page.locator(".failure")
    expect(card).to_contain_text("Task hand_over failed")
    failed_url = page.url
    card.locator("text=Fix in the editor").click()
    eventually(lambda: page.evaluate("window.celestraEditor?.getCursorPosition().row") == line - 3)
    set_source(page, source.replace("cat /no/such/letter.txt", "echo the letter is there"))
    expect(page.locator("#problems")).to_have_text("No problems.")
    page.click("#save")
    expect(page.locator(".toasts")).to_contain_text("2")

    # A replay from the failed task with the new revision ends well.
    page.goto(failed_url)
    card.locator("button", has_text="Replay from here").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("select[name=task_run]")).not_to_have_value("")
    dialog.locator("select[name=revision]").select_option(label="the newest (2)")
    dialog.locator("footer button.primary").click()
    page.wait_for_url(lambda url: url != failed_url and f"/ui/executions/{NAMESPACE}/{FLOW_ID}/" in url)
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=30_000)
    page.click(".tabs a:has-text('Gantt')")
    expect(page.locator(".g-row", has_text="done")).to_be_visible()

    assert refused + journey.take_faults() == []
    context.close()

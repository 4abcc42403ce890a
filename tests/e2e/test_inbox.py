"""Questions to people, answered where they are listed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

FLOW = """id: asks
namespace: e2e.inbox
tasks:
  - id: look
    type: io.kestra.plugin.core.flow.Approval
    inputs:
      - {id: reason, type: STRING}
    onApprove:
      - {id: go, type: io.kestra.plugin.core.log.Log, message: went on}
"""
PERCENT = "percent, type: INT, max: 100"


def test_an_approval_with_a_form_is_given_in_the_inbox(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", FLOW)
    execution = start_execution(running_system, "e2e.inbox/asks")
    wait_for_state(running_system, execution, "PAUSED")
    console.open("inbox")
    card = console.page.locator("section.question", has_text="e2e.inbox.asks")
    card.locator("[name$=reason]").fill("figures are right")
    card.locator("button[value=approve]").click()
    expect(card).to_have_count(0)

    assert wait_for_state(running_system, execution, "SUCCESS")
    assert console.faults == []


def test_a_wrong_answer_is_told_at_its_field(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", FLOW.replace("id: asks", "id: limits").replace("reason, type: STRING", PERCENT))
    execution = start_execution(running_system, "e2e.inbox/limits")
    wait_for_state(running_system, execution, "PAUSED")
    console.open("inbox")
    card = console.page.locator("section.question", has_text="e2e.inbox.limits")
    # The browser knows the bounds as well; who comes without it is told by the server.
    console.page.evaluate("for (const form of document.forms) form.noValidate = true")
    card.locator("[name$=percent]").fill("120")
    card.locator("button[value=approve]").click()

    field = card.get_by_label("percent")
    expect(field).to_be_focused()
    expect(field).to_have_value("120")
    expect(field).to_have_accessible_description(re.compile("must be less than"))
    field.fill("20")
    card.locator("button[value=approve]").click()
    expect(card).to_have_count(0)
    assert wait_for_state(running_system, execution, "SUCCESS")

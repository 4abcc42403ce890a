"""Questions to people, answered where they are listed."""

from __future__ import annotations

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

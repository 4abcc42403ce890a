"""A draft: kept from the editor, seen on the flow, and published from the difference."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import DESK, PHONE, THEMES, Watched, set_source
from tests.e2e.crawling import AXE, LOOKS, RUN_AXE
from tests.e2e.seeding import send
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.drafts"
FLOW = """id: report
namespace: e2e.drafts
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: the old words
"""
PATH = f"flows/edit/{NAMESPACE}/report"


def test_a_draft_is_kept_from_the_editor_and_published_from_the_difference(
    console: Watched, running_system: SystemProcess
) -> None:
    send(running_system, "POST", "/flows", FLOW)
    console.open(f"{PATH}/edit")
    page = console.page
    set_source(page, FLOW.replace("old", "new"))
    page.click("#save-draft")
    expect(page.locator(".toasts")).to_contain_text("Draft 2 saved")

    started = send(running_system, "POST", f"/executions/{NAMESPACE}/report")
    console.open(PATH)
    page.get_by_role("link", name="See what would change").click()
    expect(page.locator("#results")).to_contain_text("the new words")
    page.get_by_role("button", name="Publish revision 2").click()

    expect(page.locator(".toasts")).to_contain_text("Draft published as revision 3")
    expect(page.locator(".facts").first).to_contain_text("Revision 3")
    expect(page.locator(".facts .is-draft")).to_have_count(0)
    assert started["flowRevision"] == 1
    assert console.faults == []


def test_pages_with_a_draft_are_readable_in_both_themes_and_widths(console: Watched, running_system: SystemProcess) -> None:
    text = FLOW.replace("id: report", "id: kept")
    send(running_system, "POST", "/flows", text)
    send(running_system, "PUT", f"/flows/{NAMESPACE}/kept?draft=true", text.replace("old", "new"))
    found = []
    for path in ("", "/revisions", "/edit", "/execute"):
        for size, theme in ((DESK, THEMES[0]), (PHONE, THEMES[1])):
            console.open(f"flows/edit/{NAMESPACE}/kept{path}")
            console.set_size(size)
            console.set_theme(theme)
            console.page.evaluate(AXE)
            found += [f"{path} {theme}: {fault}" for fault in (*console.page.evaluate(LOOKS), *console.page.evaluate(RUN_AXE))]

    assert found == []

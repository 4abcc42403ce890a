"""Revisions: a difference with both sides, restoring as a new revision, and running an old one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.revisions"
FIRST = """id: grows
namespace: e2e.revisions
tasks:
  - id: read
    type: io.kestra.plugin.core.log.Log
    message: reading the old file
"""
SECOND = (
    FIRST.replace("the old file", "the new file") + "  - id: write\n    type: io.kestra.plugin.core.log.Log\n    message: done\n"
)


@pytest.fixture(scope="module")
def flow(running_system: SystemProcess) -> SystemProcess:
    """The system with a flow of two revisions."""
    send(running_system, "POST", "/flows", FIRST)
    send(running_system, "PUT", f"/flows/{NAMESPACE}/grows", SECOND)
    return running_system


def test_the_difference_shows_both_sides_and_says_it_in_words(console: Watched, flow: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/grows/revisions?from=1&to=2")
    results = console.page.locator("#results")

    expect(results).to_contain_text("reading the old file")
    expect(results).to_contain_text("reading the new file")
    marked = [text.strip() for text in results.locator("ins, del, .w-add, .w-del, mark").all_inner_texts()]
    assert {"old", "new"} <= {word for text in marked for word in text.split()}
    expect(results).to_contain_text(re.compile(r"task write", re.IGNORECASE))
    assert console.faults == []


def test_other_revisions_are_compared_without_a_new_page(console: Watched, flow: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/grows/revisions?from=1&to=2")
    page = console.page
    page.evaluate("window.unmoved = true")
    page.select_option("[name=from]", "2")
    expect(page).to_have_url(re.compile("from=2"))
    expect(page.locator("#results")).not_to_contain_text("reading the old file")

    assert page.evaluate("window.unmoved") is True


def test_restoring_makes_a_new_revision(console: Watched, running_system: SystemProcess) -> None:
    system = running_system
    name = "restored"
    send(system, "POST", "/flows", FIRST.replace("grows", name))
    send(system, "PUT", f"/flows/{NAMESPACE}/{name}", SECOND.replace("grows", name))
    console.open(f"flows/edit/{NAMESPACE}/{name}/revisions?from=2&to=1")
    console.page.get_by_role("button", name=re.compile("Restore revision 1")).click()
    confirm = console.page.locator("dialog[open] footer button.primary")
    expect(console.page).to_have_url(re.compile("/ui/flows/edit/"))
    if confirm.count():
        confirm.click()

    eventually(lambda: send(system, "GET", f"/flows/{NAMESPACE}/{name}")["revision"] == 3)
    stored = send(system, "GET", f"/flows/{NAMESPACE}/{name}?source=true")["source"]
    assert "old file" in stored and "write" not in stored


def test_an_old_revision_is_run(console: Watched, flow: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/grows/revisions")
    page = console.page
    page.get_by_role("link", name="Run revision 1", exact=True).click()
    page.locator("form[data-main] button.primary").click()
    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/grows/*")

    execution_id = page.url.partition("/grows/")[2].split("?")[0].split("/")[0]
    assert send(flow, "GET", f"/executions/{execution_id}")["flowRevision"] == 1

"""What pages do with answers that come late, in another order, as a refusal, or not at all."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browsing import Watched, open_editor, read_source, set_source
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.late"
FLOW = """id: late
namespace: e2e.late
variables:
  greeting: hello
inputs:
  - id: words
    type: STRING
    defaults: "{{ vars.greeting }}"
tasks:
  - id: first
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT3S
  - id: second
    type: io.kestra.plugin.core.debug.Return
    format: done
"""


@pytest.fixture(scope="module")
def system(running_system: SystemProcess) -> SystemProcess:
    """The system with a flow that takes some seconds."""
    send(running_system, "POST", "/flows", FLOW)
    return running_system


@pytest.fixture(scope="module")
def execution(system: SystemProcess) -> str:
    """An ended execution of two tasks."""
    started = start_execution(system, f"{NAMESPACE}/late")
    wait_for_state(system, started, "SUCCESS")
    return started


def _hold_first(page: Page, address: str) -> list[Route]:
    """Return where the first request to an address waits to be let through; those after it are answered at once."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(address, hold)
    return held


def _wait_for(page: Page, held: list[Route]) -> None:
    """Wait until a request is held; the page is asked so that the browser's news are heard."""
    eventually(lambda: page.evaluate("1") and held)


def _let_through(page: Page, held: list[Route]) -> None:
    """Let the held request through, and give the page the time to do something with its answer."""
    with page.expect_response(held[0].request.url):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 50))")


def test_an_older_answer_does_not_replace_a_newer_panel(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "late", "?panel=inputs")
    words = page.locator("#play-inputs [name='in.words']")
    expect(words).to_have_value("hello")
    held = _hold_first(page, "**/ui/flows/panel/inputs")
    set_source(page, FLOW.replace("greeting: hello", "greeting: older"))
    _wait_for(page, held)
    set_source(page, FLOW.replace("greeting: hello", "greeting: newer"))
    expect(words).to_have_value("newer")

    _let_through(page, held)

    expect(words).to_have_value("newer")


@pytest.mark.usefixtures("columns_as_delivered")
def test_a_run_is_followed_to_its_end_while_the_panel_beside_it_changes(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "late", "?panel=playground")
    page.click("#tab-docs")
    page.click("[data-column=right] [data-move]")
    page.evaluate("celestraEditor.gotoLine(10)")
    page.click("#tab-playground")
    page.locator("#panel-playground").get_by_role("button", name="Run only this").click()
    expect(page.locator("#panel-playground [data-moves]")).to_be_attached()
    for line in (13, 10, 14, 11):
        with page.expect_response("**/ui/flows/panel/docs"):
            page.evaluate(f"celestraEditor.gotoLine({line}, 6)")

    expect(page.locator("#panel-playground [data-moves]")).to_have_count(0, timeout=20_000)
    assert console.faults == []


def test_a_session_that_ends_is_told_and_no_text_is_lost(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "late", "?panel=docs")
    page.context.clear_cookies(name="celestra-session")
    set_source(page, FLOW + "# typed\n")
    page.evaluate("celestraEditor.gotoLine(10, 6)")
    expect(page.locator("#panel-docs")).to_contain_text("Your session has ended")
    page.click("#save")

    expect(page.locator(".toasts")).to_contain_text(
        "Your session has ended: load the page again and sign in. The text is kept here."
    )
    expect(page.locator("#panel-docs nav")).to_have_count(0)
    assert "# typed" in page.evaluate("Object.entries(localStorage).find(([name]) => name.startsWith('draft:'))[1]")
    assert "# typed" in read_source(page)


def test_of_two_drawers_the_one_that_was_asked_for_last_is_shown_and_addressed(console: Watched, execution: str) -> None:
    page = console.page
    console.open(f"executions/{execution}/gantt")
    held = _hold_first(page, re.compile(r"gantt\?.*task="))  # type: ignore[arg-type]  # patterns are taken as well
    rows = page.locator(".g-name a[data-drawer]")
    rows.nth(0).click()
    _wait_for(page, held)
    rows.nth(1).click()
    expect(page.locator("#drawer")).to_contain_text("second")
    address = page.url

    _let_through(page, held)

    expect(page.locator("#drawer")).to_contain_text("second")
    assert page.url == address


def test_the_palette_offers_what_the_page_can_do_while_the_server_is_away(console: Watched, system: SystemProcess) -> None:
    page = console.page
    console.open(f"flows/edit/{NAMESPACE}/late")
    page.route("**/ui/palette*", lambda route: route.abort())
    page.keyboard.press("Control+k")

    expect(page.locator("dialog.palette li", has_text="Export YAML")).to_be_visible()

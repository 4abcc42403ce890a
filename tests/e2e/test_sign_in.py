"""Signing in and out: a wrong password, the page one was on the way to, and the checklist of a fresh system."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import Watched, sign_in, watch
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e


@pytest.fixture
def visitor(browser: Browser, running_system: SystemProcess) -> Iterator[Watched]:
    """A page of somebody who is not signed in."""
    watched = watch(browser.new_context(reduced_motion="reduce"), running_system.base_url)
    yield watched
    watched.page.context.close()


def test_a_wrong_password_is_told_and_the_name_stays(visitor: Watched, running_system: SystemProcess) -> None:
    visitor.open("login")
    page = visitor.page
    page.fill("#username", running_system.user)
    page.fill("#password", "not-the-password")
    page.click("button.primary")

    expect(page.locator("[role=alert], .note.bad, .error").first).to_be_visible()
    expect(page.locator("#username")).to_have_value(running_system.user)
    expect(page.locator("#password")).to_have_value("")
    assert [fault for fault in visitor.faults if "status of 4" not in fault] == []


def test_signing_in_leads_to_the_page_that_was_asked_for(visitor: Watched, running_system: SystemProcess) -> None:
    visitor.open("executions?state=FAILED")
    page = visitor.page
    expect(page).to_have_url(re.compile(r"/ui/login\?next="))
    page.fill("#username", running_system.user)
    page.fill("#password", running_system.password)
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/ui/executions\?state=FAILED$"))


@pytest.mark.parametrize("target", ["https://example.org/", "//example.org/", "/\\example.org", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_host(visitor: Watched, running_system: SystemProcess, target: str) -> None:
    visitor.page.goto(f"{visitor.base_url}/ui/login?next={target}")
    page = visitor.page
    page.fill("#username", running_system.user)
    page.fill("#password", running_system.password)
    page.keyboard.press("Enter")
    expect(page.locator("nav.nav")).to_have_count(1)

    assert page.url.startswith(visitor.base_url + "/ui/")
    assert visitor.faults == []


def test_signing_out_ends_the_session(visitor: Watched, running_system: SystemProcess) -> None:
    sign_in(visitor, running_system)
    page = visitor.page
    page.click("form[action='/ui/logout'] button")
    expect(page).to_have_url(re.compile("/ui/login"))
    visitor.open("flows")

    expect(page).to_have_url(re.compile(r"/ui/login\?next="))


def test_the_checklist_leads_to_a_first_flow(console: Watched) -> None:
    console.open("welcome")
    page = console.page
    expect(page.locator("main a[href*='/ui/flows/new'], main a[href*='/ui/blueprints']").first).to_be_visible()
    page.locator("main a[href*='/ui/flows/new']").first.click()

    expect(page).to_have_url(re.compile("/ui/flows/new"))
    expect(page.locator(".ace_editor").first).to_be_visible()
    assert console.faults == []

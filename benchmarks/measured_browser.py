"""A browser of the benchmarks' own, without whatever else a browser does in the background."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.system_process import SystemProcess

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--js-flags=--expose-gc", "--enable-precise-memory-info",
)  # fmt: skip


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield Debian's Chromium without a window."""
    path = shutil.which("chromium")
    assert path, "install the browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


def sign_in(browser: Browser, system: SystemProcess) -> Page:
    """Return a page of a new visitor who has signed in as the administrator."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{system.base_url}/ui/login")
    page.fill("#username", system.user)
    page.fill("#password", system.password)
    page.click("button.primary")
    page.wait_for_selector("nav.nav")
    return page

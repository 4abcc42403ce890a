"""The browser, a system full of things, and a window in which the administrator is signed in."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.e2e.browsing import DESK, Watched, forget_columns, sign_in, watch
from tests.e2e.seeding import Seeded, seed
from tests.support.system_process import SystemProcess

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LONGEST = ("test_crawl", "test_hostile_texts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that no worker waits for them in the end."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium")
    assert path, "install Debian's package chromium"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with sync_playwright() as playwright:
            running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            yield running
            running.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, running_system: SystemProcess) -> Any:
    """What a browser stores of the administrator's session; signing in once is enough for all tests."""
    context = browser.new_context()
    sign_in(watch(context, running_system.base_url), running_system)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def context(browser: Browser, signed_in: Any) -> Iterator[BrowserContext]:
    """A fresh browser profile in which the administrator is signed in."""
    made = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}, storage_state=signed_in, reduced_motion="reduce")
    yield made
    made.close()


@pytest.fixture
def console(context: BrowserContext, running_system: SystemProcess) -> Watched:
    """A page of that profile, with everything that goes wrong in it."""
    return watch(context, running_system.base_url)


@pytest.fixture
def columns_as_delivered(console: Watched) -> Iterator[None]:
    """Leave the columns of the editor as it comes with them."""
    yield
    forget_columns(console)


@pytest.fixture(scope="session")
def seeded(running_system: SystemProcess) -> Seeded:
    """The running system with flows, executions, people and values in it."""
    return seed(running_system)

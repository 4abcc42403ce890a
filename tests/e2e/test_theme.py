"""Light, dark and as the system: no flash at load, the choice is kept, the system is followed, and the editor goes along."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import Watched, wait_for_editor, watch
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

FRAMES = """(() => {
  // The colour of the ground in every frame from the first one with a body in it.
  window.grounds = [];
  const look = () => {
    const body = document.body && getComputedStyle(document.body).backgroundColor;
    if (body && window.grounds.at(-1) !== body) window.grounds.push(body);
    if (performance.now() < 4000) requestAnimationFrame(look);
  };
  look();
})()"""
DARK_PAGES = ("", "flows", "executions", "settings", "login")


def _brightness(colour: str) -> float:
    numbers = [float(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    return sum(numbers) / 3


def _is_theme(page: Page, theme: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    brightness = _brightness(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (brightness < 80) == (theme == "dark")


@pytest.mark.parametrize(("stored", "system"), [("dark", "light"), ("light", "dark"), ("system", "dark")])
def test_the_first_frame_has_the_theme_already(
    browser: Browser, signed_in: Any, running_system: SystemProcess, stored: str, system: Any
) -> None:
    context = browser.new_context(storage_state=signed_in, color_scheme=system)
    watched = watch(context, running_system.base_url)
    watched.open("settings")
    watched.set_theme(stored)
    context.add_init_script(FRAMES)
    wanted = system if stored == "system" else stored
    for path in DARK_PAGES:
        watched.open(path)
        watched.page.wait_for_load_state("load")
        grounds = watched.page.evaluate("window.grounds")
        assert len(grounds) == 1, (path, grounds)
        assert (_brightness(grounds[0]) < 80) == (wanted == "dark"), (path, grounds)
    context.close()


def test_the_choice_stays_over_pages_loads_and_windows(console: Watched) -> None:
    page = console.page
    console.open("flows")
    console.set_theme("light")
    page.click("[data-theme-toggle]")
    _is_theme(page, "dark")
    page.reload()
    _is_theme(page, "dark")
    console.open("executions")
    _is_theme(page, "dark")

    other = watch(page.context, console.base_url)
    other.open("logs")

    _is_theme(other.page, "dark")


def test_a_choice_of_the_settings_belongs_to_the_account(browser: Browser, console: Watched, signed_in: Any) -> None:
    page = console.page
    console.open("settings")
    page.check("input[name=theme][value=dark]")
    expect(page.locator(".toasts")).to_contain_text("Saved")
    _is_theme(page, "dark")
    session = [cookie for cookie in signed_in["cookies"] if cookie["name"] != "look"]
    fresh = browser.new_context(storage_state={"cookies": session, "origins": []}, color_scheme="light")
    fresh.add_init_script(FRAMES)
    elsewhere = watch(fresh, console.base_url)
    elsewhere.open("flows")
    _is_theme(elsewhere.page, "dark")
    assert len(elsewhere.page.evaluate("window.grounds")) == 1
    fresh.close()

    page.check("input[name=theme][value=system]")
    expect(page.locator(".toasts .note")).to_have_count(2)
    assert console.faults == []


def test_a_change_of_the_system_is_followed_while_nothing_else_is_chosen(console: Watched) -> None:
    page = console.page
    page.emulate_media(color_scheme="light")
    console.open("flows")
    console.set_theme("system")
    page.reload()
    _is_theme(page, "light")
    page.emulate_media(color_scheme="dark")
    _is_theme(page, "dark")
    page.emulate_media(color_scheme="light")
    _is_theme(page, "light")

    console.set_theme("light")
    page.emulate_media(color_scheme="dark")
    page.reload()

    _is_theme(page, "light")


def test_the_editor_has_the_theme_of_the_page(console: Watched) -> None:
    page = console.page
    console.open("flows/new")
    console.set_theme("light")
    page.reload()
    wait_for_editor(page)
    ground = "getComputedStyle(document.querySelector('.ace_editor')).backgroundColor"
    eventually(lambda: _brightness(page.evaluate(ground)) > 200)
    page.click("[data-theme-toggle]")
    eventually(lambda: _brightness(page.evaluate(ground)) < 80)
    page.click("[data-theme-toggle]")

    eventually(lambda: _brightness(page.evaluate(ground)) > 200)


def test_reduced_motion_and_forced_colours_leave_nothing_moving_or_unreadable(console: Watched) -> None:
    page = console.page
    page.emulate_media(reduced_motion="reduce", forced_colors="active")
    console.open("executions")
    moving = """[...document.querySelectorAll('*')].filter((node) => {
      const { animationName, animationDuration, animationIterationCount } = getComputedStyle(node);
      return animationName !== 'none' && parseFloat(animationDuration) > 0.01 && animationIterationCount !== '1';
    }).map((node) => node.className)"""

    assert page.evaluate(moving) == []
    assert console.faults == []

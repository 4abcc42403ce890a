"""Settings: times in the zone and the form that somebody chose, on the page at once and on every page afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import Seeded

pytestmark = pytest.mark.e2e

ZONE = "Australia/Adelaide"
"""Half an hour beside most others, so that nothing is right by chance."""


@pytest.fixture
def settings(console: Watched) -> Iterator[Watched]:
    """The page of the settings, which are put back afterwards: they belong to the account, and other tests use it, too."""
    console.open("settings")
    yield console
    console.open("settings")
    page = console.page
    page.locator("[data-setting=zone]").select_option("local")
    for name, value in (("date", ""), ("clock", "24")):
        page.locator(f"[data-setting={name}][value='{value}']").check()
    page.wait_for_load_state("networkidle")


def test_times_follow_the_chosen_zone_and_form_at_once_and_everywhere(settings: Watched, seeded: Seeded) -> None:
    page = settings.page
    page.locator("[data-setting=zone]").select_option(ZONE)
    page.locator("[data-setting=date][value=iso]").check()
    sample = page.locator("#sample-time")
    expect(sample).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"))
    assert sample.text_content() == _write(sample.get_attribute("datetime"))

    settings.open(seeded.path_of("success") + "/logs")
    line = page.locator(".logs .l time").first
    moment = datetime.fromisoformat(str(line.get_attribute("datetime")).replace("Z", "+00:00")).astimezone(ZoneInfo(ZONE))
    expect(line).to_have_text(moment.isoformat(timespec="milliseconds")[11:23])
    settings.open("executions")
    started = page.locator("table.list time[data-done]:not(.age)").first
    assert started.text_content() == _write(started.get_attribute("datetime"))
    assert settings.faults == []


def _write(moment: str | None) -> str:
    return f"{datetime.fromisoformat(str(moment)).astimezone(ZoneInfo(ZONE)):%Y-%m-%d %H:%M:%S}"


def test_the_clock_of_twelve_hours_says_which_half_of_the_day(settings: Watched) -> None:
    settings.page.locator("[data-setting=clock][value='12']").check()

    expect(settings.page.locator("#sample-time")).to_have_text(re.compile("[AP]M$"))

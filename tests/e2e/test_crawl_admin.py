"""Every kind of page of the administration, found by following links: whole, clean, in both themes, at a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.crawling import ADMIN, Crawl, walk
from tests.e2e.seeding import Seeded

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def walked(browser: Browser, signed_in: Any, seeded: Seeded) -> Crawl:
    """One walk, looked at by all tests of this module."""
    return walk(browser, signed_in, seeded, part=ADMIN)


def test_every_link_leads_somewhere(walked: Crawl) -> None:
    assert walked.broken == []


def test_every_page_is_whole_in_both_themes_and_at_both_widths(walked: Crawl) -> None:
    assert "\n".join(walked.faults) == ""


def test_no_page_has_a_serious_accessibility_fault(walked: Crawl) -> None:
    assert "\n".join(walked.violations) == ""


def test_every_model_is_reached(walked: Crawl) -> None:
    lists = {shape.route for shape in walked.pages if shape.app == ADMIN and shape.route.endswith("_changelist")}

    assert len(lists) > 30

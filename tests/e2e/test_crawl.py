"""Every kind of page of the console, found by following links: whole, clean, named, in both themes, at a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from flows.ui.urls import urlpatterns
from tests.e2e.crawling import Crawl, walk
from tests.e2e.seeding import Seeded

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NOT_LINKED = {
    "completion": "names for the editor's script, asked for when somebody types",
    "execution-file-raw": "a download, and the bytes of pictures in previews",
    "flow-bare": "old addresses of flows, kept for bookmarks",
    "job": "linked from the list of jobs as soon as somebody acted on many; test_starting_and_many.py opens one",
    "live-execution": "a stream for the script of an execution's page",
    "live-flow-logs": "a stream for the script of a log",
    "live-log": "a stream for the script of a log",
    "live-logs": "a stream for the script of a log",
    "login": "the walk is signed in; the journey begins there",
    "login-code": "a step of signing in, only with a second factor",
    "login-enrol": "a step of signing in, only with a second factor",
    "namespace-file": "a download",
    "oidc-begin": "leads to another host, only with single sign-on",
    "oidc-return": "the way back from there",
    "palette": "results for the palette's script, asked for when somebody types",
    "set-up": "exists until the first account is made",
    "tenant": "old addresses with the tenant, kept for bookmarks",
    "tenant-root": "old addresses with the tenant, kept for bookmarks",
    "unknown": "what no other address takes",
    "welcome": "where the start page leads while there is no flow",
}
"""Routes that answer GET and that no link of the console leads to, each with the reason."""


@pytest.fixture(scope="module")
def walked(browser: Browser, signed_in: Any, seeded: Seeded) -> Crawl:
    """One walk, looked at by all tests of this module."""
    return walk(browser, signed_in, seeded, part="console")


def test_every_link_leads_somewhere(walked: Crawl) -> None:
    assert walked.broken == []


def test_every_page_is_whole_in_both_themes_and_at_both_widths(walked: Crawl) -> None:
    assert "\n".join(walked.faults) == ""


def test_no_page_has_a_serious_accessibility_fault(walked: Crawl) -> None:
    assert "\n".join(walked.violations) == ""


def test_every_route_with_a_page_is_linked(walked: Crawl) -> None:
    shown = {pattern.name for pattern in urlpatterns if "GET" in pattern.callback.answered_methods}  # type: ignore[union-attr]
    reached = {shape.route for shape in walked.reached if shape.app == "ui"}

    assert shown - reached - set(NOT_LINKED) == set()
    assert set(NOT_LINKED) <= shown

"""Every page of a plugin opens, says what the type is, and hands its examples over: to the clipboard and to a new flow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REQUEST = "io.kestra.plugin.core.http.Request"


def test_every_plugin_page_opens(console: Watched) -> None:
    console.open("plugins")
    links = console.page.locator("main td a.main-link")
    addresses = [str(link.get_attribute("href")) for link in links.all()]
    assert len(addresses) > 140
    faults = []
    for address in addresses:
        answer = console.open(address)
        if answer is None or answer.status != 200:
            faults.append(f"{address}: status {answer and answer.status}")
        if console.page.locator("h1").text_content() != address.rpartition(".")[2]:
            faults.append(f"{address}: the title is {console.page.locator('h1').text_content()}")
        faults += [f"{address}: {fault}" for fault in console.take_faults()]

    assert faults == []


def test_a_search_finds_a_type_by_the_name_of_a_property(console: Watched) -> None:
    console.open("plugins")
    console.page.keyboard.press("/")
    console.page.keyboard.type("followRedirects")
    expect(console.page).to_have_url(re.compile("q=followRedirects"))

    expect(console.page.locator("main td a.main-link", has_text=re.compile("^Request$"))).to_have_count(1)


def test_an_example_becomes_a_new_flow(console: Watched) -> None:
    console.open(f"plugins/{REQUEST}")
    page = console.page
    example = page.locator("pre.source").first.text_content() or ""
    page.get_by_role("link", name="Try in a new flow").first.click()
    expect(page.locator(".ace_editor").first).to_be_visible()

    assert page.evaluate("celestraEditor.getValue()").strip() == example.strip()
    assert console.faults == []


def test_a_page_tells_properties_outputs_and_metrics(console: Watched) -> None:
    console.open(f"plugins/{REQUEST}")
    main = console.page.locator("main")

    for title, word in (("Properties", "uri"), ("Outputs", "code"), ("Metrics", "response.length")):
        card = main.locator("section.card", has=console.page.get_by_role("heading", name=title, exact=True))
        expect(card.locator("td code", has_text=re.compile(f"^{re.escape(word)}$"))).to_have_count(1)

"""The log of all executions: filters that are kept, and what its lines show."""

from __future__ import annotations

import re

from django.test import Client

from flows.models import Flow
from flows.queries.log_windows import WINDOW

from .conftest import save_execution, save_log


def test_a_saved_filter_opens_the_log_and_can_be_forgotten(alice: Client, flow: Flow) -> None:
    save_log(save_execution(), "hello")
    alice.post("/ui/logs/view", {"act": "save", "name": "trouble", "query": "level=WARN", "default": "1"})

    away = alice.get("/ui/logs")
    page = alice.get("/ui/logs?q=")
    back = alice.post("/ui/logs/view", {"act": "drop", "name": "trouble", "query": "level=ERROR"})

    assert away["Location"] == "/ui/logs?level=WARN"
    assert "trouble" in page.content.decode()
    assert back["Location"] == "/ui/logs?level=ERROR"
    assert alice.get("/ui/logs").status_code == 200


def test_a_search_tells_how_many_lines_match_as_far_as_the_page_knows(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    for number in range(WINDOW + 1):
        save_log(execution, "common rare" if number < 2 else "common")

    found = {text: alice.get("/ui/logs", {"q": text}).context["log"]["hit_count"] for text in ("rare", "common", "")}

    assert found == {"rare": "2", "common": f"{WINDOW}+", "": ""}


def test_what_lines_show_is_chosen_and_kept(alice: Client, flow: Flow) -> None:
    save_log(save_execution(), "hello")
    alice.post("/ui/logs/view", {"act": "columns", "column": ["time", "task"], "query": ""})

    chosen = alice.get("/ui/logs?q=").content.decode()
    alice.post("/ui/logs/view", {"act": "columns", "usual": "1"})
    usual = alice.get("/ui/logs?q=").content.decode()

    assert '<div id="results" class="no-level no-flow">' in chosen
    assert '<div id="results" class="">' in usual


def test_the_forms_of_the_menus_know_the_filters_that_scripts_have_put_into_the_address(alice: Client, flow: Flow) -> None:
    save_log(save_execution(), "hello")

    part = alice.get("/ui/logs?level=ERROR&before=7", headers={"X-Fragment": "1"}).content.decode()

    results = part[part.index('id="results"') :]
    assert set(re.findall(r'name="query" value="([^"]*)"', results)) == {"level=ERROR"}


def test_filters_without_a_field_stay_while_others_change(alice: Client, flow: Flow) -> None:
    page = alice.get("/ui/logs?flow=daily&task=hello").content.decode()

    assert '<input type="hidden" name="flow" value="daily">' in page
    assert '<input type="hidden" name="task" value="hello">' in page


def test_a_script_that_asks_for_lines_is_not_led_away(alice: Client, flow: Flow) -> None:
    save_log(save_execution(), "hello")
    alice.post("/ui/logs/view", {"act": "save", "name": "trouble", "query": "level=WARN", "default": "1"})

    answer = alice.get("/ui/logs", headers={"X-Fragment": "lines"})

    assert "hello" in str(answer.json()["parts"])

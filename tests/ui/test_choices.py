"""What a person chose for the look of the console stands in the first answer, without a script that runs before it."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.models import Flow
from flows.ui.choices import CHOICES, is_choice
from tests.ui.conftest import save_execution


def test_a_page_has_the_look_that_the_browser_tells(alice: Client, flow: Flow) -> None:
    alice.cookies["look"] = "theme=dark&nav=narrow&density=comfortable"

    page = alice.get("/ui/flows")
    assert '<html lang="en" data-theme="dark" class="narrow comfortable">' in page.content.decode()
    assert "look" not in page.cookies


@pytest.mark.parametrize("told", ["theme=system", "theme=%22%3E%3Cscript%3E", "nothing", ""])
def test_without_a_known_theme_the_style_sheet_follows_the_system(alice: Client, flow: Flow, told: str) -> None:
    alice.cookies["look"] = told

    assert '<html lang="en">' in alice.get("/ui/flows").content.decode()


def test_nobody_is_told_a_look_before_signing_in(db: None, flow: Flow) -> None:
    page = Client().get("/ui/login")

    assert "look" not in page.cookies


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("/ui/logs", "namespace=company.team&level=WARN"),
        ("/ui/executions", "namespace=company.team"),
        ("/ui/triggers", "namespace=company.team"),
        ("/ui/executions/company.team/daily/exec1/logs", "level=WARN&order=task"),
    ],
)
def test_a_page_without_filters_opens_with_those_that_the_reader_prefers(alice: Client, flow: Flow, url: str, query: str) -> None:
    save_execution()
    alice.cookies["look"] = "theme=system&home-namespace=company.team&log-level=WARN&log-order=task"

    answer = alice.get(url)

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{url}?{query}")
    assert alice.get(f"{url}?q=x").status_code == 200


def test_a_new_flow_begins_in_the_namespace_of_the_reader(alice: Client, flow: Flow) -> None:
    alice.cookies["look"] = "home-namespace=company.sales"

    assert "namespace: company.sales" in alice.get("/ui/flows/new").content.decode()


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("log-level", "WARN", 204),
        ("home-namespace", "a.b", 204),
        ("home-namespace", "<script>", 422),
        ("log-level", "LOUD", 422),
        ("zone", "utc", 204),
        ("zone", "Europe/Lisbon", 204),
        ("zone", "Mars/Base", 422),
        ("date", "iso", 204),
        ("date", "backwards", 422),
    ],
)
def test_a_setting_is_kept_with_the_account(alice: Client, flow: Flow, name: str, value: str, status: int) -> None:
    assert alice.post("/ui/settings", {"name": name, "value": value}).status_code == status


def test_every_setting_of_the_page_has_values_that_are_kept(alice: Client, flow: Flow) -> None:
    page = alice.get("/ui/settings")
    rows = [row for name in ("look_rows", "time_rows", "first_rows", "key_rows") for row in page.context[name]]

    shown = {row.setting: {value for value, _ in row.options} for row in rows}
    assert shown.keys() == {*CHOICES, "home-namespace"}
    assert [name for name, values in shown.items() if not all(is_choice(name, value) for value in values)] == []
    assert all(f'data-setting="{name}"' in page.content.decode() for name in shown)

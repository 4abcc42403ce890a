"""Every key of the list of shortcuts, and the palette; nothing fires while somebody types."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched, set_source, wait_for_editor
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.keys"
FLOW = f"""id: typed_in
namespace: {NAMESPACE}
tasks:
  - id: first
    type: io.kestra.plugin.core.log.Log
    message: hello
  - id: second
    type: io.kestra.plugin.core.execution.Fail
"""
PLACES = {
    "d": "/ui/(dashboards.*)?",
    "e": "/ui/executions",
    "f": "/ui/flows",
    "l": "/ui/logs",
    "t": "/ui/triggers",
    "n": "/ui/namespaces",
    "b": "/ui/blueprints",
    "p": "/ui/plugins",
    "s": "/ui/system",
}
ALL_KEYS = "gdgegfglgtgngbgpgs?jkxrRt[]123456789"


@pytest.fixture(scope="module")
def executions(running_system: SystemProcess) -> list[str]:
    """Three executions of one flow, which fails; the first one first."""
    send(running_system, "POST", "/flows", FLOW)
    found = []
    for _ in range(3):
        found.append(start_execution(running_system, f"{NAMESPACE}/typed_in"))
        wait_for_state(running_system, found[-1], *ENDED)
    return found


def _path(page: Page) -> str:
    return re.sub(r"^\w+://[^/]+|[?#].*$", "", page.url)


@pytest.mark.parametrize("key", PLACES)
def test_g_and_a_letter_go_to_a_page(console: Watched, key: str) -> None:
    console.open("settings")
    console.page.keyboard.press("g")
    console.page.keyboard.press(key)

    expect(console.page).to_have_url(re.compile(rf"://[^/]+{PLACES[key]}$"))
    assert console.faults == []


@pytest.mark.parametrize("path", ["flows", "executions", "logs", "triggers", "namespaces", "plugins", "blueprints"])
def test_a_slash_leads_to_the_filter(console: Watched, path: str) -> None:
    console.open(path)
    console.page.keyboard.press("/")

    expect(console.page.locator("main input[type=search]").first).to_be_focused()
    expect(console.page.locator("main input[type=search]").first).to_have_value("")


def test_the_question_mark_lists_the_keys_and_escape_closes_the_list(console: Watched, executions: list[str]) -> None:
    console.open("executions")
    page = console.page
    page.keyboard.press("?")
    listed = page.locator("dialog[open]")
    expect(listed).to_be_visible()
    for key in ("Ctrl K", "/", "g", "j", "k", "Enter", "x", "Ctrl Enter", "t", "Esc"):
        expect(listed.locator("kbd", has_text=re.compile(f"^{re.escape(key)}$")).first).to_be_visible()
    for key in ("r", "[", "F8", "End", "Ctrl S"):
        expect(listed.locator("kbd", has_text=re.compile(f"^{re.escape(key)}$")).first).to_be_hidden()
    page.keyboard.press("Escape")

    expect(listed).to_have_count(0)
    assert console.faults == []


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("executions/{execution}/logs", ("1", "r", "Shift r", "[", "]", "End")),
        (f"flows/edit/{NAMESPACE}/typed_in/edit", ("1", "9", "Ctrl S", "F8")),
    ],
)
def test_the_list_of_keys_is_that_of_the_page(console: Watched, executions: list[str], path: str, keys: tuple[str, ...]) -> None:
    console.open(path.format(execution=executions[0]))
    page = console.page
    if page.locator("[data-editor]").count():
        expect(page.locator(".ace_text-input").first).to_be_focused()
        page.locator("h1").click()
    page.keyboard.press("?")

    for key in keys:
        expect(page.locator("#keys-dialog kbd", has_text=re.compile(f"^{re.escape(key)}$")).first).to_be_visible()


def test_the_palette_begins_with_what_was_open_and_offers_what_the_page_can_do(console: Watched, executions: list[str]) -> None:
    console.open(f"flows/edit/{NAMESPACE}/typed_in/logs")
    console.open(f"executions/{executions[0]}")
    console.open("flows")
    page = console.page
    page.keyboard.press("Control+k")
    rows = page.locator("dialog.palette li")
    expect(rows.nth(0)).to_contain_text("typed_in / ")
    expect(rows.nth(1).locator("small")).to_have_text("recent")
    page.keyboard.type("import")
    expect(rows.first).to_contain_text("Import")
    expect(rows.first).to_contain_text("action")
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile("/ui/flows/import"))
    assert console.faults == []


def test_j_and_k_move_x_selects_and_enter_opens(console: Watched, executions: list[str]) -> None:
    console.open(f"executions?namespace={NAMESPACE}")
    page = console.page
    rows = page.locator("table.list tbody tr")
    # Another test may have started one more.
    expect(rows.nth(2)).to_be_visible()
    newest = rows.nth(0).locator("a").first.get_attribute("href")

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows.nth(1)).to_have_class(re.compile("is-at"))
    page.keyboard.press("k")
    expect(rows.nth(0)).to_have_class(re.compile("is-at"))
    expect(rows.nth(1)).not_to_have_class(re.compile("is-at"))
    page.keyboard.press("x")
    expect(rows.nth(0).locator(".tick")).to_be_checked()
    page.keyboard.press("x")
    expect(rows.nth(0).locator(".tick")).not_to_be_checked()
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{newest}")
    assert console.faults == []


def test_brackets_go_to_the_runs_before_and_after(console: Watched, executions: list[str]) -> None:
    console.open(f"executions/{executions[1]}/logs")
    page = console.page
    page.keyboard.press("[")
    page.wait_for_url(f"**/{executions[0]}/logs")
    page.keyboard.press("]")
    page.wait_for_url(f"**/{executions[1]}/logs")
    page.keyboard.press("]")
    page.wait_for_url(f"**/{executions[2]}/logs")


@pytest.mark.parametrize("start", ["executions/{execution}", f"flows/edit/{NAMESPACE}/typed_in", f"namespaces/{NAMESPACE}"])
def test_digits_open_tabs_by_their_place(console: Watched, executions: list[str], start: str) -> None:
    console.open(start.format(execution=executions[0]))
    page = console.page
    tabs = [str(link.get_attribute("href")) for link in page.locator(".tabs a").all()]
    assert len(tabs) > 4
    for number in (3, 2, 1, 4):
        page.wait_for_load_state()
        if page.locator("[data-editor]").count():
            # The editor takes the focus, where a digit is text.
            expect(page.locator(".ace_text-input").first).to_be_focused()
            page.locator("h1").click()
        page.keyboard.press(str(number))
        expect(page).to_have_url(re.compile(re.escape(re.sub(r"[?#].*$", "", tabs[number - 1])) + r"([?#].*)?$"))

    assert console.faults == []


def test_r_asks_for_a_replay_and_shift_r_for_a_restart(console: Watched, executions: list[str]) -> None:
    console.open(f"executions/{executions[0]}")
    page = console.page
    page.keyboard.press("r")
    expect(page.locator("dialog[open] h2")).to_contain_text("Replay")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("Shift+R")
    expect(page.locator("dialog[open] h2")).to_contain_text("Restart")
    page.keyboard.press("Escape")

    expect(page.locator("dialog[open]")).to_have_count(0)


def test_escape_closes_the_drawer_and_leaves_the_page(console: Watched, executions: list[str]) -> None:
    console.open(f"executions/{executions[0]}/gantt")
    page = console.page
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".drawer")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator(".drawer")).to_have_count(0)
    assert _path(page) == f"/ui/executions/{executions[0]}/gantt"
    assert "task=" not in page.url


def test_escape_closes_a_menu(console: Watched, executions: list[str]) -> None:
    console.open(f"executions/{executions[0]}")
    page = console.page
    page.locator("header.top details.pick summary").first.click()
    expect(page.locator("details.pick[open]")).to_have_count(1)
    page.keyboard.press("Escape")

    expect(page.locator("details.pick[open]")).to_have_count(0)


def test_t_turns_the_theme_over(console: Watched) -> None:
    console.open("flows")
    page = console.page
    before = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("t")
    expect(page.locator("html")).not_to_have_attribute("data-theme", str(before))
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", str(before))


def test_control_enter_executes_a_flow_and_sends_its_form(console: Watched, executions: list[str]) -> None:
    console.open(f"flows/edit/{NAMESPACE}/typed_in")
    page = console.page
    page.keyboard.press("Control+Enter")
    expect(page.locator("form[data-main]")).to_be_visible()
    page.keyboard.press("Control+Enter")

    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/typed_in/*")


def test_control_s_saves_in_the_editor(console: Watched, running_system: SystemProcess) -> None:
    source = FLOW.replace("typed_in", "saved_by_key")
    send(running_system, "POST", "/flows", source)
    console.open(f"flows/edit/{NAMESPACE}/saved_by_key/edit")
    page = console.page
    set_source(page, source.replace("hello", "good morning"))
    expect(page.locator("#problems")).to_have_text("No problems.")
    page.locator(".ace_content").first.click()
    page.keyboard.press("Control+s")

    eventually(lambda: send(running_system, "GET", f"/flows/{NAMESPACE}/saved_by_key")["revision"] == 2)
    assert console.faults == []


@pytest.mark.parametrize("place", ["search", "textarea", "select", "editor", "palette"])
def test_nothing_fires_while_somebody_types(console: Watched, executions: list[str], place: str) -> None:
    page = console.page
    paths = {
        "textarea": f"namespaces/{NAMESPACE}/kv",
        "editor": f"flows/edit/{NAMESPACE}/typed_in/edit",
    }
    console.open(paths.get(place, f"executions/{executions[0]}/logs"))
    if place == "search":
        page.locator("main input[type=search]").first.focus()
    elif place == "select":
        page.locator("main select").first.focus()
    elif place == "palette":
        page.keyboard.press("Control+k")
        expect(page.locator("dialog.palette input")).to_be_focused()
    elif place == "editor":
        wait_for_editor(page)
        page.evaluate("window.celestraEditor.focus()")
    else:
        page.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
        page.locator("main > textarea").focus()
    before = _path(page), page.locator("html").get_attribute("data-theme")

    page.keyboard.type(ALL_KEYS)

    assert (_path(page), page.locator("html").get_attribute("data-theme")) == before
    expect(page.locator("dialog[open]:not(.palette)")).to_have_count(0)
    if place in ("search", "palette"):
        assert page.evaluate("document.activeElement.value") == ALL_KEYS


def test_single_keys_can_be_switched_off(console: Watched) -> None:
    console.open("settings")
    page = console.page
    box = page.locator("[data-setting=keys]")
    box.uncheck()
    expect(page.locator(".toasts")).to_contain_text("Saved")
    console.open("flows")
    theme = str(page.locator("html").get_attribute("data-theme"))
    for key in ("t", "?", "g", "e"):
        page.keyboard.press(key)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert _path(page) == "/ui/flows"
    page.keyboard.press("Control+k")
    expect(page.locator("dialog.palette")).to_be_visible()

    console.open("settings")
    box.check()
    expect(page.locator(".toasts")).to_contain_text("Saved")


def test_the_palette_finds_pages_flows_executions_and_plugins(console: Watched, executions: list[str]) -> None:
    console.open("flows")
    page = console.page
    opener = page.locator("[data-palette]")
    opener.focus()
    page.keyboard.press("Enter")
    field, rows = page.locator("dialog.palette input"), page.locator("dialog.palette li")
    expect(field).to_be_focused()
    expect(rows.first).to_be_visible()

    field.fill("typed_in")
    expect(rows.filter(has_text="typed_in").first).to_be_visible()
    field.fill(executions[0].rpartition("/")[2][:10])
    expect(rows.filter(has_text=executions[0].rpartition("/")[2])).to_have_count(1)
    field.fill("core.log.Log")
    expect(rows.filter(has_text="io.kestra.plugin.core.log.Log").first).to_be_visible()
    field.fill("there is nothing of this name")
    expect(page.locator("dialog.palette ul")).to_contain_text("Nothing matches")

    page.keyboard.press("Escape")
    expect(page.locator("dialog.palette")).to_be_hidden()
    expect(opener).to_be_focused()
    assert console.faults == []


def test_arrows_move_in_the_palette_and_enter_goes(console: Watched, executions: list[str]) -> None:
    console.open("executions")
    page = console.page
    page.keyboard.press("Control+k")
    page.keyboard.type("typed_in")
    rows = page.locator("dialog.palette li")
    expect(rows.filter(has_text="Execute typed_in")).to_have_count(1)
    chosen = page.locator("dialog.palette li[aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(rows.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    expect(rows.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(rows.first).to_have_attribute("aria-selected", "true")
    target = str(chosen.locator("a").get_attribute("href"))
    page.keyboard.press("Enter")

    expect(page).to_have_url(console.base_url + target)

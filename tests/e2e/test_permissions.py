"""What somebody with less than all rights sees and gets: no actions, refused posts, and nothing of other namespaces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import Watched, watch
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

MINE, HIDDEN = "e2e.mine", "e2e.hidden"
PASSWORD = "Correct-horse-2"
FLOW = """id: {name}
namespace: {namespace}
inputs:
  - id: word
    type: STRING
    defaults: {name}-default
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "{name} said {{{{ inputs.word }}}}"
triggers:
  - id: {name}_nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 3 * * *"
"""
WORDS = ("secretive_flow", HIDDEN)


@dataclass
class Place:
    """Two namespaces, one execution in each, and a person who may only look at the first one."""

    system: SystemProcess
    mine: str
    hidden: str


@pytest.fixture(scope="module")
def place(running_system: SystemProcess) -> Place:
    """Fill the namespaces and invite the person."""
    system = running_system
    for name, namespace in (("open_flow", MINE), ("secretive_flow", HIDDEN)):
        send(system, "POST", "/flows", FLOW.format(name=name, namespace=namespace))
        send(system, "PUT", f"/namespaces/{namespace}/kv/{name}_key", '"x"', **{"Content-Type": "text/plain"})
    found = [start_execution(system, f"{MINE}/open_flow"), start_execution(system, f"{HIDDEN}/secretive_flow")]
    for execution in found:
        wait_for_state(system, execution, *ENDED)
    for email, role in (("onlooker@example.org", "viewer"), ("stranger@example.org", "")):
        user = send(system, "POST", "/users", {"email": email, "firstName": "On", "lastName": "Looker", "password": PASSWORD})
        if role:
            binding = {"type": "USER", "externalId": user["id"], "roleId": _role_id(system, role), "namespaceId": MINE}
            send(system, "POST", "/bindings", binding)
    return Place(system, *found)


def _role_id(system: SystemProcess, name: str) -> str:
    found = send(system, "GET", "/roles/search?size=50")["results"]
    return str(next(role["id"] for role in found if role["name"].lower() == name))


def _log_in(browser: Browser, system: SystemProcess, email: str) -> Watched:
    watched = watch(browser.new_context(reduced_motion="reduce"), system.base_url)
    watched.open("login")
    watched.page.fill("#username", email)
    watched.page.fill("#password", PASSWORD)
    watched.page.click("button.primary")
    expect(watched.page.locator("nav.nav")).to_have_count(1)
    return watched


@pytest.fixture
def onlooker(browser: Browser, place: Place) -> Iterator[Watched]:
    """A page of the person who may look at one namespace."""
    watched = _log_in(browser, place.system, "onlooker@example.org")
    yield watched
    watched.page.context.close()


@pytest.fixture
def stranger(browser: Browser, place: Place) -> Iterator[Watched]:
    """A page of somebody without any role."""
    watched = _log_in(browser, place.system, "stranger@example.org")
    yield watched
    watched.page.context.close()


def _post(watched: Watched, path: str, form: dict[str, Any]) -> int:
    token = watched.page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    headers = {"X-CSRFToken": token, "Referer": watched.base_url}
    answer = watched.page.context.request.post(
        f"{watched.base_url}/ui/{path}", form={name: str(value) for name, value in form.items()}, headers=headers, max_redirects=0
    )
    return answer.status


def test_a_viewer_sees_no_action(onlooker: Watched, place: Place) -> None:
    page = onlooker.page
    onlooker.open(f"executions/{place.mine}")
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible()
    for action in ("kill", "restart", "replay", "pause", "resume", "unqueue", "force-run", "delete"):
        expect(page.locator(f"[data-dialog=act-{action}]")).to_have_count(0)
    expect(page.locator("[data-dialog=state-dialog], [data-dialog=labels-dialog]")).to_have_count(0)

    onlooker.open(f"flows/edit/{MINE}/open_flow")
    expect(page.locator("a[data-execute]")).to_have_count(0)
    expect(page.locator("[data-dialog=delete-dialog]")).to_have_count(0)
    expect(page.locator("form[action*='/act/']")).to_have_count(0)

    onlooker.open("triggers")
    expect(page.locator("main form[action*='/act/']")).to_have_count(0)
    onlooker.open(f"namespaces/{MINE}/kv")
    expect(page.locator("main form[action*='/act/']")).to_have_count(0)
    onlooker.open("flows")
    expect(page.locator("main a[href$='/execute']")).to_have_count(0)
    assert onlooker.faults == []


def test_a_viewer_reads_the_editor_and_cannot_write_in_it(onlooker: Watched, place: Place) -> None:
    page = onlooker.page
    onlooker.open(f"flows/edit/{MINE}/open_flow/edit?panel=topology")
    expect(page.locator("#problems")).to_have_text("No problems.")
    page.locator("#n-say").click()
    expect(page.locator("#node-bar .btn, #save, #tab-playground, #tab-blueprints, .run-mark")).to_have_count(0)
    before = page.evaluate("celestraEditor.getValue()")
    page.locator("#editor").click()
    page.keyboard.type("typed")
    assert page.evaluate("celestraEditor.getValue()") == before

    page.click("#tab-inputs")
    expect(page.locator("#play-inputs [name='in.word']")).to_have_value("open_flow-default")
    expect(page.locator("#play-inputs .note")).to_contain_text("needs the rights")
    page.click("#tab-docs")
    expect(page.locator("#panel-docs .panel-body")).to_be_visible()
    assert onlooker.faults == []


def test_a_viewer_who_posts_all_the_same_is_refused_and_changes_nothing(onlooker: Watched, place: Place) -> None:
    onlooker.open("settings")
    system, execution_id = place.system, place.mine.rpartition("/")[2]
    before = send(system, "GET", f"/flows/{MINE}/open_flow"), send(system, "GET", f"/executions/{execution_id}")

    posts = {
        f"flows/edit/{MINE}/open_flow/execute": {"in.word": "x"},
        f"flows/edit/{MINE}/open_flow/act/disable": {},
        f"flows/edit/{MINE}/open_flow/act/delete": {},
        f"executions/{place.mine}/act/delete": {},
        f"executions/{place.mine}/act/replay": {},
        f"executions/{place.mine}/act/labels": {"labels": "a:b"},
        f"executions/{place.mine}/act/state": {"state": "FAILED"},
        f"triggers/{MINE}/open_flow/open_flow_nightly/act/disable": {},
        f"namespaces/{MINE}/act/kv-set": {"key": "k", "value": "1", "type": "NUMBER"},
        f"namespaces/{MINE}/act/secret-set": {"key": "K", "value": "1"},
    }
    assert {path: _post(onlooker, path, form) for path, form in posts.items()} == dict.fromkeys(posts, 403)
    assert (send(system, "GET", f"/flows/{MINE}/open_flow"), send(system, "GET", f"/executions/{execution_id}")) == before


@pytest.mark.parametrize(
    "path",
    ["", "flows", "executions", "logs", "triggers", "namespaces", "flows/search?q=secretive", "dashboards", "inbox",
     f"executions?namespace={HIDDEN}", f"flows?namespace={HIDDEN}", f"logs?namespace={HIDDEN}", "blueprints", "account"],
)  # fmt: skip
def test_other_namespaces_are_in_no_list(onlooker: Watched, stranger: Watched, path: str) -> None:
    for watched in (onlooker, stranger):
        answer = watched.open(path)
        assert answer is not None and answer.status == 200
        shown = watched.page.locator("main").inner_html()
        for word in WORDS:
            # What somebody typed into the address is shown back to them in the filters.
            assert word not in shown.replace(f'value="{HIDDEN}"', "").replace(f": {HIDDEN}", "") or HIDDEN in path, (path, word)
        assert "secretive_flow" not in shown, path


def test_the_palette_finds_only_what_may_be_seen(onlooker: Watched, place: Place) -> None:
    onlooker.open("flows")
    rows = onlooker.page.locator("dialog.palette li")
    for text, count in (("open_flow", 1), ("secretive_flow", 0), (place.hidden.rpartition("/")[2], 0)):
        answer = onlooker.page.context.request.get(f"{onlooker.base_url}/ui/palette?q={text}").json()["found"]
        assert (len([one for one in answer if one["kind"] != "page"]) >= count) and ("secretive" not in json.dumps(answer))
        assert count or not [one for one in answer if one["kind"] in ("flow", "run", "execution")]
    onlooker.page.keyboard.press("Control+k")
    onlooker.page.keyboard.type("open_flow")
    expect(rows.filter(has_text="open_flow").first).to_be_visible()
    # What nobody may do is not offered either.
    expect(rows.filter(has_text="Execute open_flow")).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    [
        "executions/{hidden}",
        "executions/{hidden}/logs",
        f"flows/edit/{HIDDEN}/secretive_flow",
        f"flows/edit/{HIDDEN}/secretive_flow/edit",
        f"flows/edit/{HIDDEN}/secretive_flow/execute",
        f"namespaces/{HIDDEN}",
        f"namespaces/{HIDDEN}/kv",
        f"triggers/{HIDDEN}/secretive_flow/secretive_flow_nightly/backfill",
        "e/{id}",
    ],
)
def test_pages_of_other_namespaces_are_not_there(onlooker: Watched, place: Place, path: str) -> None:
    answer = onlooker.open(path.format(hidden=place.hidden, id=place.hidden.rpartition("/")[2]))

    assert answer is not None and answer.status in (403, 404)
    text = onlooker.page.locator("main").inner_text()
    assert "secretive_flow said" not in text and "secretive_flow_key" not in text


def test_streams_of_other_namespaces_do_not_open(onlooker: Watched, place: Place) -> None:
    onlooker.open("flows")
    request, hidden_id = onlooker.page.context.request, place.hidden.rpartition("/")[2]
    for path in (f"executions/{hidden_id}/follow", f"logs/{hidden_id}/follow"):
        assert request.get(f"{onlooker.base_url}/api/v1/main/{path}").status in (403, 404)
    assert request.get(f"{onlooker.base_url}/api/v1/main/executions/{place.mine.rpartition('/')[2]}/follow").status == 200


def test_pages_for_administrators_are_neither_linked_nor_open(onlooker: Watched) -> None:
    onlooker.open("flows")
    entries = onlooker.page.locator("nav.nav a")
    for word in ("Users", "Audit log", "Administration"):
        expect(entries.filter(has_text=word)).to_have_count(0)
    for path in ("users", "groups", "roles", "audit"):
        answer = onlooker.open(path)
        assert answer is not None and answer.status == 403, path
        expect(onlooker.page.locator("h1")).to_have_count(1)
        expect(onlooker.page.locator("nav.nav")).to_have_count(1)


def test_a_lost_right_ends_what_was_open(browser: Browser, place: Place) -> None:
    system = place.system
    person = {"email": "leaver@example.org", "firstName": "L", "lastName": "E", "password": PASSWORD}
    user = send(system, "POST", "/users", person)
    binding = {"type": "USER", "externalId": user["id"], "roleId": _role_id(system, "viewer"), "namespaceId": MINE}
    bound = send(system, "POST", "/bindings", binding)
    watched = _log_in(browser, system, "leaver@example.org")
    watched.open(f"executions/{place.mine}")
    expect(watched.page.locator("#live-head")).to_have_count(1)

    send(system, "DELETE", f"/bindings/{bound['id']}")

    eventually(lambda: getattr(watched.open(f"executions/{place.mine}"), "status", 0) in (403, 404))
    watched.page.context.close()

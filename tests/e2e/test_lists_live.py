"""Lists that look for changes by themselves: cheaply, not while nobody looks, and patiently while the server is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Page, Response, Route, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.live"
FLOW = f"""id: nap
namespace: {NAMESPACE}
inputs:
  - {{id: length, type: DURATION, defaults: PT2S}}
tasks:
  - {{id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: "{{{{ inputs.length }}}}"}}
"""
PATH = f"executions?namespace={NAMESPACE}"
EVERY_MS = 4000
_LOOK_AWAY = """isAway => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isAway });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def system(running_system: SystemProcess) -> SystemProcess:
    """The system with a flow that has run once."""
    send(running_system, "POST", "/flows", FLOW)
    wait_for_state(running_system, start_execution(running_system, f"{NAMESPACE}/nap"), *ENDED)
    return running_system


@pytest.fixture
def listed(console: Watched, system: SystemProcess) -> Iterator[Watched]:
    """The list of executions, in a browser whose clock stands still."""
    console.page.clock.install()
    console.open(PATH)
    # The script that asks comes after the page.
    console.page.wait_for_load_state("networkidle")
    console.page.clock.pause_at(console.page.evaluate("Date.now() / 1000 + 1"))
    yield console
    assert console.faults == []


def _hear_answers(page: Page) -> list[int]:
    """Return the list into which the statuses of the answers go from now on."""
    found: list[int] = []

    def note(response: Response) -> None:
        if "/ui/executions" in response.url and response.request.headers.get("x-fragment"):
            found.append(response.status)

    page.on("response", note)
    return found


def _wait_for(page: Page, answers: list[int], count: int) -> None:
    # Events of the page come while it is asked something.
    eventually(lambda: page.evaluate("true") and len(answers) >= count)


def test_a_list_that_has_not_changed_is_neither_sent_nor_put_anew(listed: Watched, system: SystemProcess) -> None:
    page, answers = listed.page, _hear_answers(listed.page)
    rows = page.locator("table.list tbody tr")
    count = rows.count()
    page.evaluate("document.getElementById('results').isTheSame = true")
    for number in range(2):
        page.clock.run_for(EVERY_MS)
        _wait_for(page, answers, number + 1)

    assert answers == [204, 204]
    assert page.evaluate("document.getElementById('results').isTheSame")

    wait_for_state(system, start_execution(system, f"{NAMESPACE}/nap"), *ENDED)
    page.clock.run_for(EVERY_MS)

    expect(rows).to_have_count(count + 1)
    page.clock.run_for(EVERY_MS)
    _wait_for(page, answers, 4)
    assert answers == [204, 204, 200, 204]


def test_rows_that_wait_for_the_pointer_are_sent_once(listed: Watched, system: SystemProcess) -> None:
    page, answers = listed.page, _hear_answers(listed.page)
    rows = page.locator("table.list tbody tr")
    count = rows.count()
    rows.first.hover()
    wait_for_state(system, start_execution(system, f"{NAMESPACE}/nap"), *ENDED)
    for number in range(3):
        page.clock.run_for(EVERY_MS)
        _wait_for(page, answers, number + 1)

    expect(page.locator(".new-rows")).to_have_text("1 new")
    assert (answers, rows.count()) == ([200, 204, 204], count)

    page.locator("h1").hover()
    page.clock.run_for(EVERY_MS)

    expect(rows).to_have_count(count + 1)
    expect(page.locator(".new-rows")).to_have_count(0)


def test_a_hidden_page_asks_nothing_and_at_once_when_it_is_seen_again(listed: Watched) -> None:
    page, answers = listed.page, _hear_answers(listed.page)
    page.clock.run_for(EVERY_MS)
    _wait_for(page, answers, 1)

    page.evaluate(_LOOK_AWAY, True)
    page.clock.run_for(20 * EVERY_MS)
    assert answers == [204]

    page.evaluate(_LOOK_AWAY, False)
    _wait_for(page, answers, 2)
    assert answers == [204, 204]


def _pass_a_second(page: Page) -> None:
    page.clock.run_for(1000)
    # An answer takes real time.
    page.wait_for_timeout(30)


def test_a_server_that_is_away_is_asked_ever_less_often_and_quietly(listed: Watched) -> None:
    page = listed.page
    asked: list[int] = []

    def refuse(route: Route) -> None:
        asked.append(now)
        route.fulfill(status=503, body="")

    page.route("**/ui/executions*", refuse)
    for now in range(1, 130):  # noqa: B007  # `refuse` notes it
        _pass_a_second(page)

    assert [later - earlier for earlier, later in pairwise(asked)] == [8, 16, 32, 60]
    assert page.locator(".toasts .note").count() == 0
    assert all("503" in fault for fault in listed.take_faults())

    page.unroute("**/ui/executions*")
    answers = _hear_answers(page)
    for _ in range(70):
        _pass_a_second(page)
    assert len(answers) >= 2 and set(answers) == {204}


def test_the_bar_and_the_age_of_a_running_execution_grow_while_the_list_says_nothing(
    console: Watched, system: SystemProcess
) -> None:
    execution = start_execution(system, f"{NAMESPACE}/nap?length=PT60S")
    wait_for_state(system, execution, "RUNNING")
    console.page.clock.install()
    console.open(f"{PATH}&state=RUNNING")
    bar = console.page.locator("svg.dur[data-usual]")
    expect(bar).to_have_count(1)
    width = float(bar.locator(".dur-part").get_attribute("width") or 0)

    console.page.clock.run_for(3000)
    grown = float(bar.locator(".dur-part").get_attribute("width") or 0)
    console.page.clock.run_for(60_000)

    assert width < grown
    expect(bar).to_have_class("dur is-slow")
    moment = console.page.locator("tbody time[data-age]").first
    moment.hover()
    expect(moment).to_have_attribute("title", re.compile("^1 min ago · "))
    assert console.faults == []
    send(system, "DELETE", f"/executions/{execution.rpartition('/')[2]}/kill")

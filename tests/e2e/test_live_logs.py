"""A log in a real browser: it follows, it pauses at once, nothing that is read moves, and a flood does not freeze it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import API, ENDED, find_credentials
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NAMESPACE = "e2e.logs"
MOST_LINES = 3_000

SHELL = """id: {name}
namespace: {namespace}
tasks:
  - id: print
    type: io.kestra.plugin.scripts.shell.Commands
    taskRunner:
      type: io.kestra.plugin.core.runner.Process
    commands:
      - {command}
"""
FLOOD = 'sleep 3; for second in $(seq {seconds}); do seq -f "$second line %g" 1 2000; sleep 1; done'
TRICKLE = "for number in $(seq 400); do echo line $number; sleep 0.05; done"
WATCH = """() => { window.most = 0; window.away = 0;
  setInterval(() => { const box = document.querySelector(".logs[data-last-id]"); if (!box) return;
    window.most = Math.max(window.most, box.getElementsByClassName("l").length);
    if (box.scrollHeight - box.scrollTop - box.clientHeight > 40) window.away += 1; }, 250); }"""
NEWEST = "[...document.querySelectorAll('.logs .l-text')].at(-1)?.textContent ?? ''"
TOP = "document.querySelector('.logs[data-last-id]').scrollTop"
LEFT = "(box => box.scrollHeight - box.scrollTop - box.clientHeight)(document.querySelector('.logs[data-last-id]'))"


def _save_flow(system: SystemProcess, name: str, command: str) -> None:
    source = SHELL.format(name=name, namespace=NAMESPACE, command=command)
    status, answer = system.call("POST", f"{API}/flows", source, find_credentials(system))
    assert status < 300, answer


def _open_log(console: Watched, system: SystemProcess, name: str, command: str) -> str:
    _save_flow(system, name, command)
    status, execution = system.call("POST", f"{API}/executions/{NAMESPACE}/{name}", headers=find_credentials(system))
    assert status == 200, execution
    console.open(f"executions/{NAMESPACE}/{name}/{execution['id']}/logs")
    return str(execution["id"])


def _wait_for_end(system: SystemProcess, execution_id: str, *, within: float) -> None:
    def read() -> str:
        _, execution = system.call("GET", f"{API}/executions/{execution_id}", headers=find_credentials(system))
        return str(execution["state"]["current"])

    eventually(lambda: read() in ENDED, within=within)


def _newest(page: Page) -> str:
    return str(page.evaluate(NEWEST))


def test_a_flood_is_followed_to_its_end(console: Watched, running_system: SystemProcess) -> None:
    page = console.page
    execution_id = _open_log(console, running_system, "flood", FLOOD.format(seconds=20))
    page.evaluate(WATCH)

    _wait_for_end(running_system, execution_id, within=90)

    eventually(lambda: _newest(page) == "20 line 2000", within=10)
    most, away = page.evaluate("[window.most, window.away]")
    assert most <= MOST_LINES
    assert away <= 8, "a page that follows stays at the end"
    expect(page.locator(".live")).to_have_text("ended", timeout=20_000)
    assert console.take_faults() == []


def test_scrolling_up_pauses_at_once_and_the_end_key_goes_on(console: Watched, running_system: SystemProcess) -> None:
    page = console.page
    _open_log(console, running_system, "trickle", TRICKLE)
    button = page.locator("#log-follow")
    eventually(lambda: page.locator(".logs .l").count() > 60 and page.evaluate(LEFT) < 8, within=30)
    expect(button).to_be_hidden()

    page.locator(".logs[data-last-id]").hover()
    page.mouse.wheel(0, -300)

    expect(button).to_be_visible()
    top = page.evaluate(TOP)
    expect(button).to_have_text(re.compile(r"following paused, \d\d+ new lines"), timeout=10_000)
    assert page.evaluate(TOP) == top, "what is read stays where it is"
    page.keyboard.press("End")
    expect(button).to_be_hidden()
    eventually(lambda: page.evaluate(LEFT) < 8)
    assert console.take_faults() == []


def test_selected_text_does_not_move(console: Watched, running_system: SystemProcess) -> None:
    page = console.page
    _open_log(console, running_system, "selected", TRICKLE)
    eventually(lambda: page.locator(".logs .l").count() > 60, within=30)
    page.evaluate(
        """() => { const texts = document.querySelectorAll('.logs .l-text'), range = document.createRange();
          range.selectNodeContents(texts[texts.length - 5]);
          getSelection().removeAllRanges(); getSelection().addRange(range); }"""
    )
    before = page.evaluate("getSelection().getRangeAt(0).getBoundingClientRect().top")
    count = page.locator(".logs .l").count()

    eventually(lambda: page.locator(".logs .l").count() > count + 30, within=20)

    assert page.evaluate("getSelection().getRangeAt(0).getBoundingClientRect().top") == before
    page.evaluate("getSelection().removeAllRanges()")
    eventually(lambda: page.evaluate(LEFT) < 8)


def test_neighbours_come_while_scrolling_and_times_errors_and_hits_are_reached(
    console: Watched, running_system: SystemProcess
) -> None:
    page = console.page
    command = 'seq -f "line %g" 1 900; sleep 1; echo "it broke" >&2; sleep 1; seq -f "row %g" 1 900'
    execution_id = _open_log(console, running_system, "long", command)
    _wait_for_end(running_system, execution_id, within=60)
    page.reload()
    eventually(lambda: page.locator(".logs .l").count() == 200 and page.evaluate(LEFT) < 8)

    page.evaluate("document.querySelector('.logs[data-last-id]').scrollTop = 100")
    eventually(lambda: page.locator(".logs .l").count() == 400)
    assert page.evaluate(TOP) > 1_000, "the line that was at the top is still there"

    page.click("text=First error")
    expect(page.locator(".l.is-marked .l-text")).to_have_text("it broke")

    page.click("#log-time summary")
    eventually(lambda: page.input_value("#log-at"))
    page.click("#log-time button:has-text('Go')")
    page.wait_for_url("**at=*")

    page.click("[data-log-start]")
    expect(page.locator(".logs .l-text", has_text="line 1").first).to_be_visible()

    page.fill("input[name=q]", '"row 77"')
    expect(page.locator(".log-tools")).to_contain_text("11 lines match")
    page.click("[data-hit='1']")
    expect(page.locator(".l.is-hit .l-text")).to_have_text("row 77")
    page.click("[data-hit='1']")
    expect(page.locator(".l.is-hit .l-text")).to_have_text("row 770")
    assert console.take_faults() == []


def test_a_range_of_lines_is_a_link(console: Watched, running_system: SystemProcess) -> None:
    page = console.page
    execution_id = _open_log(console, running_system, "range", 'seq -f "line %g" 1 50')
    _wait_for_end(running_system, execution_id, within=60)
    page.reload()
    lines = page.locator(".logs .l")
    eventually(lambda: lines.count() >= 50)

    lines.nth(10).locator("time").click()
    lines.nth(14).locator("time").click(modifiers=["Shift"])

    page.wait_for_url("**through=*")
    console.page.goto(page.url)
    expect(page.locator(".l.is-marked")).to_have_count(5)
    expect(page.locator(".l.is-marked").first).to_be_in_viewport()


def test_the_logs_of_all_executions_are_followed_too(console: Watched, running_system: SystemProcess) -> None:
    page = console.page
    _save_flow(running_system, "heard", "echo something-to-hear")
    console.open(f"logs?namespace={NAMESPACE}&level=INFO")
    eventually(lambda: page.locator(".logs[data-live]").count() == 1)

    running_system.call("POST", f"{API}/executions/{NAMESPACE}/heard", headers=find_credentials(running_system))

    expect(page.locator(".logs .l-text", has_text="something-to-hear")).to_have_count(1, timeout=30_000)
    assert page.locator(".logs .l").last.locator(".l-flow").count() == 1
    assert console.take_faults() == []

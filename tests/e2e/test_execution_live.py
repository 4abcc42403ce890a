"""A running execution watched without a reload: everything moves, ends as the API says, and survives a lost web server."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import ROOT, SystemProcess, find_free_port

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.live"
SHELL = "io.kestra.plugin.scripts.shell.Commands"
STEPS = f"""id: steps
namespace: {NAMESPACE}
tasks:
  - id: warm_up
    type: io.kestra.plugin.core.log.Log
    message: warming up
  - id: work
    type: {SHELL}
    commands:
      - for i in 1 2 3 4; do echo "step $i"; sleep 1; done
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: ["x", "y"]
    tasks:
      - id: part
        type: io.kestra.plugin.core.flow.Sleep
        duration: PT0.7S
  - id: done
    type: io.kestra.plugin.core.log.Log
    message: all done
"""
ASKS = f"""id: asks
namespace: {NAMESPACE}
tasks:
  - id: work
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT3S
  - id: ask
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - {{id: reason, type: STRING}}
"""
LINE_COUNT = 260
LINES = f"""id: lines
namespace: {NAMESPACE}
tasks:
  - id: count
    type: {SHELL}
    commands:
      - for i in $(seq 1 {LINE_COUNT}); do echo "counted $i"; sleep 0.05; done
"""
UNMOVED = "() => { window.unmoved = true; }"


def _start(system: SystemProcess, source: str, flow_id: str) -> str:
    status, answer = system.call("POST", "/api/v1/main/flows", source)
    assert status < 300 or "already" in str(answer), answer
    return start_execution(system, f"{NAMESPACE}/{flow_id}")


def _states(system: SystemProcess, execution: str) -> Counter[tuple[str, str]]:
    found = send(system, "GET", f"/executions/{execution.rpartition('/')[2]}")
    return Counter((run["taskId"], run["state"]["current"]) for run in found["taskRunList"])


def _watch(console: Watched, execution: str, tab: str) -> Page:
    console.open(f"executions/{execution}/{tab}".rstrip("/"))
    console.page.evaluate(UNMOVED)
    return console.page


def _is_whole(console: Watched) -> None:
    assert console.page.evaluate("window.unmoved") is True, "the page was loaded again"
    assert console.faults == []


def test_the_gantt_grows_until_it_shows_what_the_api_says(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "gantt")
    rows, head = page.locator(".g-body .g-row"), page.locator("#live-head")
    expect(head.locator("[data-state=RUNNING]").first).to_be_visible(timeout=15_000)
    work = rows.filter(has_text="work")
    expect(work).to_have_count(1)
    bar = "document.querySelectorAll('.g-row')[2]?.querySelector('rect[data-began]')?.getBoundingClientRect().width ?? 0"
    seconds = head.locator("[data-ticks-from]")
    said = seconds.inner_text()
    eventually(lambda: page.evaluate(bar) >= 0 and seconds.inner_text() != said)
    expect(head.locator("[data-state=SUCCESS]").first).to_be_visible(timeout=25_000)
    expect(head).to_contain_text("ended")

    expected = Counter(task for task, _ in _states(running_system, execution).elements())
    for task in ("warm_up", "work", "each", "done"):
        expect(rows.filter(has_text=task).first).to_be_visible()
    assert expected["part"] == 2
    assert page.locator(".g-body [data-state]:not([data-state=SUCCESS])").count() == 0
    _is_whole(console)


@pytest.mark.parametrize("tab", ["", "gantt", "topology"])
def test_a_page_that_moves_asks_for_nothing(console: Watched, running_system: SystemProcess, tab: str) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, tab)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=25_000)

    assert asked == []
    _is_whole(console)


def test_questions_fit_the_state_that_came_after_the_page(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, ASKS, "asks")
    page = _watch(console, execution, "")
    page.locator("#live-acts > button", has_text="Resume").click(timeout=15_000)
    page.locator("#act-resume").get_by_label("reason").fill("it is fine")
    page.locator("#act-resume footer button.primary").click()
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=15_000)

    page.locator("#live-acts summary").click()
    page.locator("[data-dialog=state-dialog]").click()
    expect(page.locator("#state-dialog")).to_be_visible()
    assert console.faults == []


def test_a_page_stands_still_behind_a_question_and_catches_up(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "gantt")
    page.locator("#live-acts > button", has_text="Kill").click(timeout=15_000)
    shown = page.locator("#live-body").inner_html()
    wait_for_state(running_system, execution, *ENDED)
    expect(page.locator("#act-kill")).to_be_visible()
    assert page.locator("#live-body .g-row").count() == shown.count('class="g-row')
    page.keyboard.press("Escape")

    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=10_000)
    expect(page.locator(".g-body .g-row", has_text="done")).to_have_count(1)
    _is_whole(console)


def test_the_picture_changes_node_by_node(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "topology")
    expect(page.locator("#n-work.st-running")).to_have_count(1, timeout=15_000)
    expect(page.locator("#n-done.is-unreached")).to_have_count(1)
    expect(page.locator("#n-work.st-good")).to_have_count(1, timeout=15_000)
    expect(page.locator("#n-done.st-good")).to_have_count(1, timeout=15_000)
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible()

    expect(page.locator("#n-each")).to_contain_text("2 / 2")
    assert page.locator(".node.is-unreached, .node.is-moving").count() == 0
    assert {state for _, state in _states(running_system, execution)} == {"SUCCESS"}
    _is_whole(console)


def test_the_overview_goes_from_running_to_its_end(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "")
    head = page.locator("#live-head")
    expect(page.locator(".live").first).to_have_text("live", timeout=10_000)
    expect(page.locator("[data-dialog=act-kill]:visible").first).to_be_visible()
    expect(head).to_contain_text(re.compile(r"Tasks\s*[1-9]\d* / \d+"), timeout=15_000)
    wait_for_state(running_system, execution, *ENDED)

    expect(head.locator("[data-state=SUCCESS]").first).to_be_visible(timeout=5_000)
    expect(page.locator("button.danger:visible", has_text="Kill")).to_have_count(0)
    expect(page.locator("button.primary:visible", has_text="Replay")).to_be_visible()
    _is_whole(console)


def test_the_drawer_of_a_running_task_goes_on_with_it(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "gantt")
    page.locator(".g-row a", has_text="work").first.click(timeout=15_000)
    drawer = page.locator(".drawer")
    expect(drawer.locator("> header [data-state=RUNNING]")).to_be_visible()
    expect(drawer.locator("[data-drawer-close]")).to_be_focused()
    expect(drawer.locator(".logs")).to_contain_text("step 4", timeout=15_000)

    expect(drawer.locator("> header [data-state=SUCCESS]")).to_be_visible(timeout=10_000)
    expect(drawer.locator("[data-drawer-close]")).to_be_focused()
    _is_whole(console)


def test_log_lines_come_once_each_while_the_end_stays_in_view(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, STEPS, "steps")
    page = _watch(console, execution, "logs")
    log = page.locator(".logs[role=log]")
    for number in (1, 2, 3, 4):
        expect(log).to_contain_text(f"step {number}", timeout=15_000)
    expect(log).to_contain_text("all done", timeout=15_000)

    stored = _list_stored(running_system, execution)
    eventually(lambda: len(_list_shown(page)) == len(stored))
    assert sorted(_list_shown(page)) == sorted(set(_list_shown(page)))
    _is_whole(console)


def test_scrolling_up_pauses_the_following_and_end_resumes_it(console: Watched, running_system: SystemProcess) -> None:
    execution = _start(running_system, LINES, "lines")
    page = _watch(console, execution, "logs")
    log, button = page.locator(".logs[role=log]"), page.locator("#log-follow")
    expect(log).to_contain_text("counted 60\n".strip(), timeout=20_000)
    place = "Math.round(document.querySelector('.logs[role=log]').scrollTop)"
    eventually(lambda: page.evaluate(place) > 60)
    log.hover()
    page.mouse.wheel(0, -4000)
    expect(button).to_contain_text("following paused")
    eventually(lambda: page.evaluate(place) == 0)
    expect(button).to_contain_text(re.compile(r"[1-9][\d,]* new lines"), timeout=10_000)
    assert page.evaluate(place) == 0
    page.keyboard.press("End")
    expect(button).to_be_hidden()
    left = "box => box.scrollHeight - box.scrollTop - box.clientHeight"
    eventually(lambda: log.evaluate(left) < 30)

    assert console.faults == []


def test_a_web_server_that_dies_costs_no_line_and_doubles_none(console: Watched, running_system: SystemProcess) -> None:
    # A web server beside that of the system, which may be killed without the rest.
    port = find_free_port()
    server = _start_web(running_system, port)
    try:
        execution = _start(running_system, LINES, "lines")
        console.base_url = f"http://127.0.0.1:{port}"
        page = _watch(console, execution, "logs")
        log = page.locator(".logs[role=log]")
        expect(log).to_contain_text("counted 20", timeout=20_000)
        before = len(_list_shown(page))

        server.kill()
        server.wait(10)
        server = _start_web(running_system, port)

        wait_for_state(running_system, execution, "SUCCESS")
        expect(log).to_contain_text(f"counted {LINE_COUNT}", timeout=30_000)
        stored = _list_stored(running_system, execution)
        eventually(lambda: len(_list_shown(page)) == len(stored), within=15)
        shown = _list_shown(page)
        words = page.locator(".logs[role=log] .l-text").all_inner_texts()
        assert page.evaluate("window.unmoved") is True
    finally:
        server.kill()
        server.wait(10)

    assert before < len(shown)
    assert len(shown) == len(set(shown)), "lines came twice"
    assert [f"counted {number}" for number in range(1, LINE_COUNT + 1)] == [text for text in words if text.startswith("counted ")]
    # What the browser itself reports of the lost server is no fault of the page.
    assert [fault for fault in console.faults if "ERR_" not in fault and "failed request" not in fault] == []


def _start_web(system: SystemProcess, port: int) -> subprocess.Popen[bytes]:
    """Start one more web server for a system and wait until it answers."""
    command = [sys.executable, "-m", "uvicorn", "orchestrator.asgi:application", f"--port={port}", "--log-level=error"]
    server = subprocess.Popen(command, env=system.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: _answers(port), within=40, every=0.2)
    return server


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _list_shown(page: Page) -> list[str]:
    return [str(each) for each in page.evaluate("[...document.querySelectorAll('.logs[role=log] .l')].map((line) => line.id)")]


def _list_stored(system: SystemProcess, execution: str) -> list[object]:
    return list(send(system, "GET", f"/logs/{execution.rpartition('/')[2]}"))

"""Every action on an execution by its button, and by its key where it has one; the state is asked from the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.actions"
CORE = "io.kestra.plugin.core"
LOG = "type: io.kestra.plugin.core.log.Log, message: x"
SHELL = "io.kestra.plugin.scripts.shell.Commands"
FLOWS = {
    "naps": f"tasks:\n  - {{id: nap, type: {SHELL}, commands: [sleep 60]}}\n",
    "short_naps": f"tasks:\n  - {{id: nap, type: {SHELL}, commands: [sleep 2]}}\n  - {{id: then, {LOG}}}\n",
    "waits": f"tasks:\n  - {{id: wait, type: {CORE}.flow.Pause}}\n  - {{id: then, {LOG}}}\n",
    "asks": f"""tasks:
  - id: ask
    type: {CORE}.flow.Pause
    onResume:
      - {{id: reason, type: STRING}}
      - {{id: urgent, type: BOOL, defaults: false}}
  - {{id: then, type: {CORE}.debug.Return, format: "because {{{{ outputs.ask.onResume.reason }}}}"}}
""",
    "fails": f"tasks:\n  - {{id: fine, {LOG}}}\n  - {{id: burn, type: {CORE}.execution.Fail}}\n",
    "works": f"tasks:\n  - {{id: first, {LOG}}}\n  - {{id: second, {LOG}}}\n",
    "one_slot": f"concurrency: {{limit: 1, behavior: QUEUE}}\ntasks:\n  - {{id: nap, type: {SHELL}, commands: [sleep 60]}}\n",
    "approves": f"tasks:\n  - {{id: look, type: {CORE}.flow.Approval}}\n  - {{id: then, {LOG}}}\n",
}


@pytest.fixture(scope="module")
def flows(running_system: SystemProcess) -> SystemProcess:
    """The system with one flow for each kind of start."""
    for flow_id, tasks in FLOWS.items():
        send(running_system, "POST", "/flows", f"id: {flow_id}\nnamespace: {NAMESPACE}\n{tasks}")
    return running_system


def _start(system: SystemProcess, flow_id: str, *states: str, query: str = "") -> str:
    execution = start_execution(system, f"{NAMESPACE}/{flow_id}", query)
    wait_for_state(system, execution, *states)
    return execution


def _read(system: SystemProcess, execution: str) -> dict[str, Any]:
    return dict(send(system, "GET", f"/executions/{execution.rpartition('/')[2]}"))


def _ask(console: Watched, execution: str, action: str) -> Locator:
    """Open the execution's page and the dialog of an action by its button, and return the dialog."""
    console.open(f"executions/{execution}")
    page = console.page
    button = page.locator(f"[data-dialog=act-{action}]:visible").first
    if not button.count():
        page.locator("header.top details.pick summary").first.click()
    button.click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    return dialog


def _confirm(dialog: Locator) -> None:
    dialog.locator("footer button:not([type=button])").click()


def _id_of(page: Page) -> str:
    return re.sub(r"[?#/].*$", "", page.url.partition("/ui/executions/")[2].split("/", 2)[2])


def test_kill(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "naps", "RUNNING")
    dialog = _ask(console, execution, "kill")
    # The hand that presses Enter too early does no harm.
    expect(dialog.locator("button", has_text="Cancel")).to_be_focused()
    expect(dialog.locator("footer button.danger")).to_have_text("Kill")
    _confirm(dialog)

    wait_for_state(flows, execution, "KILLED")
    expect(console.page.locator("#live-head [data-state=KILLED]").first).to_be_visible(timeout=15_000)
    assert console.faults == []


def test_pause_and_resume(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "short_naps", "RUNNING")
    _confirm(_ask(console, execution, "pause"))
    wait_for_state(flows, execution, "PAUSED")
    expect(console.page.locator("#live-head [data-state=PAUSED]").first).to_be_visible()
    _confirm(_ask(console, execution, "resume"))

    wait_for_state(flows, execution, "SUCCESS")
    expect(console.page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible(timeout=15_000)
    assert console.faults == []


def test_resume_with_inputs_asks_for_them_and_checks_them(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "asks", "PAUSED")
    dialog = _ask(console, execution, "resume")
    field = dialog.locator("[name='in.reason']")
    expect(field).to_be_visible()
    field.fill("it is Monday")
    dialog.locator("[name='in.urgent'][value=true]").check()
    _confirm(dialog)
    wait_for_state(flows, execution, "SUCCESS")

    runs = {run["taskId"]: run for run in _read(flows, execution)["taskRunList"]}
    assert runs["ask"]["outputs"]["onResume"] == {"reason": "it is Monday", "urgent": True}
    assert runs["then"]["outputs"]["value"] == "because it is Monday"
    assert console.faults == []


@pytest.mark.parametrize(("action", "end"), [("approve", "SUCCESS"), ("deny", "")])
def test_an_approval_is_given_or_denied(console: Watched, flows: SystemProcess, action: str, end: str) -> None:
    execution = _start(flows, "approves", "PAUSED")
    dialog = _ask(console, execution, action)
    dialog.locator("[name=comment]").fill("seen it")
    _confirm(dialog)
    state = wait_for_state(flows, execution, *ENDED)

    assert state == end or (not end and state != "SUCCESS")
    expect(console.page.locator(f"#live-head [data-state={state}]").first).to_be_visible(timeout=15_000)


@pytest.mark.parametrize("by_key", [False, True])
def test_restart_from_failed(console: Watched, flows: SystemProcess, by_key: bool) -> None:
    execution = _start(flows, "fails", "FAILED")
    if by_key:
        console.open(f"executions/{execution}")
        console.page.keyboard.press("Shift+R")
        dialog = console.page.locator("dialog[open]")
        expect(dialog).to_contain_text("Restart")
    else:
        dialog = _ask(console, execution, "restart")
    _confirm(dialog)

    def is_again() -> bool:
        found = _read(flows, execution)
        return found["state"]["current"] == "FAILED" and "RESTARTED" in [each["state"] for each in found["state"]["histories"]]

    eventually(is_again, within=30, every=0.2)
    expect(console.page).to_have_url(re.compile(execution))


@pytest.mark.parametrize("by_key", [False, True])
def test_replay_makes_a_new_execution(console: Watched, flows: SystemProcess, by_key: bool) -> None:
    execution = _start(flows, "works", "SUCCESS")
    if by_key:
        console.open(f"executions/{execution}")
        console.page.keyboard.press("r")
        dialog = console.page.locator("dialog[open]")
        expect(dialog).to_contain_text("Replay")
    else:
        dialog = _ask(console, execution, "replay")
    _confirm(dialog)
    console.page.wait_for_url(lambda url: "/act/" not in url and execution not in url)

    fresh = f"{NAMESPACE}/works/{_id_of(console.page)}"
    wait_for_state(flows, fresh, "SUCCESS")
    assert _read(flows, fresh)["originalId"] == execution.rpartition("/")[2]
    assert console.faults == []


def test_replay_from_a_task_keeps_what_ran_before_it(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "works", "SUCCESS")
    dialog = _ask(console, execution, "replay")
    runs = {run["taskId"]: run["id"] for run in _read(flows, execution)["taskRunList"]}
    dialog.locator("[name=task_run]").select_option(value=runs["second"])
    _confirm(dialog)
    console.page.wait_for_url(lambda url: "/act/" not in url and execution not in url)

    fresh = f"{NAMESPACE}/works/{_id_of(console.page)}"
    wait_for_state(flows, fresh, "SUCCESS")
    lines = [line["taskId"] for line in send(flows, "GET", f"/logs/{fresh.rpartition('/')[2]}") if line.get("taskId")]
    assert lines == ["second"]


def test_change_state(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "fails", "FAILED")
    console.open(f"executions/{execution}")
    page = console.page
    page.locator("header.top details.pick summary").first.click()
    page.click("[data-dialog=state-dialog]")
    dialog = page.locator("dialog[open]")
    dialog.locator("select").select_option("SUCCESS")
    _confirm(dialog)

    wait_for_state(flows, execution, "SUCCESS")
    expect(page.locator("#live-head [data-state=SUCCESS]").first).to_be_visible()


def test_change_the_state_of_a_task(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "fails", "FAILED")
    console.open(f"executions/{execution}/gantt")
    page = console.page
    page.click("a[data-drawer]:has-text('burn')")
    drawer = page.locator(".drawer")
    drawer.locator("summary", has_text="Change state").click()
    drawer.locator("button[name=state][value=SUCCESS]").click()

    wait_for_state(flows, execution, "SUCCESS")
    runs = {run["taskId"]: run["state"]["current"] for run in _read(flows, execution)["taskRunList"]}
    assert runs["burn"] == "SUCCESS"


def test_a_queued_execution_is_run_at_once(console: Watched, flows: SystemProcess) -> None:
    first = _start(flows, "one_slot", "RUNNING")
    second = _start(flows, "one_slot", "QUEUED")
    console.open(f"executions/{second}")
    expect(console.page.locator("#live-head .note")).to_be_visible()
    _confirm(_ask(console, second, "unqueue"))

    wait_for_state(flows, second, "RUNNING")
    for execution in (first, second):
        send(flows, "DELETE", f"/executions/{execution.rpartition('/')[2]}/kill")
        wait_for_state(flows, execution, "KILLED")


def test_a_planned_execution_is_forced_to_run(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "works", "CREATED", query="?scheduleDate=2099-01-01T00:00:00Z")
    console.open(f"executions/{execution}")
    expect(console.page.locator("#live-head")).to_contain_text("Planned")
    _confirm(_ask(console, execution, "force-run"))

    wait_for_state(flows, execution, "SUCCESS")


def test_labels(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "works", "SUCCESS", query="?labels=kept:yes")
    console.open(f"executions/{execution}")
    page = console.page
    page.click("#live-head [data-dialog=labels-dialog]")
    page.fill("dialog[open] [name=labels]", "team:data, ticket:42")
    _confirm(page.locator("dialog[open]"))
    expect(page.locator("#live-head .chip", has_text="ticket: 42")).to_be_visible()

    labels = {label["key"]: label["value"] for label in _read(flows, execution)["labels"]}
    assert {"kept": "yes", "team": "data", "ticket": "42"}.items() <= labels.items()


def test_delete(console: Watched, flows: SystemProcess) -> None:
    execution = _start(flows, "works", "SUCCESS")
    dialog = _ask(console, execution, "delete")
    expect(dialog.locator("button", has_text="Cancel")).to_be_focused()
    _confirm(dialog)
    console.page.wait_for_url(re.compile("/ui/executions([?].*)?$"))

    path = f"/api/v1/main/executions/{execution.rpartition('/')[2]}"
    assert flows.call("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("flow_id", "state", "impossible"),
    [
        ("works", "SUCCESS", {"resume": "paused", "pause": "running", "kill": "ended", "unqueue": "queue", "force-run": "begun"}),
        ("waits", "PAUSED", {"replay": "ended", "delete": "Kill", "unqueue": "queue"}),
    ],
)
def test_what_is_impossible_now_says_why(
    console: Watched, flows: SystemProcess, flow_id: str, state: str, impossible: dict[str, str]
) -> None:
    execution = _start(flows, flow_id, state)
    console.open(f"executions/{execution}")
    page = console.page
    page.locator("header.top details.pick summary").first.click()

    for action, word in impossible.items():
        item = page.locator(f"details.pick[open] [data-dialog=act-{action}]")
        expect(item).to_be_disabled()
        expect(item).to_contain_text(word)
    if state == "PAUSED":
        send(flows, "DELETE", f"/executions/{execution.rpartition('/')[2]}/kill")


def test_the_hand_that_clicks_twice_replays_once(console: Watched, flows: SystemProcess) -> None:
    flow_id = "clicked_twice"
    send(flows, "POST", "/flows", f"id: {flow_id}\nnamespace: {NAMESPACE}\n{FLOWS['works']}")
    execution = _start(flows, flow_id, "SUCCESS")
    dialog = _ask(console, execution, "replay")
    dialog.locator("footer button:not([type=button])").dblclick()
    console.page.wait_for_url(lambda url: "/act/" not in url and execution not in url)

    found = send(flows, "GET", f"/executions/search?filters[flowId][EQUALS]={flow_id}&size=10")
    assert found["total"] == 2

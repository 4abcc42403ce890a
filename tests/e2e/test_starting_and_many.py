"""The sheet that starts a flow over any of its pages, and actions on many rows with their progress."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e
FLOW = """id: sheet
namespace: e2e.sheet
inputs:
  - {id: code, type: STRING, validator: "[A-Z]{3}"}
  - {id: way, type: SELECT, values: [air, sea]}
  - {id: ship, type: STRING, dependsOn: {inputs: [way], condition: "{{ inputs.way == 'sea' }}"}}
  - {id: tags, type: MULTISELECT, values: [red, green, blue], required: false}
  - {id: hosts, type: ARRAY, itemType: STRING}
  - {id: day, type: DATE}
  - {id: payload, type: JSON}
  - {id: report, type: FILE}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: "{{ inputs.code }} {{ read(inputs.report) }}"}
"""
SMALL = "id: many{1}\nnamespace: {0}\ntasks:\n  - {{id: a, type: io.kestra.plugin.core.log.Log, message: hi}}\n"


def test_a_flow_is_started_from_a_sheet_over_its_page(console: Watched, running_system: SystemProcess) -> None:
    assert running_system.call("POST", "/api/v1/main/flows", FLOW)[0] == 200
    page = console.page
    console.open("flows/edit/e2e.sheet/sheet/revisions")

    # It opens by the keyboard, and says at once what a value lacks.
    page.keyboard.press("Control+Enter")
    sheet = page.locator("#execute-sheet")
    expect(sheet.locator("[name='in.code']")).to_be_focused()
    page.fill("[name='in.code']", "abc")
    expect(sheet.locator("[data-field=code] .error")).to_contain_text("must match the pattern")
    page.fill("[name='in.code']", "ABC")
    expect(sheet.locator("[data-field=code] .error")).to_have_count(0)

    # What depends on another value comes and keeps what was typed elsewhere.
    page.check("[name='in.way'][value=sea]")
    page.fill("[name='in.ship']", "Endurance")
    page.fill("[name='in.day']", "yesterday")
    expect(sheet.locator("[data-field=day] .resolved time")).to_be_visible()
    page.locator("[data-field=tags] .pick-chip", has_text="green").click()
    page.fill("[name='in.hosts+']", "alpha")
    page.keyboard.press("Enter")
    page.keyboard.type("beta,")
    expect(sheet.locator("[data-field=hosts] .pick-chip")).to_have_count(2)
    page.click("textarea[name='in.payload']")
    expect(sheet.locator(".small-ace.ace_focus")).to_be_visible()
    page.keyboard.type('{"x": 1}')

    # A refused form keeps everything, the chosen file too.
    expect(page.locator("[name='in.code']")).to_have_value("ABC")
    page.click("#execute-sheet button.primary")
    expect(sheet.locator(".note.bad")).to_contain_text("report")
    page.set_input_files("[name='in.report']", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"})
    expect(sheet.locator(".drop-say")).to_have_text("a.txt, 5 B")
    page.select_option("[name=then]", "stay")
    page.keyboard.press("Control+Enter")
    expect(sheet.locator(".started [data-state=SUCCESS]")).to_be_visible(timeout=20_000)

    found = running_system.call("GET", "/api/v1/main/executions/search?namespace=e2e.sheet")[1]["results"][0]["inputs"]
    assert {**found, "day": "", "report": ""} == {
        "code": "ABC", "way": "sea", "ship": "Endurance", "tags": ["green"], "hosts": ["alpha", "beta"], "day": "",
        "payload": {"x": 1}, "report": "",
    }  # fmt: skip

    # Closing asks only who has typed something.
    page.fill("[name='in.code']", "XYZ")
    page.keyboard.press("Escape")
    expect(sheet.locator(".sheet-ask")).to_be_visible()
    page.click("[data-sheet-discard]")
    expect(sheet).to_be_hidden()
    assert [fault for fault in console.faults if "422" not in fault] == []


def test_many_flows_are_disabled_with_progress_and_brought_back(console: Watched, running_system: SystemProcess) -> None:
    for number in range(3):
        assert running_system.call("POST", "/api/v1/main/flows", SMALL.format("e2e.many", number))[0] == 200
    page = console.page
    console.open("flows?namespace=e2e.many")

    page.check(".tick-all")
    page.click("[data-bulk=disable]")
    expect(page.locator("#bulk-dialog [data-close]")).to_be_focused()
    expect(page.locator("#bulk-title")).to_have_text("Disable 3 flows?")
    page.click("#bulk-dialog .confirm")
    expect(page.locator("#bulk-progress .badge")).to_have_text("done", timeout=20_000)
    expect(page.locator("#bulk-progress .job-counts")).to_contain_text("3 done")
    assert _list_disabled(running_system) == [True, True, True]

    page.click("#bulk-progress button:has-text('Undo')")
    eventually(lambda: _list_disabled(running_system) == [False, False, False], within=20)
    page.click("#bulk-progress footer .btn")
    expect(page.locator("#bulk-dialog")).to_be_hidden()
    assert console.faults == []


def _list_disabled(system: SystemProcess) -> list[bool]:
    return [bool(system.call("GET", f"/api/v1/main/flows/e2e.many/many{number}")[1].get("disabled")) for number in range(3)]


def test_everything_that_matches_goes_on_as_a_job(console: Watched, running_system: SystemProcess) -> None:
    running_system.call("POST", "/api/v1/main/flows", SMALL.format("e2e.all", "z"))
    for _ in range(4):
        running_system.call("POST", "/api/v1/main/executions/e2e.all/manyz?wait=true")
    page = console.page
    console.open("executions/bulk?flow=manyz&act=delete")

    expect(page.locator(".confirm")).to_have_text("Delete 4 executions")
    page.click(".confirm")
    expect(page.locator("#job .badge")).to_have_text("done", timeout=20_000)
    console.open("jobs")
    page.click(".main-link >> nth=0")

    expect(page.locator(".job-counts")).to_contain_text("4 done")
    assert running_system.call("GET", "/api/v1/main/executions/search?flowId=manyz")[1]["total"] == 0
    assert console.faults == []

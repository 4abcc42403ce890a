"""The form that starts a flow: every kind of input, wrong and right, dependent inputs, files, labels, and what arrives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.forms"
EVERY = """id: every
namespace: e2e.forms
inputs:
  - {id: title, type: STRING, validator: "[A-Z].{2,20}"}
  - {id: copies, type: INT, defaults: 2, min: 1, max: 10}
  - {id: share, type: FLOAT, defaults: 0.5, min: 0, max: 1}
  - {id: draft, type: BOOL, defaults: false}
  - {id: day, type: DATE, defaults: "2031-05-04"}
  - {id: at, type: TIME, required: false}
  - {id: moment, type: DATETIME, required: false}
  - {id: limit, type: DURATION, defaults: PT15M}
  - {id: contact, type: EMAIL, defaults: ada@example.org}
  - {id: site, type: URI, defaults: "https://example.org"}
  - {id: size, type: SELECT, values: [S, M, L], defaults: M}
  - {id: city, type: SELECT, values: [Berlin, Bern, Bonn, Paris, Prague, Porto, Pisa], defaults: Bern}
  - {id: channels, type: MULTISELECT, values: [mail, chat, paper], defaults: [mail]}
  - {id: options, type: JSON, defaults: '{"colour": "blue"}'}
  - {id: extra, type: YAML, required: false}
  - {id: key, type: SECRET}
  - {id: letter, type: FILE}
  - {id: note, type: STRING, required: false}
tasks:
  - id: show
    type: io.kestra.plugin.core.debug.Return
    format: "{{ read(inputs.letter) }}"
"""
DEPENDENT = """id: dependent
namespace: e2e.forms
inputs:
  - {id: wants_more, type: BOOL, defaults: false}
  - id: more
    type: STRING
    dependsOn: {inputs: [wants_more], condition: "{{ inputs.wants_more }}"}
  - {id: name, type: STRING, required: false}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: "{{ inputs.more ?? 'nothing more' }}"}
"""
CHECKED = """id: checked
namespace: e2e.forms
inputs:
  - {id: rows, type: INT, defaults: 5}
checks:
  - {condition: "{{ inputs.rows < 100 }}", message: "Too many rows for the daytime.", style: ERROR, behavior: BLOCK_EXECUTION}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: x}
"""


@pytest.fixture(scope="module")
def flows(running_system: SystemProcess) -> SystemProcess:
    """The system with the flows of this module."""
    for source in (EVERY, DEPENDENT, CHECKED):
        send(running_system, "POST", "/flows", source)
    return running_system


def _field(page: Page, name: str) -> Any:
    return page.locator(f"[name='in.{name}']")


def _send(page: Page) -> None:
    page.locator("form[data-main] button.primary").click()


def _arrived(page: Page, system: SystemProcess, flow_id: str) -> dict[str, Any]:
    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/{flow_id}/*")
    execution_id = re.split(r"[/?#]", page.url.partition(f"/{flow_id}/")[2])[0]
    wait_for_state(system, execution_id, "SUCCESS")
    return dict(send(system, "GET", f"/executions/{execution_id}"))


def test_every_kind_of_input_arrives_as_it_was_given(console: Watched, flows: SystemProcess, tmp_path: Path) -> None:
    console.open(f"flows/edit/{NAMESPACE}/every/execute")
    page = console.page
    letter = tmp_path / "letter.txt"
    letter.write_text("dear all\n")
    _field(page, "title").fill("Weekly report")
    _field(page, "copies").fill("7")
    _field(page, "share").fill("0.25")
    page.check("[name='in.draft'][value=true]")
    _field(page, "day").fill("2032-01-02")
    _field(page, "limit").fill("PT2H")
    _field(page, "contact").fill("grace@example.org")
    page.check("[name='in.size'][value=L]")
    page.select_option("[name='in.city']", "Porto")
    page.get_by_label("paper", exact=True).check(force=True)
    _field(page, "key").fill("hidden-value-1")
    page.set_input_files("[name='in.letter']", letter)
    page.locator("summary", has_text=re.compile("Labels")).first.click()
    page.fill("#labels", "team:data")
    _send(page)
    found = _arrived(page, flows, "every")

    inputs = found["inputs"]
    expected = {
        "title": "Weekly report", "copies": 7, "share": 0.25, "draft": True, "day": "2032-01-02", "limit": "PT2H",
        "contact": "grace@example.org", "site": "https://example.org", "size": "L", "city": "Porto",
        "channels": ["mail", "paper"], "options": {"colour": "blue"},
    }  # fmt: skip
    assert {name: inputs.get(name) for name in expected} == expected
    assert "note" not in inputs or inputs["note"] in (None, "")
    assert "hidden-value-1" not in str(found)
    assert found["taskRunList"][0]["outputs"]["value"] == "dear all\n"
    assert {"key": "team", "value": "data"} in found["labels"]
    assert console.faults == []


@pytest.mark.parametrize(
    ("name", "value"), [("title", "no"), ("copies", "11"), ("limit", "an hour"), ("contact", "nobody"), ("day", "someday")]
)
def test_a_wrong_value_is_told_at_its_field_and_nothing_starts(
    console: Watched, flows: SystemProcess, tmp_path: Path, name: str, value: str
) -> None:
    before = send(flows, "GET", "/executions/search?filters[flowId][EQUALS]=every&size=1")["total"]
    console.open(f"flows/edit/{NAMESPACE}/every/execute")
    page = console.page
    letter = tmp_path / "letter.txt"
    letter.write_text("x")
    _field(page, "title").fill("Weekly report")
    _field(page, "key").fill("k")
    page.set_input_files("[name='in.letter']", letter)
    _field(page, name).fill(value)
    # The browser's own check would stop some of them first; what the server says is what counts.
    page.locator("form[data-main]").evaluate("form => { form.noValidate = true; }")
    _send(page)

    expect(page.locator(f"[data-field='{name}'].is-bad .error").first).to_be_visible()
    expect(_field(page, name)).to_have_value(value)
    assert send(flows, "GET", "/executions/search?filters[flowId][EQUALS]=every&size=1")["total"] == before


def test_a_fault_in_json_is_marked_at_its_line(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/every/execute")
    page = console.page
    # Two editors at once: the second is asked for while the files of the first are on their way.
    page.evaluate("for (const name of ['options', 'extra']) document.querySelector(`[name='in.${name}']`).focus()")
    expect(page.locator(".small-ace")).to_have_count(2)
    page.evaluate(
        "document.querySelector('[data-field=options] .small-ace').env.editor.setValue('{\\n  \"a\": 1,\\n  b: 2\\n}', 1)"
    )
    field = page.locator("[data-field=options]")
    expect(field.locator(".error")).to_contain_text("Line 3, column 3")
    expect(field.locator(".ace_gutter-cell.ace_error")).to_have_text("3")
    expect(field.locator(".fault-line")).to_have_count(1)
    write = "text => document.querySelector('[data-field=options] .small-ace').env.editor.setValue(text, 1)"
    page.evaluate(write, '{\n  "a": 1,\n  b: 2\n}')
    field = page.locator("[data-field=options]")
    expect(field.locator(".error")).to_contain_text("Line 3, column 3")
    expect(field.locator(".ace_gutter-cell.ace_error")).to_have_text("3")
    expect(field.locator(".fault-line")).to_have_count(1)
    page.evaluate(write, "{}")

    expect(field.locator(".error")).to_have_count(0)
    expect(field.locator(".ace_error")).to_have_count(0)
    assert page.locator("style").count() == 0
    assert console.faults == []


def test_a_missing_value_is_asked_for(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/every/execute")
    page = console.page
    page.locator("form[data-main]").evaluate("form => { form.noValidate = true; }")
    _send(page)

    for name in ("title", "key", "letter"):
        expect(page.locator(f"[data-field='{name}'].is-bad")).to_have_count(1)
    expect(page.locator("form[data-main] [role=alert]").first).to_be_visible()


def test_an_input_comes_when_what_it_depends_on_is_chosen(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/dependent/execute")
    page = console.page
    expect(_field(page, "more")).to_have_count(0)
    _field(page, "name").fill("Ada")
    page.check("[name='in.wants_more'][value=true]")
    expect(_field(page, "more")).to_be_visible()
    expect(_field(page, "name")).to_have_value("Ada")
    _field(page, "more").fill("a lot")
    _send(page)

    assert _arrived(page, flows, "dependent")["inputs"] == {"wants_more": True, "more": "a lot", "name": "Ada"}


def test_a_check_of_the_flow_blocks_the_start(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/checked/execute")
    page = console.page
    _field(page, "rows").fill("500")
    _send(page)
    expect(page.locator("form[data-main]")).to_contain_text("Too many rows for the daytime.")

    found = send(flows, "GET", "/executions/search?filters[flowId][EQUALS]=checked&size=1")
    assert found["total"] == 0


def test_the_values_of_an_earlier_run_are_taken_over(console: Watched, flows: SystemProcess) -> None:
    body = '--part\r\nContent-Disposition: form-data; name="name"\r\n\r\nGrace\r\n--part--\r\n'
    started = send(
        flows, "POST", f"/executions/{NAMESPACE}/dependent", body, **{"Content-Type": "multipart/form-data; boundary=part"}
    )
    console.open(f"flows/edit/{NAMESPACE}/dependent/execute?from={started['id']}")

    expect(_field(console.page, "name")).to_have_value("Grace")


def test_a_start_is_planned_for_later(console: Watched, flows: SystemProcess) -> None:
    console.open(f"flows/edit/{NAMESPACE}/dependent/execute")
    page = console.page
    page.locator("summary", has_text=re.compile("Labels")).first.click()
    page.fill("#schedule", "2099-05-04T10:00:00Z")
    _send(page)
    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/dependent/*")
    expect(page.locator("#live-head")).to_contain_text("Planned")
    execution_id = re.split(r"[/?#]", page.url.partition("/dependent/")[2])[0]

    assert send(flows, "GET", f"/executions/{execution_id}")["state"]["current"] == "CREATED"


def test_two_clicks_start_one_execution(console: Watched, flows: SystemProcess) -> None:
    source = "id: once\nnamespace: e2e.forms\ntasks:\n  - {id: say, type: io.kestra.plugin.core.log.Log, message: x}\n"
    send(flows, "POST", "/flows", source)
    console.open(f"flows/edit/{NAMESPACE}/once/execute")
    page = console.page
    page.locator("form[data-main] button.primary").dblclick()
    page.wait_for_url(f"**/ui/executions/{NAMESPACE}/once/*")
    page.wait_for_load_state()

    eventually(lambda: send(flows, "GET", "/executions/search?filters[flowId][EQUALS]=once&size=5")["total"] == 1)
    second = start_execution(flows, f"{NAMESPACE}/once")
    wait_for_state(flows, second, "SUCCESS")
    assert send(flows, "GET", "/executions/search?filters[flowId][EQUALS]=once&size=5")["total"] == 2

"""The panels around the code: columns that one arranges, live inputs, opened subflows, playground, documentation, files."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched, open_editor, read_source, set_source
from tests.e2e.seeding import send
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("columns_as_delivered")]

NAMESPACE = "e2e.panels"
INNER = """id: inner
namespace: e2e.panels
tasks:
  - id: inside
    type: io.kestra.plugin.core.log.Log
    message: inside
"""
FLOW = """id: {name}
namespace: e2e.panels
variables:
  greeting: hello
inputs:
  - id: who
    type: STRING
    defaults: world
  - id: words
    type: STRING
    dependsOn:
      inputs: [who]
    defaults: "{{{{ vars.greeting }}}} {{{{ inputs.who }}}}"
tasks:
  - id: first
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ inputs.words }}}}"
  - id: second
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ outputs.first.value }}}} twice"
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: e2e.panels
    flowId: inner
"""
LINES = FLOW.splitlines()
CURSOR = "window.celestraEditor.getCursorPosition().row"


@pytest.fixture(scope="module")
def system(running_system: SystemProcess) -> SystemProcess:
    """The system with flows to edit."""
    send(running_system, "POST", "/flows", INNER)
    for name in ("laid_out", "entered", "opened", "played", "filed"):
        send(running_system, "POST", "/flows", FLOW.format(name=name))
    return running_system


def _column(page: Page, name: str) -> list[str]:
    return page.locator(f"[data-column={name}] [role=tab]:not([data-passing])").all_inner_texts()


def _line_of(text: str) -> int:
    return LINES.index(text) + 1


def test_a_panel_moves_to_the_other_column_and_stays_there(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "laid_out")
    page.click("#tab-files")
    expect(page.locator("#panel-files .files")).to_be_visible()
    with page.expect_response("**/ui/settings"):
        page.click("[data-column=right] [data-move]")
    expect(page.locator("[data-column=left] #panel-files .files")).to_be_visible()
    page.click("#tab-docs")
    assert "panel=files" in page.url and "panel=docs" in page.url

    page.goto(page.url.partition("?")[0])
    expect(page.locator("[data-column=left] #panel-files .files")).to_be_visible()
    expect(page.locator("[data-column=right] #panel-docs .panel-body")).to_be_visible()
    assert _column(page, "left") == ["Code", "Files"]
    page.click("#tab-code")
    expect(page.locator("#editor .ace_line").first).to_be_visible()
    assert console.faults == []


def test_the_last_panel_of_a_column_changes_places_with_the_other_one(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "laid_out")
    page.click("[data-column=left] [data-move]")

    expect(page.locator("[data-column=right] #editor")).to_be_visible()
    expect(page.locator("[data-column=left] #n-first")).to_be_visible()
    expect(page.locator("[data-column=right] #save")).to_be_visible()
    assert _column(page, "left") == ["Topology"]
    page.locator("#editor").click()
    page.keyboard.type("# typed here\n")
    assert "# typed here" in read_source(page)


def test_arrow_keys_go_from_tab_to_tab(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "laid_out")
    page.locator("#tab-topology").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-docs")).to_be_focused()
    expect(page.locator("#panel-docs .panel-body")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")

    expect(page.locator("#tab-blueprints")).to_be_focused()
    expect(page.locator("#panel-blueprints .blueprint").first).to_be_visible()


def test_inputs_are_the_live_form_and_the_playground_takes_them(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "entered", "?panel=inputs")
    words = page.locator("#play-inputs [name='in.words']")
    expect(words).to_have_value("hello world")
    page.fill("#play-inputs [name='in.who']", "Ada")
    expect(words).to_have_value("hello Ada")

    # A change of the text draws the form anew and keeps what was entered.
    page.evaluate("celestraEditor.focus()")
    set_source(page, read_source(page).replace("greeting: hello", "greeting: good day"))
    expect(words).to_have_value("good day Ada")
    expect(page.locator("#play-inputs [name='in.who']")).to_have_value("Ada")
    page.evaluate(f"celestraEditor.gotoLine({_line_of('  - id: first')})")
    page.click("#tab-playground")
    page.locator("#panel-playground").get_by_role("button", name="Run only this").click()
    expect(page.locator("#panel-playground .play-task code", has_text="good day Ada")).to_be_visible(timeout=20_000)
    assert console.faults == []


def test_a_called_flow_opens_in_the_picture_and_leads_to_its_call(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "opened")
    call = _line_of("  - id: call")
    page.get_by_role("link", name="Show what is in call").click()
    inner = page.locator("[id='n-call/inside']")
    expect(inner).to_be_visible()
    assert "open=call" in page.url
    inner.click()
    eventually(lambda: page.evaluate(CURSOR) == call - 1)

    # It stays open while one types and when the page is loaded again, and closes by its button.
    set_source(page, read_source(page).replace("greeting: hello", "greeting: hi"))
    expect(page.locator("#editor-state")).to_contain_text("not saved")
    expect(inner).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(inner).to_be_visible()
    page.get_by_role("link", name="Fold call").click()
    expect(inner).to_have_count(0)
    expect(page.locator("#n-call")).to_be_visible()
    assert "open=" not in page.url
    assert console.faults == []


def test_the_mark_beside_a_task_runs_it_and_shift_runs_all_up_to_it(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "played")
    mark = page.locator("#editor .ace_gutter-cell.run-mark").nth(1)
    mark.click(position={"x": 8, "y": 9})
    panel = page.locator("#panel-playground")
    expect(panel.locator("b.mono").first).to_have_text("second")
    mark.click(position={"x": 8, "y": 9}, modifiers=["Shift"])

    tasks = panel.locator(".play-task")
    expect(tasks.filter(has_text="hello world twice")).to_have_count(1, timeout=20_000)
    expect(tasks).to_have_count(2)
    # Runs of the playground are no history.
    assert (
        send(system, "GET", f"/executions/search?filters[flowId][EQUALS]=played&filters[namespace][EQUALS]={NAMESPACE}")["total"]
        == 0
    )


def test_documentation_follows_the_cursor(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "played", "?panel=docs")
    page.evaluate(f"celestraEditor.gotoLine({_line_of('  - id: call')}, 8)")
    expect(page.locator("#panel-docs .panel-title")).to_contain_text("flow", ignore_case=True)
    expect(page.locator("#panel-docs a.mono")).to_have_text("io.kestra.plugin.core.flow.Subflow")
    page.evaluate(f"celestraEditor.gotoLine({_line_of('  - id: first')} + 1, 8)")

    expect(page.locator("#panel-docs a.mono")).to_have_text("io.kestra.plugin.core.debug.Return")


def test_a_file_is_made_written_renamed_and_deleted_beside_the_code(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "filed", "?panel=files")
    panel = page.locator("#panel-files")
    page.on("dialog", lambda dialog: dialog.accept())
    panel.get_by_label("Path of a new file").fill("sql/load.sql")
    panel.get_by_role("button", name="New file").click()
    expect(panel.locator(".open-file.is-at")).to_contain_text("/sql/load.sql")
    eventually(lambda: page.evaluate("!!document.querySelector('#panel-files .code-field')"))
    page.evaluate("ace.edit(document.querySelector('#panel-files .code-field')).setValue('select 1', -1)")
    with page.expect_response(lambda answer: "/files?path=" in answer.url and answer.ok):
        panel.get_by_role("button", name="Save the file").click()
    expect(page.locator(".toasts .bad")).to_have_count(0)
    panel.get_by_label("New path of /sql/load.sql").fill("/sql/one.sql")
    panel.get_by_role("button", name="Move", exact=True).click()
    expect(panel.locator(".open-file.is-at")).to_contain_text("/sql/one.sql")
    assert send(system, "GET", f"/namespaces/{NAMESPACE}/files?path=/sql/one.sql") == "select 1"

    panel.get_by_label("File", exact=True).set_input_files(
        {"name": "dropped.txt", "mimeType": "text/plain", "buffer": b"from outside"}
    )
    panel.get_by_role("button", name="Upload").click()
    expect(panel.locator(".file-tree")).to_contain_text("dropped.txt")
    panel.get_by_role("button", name="Delete", exact=True).click()
    expect(panel.locator(".file-tree")).not_to_contain_text("one.sql")
    assert console.faults == []


def test_a_blueprint_is_found_and_put_into_the_text(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "filed", "?panel=blueprints")
    panel = page.locator("#panel-blueprints")
    panel.get_by_role("searchbox").fill("loop")
    panel.get_by_role("button", name="Search").click()
    expect(panel.get_by_role("searchbox")).to_have_value("loop")
    before = read_source(page)
    panel.get_by_role("button", name="Insert").first.click()

    eventually(lambda: len(read_source(page)) > len(before) + 40)
    expect(page.locator(".toasts")).to_contain_text("Blueprint inserted")
    assert "  - id: first" in read_source(page)

"""The editor: completion, problems with a fix, the picture and the text in step, form edits, drafts, and two people at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.e2e.browsing import Watched, open_editor, read_source, set_source, wait_for_editor, watch
from tests.e2e.seeding import send, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("columns_as_delivered")]

NAMESPACE = "e2e.editor"
FLOW = """# Kept as it is: comments, "quotes" and   spaces.
id: {name}
namespace: e2e.editor

tasks:
  - id: first   # the beginning
    type: io.kestra.plugin.core.debug.Return
    format: 'one'

  - id: second
    type: io.kestra.plugin.core.log.Log
    message: "two"   # trailing words

  - id: third
    type: io.kestra.plugin.core.log.Log
    message: three
"""
CURSOR = "window.celestraEditor.getCursorPosition().row"
UNDERLINED = """Object.values(celestraEditor.session.getMarkers(true))
  .filter((mark) => /squiggle/.test(mark.clazz))
  .map(({ range }) => [range.start.row, range.start.column, range.end.column])"""


@pytest.fixture(scope="module")
def system(running_system: SystemProcess) -> SystemProcess:
    """The system with a flow for each test that saves."""
    for name in ("read", "formed", "drafted", "fought", "warned"):
        send(running_system, "POST", "/flows", FLOW.format(name=name))
    return running_system


def _complete(page: Page, text: str) -> None:
    """Put a text into the editor, the cursor at its `|`, and ask for what fits there."""
    set_source(page, text.replace("|", ""))
    before = text.partition("|")[0]
    row, column = before.count("\n"), len(before.rpartition("\n")[2])
    page.evaluate("([row, column]) => { celestraEditor.moveCursorTo(row, column); celestraEditor.focus(); }", [row, column])
    page.evaluate("celestraEditor.execCommand('startAutocomplete')")
    expect(page.locator(".ace_autocomplete")).to_be_visible()


def _offers(page: Page) -> str:
    return str(page.evaluate("celestraEditor.completer.completions.filtered.map((one) => one.caption ?? one.value).join(' ')"))


def test_a_type_is_completed_with_its_required_properties(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    _complete(page, "id: a\nnamespace: b\ntasks:\n  - id: hello\n    type: Log|")
    expect(page.locator(".ace_autocomplete")).to_contain_text("Log")
    page.keyboard.press("Enter")

    eventually(lambda: "type: io.kestra.plugin.core.log.Log\n    message:" in read_source(page))
    assert page.evaluate(CURSOR) == 5
    assert console.faults == []


def test_properties_leave_out_those_that_are_there(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    _complete(page, "id: a\nnamespace: b\ntasks:\n  - id: hello\n    type: io.kestra.plugin.core.log.Log\n    message: x\n    |")
    eventually(lambda: "level" in _offers(page))

    assert "message" not in _offers(page).split()


def test_expressions_offer_earlier_tasks_and_no_later_ones(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    text = FLOW.format(name="read").replace('message: "two"', 'message: "{{ outputs.| }}"')
    _complete(page, text)
    eventually(lambda: "first" in _offers(page))

    assert "third" not in _offers(page)


def test_a_misspelt_property_is_underlined_and_mended(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    set_source(page, FLOW.format(name="read").replace("message: three", "mesage: three"))
    problem = page.locator("#problems .problem", has_text="mesage")
    expect(problem.first).to_be_visible(timeout=2_000)
    expect(problem.first.locator(".at")).to_have_text("16:5")
    expect(page.locator(".squiggle.error").first).to_be_visible()
    assert [15, 4, 10] in page.evaluate(UNDERLINED)
    problem.locator("button.fix").first.click()

    expect(page.locator("#problems")).to_have_text("No problems.")
    assert read_source(page) == FLOW.format(name="read")
    expect(page.locator(".squiggle")).to_have_count(0)


def test_broken_yaml_keeps_the_last_picture(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    expect(page.locator("#picture #n-second")).to_be_visible()
    set_source(page, FLOW.format(name="read").replace("tasks:", "tasks: [\n"))
    expect(page.locator("#problems .problem").first).to_be_visible()

    expect(page.locator("#picture")).to_have_class(re.compile("is-old"))
    expect(page.locator("#picture-state")).to_contain_text("last valid version")
    expect(page.locator("#picture #n-second")).to_be_visible()


def test_errors_block_saving_and_warnings_do_not(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "warned")
    good = FLOW.format(name="warned")
    set_source(page, good.replace("message: three", "mesage: three"))
    expect(page.locator("#problems .problem").first).to_be_visible()
    page.click("#save")
    expect(page.locator(".toasts .bad")).to_be_visible()
    expect(page.locator("#problems button").first).to_be_focused()
    assert send(system, "GET", f"/flows/{NAMESPACE}/warned")["revision"] == 1

    # The old name of a type is a warning.
    set_source(page, good.replace("io.kestra.plugin.core.log.Log", "io.kestra.core.tasks.log.Log", 1))
    expect(page.locator("#problems .problem .warning, #problems .problem .deprecation").first).to_be_visible()
    expect(page.locator("#editor-state")).to_contain_text("0 errors")
    page.click("#save")
    expect(page.locator(".toasts")).to_contain_text("Revision 2 saved")
    assert send(system, "GET", f"/flows/{NAMESPACE}/warned")["revision"] == 2
    # The same text again makes no revision.
    page.click("#save")
    expect(page.locator(".toasts")).to_contain_text("Nothing changed")
    assert send(system, "GET", f"/flows/{NAMESPACE}/warned")["revision"] == 2


def test_picture_and_text_follow_each_other(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    page.locator("#picture #n-third").click()
    eventually(lambda: page.evaluate(CURSOR) == 13)
    page.evaluate("celestraEditor.gotoLine(7)")

    expect(page.locator("#picture #n-first")).to_have_class(re.compile("is-lit"))
    expect(page.locator("#picture .is-lit")).to_have_count(1)


def test_a_form_changes_only_its_lines(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "formed")
    before = read_source(page).splitlines()
    page.locator("#picture #n-third").click()
    page.click("#node-bar [data-panel=form]")
    field = page.locator("[data-edit-form] [name$=message], [data-edit-form] [data-path=message]").first
    expect(field).to_be_visible()
    field.fill("changed by a form")
    page.locator("[data-edit-form] .panel-foot button").click()
    eventually(lambda: "changed by a form" in read_source(page))

    after = read_source(page).splitlines()
    assert len(after) == len(before)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [old for old, _ in changed] == ["    message: three"]
    expect(page.locator("#problems")).to_have_text("No problems.")


def test_a_node_is_added_moved_and_deleted_in_the_text(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "formed")
    page.locator("#picture #n-second").click()
    page.locator("#node-bar details summary").last.click()
    page.click("#node-bar [data-act=up]")
    eventually(lambda: read_source(page).index("id: second") < read_source(page).index("id: first"))
    assert "# the beginning" in read_source(page) and "# trailing words" in read_source(page)
    page.locator("#picture #n-third").click()
    page.locator("#node-bar details summary").last.click()
    page.click("#node-bar [data-act=delete]")

    eventually(lambda: "id: third" not in read_source(page))
    expect(page.locator("#problems")).to_have_text("No problems.")


def test_a_draft_survives_a_reload_and_is_restored(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "drafted")
    page.on("dialog", lambda dialog: dialog.accept())
    stored = read_source(page)
    changed = stored.replace("message: three", "message: not saved yet")
    set_source(page, changed)
    expect(page.locator("#editor-state")).to_contain_text("not saved")
    page.reload()
    wait_for_editor(page)
    note = page.locator(".draft")
    expect(note).to_be_visible()
    assert read_source(page) == stored
    # Looking at the page again, or at the difference, does not lose it.
    page.reload()
    note.get_by_role("button", name="See the difference").click()
    expect(page.locator("#panel-difference")).to_contain_text("not saved yet")
    expect(page.locator("#tab-difference")).to_be_visible()
    note.get_by_role("button", name="Restore it").click()
    assert read_source(page) == changed

    # Undoing to the saved text is no change.
    expect(page.locator("#editor-state")).to_contain_text("not saved")
    page.locator("#editor").click()
    page.keyboard.press("Control+z")
    expect(page.locator("#editor-state")).not_to_contain_text("not saved")
    assert read_source(page) == stored
    page.reload()
    expect(page.locator(".draft")).to_have_count(0)


def test_leaving_with_unsaved_text_asks_once(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "drafted")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.locator("#editor").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# typed")
    expect(page.locator("#editor-state")).to_contain_text("not saved")
    page.once("dialog", stay)
    page.locator(".tabs a", has_text="Revisions").click(no_wait_after=True)
    eventually(lambda: asked == ["beforeunload"])
    assert "# typed" in read_source(page)

    page.once("dialog", lambda dialog: dialog.accept())
    page.locator(".tabs a", has_text="Revisions").click()
    page.wait_for_url("**/revisions")
    assert asked == ["beforeunload"]
    page.evaluate("localStorage.clear()")


def test_the_second_of_two_people_is_asked(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "fought")
    other = open_editor(watch(page.context, console.base_url), NAMESPACE, "fought")
    set_source(other, read_source(other).replace("three", "from the other"))
    expect(other.locator("#problems")).to_have_text("No problems.")
    other.click("#save")
    expect(other.locator(".toasts")).to_contain_text("Revision 2 saved")
    set_source(page, read_source(page).replace("three", "from this one"))
    expect(page.locator("#problems")).to_have_text("No problems.")
    page.click("#save")

    dialog = page.locator("#conflict-dialog[open]")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("link", name="See the difference")).to_have_attribute("href", re.compile("revisions"))
    dialog.get_by_role("button", name="Keep editing").click()
    assert "from this one" in read_source(page)
    page.click("#save")
    page.locator("#conflict-overwrite").click()
    eventually(lambda: send(system, "GET", f"/flows/{NAMESPACE}/fought")["revision"] == 3)
    assert "from this one" in send(system, "GET", f"/flows/{NAMESPACE}/fought?source=true")["source"]


def test_f8_goes_from_problem_to_problem(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    set_source(page, FLOW.format(name="read").replace("message:", "mesage:").replace("format:", "fromat:"))
    eventually(lambda: page.locator("#problems .problem .at").count() >= 3)
    page.evaluate("celestraEditor.gotoLine(1); celestraEditor.focus()")
    rows = []
    for _ in range(3):
        page.keyboard.press("F8")
        rows.append(page.evaluate(CURSOR))

    assert rows == sorted(set(rows)) and len(rows) == 3


def test_the_expression_under_the_pointer_is_evaluated_in_the_panel_beside_it(console: Watched, system: SystemProcess) -> None:
    start = send(system, "POST", f"/executions/{NAMESPACE}/read")
    wait_for_state(system, f"{NAMESPACE}/read/{start['id']}", "SUCCESS")
    page = open_editor(console, NAMESPACE, "read")
    set_source(page, FLOW.format(name="read").replace('"two"', '"{{ outputs.first.value }}"'))
    expect(page.locator("#problems")).to_have_text("No problems.")
    place = "{ const { pageX, pageY } = celestraEditor.renderer.textToScreenCoordinates(11, 22); return [pageX, pageY]; }"
    x, y = page.evaluate(f"() => {place}")
    page.mouse.move(x, y + 2)
    page.mouse.move(x + 1, y + 4)
    box = page.locator("#hover")
    expect(box).to_contain_text("one")
    # The box stays while the pointer goes into it.
    page.mouse.move(x + 4, y + 40, steps=5)
    box.get_by_role("button", name="Evaluate").click()

    expect(page.locator("#panel-docs textarea[name=expression]")).to_have_value("{{ outputs.first.value }}")
    assert "panel=docs" in page.url
    page.locator("#panel-docs").get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("#panel-docs .evaluate pre")).to_have_text("one")
    page.reload()
    expect(page.locator("[role=tab][data-panel=docs]")).to_have_attribute("aria-selected", "true")


def test_pointing_at_a_type_or_a_property_explains_it(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    for row, column, words in ((10, 12, "io.kestra.plugin.core.log.Log"), (11, 6, "message")):
        place = f"celestraEditor.renderer.textToScreenCoordinates({row}, {column})"
        x, y = page.evaluate(f"() => {{ const {{ pageX, pageY }} = {place}; return [pageX, pageY]; }}")
        page.mouse.move(x, y + 4)
        page.mouse.move(x + 1, y + 5)
        expect(page.locator("#hover")).to_contain_text(words)
        page.mouse.move(x, 5)
        expect(page.locator("#hover")).to_be_hidden()

    assert console.faults == []


def test_completion_shows_the_value_of_the_last_run(console: Watched, system: SystemProcess) -> None:
    start = send(system, "POST", f"/executions/{NAMESPACE}/read")
    wait_for_state(system, f"{NAMESPACE}/read/{start['id']}", "SUCCESS")
    page = open_editor(console, NAMESPACE, "read")
    _complete(page, FLOW.format(name="read").replace('message: "two"', 'message: "{{ outputs.first.| }}"'))
    eventually(lambda: "value" in _offers(page))

    expect(page.locator(".ace_doc-tooltip")).to_contain_text("last run: one")


def test_the_columns_are_moved_by_keys_and_stay_so(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    width = "document.querySelector('#editor').offsetWidth"
    before = page.evaluate(width)
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    narrow = page.evaluate(width)
    page.reload()
    wait_for_editor(page)

    assert narrow < before - 20
    assert page.evaluate(width) == narrow


def test_search_replace_and_completion_write_no_styles_into_the_page(console: Watched, system: SystemProcess) -> None:
    page = open_editor(console, NAMESPACE, "read")
    page.locator("#editor").click()
    page.keyboard.press("Control+h")
    expect(page.locator(".ace_search")).to_be_visible()
    page.keyboard.press("Escape")
    _complete(page, "id: a\nnamespace: b\ntasks:\n  - id: hello\n    type: Log|")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".ace_doc-tooltip")).to_be_visible()

    assert page.locator("style").count() == 0
    assert console.faults == []

"""Namespaces: keys of every kind, files with versions, variables with a check, and secrets that nobody gets back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watched, fill_code
from tests.e2e.seeding import API, find_credentials, send, send_form
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.names"
CANARY = "c4n4ry-value-of-a-secret"
DROP = """(selector) => {
  const data = new DataTransfer();
  for (const [name, text] of [["a.txt", "one"], ["b.txt", "two"]]) data.items.add(new File([text], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(selector).dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
}"""
FLOW = """id: reader
namespace: e2e.names
tasks:
  - id: read
    type: io.kestra.plugin.core.log.Log
    message: "{{ secret('VAULT_KEY') }}"
"""


@pytest.fixture(scope="module")
def place(running_system: SystemProcess) -> SystemProcess:
    """The system with a namespace that has a flow."""
    send(running_system, "POST", "/flows", FLOW)
    return running_system


def _set_key(page: Page, key: str, value: str, *, kind: str = "", ttl: str = "") -> None:
    page.locator("[data-dialog=set-key]").first.click()
    dialog = page.locator("#set-key[open]")
    dialog.locator("[name=key]").fill(key)
    dialog.locator("[name=kind]").select_option(kind)
    field = dialog.locator(f"[name={f'value_{kind.lower()}' if kind else 'value'}]")
    if kind == "BOOLEAN":
        field.select_option(value)
    elif kind == "NUMBER":
        # As a browser without number fields would send it; what the server says is what counts.
        field.evaluate("(node, value) => { node.type = 'text'; node.value = value; }", value)
    else:
        field.fill(value)
    dialog.locator("[name=ttl]").fill(ttl)
    dialog.locator("footer button.primary").click()


def _click_in_menu(place: Locator, selector: str) -> None:
    item = place.locator(selector)
    if not item.is_visible():
        place.locator("details.pick", has=place.page.locator(selector)).locator("summary").click()
    item.click()


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("STRING", "just text", "just text"),
        ("NUMBER", "42", 42),
        ("BOOLEAN", "true", True),
        ("DATE", "2031-05-04", "2031-05-04"),
        ("DURATION", "PT2H", "PT2H"),
        ("JSON", '{"rows": [1, 2]}', {"rows": [1, 2]}),
    ],
)
def test_a_key_of_every_kind_is_kept(console: Watched, place: SystemProcess, kind: str, value: str, stored: object) -> None:
    console.open(f"namespaces/{NAMESPACE}/kv")
    key = f"of_{kind.lower()}"
    _set_key(console.page, key, value, kind=kind)
    row = console.page.locator("table.list tbody tr", has_text=key)
    expect(row).to_contain_text(kind)

    found = send(place, "GET", f"/namespaces/{NAMESPACE}/kv/{key}")
    assert found["type"] == kind
    assert found["value"] == stored
    assert console.faults == []


def test_a_value_that_its_type_does_not_take_is_refused(console: Watched, place: SystemProcess) -> None:
    console.open(f"namespaces/{NAMESPACE}/kv")
    _set_key(console.page, "wrong", "no number at all", kind="NUMBER")

    expect(console.page.locator(".toasts .bad, .note.bad, .error").first).to_be_visible()
    assert place.call("GET", f"{API}/namespaces/{NAMESPACE}/kv/wrong", None, find_credentials(place))[0] == 404


def test_a_key_expires_and_is_deleted(console: Watched, place: SystemProcess) -> None:
    console.open(f"namespaces/{NAMESPACE}/kv")
    page = console.page
    _set_key(page, "brief", "1", ttl="PT1S")
    gone = f"{API}/namespaces/{NAMESPACE}/kv/brief"
    eventually(lambda: place.call("GET", gone, None, find_credentials(place))[0] in (404, 410), within=10, every=0.2)
    console.open(f"namespaces/{NAMESPACE}/kv")
    _set_key(page, "doomed", "1", ttl="P7D")
    row = page.locator("table.list tbody tr", has_text="doomed")
    expect(row).to_have_count(1)
    _click_in_menu(row, "[data-dialog=delete-key]")
    page.locator("dialog[open] footer button:not([type=button])").click()

    expect(page.locator("table.list tbody tr", has_text="doomed")).to_have_count(0)


def test_a_child_sees_the_keys_of_its_parent(console: Watched, place: SystemProcess) -> None:
    send(place, "PUT", "/namespaces/e2e/kv/from_above", '"x"', **{"Content-Type": "text/plain"})
    console.open(f"namespaces/{NAMESPACE}/kv")
    row = console.page.locator("table.list tbody tr", has_text="from_above")

    expect(row).to_contain_text("inherited")
    expect(row.locator("[data-dialog=delete-key]")).to_have_count(0)


def test_files_are_made_written_moved_uploaded_and_deleted(console: Watched, place: SystemProcess, tmp_path: Path) -> None:
    page = console.page
    console.open(f"namespaces/{NAMESPACE}/files")
    page.click("[data-dialog=new-file]")
    page.fill("dialog[open] [name=path]", "sql/orders.sql")
    page.click("dialog[open] footer button.primary")
    expect(page.locator(".file-tree")).to_contain_text("orders.sql")
    console.open(f"namespaces/{NAMESPACE}/files?path=/sql/orders.sql")
    text = page.locator("textarea[name=text]")
    fill_code(page, "select 1;\n")
    page.get_by_role("button", name=re.compile("Save")).first.click()
    eventually(lambda: _read(place, "/sql/orders.sql") == "select 1;\n")

    # Another version; the first one stays readable.
    expect(page.locator("main .card > header", has=page.locator("h2", has_text="orders.sql"))).to_contain_text("version 2")
    fill_code(page, "select 2;\n")
    page.get_by_role("button", name=re.compile("Save")).first.click()
    eventually(lambda: _read(place, "/sql/orders.sql") == "select 2;\n")
    page.locator("main a[href*='version=2']").click()
    expect(text).to_have_value(re.compile("select 1;"))

    console.open(f"namespaces/{NAMESPACE}/files")
    page.locator("[data-dialog=move-file][data-fillpath='/sql/orders.sql']").click()
    page.fill("dialog[open] [name=target]", "sql/moved.sql")
    page.click("dialog[open] footer button.primary")
    eventually(lambda: _read(place, "/sql/moved.sql") == "select 2;\n")

    upload = tmp_path / "upload me.txt"
    upload.write_text("from my desk\n")
    page.set_input_files("form[action$='file-upload'] input[type=file]", upload)
    page.fill("form[action$='file-upload'] [name=folder]", "in")
    page.click("form[action$='file-upload'] button.primary")
    eventually(lambda: _read(place, "/in/upload me.txt") == "from my desk\n")

    console.open(f"namespaces/{NAMESPACE}/files?path=/sql/moved.sql")
    page.click("[data-dialog=delete-file]")
    page.locator("dialog[open] footer button:not([type=button])").click()
    eventually(lambda: _read(place, "/sql/moved.sql") is None)
    assert console.faults == []


def _read(system: SystemProcess, path: str) -> str | None:
    status, answer = system.call(
        "GET", f"{API}/namespaces/{NAMESPACE}/files?path={path.replace(' ', '%20')}", None, find_credentials(system)
    )
    return answer if status == 200 else None


def test_files_are_dropped_into_the_folder_under_the_pointer(console: Watched, place: SystemProcess) -> None:
    send_form(place, f"/namespaces/{NAMESPACE}/files?path=drops/first.txt", "fileContent", "first.txt", "1")
    console.open(f"namespaces/{NAMESPACE}/files")
    page = console.page
    with page.expect_navigation():
        page.evaluate(DROP, ".file-tree li[data-folder=drops]")
    expect(page.locator(".toasts")).to_contain_text("2 files stored")

    assert _read(place, "/drops/a.txt") == "one" and _read(place, "/drops/b.txt") == "two"
    assert console.faults == []


def test_the_server_s_word_on_a_text_stands_beside_its_line(console: Watched, place: SystemProcess) -> None:
    console.open(f"namespaces/{NAMESPACE}/plugin-defaults")
    page = console.page
    fill_code(page, "- type: io.kestra.plugin.core.log.Log\n  values:\n    levell: INFO\n")

    expect(page.locator("#checks .note.bad")).to_contain_text("levell")
    expect(page.locator(".code-field .ace_gutter-cell.ace_error")).to_have_text(re.compile("3"))
    assert console.faults == []


def test_variables_are_checked_before_they_are_kept(console: Watched, place: SystemProcess) -> None:
    console.open(f"namespaces/{NAMESPACE}/variables")
    page = console.page
    fill_code(page, "currency: EUR\n  broken: [")
    page.get_by_role("button", name=re.compile("Save")).first.click()
    expect(page.locator(".toasts .bad, .note.bad, .error").first).to_be_visible()
    fill_code(page, "currency: EUR\nlimits:\n  rows: 5\n")
    page.get_by_role("button", name=re.compile("Save")).first.click()

    eventually(
        lambda: send(place, "GET", f"/namespaces/{NAMESPACE}").get("variables") == {"currency": "EUR", "limits": {"rows": 5}}
    )


def test_the_value_of_a_secret_is_in_no_answer(console: Watched, place: SystemProcess) -> None:
    page = console.page
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(answer.url) if _holds(answer) else None)
    console.open(f"namespaces/{NAMESPACE}/secrets")
    page.locator("[data-dialog=set-secret]").first.click()
    page.fill("form[action$='secret-set'] [name=key]", "VAULT_KEY")
    page.fill("form[action$='secret-set'] [name=value]", CANARY)
    page.click("form[action$='secret-set'] button.primary")
    expect(page.locator("table.list tbody tr", has_text="VAULT_KEY")).to_have_count(1)
    started = send(place, "POST", f"/executions/{NAMESPACE}/reader?wait=true")

    for path in (
        f"namespaces/{NAMESPACE}/secrets",
        f"namespaces/{NAMESPACE}",
        f"executions/{NAMESPACE}/reader/{started['id']}/logs",
        f"executions/{NAMESPACE}/reader/{started['id']}/outputs",
        f"flows/edit/{NAMESPACE}/reader/edit",
        "audit",
        f"logs?namespace={NAMESPACE}",
    ):
        console.open(path)
        page.wait_for_load_state("load")
        assert CANARY not in page.content(), path
    assert seen == []


def _holds(answer: object) -> bool:
    try:
        return CANARY in answer.text()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 (redirects and streams have no body)
        return False


def test_a_namespace_says_what_goes_with_it(console: Watched, place: SystemProcess) -> None:
    name = "e2e.names.doomed"
    send(place, "POST", "/namespaces", {"id": name})
    send(place, "PUT", f"/namespaces/{name}/kv/one", "1", **{"Content-Type": "text/plain"})
    console.open(f"namespaces/{name}")
    page = console.page
    _click_in_menu(page.locator("header.top"), "[data-dialog=delete-dialog]")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text(re.compile("1 .*key"))
    expect(dialog.locator("button", has_text="Cancel")).to_be_focused()
    dialog.locator("footer button.primary").click()
    page.wait_for_url(re.compile("/ui/namespaces([?].*)?$"))

    console.open("namespaces")
    expect(page.locator("main")).not_to_contain_text(name)

"""Outputs and previews: values as trees and expressions, every kind of file, a huge file, and files that would like to run."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.outputs"
FLOW = """id: files
namespace: e2e.outputs
tasks:
  - id: values
    type: io.kestra.plugin.core.output.OutputValues
    values:
      word: good morning
      number: 42
      list: [{city: Paris, people: 2}, {city: Lyon, people: 1}]
  - id: write
    type: io.kestra.plugin.scripts.python.Script
    outputFiles: ["made/*"]
    script: |
      import base64, io, json, os, struct, tarfile, wave, zipfile, zlib
      os.makedirs("made")
      def put(name, data):
          with open("made/" + name, "wb") as file:
              file.write(data if isinstance(data, bytes) else data.encode())
      put("table.csv", "city,people\\n" + "".join(f"town-{n},{n}\\n" for n in range(250)))
      put("tabs.tsv", "city\\tpeople\\nParis\\t2\\n")
      put("lines.ndjson", '{"city": "Paris"}\\n{"city": "Lyon"}\\n')
      put("tree.json", json.dumps({"rows": 12, "regions": ["north", "south"]}))
      put("notes.md", "# Heading\\n\\nSome **bold** words.\\n")
      put("plain.txt", "one line\\nanother line\\n")
      put("latin.txt", "caf\\u00e9".encode("latin-1"))
      put("page.html", "<h1>Hello</h1><script>parent.ran = 1</script><img src=x onerror='parent.ran = 1'>")
      put("draw.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20'><script>parent.ran = 1</script>"
          "<rect width='30' height='20' fill='teal' onload='parent.ran = 1'/></svg>")
      row = b"\\0" + b"\\x20\\x60\\xa0" * 8
      def chunk(kind, data):
          return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
      put("dots.png", b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
          + chunk(b"IDAT", zlib.compress(row * 8)) + chunk(b"IEND", b""))
      sound = io.BytesIO()
      with wave.open(sound, "wb") as out:
          out.setnchannels(1); out.setsampwidth(1); out.setframerate(8000); out.writeframes(b"\\x80" * 800)
      put("beep.wav", sound.getvalue())
      packed = io.BytesIO()
      with zipfile.ZipFile(packed, "w") as out:
          out.writestr("inner/one.txt", "1"); out.writestr("two.txt", "22")
      put("pack.zip", packed.getvalue())
      put("noise.bin", bytes(range(256)))
      put("nothing.txt", "")
      put("paper.pdf", b"%PDF-1.1\\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\\n"
          b"trailer<</Root 1 0 R>>\\n%%EOF")
  - id: huge
    type: io.kestra.plugin.scripts.shell.Commands
    outputFiles: ["huge.log"]
    commands:
      - yes "a line of a very long file" | head -c 4000000 > huge.log
      - truncate -s 2G huge.log
"""
KINDS = {
    "table.csv": ("table", "town-99"),
    "tabs.tsv": ("table", "Paris"),
    "lines.ndjson": ("table", "Lyon"),
    "tree.json": (".preview-tree", "regions"),
    "notes.md": (".md strong", "bold"),
    "plain.txt": ("pre.source", "another line"),
    "dots.png": ("img[alt='dots.png']", ""),
    "beep.wav": ("audio", ""),
    "pack.zip": ("table", "inner/one.txt"),
    "noise.bin": ("pre.source", "00 01 02"),
    "nothing.txt": (".empty", "empty"),
    "paper.pdf": ("iframe", ""),
}


@pytest.fixture(scope="module")
def made(running_system: SystemProcess) -> dict[str, Any]:
    """An execution that wrote a file of every kind: its path and the addresses of the files by their names."""
    send(running_system, "POST", "/flows", FLOW)
    execution = start_execution(running_system, f"{NAMESPACE}/files")
    wait_for_state(running_system, execution, "SUCCESS")
    runs = send(running_system, "GET", f"/executions/{execution.rpartition('/')[2]}")["taskRunList"]
    files: dict[str, str] = {}
    for run in runs:
        files |= {name.rpartition("/")[2]: uri for name, uri in ((run.get("outputs") or {}).get("outputFiles") or {}).items()}
    assert set(KINDS) < set(files)
    return {"execution": execution, "files": files}


def _open_preview(console: Watched, made: dict[str, Any], name: str) -> Page:
    query = urlencode({"path": made["files"][name]})
    console.open(f"executions/file/{made['execution'].rpartition('/')[2]}?{query}")
    return console.page


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_shown(console: Watched, made: dict[str, Any], name: str) -> None:
    page = _open_preview(console, made, name)
    selector, words = KINDS[name]
    shown = page.locator(f"main {selector}").first
    expect(shown).to_be_attached()
    if words:
        expect(page.locator("main")).to_contain_text(words)
    if name == "dots.png":
        assert page.locator("main img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
    expect(page.get_by_role("link", name=re.compile("Download")).first).to_be_visible()

    assert console.faults == []


def test_a_table_brings_more_rows(console: Watched, made: dict[str, Any]) -> None:
    page = _open_preview(console, made, "table.csv")
    rows = page.locator("main table tbody tr")
    first = rows.count()
    assert 50 <= first <= 150
    page.get_by_role("link", name="more rows").click()
    expect(page.locator("main")).to_contain_text("town-150")

    assert rows.count() > first


def test_another_encoding_is_chosen(console: Watched, made: dict[str, Any]) -> None:
    page = _open_preview(console, made, "latin.txt")
    expect(page.locator("main pre.source")).not_to_contain_text("café")
    page.locator("main .preview-bar summary").click()
    page.get_by_role("link", name="iso-8859-1", exact=True).click()

    expect(page.locator("main pre.source")).to_contain_text("café")
    expect(page).to_have_url(re.compile("encoding=iso-8859-1"))


@pytest.mark.parametrize("name", ["page.html", "draw.svg"])
def test_a_file_cannot_run_script(console: Watched, made: dict[str, Any], name: str) -> None:
    page = _open_preview(console, made, name)
    if name == "draw.svg":
        assert page.locator("main img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
    else:
        expect(page.locator("main pre.source")).to_contain_text("<script>parent.ran = 1</script>")
    assert page.evaluate("window.ran") is None
    execution_id = made["execution"].rpartition("/")[2]
    raw = f"{console.base_url}/ui/executions/file/{execution_id}/raw?{urlencode({'path': made['files'][name]})}"
    answer = page.context.request.get(raw)

    # Pages are not sent as what they are; pictures are, into a box without rights.
    assert answer.status >= 400 or "sandbox" in answer.headers.get("content-security-policy", "")
    assert answer.headers.get("x-content-type-options") == "nosniff"
    assert answer.status >= 400 or not answer.headers["content-type"].startswith("text/html")
    if name == "draw.svg":
        page.goto(raw)
        assert page.evaluate("window.ran") is None
    assert [fault for fault in console.faults if "Blocked script execution" not in fault and "content policy" not in fault] == []


def test_a_file_of_two_gigabytes_shows_its_beginning_at_once(console: Watched, made: dict[str, Any]) -> None:
    page = _open_preview(console, made, "huge.log")
    expect(page.locator("main pre.source")).to_contain_text("a line of a very long file")
    expect(page.locator("main")).to_contain_text(re.compile(r"2(\.\d+)? GB|2(\.\d+)? GiB"))
    expect(page.locator("main .preview-bar")).to_contain_text(re.compile("first|beginning", re.IGNORECASE))
    took = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")

    assert took < 3000
    assert console.faults == []


def test_values_are_shown_and_expressions_are_evaluated(console: Watched, made: dict[str, Any]) -> None:
    console.open(f"executions/{made['execution']}/outputs")
    page = console.page
    main = page.locator("#results")
    for text in ("good morning", "42", "plain.txt", "huge.log"):
        expect(main).to_contain_text(text)
    field, answer = page.locator("#evaluate textarea"), page.locator("#evaluated")
    field.fill("{{ outputs.values.values.word | upper }}")
    page.keyboard.press("Control+Enter")
    expect(answer).to_have_text("GOOD MORNING")
    field.fill("{{ outputs.nothing.here }}")
    page.locator("#evaluate button.primary").click()
    expect(answer).to_contain_text(re.compile("nothing"))
    assert [fault for fault in console.faults if "422" not in fault and "400" not in fault] == []


def test_a_file_opens_in_a_drawer_and_the_address_holds_it(console: Watched, made: dict[str, Any]) -> None:
    console.open(f"executions/{made['execution']}/outputs")
    page = console.page
    page.locator("#results a[data-drawer]", has_text=re.compile("plain.txt|preview")).first.click()
    drawer = page.locator(".drawer")
    expect(drawer).to_be_visible()
    expect(page).to_have_url(re.compile("file="))
    page.reload()
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    eventually(lambda: "file=" not in page.evaluate("location.search"))

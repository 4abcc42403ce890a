"""What is shown of a file: each kind in its own form, never more than its beginning, and nothing that a browser runs."""

from __future__ import annotations

import html
import io
import json
import re
import tarfile
import zipfile
from typing import Any

import fastavro
import fastparquet
import pandas
import pytest
from django.test import Client

from flows.models import Flow
from flows.primitives.errors import InvalidError
from flows.storage import get_storage
from flows.storage.uri import parse_address
from flows.ui.painters.source_text import paint_source
from flows.ui.previews import PREVIEW_BYTES, Preview, make_preview
from flows.ui.stored_values import FileSizes
from tests.ui.conftest import FLOW_ID, NAMESPACE, save_execution, save_task_run

FOLDER = f"kestra:///{NAMESPACE.replace('.', '/')}/{FLOW_ID}/executions/exec1"
EXECUTION = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/exec1"


def _preview(name: str, content: bytes, **options: Any) -> Preview:
    return make_preview(name, io.BytesIO(content), len(content), **options)


def test_a_table_has_the_names_of_its_head_and_the_types_of_its_columns() -> None:
    found = _preview("data.csv", b"id,name,price,ok\n1,Ada,3.5,true\n2,,4,false\n")

    assert found.columns == (("id", "integer"), ("name", "text"), ("price", "number"), ("ok", "flag"))
    assert found.rows == [["1", "Ada", "3.5", "true"], ["2", "", "4", "false"]]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"a;b\n1;2\n"), ("a.tsv", b"a\tb\n1\t2\n"), ("a.csv", b"\xef\xbb\xbfa,b\n1,2\n")]
)
def test_a_table_is_read_whatever_parts_its_columns(name: str, content: bytes) -> None:
    found = _preview(name, content)

    assert [column for column, _ in found.columns] == ["a", "b"]
    assert found.rows == [["1", "2"]]


@pytest.mark.parametrize(("name", "content"), [("a.ndjson", b'{"a":1,"b":[1]}\n{"a":2}\n'), ("a.ion", b'{a:1,b:[1]}\n{"a":2}\n')])
def test_lines_of_values_become_rows(name: str, content: bytes) -> None:
    found = _preview(name, content)

    assert [column for column, _ in found.columns] == ["a", "b"]
    assert found.rows == [["1", "[1]"], ["2", ""]]


def test_only_the_rows_that_are_wanted_are_made() -> None:
    content = b"a\n" + b"1\n" * 1000

    assert (len(_preview("a.csv", content).rows), _preview("a.csv", content).has_more_rows) == (100, True)
    assert len(_preview("a.csv", content, most_rows=500).rows) == 500


def test_a_parquet_file_is_a_table(tmp_path: Any) -> None:
    path = tmp_path / "a.parquet"
    fastparquet.write(str(path), pandas.DataFrame({"id": [1, 2], "name": ["x", "y"]}))

    found = _preview("a.parquet", path.read_bytes())

    assert [name for name, _ in found.columns] == ["id", "name"]
    assert found.rows == [["1", "x"], ["2", "y"]]


def test_an_avro_file_is_a_table() -> None:
    target = io.BytesIO()
    schema = {"type": "record", "name": "row", "fields": [{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]}
    fastavro.writer(target, fastavro.parse_schema(schema), [{"id": 1, "name": "x"}])

    assert _preview("a.avro", target.getvalue()).rows == [["1", "x"]]


def test_json_is_a_tree_and_broken_json_is_text() -> None:
    assert _preview("a.json", b'{"a":{"b":1}}').kind == "tree"
    assert "no valid JSON" in _preview("a.json", b'{"a":').note


def test_archives_list_their_entries_without_unpacking() -> None:
    packed, rolled = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/b.txt", "hello")
    with tarfile.open(fileobj=rolled, mode="w:gz") as archive_of_tar:
        archive_of_tar.addfile(tarfile.TarInfo("../c.txt"), io.BytesIO())

    assert _preview("a.zip", packed.getvalue()).rows[0][:2] == ["a/b.txt", "5 B"]
    assert _preview("a.tar.gz", rolled.getvalue()).rows[0][0] == "../c.txt"


@pytest.mark.parametrize("name", ["a.zip", "a.parquet", "a.avro", "a.tgz", "a.bin", "a.csv", "a.ion", "a.json"])
def test_what_is_not_what_its_name_says_is_shown_as_bytes(name: str) -> None:
    found = _preview(name, b"\0\1\2 nothing of the kind")

    assert found.kind == "hex"
    assert found.text.startswith("00000000  00 01 02")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image"), ("a.svg", "image"), ("a.pdf", "pdf"), ("a.mp3", "audio"), ("a.webm", "video"), ("a.md", "markdown"),
     ("a.html", "text"), ("a", "text")],
)  # fmt: skip
def test_the_ending_of_the_name_decides_the_kind(name: str, kind: str) -> None:
    assert _preview(name, b"text").kind == kind


def test_an_empty_file_says_so() -> None:
    assert _preview("a.csv", b"").kind == "empty"


def test_a_large_text_is_cut_at_the_end_of_a_line() -> None:
    found = _preview("a.log", b"0123456789\n" * 200_000)

    assert len(found.text) <= PREVIEW_BYTES
    assert found.text.endswith("9\n")
    assert "first 1 MiB" in found.note


def test_the_encoding_can_be_chosen() -> None:
    assert _preview("a.txt", "Grüße".encode("latin-1"), encoding="iso-8859-1").text == "Grüße"
    with pytest.raises(InvalidError):
        _preview("a.txt", b"x", encoding="rot13")


@pytest.fixture
def store(db: None) -> Any:
    """Stores a file of the execution exec1 and returns its address."""
    written = []

    def write(name: str, content: bytes) -> str:
        uri = f"{FOLDER}/{name}"
        get_storage().write(uri, content)
        written.append(uri)
        return uri

    yield write
    for uri in written:
        get_storage().delete(uri)


def test_a_file_opens_in_a_drawer_and_as_a_page(alice: Client, flow: Flow, store: Any) -> None:
    save_execution()
    uri = store("data.csv", b"id,name\n1,Ada\n")

    drawer = alice.get(f"{EXECUTION}/outputs", {"file": uri}).content.decode()
    page = alice.get("/ui/executions/file/exec1", {"path": uri}).content.decode()

    assert '<td title="Ada">Ada</td>' in drawer
    assert 'aria-label="File data.csv"' in drawer
    assert '<td title="Ada">Ada</td>' in page


def test_a_picture_is_sent_so_that_it_can_do_nothing(alice: Client, flow: Flow, store: Any) -> None:
    save_execution()
    uri = store("pic.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")

    response = alice.get("/ui/executions/file/exec1/raw", {"path": uri})

    assert response["Content-Type"] == "image/svg+xml"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["page.html", "run.js", "x.xml", "data"])
def test_what_a_browser_would_run_is_never_sent_as_it_is(alice: Client, flow: Flow, store: Any, name: str) -> None:
    save_execution()

    response = alice.get("/ui/executions/file/exec1/raw", {"path": store(name, b"<script>alert(1)</script>")})

    assert response.status_code == 422


def test_a_film_can_be_asked_for_in_parts(alice: Client, flow: Flow, store: Any) -> None:
    save_execution()
    uri = store("film.mp4", bytes(range(100)))

    response = alice.get("/ui/executions/file/exec1/raw", {"path": uri}, headers={"Range": "bytes=10-19"})

    assert (response.status_code, response["Content-Range"]) == (206, "bytes 10-19/100")
    assert b"".join(response.streaming_content) == bytes(range(10, 20))  # type: ignore[attr-defined]


def test_a_hostile_file_stays_text(alice: Client, flow: Flow, store: Any) -> None:
    save_execution()
    hostile = "<script>alert(1)</script>"
    contents = {"a.csv": f"{hostile}\n{hostile}\n", "a.json": json.dumps({hostile: hostile}), "a.md": hostile, "a.html": hostile}

    for name, content in contents.items():
        text = alice.get(f"{EXECUTION}/outputs", {"file": store(name, content.encode())}).content.decode()

        assert "<script>alert" not in text, name


def test_the_parent_shows_files_of_the_executions_that_it_started(alice: Client, flow: Flow, store: Any) -> None:
    save_execution("parent")
    save_execution(caller_execution_id="parent")
    uri = store("tasks/say/run1/a.txt", b"of the child")

    assert alice.get("/ui/executions/file/parent", {"path": uri}).status_code == 200


def test_a_stranger_to_the_file_is_refused(alice: Client, flow: Flow, store: Any) -> None:
    save_execution()
    save_execution("other")

    assert alice.get("/ui/executions/file/other", {"path": store("a.txt", b"x")}).status_code == 403


@pytest.mark.parametrize("name", ["a.py", "a.sql", "a.html", "a.yaml", "a.tf", "a.json", "a.unknown", "none"])
def test_colours_neither_add_nor_lose_anything_of_a_text(name: str) -> None:
    text = '\n\nx = "<script>alert(1)</script>" # & more\n  select 1 -- y\r\n\t\n'

    painted = paint_source(text, name)

    assert html.unescape(re.sub(r"</?span[^<>]*>", "", painted)) == text
    assert "<script" not in painted


def test_a_known_language_has_colours_and_a_huge_text_has_none() -> None:
    assert '<span class="y-k">select</span>' in paint_source("select 1", "q.sql")
    assert "<span" not in paint_source("select 1\n" * 20_000, "q.sql")


def test_files_are_listed_with_name_type_and_size(alice: Client, flow: Flow, store: Any) -> None:
    execution = save_execution()
    store("tasks/hello/run/0123456789abcdef-report.csv", b"a,b\n1,2\n")
    folder = f"{FOLDER}/tasks/hello/run"
    files = {"report.csv": f"{folder}/0123456789abcdef-report.csv", "gone.txt": f"{folder}/gone.txt"}
    foreign = "kestra:///company/other/flow/executions/other/tasks/a/b/secret.pdf"
    save_task_run(execution, "hello", outputs={"outputFiles": files, "uri": foreign, "broken": "kestra://no"})

    page = alice.get(f"{EXECUTION}/outputs").content.decode()

    said = re.findall(r'<b title="kestra:[^"]*">([^<]+)</b>\s*<span class="faint small">([^<]+)</span>', page)
    assert sorted(said) == [("gone.txt", "TXT, no longer stored"), ("report.csv", "CSV, 8 B"), ("secret.pdf", "PDF")]


def test_of_very_many_files_only_the_first_ones_are_measured(store: Any) -> None:
    address = store("tasks/hello/run/a.bin", b"1234")
    sizes = FileSizes("exec1", most=1)

    assert [sizes.describe(parse_address(address)) for _ in range(2)] == ["BIN, 4 B", "BIN"]

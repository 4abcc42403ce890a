"""Static files: compressed once and apart, kept for ever under an address that changes with them, and small."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import brotli
import pytest
from django.conf import settings
from django.test import Client, override_settings
from rjsmin import jsmin

from orchestrator.fingerprint import read_fingerprint
from orchestrator.static_files import compress_all, is_compressible

STYLES = f"{settings.STATIC_URL}flows/console.css"
SCRIPTS = Path(settings.BASE_DIR) / "static" / "flows" / "js"
SHARED = "console.js"
PAGES = (
    ("bulk.js",), ("filters.js", "poll.js"), ("gantt.js", "stream.js"), ("logs.js",), ("topology.js", "stream.js"),
    ("values.js", "stream.js"),
)  # fmt: skip
EDITORS = {"of a flow": {"chart_editor.js"}, "of a dashboard": {"panels.js"}}
"""Which of the scripts of the editor the page does not load."""
ON_DEMAND = {"hover.js", "columns.js"}
"""What the editor loads when somebody rests the pointer on the text or moves a panel, long after it is ready for typing."""

MOST_SCRIPT_BYTES, MOST_EDITOR_BYTES = 25 * 1024, 40 * 1024
_STATIC_IMPORT = re.compile(r'^import [^;]*?from "\./([\w.]+)"', re.MULTILINE)
_ANY_IMPORT = re.compile(r'^import [^;]*?from "\./([\w.]+)"|\bimport\("\./([\w.]+)"\)', re.MULTILINE)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compressed forms of all static files."""
    folder = tmp_path_factory.mktemp("compressed")
    assert compress_all(folder) > 50
    return folder


@pytest.fixture
def browser(compressed: Path) -> Iterator[Client]:
    """A client of a server that found compressed files when it started."""
    with override_settings(COMPRESSED_STATIC_FOLDER=compressed):
        yield Client()


def test_compressing_again_writes_nothing(compressed: Path) -> None:
    assert compress_all(compressed) == 0


def test_what_two_installations_do_not_need_is_forgotten(compressed: Path) -> None:
    # What only the last one needed may be sent by a web server that was not started anew yet.
    old, last = compressed / "old.br", compressed / "last.br"
    old.touch()
    os.utime(old, (0, 0))
    last.touch()

    compress_all(compressed)

    assert (old.exists(), last.exists()) == (False, True)


@pytest.mark.parametrize(("accepted", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_browser_gets_the_compressed_form(browser: Client, accepted: str, unpack: object) -> None:
    response = browser.get(STYLES, headers={"Accept-Encoding": accepted})
    plain = browser.get(STYLES)

    content = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert response["Content-Encoding"] == accepted
    assert unpack(content) == b"".join(plain.streaming_content)  # type: ignore[operator, attr-defined]
    assert "Accept-Encoding" in response["Vary"]


def test_files_are_kept_for_ever_and_those_of_another_version_are_not(browser: Client) -> None:
    ours, other = browser.get(STYLES), browser.get("/static/0123456789/flows/console.css")

    assert "immutable" in ours["Cache-Control"]
    assert (other.status_code, other["Cache-Control"]) == (200, "no-cache")
    assert b"".join(ours.streaming_content) == b"".join(other.streaming_content)  # type: ignore[attr-defined]


def test_the_address_changes_with_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a")
    before = read_fingerprint(tmp_path)
    (tmp_path / "a.css").write_text("b")

    assert read_fingerprint(tmp_path) != before


def test_without_an_installation_a_browser_gets_a_small_form_too(tmp_path: Path, browser: Client) -> None:
    with override_settings(COMPRESSED_STATIC_FOLDER=tmp_path / "none"):
        response = Client().get(STYLES, headers={"Accept-Encoding": "br, gzip"})

    content = gzip.decompress(b"".join(response.streaming_content))  # type: ignore[attr-defined]
    assert response["Content-Encoding"] == "gzip"
    assert content == b"".join(browser.get(STYLES).streaming_content)  # type: ignore[attr-defined]
    assert response["Content-Type"].startswith("text/css")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("flows/console.css", True),
        ("flows/css/base.css", False),
        ("django_ace/ace/ace.js", True),
        ("django_ace/ace/mode-abap.js", False),
        ("admin/img/x.png", False),
    ],
)
def test_only_what_pages_load_is_compressed(name: str, wanted: bool) -> None:
    assert is_compressible(name) is wanted


def _follow_imports(*begin: str, pattern: re.Pattern[str] = _STATIC_IMPORT, without: AbstractSet[str] = frozenset()) -> set[str]:
    """Return scripts with everything that they import; what all pages share is imported, but its own imports are not followed."""
    found: set[str] = set()
    ahead = list(begin)
    while ahead:
        name = ahead.pop()
        if name not in found and name not in without:
            found.add(name)
            text = (SCRIPTS / name).read_text() if name != SHARED else ""
            ahead += [one for match in pattern.finditer(text) for one in match.groups() if one]
    return found


def _measure(names: set[str]) -> int:
    return sum(len(jsmin((SCRIPTS / name).read_text()).encode()) for name in names)


@pytest.mark.parametrize("own", PAGES, ids="-".join)
def test_the_scripts_of_a_page_keep_their_budget(own: tuple[str, ...]) -> None:
    assert _measure(_follow_imports(SHARED, *own)) <= MOST_SCRIPT_BYTES


@pytest.mark.parametrize("page", EDITORS)
def test_the_scripts_of_an_editor_keep_their_budget_with_what_they_load_while_one_types(page: str) -> None:
    names = _follow_imports(SHARED, "editor.js", pattern=_ANY_IMPORT, without=EDITORS[page] | ON_DEMAND)

    assert {"completion.js", "code_field.js"} < names
    assert _measure(names) <= MOST_EDITOR_BYTES


def test_no_script_runs_text_as_code() -> None:
    for path in SCRIPTS.glob("*.js"):
        text = path.read_text()

        assert "eval(" not in text, path.name
        assert "new Function" not in text, path.name
        assert "innerHTML" not in text, path.name

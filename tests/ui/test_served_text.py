"""What is sent for a source of ours: one style sheet out of many, dark where the system is dark, nothing to be skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

from orchestrator.served_text import follow_system, join_style, make_served_text

STYLES = Path(settings.BASE_DIR) / "static" / "flows"
MOST_LINES = 500


def _served(name: str) -> str:
    path = finders.find(name)
    assert path is not None
    return make_served_text(name, Path(path)).decode()


@pytest.mark.parametrize("name", ["flows/console.css", "flows/editor.css"])
def test_a_style_sheet_is_sent_in_one_piece(name: str) -> None:
    assert "@import" not in _served(name)


def test_every_part_belongs_to_the_style_sheet_and_is_short() -> None:
    listed = (STYLES / "console.css").read_text()
    parts = sorted((STYLES / "css").glob("*.css"))

    assert parts
    for part in parts:
        assert f'@import "css/{part.name}";' in listed, part.name
        assert len(part.read_text().splitlines()) < MOST_LINES, part.name


def test_pictures_of_an_imported_style_sheet_are_found() -> None:
    joined = _served("flows/editor.css")
    named = {one.partition(")")[0] for one in joined.split("url(")[1:] if not one.startswith(('"data:', "data:"))}

    assert "../django_ace/ace/css/main-1.png" in named
    assert [name for name in named if finders.find(name.removeprefix("../")) is None] == []


def test_importing_what_does_not_exist_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "css/none.css";\n')

    with pytest.raises(FileNotFoundError, match=r'imports "flows/css/none\.css"'):
        join_style("flows/a.css", tmp_path / "a.css")


def test_a_dark_rule_also_holds_where_only_the_system_is_dark() -> None:
    small = follow_system('a{color:red}[data-theme="dark"] a{color:blue}b{color:red}')

    twin = "@media (prefers-color-scheme:dark){:where(:root):not([data-theme]) a{color:blue}}"
    assert small == f'a{{color:red}}[data-theme="dark"] a{{color:blue}}{twin}b{{color:red}}'


def test_scripts_are_sent_without_comments_and_their_texts_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.js"
    path.write_text("// why\nconst text = `two  spaces // no comment ${  1  }`;\n")

    assert make_served_text("flows/js/a.js", path).decode() == "const text=`two  spaces // no comment ${  1  }`;"


def test_files_of_packages_are_sent_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.js"
    path.write_text("// why\n")

    assert make_served_text("django_ace/ace/ace.js", path) == b"// why\n"

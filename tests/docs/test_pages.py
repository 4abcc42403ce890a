"""The pages as a whole: links lead somewhere, and commands, settings and figures that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.management.completions import Words, list_words
from tests.docs.pages import DOCS, ROOT, list_anchors, list_commands, list_links, list_pages

PAGES = list_pages()
COMMANDS: dict[tuple[str, ...], Words] = {words.path: words for words in list_words()}
_GROUPS = {path[:-1] for path in COMMANDS if len(path) > 1}
_OF_DJANGO = {"makemigrations", "migrate", "shell"}
_SETTING = re.compile(r"\bCELESTRA_[A-Z_]*[A-Z]\b")


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    broken = []
    for link in list_links(page):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and anchor not in list_anchors(place)):
            broken.append(link)

    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    targets = {(DOCS / link.partition("#")[0]).resolve() for link in list_links(DOCS / "README.md")}

    assert [page.name for page in DOCS.glob("*.md") if page.name != "README.md" and page not in targets] == []


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    wrong = []
    for words in list_commands(page, "manage.py"):
        path = _path_of(words)
        if path is None:
            wrong.append(words)
        elif path:
            options = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
            wrong.extend([*path, option] for option in options - {"--help", *COMMANDS[path].options})

    assert wrong == []


def _path_of(words: list[str]) -> tuple[str, ...] | None:
    """Return the command that the words name, nothing for one of Django or a placeholder, None when there is no such one."""
    if not words[0].isascii() or not re.fullmatch(r"[a-z-]+", words[0]) or words[0] in _OF_DJANGO:
        return ()
    path: tuple[str, ...] = ()
    for word in words:
        if (*path, word) not in COMMANDS:
            break
        path = (*path, word)
    needs_more = path in _GROUPS and len(words) > len(path) and re.fullmatch(r"[a-z][a-z-]*", words[len(path)])
    return None if not path or needs_more else path


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = {word for words in list_commands(page, "make") for word in words[:1] if re.fullmatch(r"[a-z0-9-]+", word)}

    assert named - targets == set()


def test_every_setting_of_the_pages_is_read_by_the_code_and_the_other_way_round() -> None:
    settings = _SETTING.findall((ROOT / "orchestrator/settings.py").read_text(encoding="utf-8"))
    pages = {name for page in PAGES for name in _SETTING.findall(page.read_text(encoding="utf-8"))}
    code = "\n".join(
        path.read_text(encoding="utf-8") for folder in ("flows", "plugins", "orchestrator", "tests") for path in _python(folder)
    )

    unread = {name for name in pages if name not in code and not _is_of_a_plugin(name, code)}

    assert set(settings) - pages == set()
    assert unread == set()


def _python(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _is_of_a_plugin(name: str, code: str) -> bool:
    """Tell whether a plugin asks for it: `CELESTRA_SCRIPTS_MEMORY_LIMIT` is `scripts.memory-limit` there."""
    words = name.removeprefix("CELESTRA_").lower().split("_")
    spellings = {".".join([*words[:dots], "-".join(words[dots:])]) for dots in range(1, len(words))}
    return any(f'"{spelling}' in code for spelling in spellings)


def test_figures_of_the_readme_are_those_that_were_measured() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## How fast")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| .+ \| ([\d.,]+ \S+) \|$", section, re.MULTILINE)
    measured = (DOCS / "benchmarks.md").read_text(encoding="utf-8")

    assert len(shown) >= 5
    assert [figure for figure in shown if not re.search(rf"(?<![\d.,]){re.escape(figure)}", measured)] == []

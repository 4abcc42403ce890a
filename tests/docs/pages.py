"""What the documentation holds: its pages, their links and headings, their examples and the commands that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LANGUAGE = DOCS / "language"

_FENCE = re.compile(r"^```(?P<kind>\w+)(?P<words>[^\n]*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block: several documents stand below each other, the last one is the one to run."""

    page: str
    number: int
    documents: tuple[str, ...]
    end_state: str | None

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def list_pages() -> list[Path]:
    """Return every page that people read: those of `docs/`, and the ones at the root that lead there."""
    outer = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]
    return [*outer, *sorted(DOCS.rglob("*.md"))]


def list_examples() -> list[Example]:
    """Return every flow of the pages, in order of page and place. Blocks that name a file belong to a longer story."""
    found = []
    for path in list_pages():
        page = path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")
        blocks = [match for match in _FENCE.finditer(path.read_text(encoding="utf-8")) if match["kind"] == "yaml"]
        for number, match in enumerate(blocks, start=1):
            words = match["words"].split()
            if any(word.startswith("file=") for word in words):
                continue
            end_state = None if words[:1] != ["run"] else words[1] if len(words) > 1 else "SUCCESS"
            found.append(Example(page, number, tuple(re.split(r"^---$", match["text"], flags=re.MULTILINE)), end_state))
    return found


def read_files(page: Path) -> dict[str, str]:
    """Return the blocks of a page that name a file (```` ```python file=a/b.py ````), text by path."""
    blocks = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return {match["words"].split("file=")[1].strip(): match["text"] for match in blocks if "file=" in match["words"]}


def list_links(page: Path) -> list[str]:
    """Return every link and picture of a page that stays within the repository, with the part behind `#`."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [match["target"] for match in _LINK.finditer(text) if "://" not in match["target"]]


def list_anchors(page: Path) -> set[str]:
    """Return the names by which links reach the headings of a page: lower case, without punctuation, dashes for blanks."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = [re.sub(r"[^\w\- ]", "", match["text"].lower()) for match in _HEADING.finditer(text)]
    return {heading.strip().replace(" ", "-") for heading in headings}


def list_commands(page: Path, program: str) -> Iterator[list[str]]:
    """Yield the words behind `program` in every line of shell of a page, comments and further commands left out."""
    for line in page.read_text(encoding="utf-8").splitlines():
        pieces = re.findall(r"`([^`]+)`", line) if not line.startswith("    ") else [line.split("  #")[0]]
        for piece in pieces:
            for rest in re.findall(rf"(?:^|[\s/;]){re.escape(program)} ([^|;&><]+)", piece):
                yield rest.split()

"""The examples of the documentation: every block that is marked `yaml`, with its page and what its mark asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LANGUAGE = Path(__file__).resolve().parents[2] / "docs" / "language"
_BLOCK = re.compile(r"^```yaml(?P<words>[^\n]*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One block: several documents stand below each other, the last one is the one to run."""

    page: str
    number: int
    documents: tuple[str, ...]
    end_state: str | None

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def list_examples() -> list[Example]:
    """Return every example of the language pages, in order of page and place."""
    found = []
    for path in sorted(LANGUAGE.rglob("*.md")):
        page = path.relative_to(LANGUAGE).with_suffix("").as_posix()
        for number, match in enumerate(_BLOCK.finditer(path.read_text(encoding="utf-8")), start=1):
            words = match["words"].split()
            end_state = None if words[:1] != ["run"] else words[1] if len(words) > 1 else "SUCCESS"
            found.append(Example(page, number, tuple(re.split(r"^---$", match["text"], flags=re.MULTILINE)), end_state))
    return found


def list_links() -> list[tuple[str, str]]:
    """Return every link of the pages to another page, as pairs of page and target, the part behind `#` cut off."""
    links = []
    for path in sorted(LANGUAGE.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                links.append((path.relative_to(LANGUAGE).as_posix(), target))
    return links

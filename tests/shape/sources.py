"""Our own source files, read once: trees, text constants and names."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "plugins", "orchestrator")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file of ours; `name` is its path below the root."""

    name: str
    text: str
    tree: ast.Module

    def list_texts(self) -> Iterator[str]:
        """Yield every text constant, with adjoining ones joined and the values inside f-strings left out."""
        inside = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.JoinedStr):
                parts = [part for part in node.values if isinstance(part, ast.Constant)]
                inside.update(id(part) for part in parts)
                yield "".join(str(part.value) for part in parts)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield node.value


@cache
def list_sources() -> tuple[Source, ...]:
    """Return all modules of the product without migrations, in order of their names."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)
    sources = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        sources.append(Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(sources)


@cache
def list_tracked_files() -> tuple[Path, ...]:
    """Return every file under version control that still exists."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())

"""The plugin that the documentation writes: its manifest is built, its own tests pass, its flow is valid."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, read_files

_LIST_PROBLEMS = """
import sys
from flows.language.parse import parse_flow
from flows.plugin_api.registry import load_registry

registry = load_registry(["plugins.core", "acme_celestra"])
print([str(problem) for problem in parse_flow(open("price.yaml").read(), registry).problems])
"""


def test_the_plugin_of_the_page_works_as_it_stands_there(tmp_path: Path) -> None:
    for name, text in {"acme_celestra/__init__.py": "", **read_files(DOCS / "plugins.md")}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    built = _run(tmp_path, "-m", "flows.plugin_api.manifest", "acme_celestra")
    tested = _run(tmp_path, "-m", "pytest", "-q", "-p", "no:django", "-c", os.devnull, "--rootdir", ".", "test_prices.py")
    checked = _run(tmp_path, "-c", _LIST_PROBLEMS)

    assert (built.returncode, (tmp_path / "acme_celestra/manifest.json").is_file()) == (0, True)
    assert "2 passed" in tested.stdout
    assert checked.stdout.strip() == "[]", checked.stderr


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    place = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    return subprocess.run([sys.executable, *words], cwd=folder, env=place, capture_output=True, text=True, check=False)

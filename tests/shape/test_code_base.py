"""The code base looks at itself: layers, names, docstrings, codes, and a test for every command."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .sources import ROOT, list_sources, list_tracked_files

_COMMANDS = sorted(path.stem for path in (ROOT / "flows/management/commands").glob("*.py") if path.stem != "__init__")
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def test_the_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    answer = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_is_run_by_a_test(command: str) -> None:
    call = re.compile(rf'\b(run|call_command)\(\s*"{command}"|"manage\.py"\)?,\s*"{command}"')

    users = [path.name for path in (ROOT / "tests").rglob("*.py") if call.search(path.read_text(encoding="utf-8"))]

    assert users


def test_every_module_says_what_lives_there() -> None:
    silent = [source.name for source in list_sources() if source.text.strip() and not ast.get_docstring(source.tree)]

    assert silent == []


def test_a_thing_with_a_meaning_has_a_name() -> None:
    """The folder of the library that scripts import is called as its users call it."""
    names = [path.relative_to(ROOT) for path in list_tracked_files() if "helper/kestra" not in path.as_posix()]

    assert [str(name) for name in names if _NAMELESS & set(name.with_suffix("").parts)] == []


def test_codes_of_errors_are_written_in_kebab_case() -> None:
    codes = set()
    for source in list_sources():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                codes.add((source.name, node.value.value))
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code" and isinstance(node.value, ast.Constant):
                codes.add((source.name, node.value.value))

    texts = {(name, code) for name, code in codes if isinstance(code, str) and code}
    assert len(texts) > 20
    assert sorted(pair for pair in texts if not _KEBAB.fullmatch(pair[1])) == []


def test_no_file_names_the_folder_it_was_written_in() -> None:
    here = str(ROOT).encode()

    telling = [str(path.relative_to(ROOT)) for path in list_tracked_files() if here in path.read_bytes()]

    assert telling == []


def test_no_work_is_left_to_somebody_in_a_comment() -> None:
    mark = re.compile("#.*\\b(" + "|".join(("TO" + "DO", "FIX" + "ME")) + ")\\b")

    left = [source.name for source in list_sources() if mark.search(source.text)]

    assert left == []


def test_time_is_asked_for_in_utc_only() -> None:
    """A moment without a zone would be read as another one by a host elsewhere."""
    clocks = {"datetime.utcnow", "datetime.now", "datetime.today"}
    calls = [(source.name, node) for source in list_sources() for node in ast.walk(source.tree) if isinstance(node, ast.Call)]

    careless = [
        f"{name}:{call.lineno}" for name, call in calls if ast.unparse(call.func) in clocks and not call.args + call.keywords
    ]

    assert careless == []

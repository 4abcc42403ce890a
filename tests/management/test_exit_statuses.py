"""Each exit status of the reference, met once in a way that a script would meet it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.management.terminal import Exit, Terminal, run_action
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db

DRY = [
    (["flows", "apply", "{path}"], False),
    (["flows", "disable", "company.team", "daily"], True),
    (["flows", "enable", "company.team", "daily"], False),
    (["flows", "delete", "company.team", "daily"], True),
    (["flows", "rollback", "company.team", "daily", "--revision", "1"], False),
    (["flows", "run", "company.team", "daily"], True),
    (["kv", "set", "company.team", "region", "north"], False),
    (["kv", "set", "company.team", "region", "south"], True),
    (["kv", "set", "company.team", "other", "south"], True),
    (["kv", "delete", "company.team", "region"], True),
    (["namespaces", "update", "company", "--description", "ours"], False),
    (["namespaces", "update", "company", "--description", "theirs"], True),
    (["namespaces", "create", "fresh"], True),
    (["namespaces", "delete", "company"], True),
    (["namespaces", "files", "put", "company.team", "{path}"], True),
    (["executions", "kill", "--state", "RUNNING"], False),
    (["triggers", "disable", "-n", "company"], False),
]


def test_zero_is_done(run: Run) -> None:
    assert run("flows", "list").status == Exit.DONE


def test_one_is_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("id: bad\n")

    assert run("flows", "validate", str(tmp_path)).status == Exit.FAILED


def test_two_is_wrong_usage(run: Run) -> None:
    assert [run("flows", "list", "--size", "0").status, run("flows", "delete", "-n", "a").status] == [Exit.USAGE, Exit.USAGE]


def test_three_is_not_found(run: Run) -> None:
    assert run("flows", "get", "company", "nothing").status == Exit.NOT_FOUND


def test_four_is_refused(run: Run, write_flow: Callable[..., Path]) -> None:
    run("namespaces", "create", "company", "--description", "ours")

    assert run("namespaces", "create", "company").status == Exit.REFUSED


def test_five_is_out_of_reach(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")

    assert run("flows", "list", "--remote", "http://127.0.0.1:1", "--token", "x").status == Exit.OUT_OF_REACH


def test_a_hundred_and_thirty_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(terminal: Terminal, options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    status = run_action(Terminal(sys.stdout, sys.stderr), interrupt, argparse.Namespace())

    assert (status, capsys.readouterr().err) == (130, "interrupted\n")


@pytest.mark.parametrize(("arguments", "would_change"), DRY, ids=[" ".join(words) for words, _ in DRY])
def test_a_dry_run_tells_by_its_status_whether_anything_would_change(
    run: Run, write_flow: Callable[..., Path], arguments: list[str], would_change: bool
) -> None:
    path = str(write_flow())
    run("flows", "apply", path)
    run("kv", "set", "company.team", "region", "north")
    run("namespaces", "create", "company", "--description", "ours")
    words = [word.format(path=path) for word in arguments]

    quiet, told = run(*words, "--dry-run"), run(*words, "--dry-run", "--exit-code")

    assert (quiet.status, told.status) == (0, 1 if would_change else 0), (quiet, told)
    assert run("kv", "get", "company.team", "region", "--raw").out == "north\n"
    assert run("flows", "get", "company.team", "daily").status == 0

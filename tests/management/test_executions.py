"""`manage.py executions` and `manage.py logs`: selection, following, changes and their exit statuses."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from flows.management.following import Follower
from flows.management.targets import local_target
from flows.management.terminal import Terminal
from flows.models import Execution, LogEntry, TaskRun
from tests.management.conftest import Run

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def _save(execution_id: str, state: str = "SUCCESS", **fields: Any) -> Execution:
    created_at = fields.pop("created_at", timezone.now() - timedelta(minutes=5))
    ended_at = created_at + timedelta(seconds=90)
    return Execution.objects.create(
        id=execution_id,
        namespace="company.team",
        flow_id="daily",
        flow_revision=1,
        state=state,
        histories=[["CREATED", created_at.isoformat()], [state, ended_at.isoformat()]],
        created_at=created_at,
        ended_at=ended_at if state not in ("RUNNING", "PAUSED") else None,
        original_created_at=created_at,
        original_id=execution_id,
        **fields,
    )


def _save_task_run(execution_id: str, task_id: str = "hello", state: str = "SUCCESS") -> TaskRun:
    histories = [["CREATED", AT.isoformat()], [state, (AT + timedelta(seconds=1)).isoformat()]]
    return TaskRun.objects.create(
        id=f"{execution_id}-{task_id}",
        execution_id=execution_id,
        task_id=task_id,
        state=state,
        histories=histories,
        created_at=AT,
    )


def _save_log(execution_id: str, message: str, level: int = 2) -> None:
    LogEntry.objects.create(
        namespace="company.team",
        flow_id="daily",
        execution_id=execution_id,
        task_id="hello",
        level=level,
        timestamp=AT,
        message=message,
    )


def test_a_flow_is_started_without_waiting(run: Run, write_flow: Callable[..., Path]) -> None:
    run("flows", "apply", str(write_flow()))

    answer = run("executions", "run", "company.team", "daily", "--no-wait", "--label", "team=shop", "-o", "json")

    assert answer.status == 0
    assert answer.json["id"] == answer.err.strip()
    assert {"key": "team", "value": "shop"} in answer.json["labels"]


def test_a_wait_that_takes_too_long_fails_and_says_so(run: Run, write_flow: Callable[..., Path]) -> None:
    run("flows", "apply", str(write_flow()))

    answer = run("flows", "run", "company.team", "daily", "--timeout", "10ms")

    assert answer.status == 1
    assert "is still CREATED" in answer.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["company.team", "nothing"], 3),
        (["company.team", "daily", "--input", "novalue"], 2),
        (["company.team", "daily", "--inputs", "[1]"], 2),
        (["company.team", "daily", "--input-file", "f=/nowhere/at"], 2),
        (["company.team", "daily", "--timeout", "soon"], 2),
        (["company.team", "daily", "--revision", "0"], 2),
        (["company.team", "daily", "--label", "system.x=1"], 1),
    ],
)
def test_a_start_that_cannot_be_has_its_own_status(
    run: Run, write_flow: Callable[..., Path], arguments: list[str], status: int
) -> None:
    run("flows", "apply", str(write_flow()))

    answer = run("executions", "run", *arguments)

    assert (answer.status, answer.out) == (status, "")
    assert answer.err


@pytest.mark.parametrize(
    ("state", "strict", "status"),
    [
        ("SUCCESS", False, 0),
        ("WARNING", False, 0),
        ("WARNING", True, 1),
        ("FAILED", False, 1),
        ("KILLED", False, 1),
        ("CANCELLED", False, 1),
    ],
)
def test_following_ends_with_the_status_of_the_execution(run: Run, state: str, strict: bool, status: int) -> None:
    _save("exec1", state)
    _save_task_run("exec1")
    _save_log("exec1", "a line")

    answer = run("executions", "follow", "exec1", "--logs", "-o", "json", *(["--strict"] if strict else []))

    assert answer.status == status
    assert answer.json["state"]["current"] == state
    assert [each["taskId"] for each in answer.json["taskRunList"]] == ["hello"]
    assert "INFO  a line" in answer.err
    assert "hello SUCCESS" in answer.err


def test_on_a_terminal_the_table_is_drawn_in_place() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    _save("exec1", "RUNNING")
    _save_task_run("exec1", state="RUNNING")
    screen = Screen()
    follower = Follower(Terminal(io.StringIO(), screen), local_target(), "exec1")

    follower.wait(timeout=timedelta(milliseconds=30))

    drawn = screen.getvalue()
    assert len(re.findall(r"\x1b\[3A\x1b\[J", drawn)) >= 1
    assert drawn.count("TASK") >= 2


def test_executions_are_listed_newest_first_and_chosen_by_state_and_age(run: Run) -> None:
    _save("old", created_at=timezone.now() - timedelta(days=2))
    _save("failed", "FAILED")
    _save("new", created_at=timezone.now())

    assert [row["id"] for row in run("executions", "list", "-o", "json").json] == ["new", "failed", "old"]
    assert [row["id"] for row in run("executions", "list", "--since", "24h", "-o", "json").json] == ["new", "failed"]
    assert [row["id"] for row in run("executions", "list", "--state", "failed,killed", "-o", "json").json] == ["failed"]
    assert run("executions", "list").out.splitlines()[0].split() == ["ID", "NAMESPACE", "FLOW", "STATE", "STARTED", "DURATION"]
    assert run("executions", "list", "--state", "NONSENSE").status == 1


def test_one_execution_is_shown_with_its_parts(run: Run) -> None:
    _save("exec1", inputs={"a": 1}, outputs={"b": 2})
    _save_task_run("exec1")

    answer = run("executions", "get", "exec1", "--tasks", "--outputs", "--inputs")

    assert "1m 30s" in answer.out
    assert "hello" in answer.out
    assert '"a": 1' in answer.out
    assert '"b": 2' in answer.out
    assert run("executions", "get", "nothing").status == 3


def test_a_wrong_state_is_refused_with_status_four(run: Run, write_flow: Callable[..., Path]) -> None:
    run("flows", "apply", str(write_flow()))
    _save("exec1", "SUCCESS")

    answer = run("executions", "pause", "exec1", "-o", "json")

    assert answer.status == 4
    assert (answer.json["count"], answer.json["failures"][0]["id"]) == (0, "exec1")
    assert run("executions", "pause", "nothing").status == 3


@pytest.mark.usefixtures("broker_url")
def test_a_restart_takes_the_task_run_that_it_names(run: Run, write_flow: Callable[..., Path]) -> None:
    run("flows", "apply", str(write_flow()))
    _save("exec1", "FAILED")
    failed = [_save_task_run("exec1", name, "FAILED") for name in ("hello", "other")]

    unknown = run("executions", "restart", "exec1", "--task-run", "nothing")
    named = run("executions", "restart", "exec1", "--task-run", failed[0].id)

    assert (unknown.status, named.status) == (3, 0), named.err
    assert dict(TaskRun.objects.values_list("task_id", "state")) == {"hello": "RESTARTED", "other": "FAILED"}


def test_dangerous_changes_ask_and_refuse_where_nobody_answers(run: Run) -> None:
    _save("exec1")

    assert run("executions", "delete", "exec1").status == 2
    assert run("executions", "kill", "--state", "RUNNING").status == 2
    assert run("executions", "delete", "exec1", "--yes").status == 0
    assert not Execution.objects.exists()


def test_a_selection_and_ids_exclude_each_other(run: Run) -> None:
    assert run("executions", "restart").status == 2
    assert run("executions", "restart", "x", "-n", "company").status == 2


def test_a_dry_run_only_lists(run: Run) -> None:
    _save("exec1", "FAILED")

    answer = run("executions", "delete", "--state", "FAILED", "--dry-run", "-o", "json")

    assert (answer.status, [row["id"] for row in answer.json]) == (0, ["exec1"])
    assert Execution.objects.exists()


def test_labels_are_set(run: Run, write_flow: Callable[..., Path]) -> None:
    run("flows", "apply", str(write_flow()))
    _save("exec1")

    answer = run("executions", "labels", "exec1", "team=shop", "-o", "json")

    assert {"key": "team", "value": "shop"} in answer.json["labels"]


def test_old_executions_are_counted_and_purged(run: Run) -> None:
    _save("old", created_at=timezone.now() - timedelta(days=40))
    _save("new")

    _save_log("old", "gone soon")

    counted = run("executions", "purge", "--older-than", "30d", "--dry-run", "-o", "json")

    assert counted.json == {"executions": 1, "logs": 1, "storages": 0, "metrics": 0}
    assert run("executions", "purge", "--older-than", "30d").status == 2
    assert run("executions", "purge", "--older-than", "30d", "-y").status == 0
    assert list(Execution.objects.values_list("id", flat=True)) == ["new"]


def test_log_lines_are_listed_searched_and_tailed(run: Run) -> None:
    _save("exec1")
    _save_log("exec1", "one")
    _save_log("exec1", "two", level=4)

    assert run("logs", "list", "exec1").out == "2031-05-04T10:00:00Z INFO  one\n2031-05-04T10:00:00Z ERROR two\n"
    assert [row["message"] for row in run("logs", "list", "exec1", "--min-level", "warn", "-o", "json").json] == ["two"]
    assert [row["message"] for row in run("logs", "search", "-q", "one", "-o", "json").json] == ["one"]
    assert run("logs", "tail", "--lines", "1").out.endswith("two\n")
    assert run("logs", "list", "exec1", "-f", "-o", "json").out.count("\n") == 2
    assert run("logs", "list", "nothing").status == 3

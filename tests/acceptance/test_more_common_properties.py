"""Properties that every task has: cache, log file, worker groups, log level; and the quotas of a flow."""

from __future__ import annotations

import pytest

from tests.acceptance.building import log, returned, shell
from tests.acceptance.workspace import Workspace

COUNT = "echo '::{\"outputs\":{\"pid\":'$$'}}::'"


def test_an_equal_task_is_answered_from_the_cache(workspace: Workspace) -> None:
    """Source: flow language, 7.5."""
    cached = shell(
        "c", "echo {{ inputs.day }} > out.txt", COUNT, outputFiles=["out.txt"], taskCache={"enabled": True, "ttl": "PT1H"}
    )
    workspace.load("cached", inputs=[{"id": "day", "type": "STRING"}], tasks=[cached])

    runs = [workspace.wait_for(workspace.start("cached", {"day": day})) for day in ("one", "one", "two")]

    pids = [run.task("c").outputs["vars"]["pid"] for run in runs]
    texts = [workspace.read_file(run.id, run.task("c").outputs["outputFiles"]["out.txt"]) for run in runs]
    assert [run.state for run in runs] == ["SUCCESS"] * 3
    assert (pids[0] == pids[1], pids[0] == pids[2]) == (True, False)
    assert texts == ["one\n", "one\n", "two\n"]


def test_a_failure_is_not_kept_in_the_cache(workspace: Workspace) -> None:
    """Source: flow language, 7.5."""
    cached = shell("c", COUNT, "exit 1", taskCache={"enabled": True}, allowFailure=True)

    runs = [workspace.run("cached", tasks=[cached]) for _ in range(2)]

    assert len({run.task("c").outputs["vars"]["pid"] for run in runs}) == 2


def test_a_log_may_go_to_a_file(workspace: Workspace) -> None:
    """Source: flow language, 7.1."""
    run = workspace.run("filed", tasks=[shell("f", "echo into the file", logToFile=True), log("l", "into the table")])

    workspace.wait_for_log(run.id, "into the table")
    attempt = run.task("f").data["attempts"][0]
    assert "into the file" in workspace.read_file(run.id, attempt["logFile"])
    assert not any("into the file" in message for _, message in workspace.logs(run.id))


def test_lines_below_the_level_of_a_task_are_dropped(workspace: Workspace) -> None:
    """Source: flow language, 7.1; catalogue, 3.1."""
    run = workspace.run("quiet", tasks=[log("q", "dropped", logLevel="WARN"), log("w", "kept", level="WARN", logLevel="WARN")])

    workspace.wait_for_log(run.id, "kept")
    assert [message for _, message in workspace.logs(run.id)] == ["kept"]


@pytest.mark.parametrize(
    ("fallback", "task_state", "state"),
    [("FAIL", "FAILED", "FAILED"), ("CANCEL", "CANCELLED", "CANCELLED"), ("IGNORE", "SUCCESS", "SUCCESS")],
)
def test_a_group_without_workers_has_a_fallback(workspace: Workspace, fallback: str, task_state: str, state: str) -> None:
    """Source: flow language, 6.3 and 7.1."""
    run = workspace.run("grouped", tasks=[shell("s", "true", workerGroup={"key": "nobody-serves-this", "fallback": fallback})])

    assert (run.summary(), run.state) == ({"s": task_state}, state)


def test_a_task_waits_for_a_worker_of_its_group_by_default(workspace: Workspace) -> None:
    """Source: flow language, 7.1."""
    workspace.load("grouped", tasks=[log("a"), shell("s", "true", workerGroup={"key": "nobody-serves-this-either"})])
    execution_id = workspace.start("grouped")

    run = workspace.wait_for_task(execution_id, "s", "CREATED")
    workspace.kill(execution_id)

    assert run.state == "RUNNING"
    assert workspace.wait_for(execution_id).summary() == {"a": "SUCCESS", "s": "KILLED"}


@pytest.mark.parametrize(("behavior", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
def test_a_used_up_quota_refuses(workspace: Workspace, behavior: str, state: str) -> None:
    """Source: flow language, 2.1, row 20."""
    workspace.load("counted", quotas=[{"duration": "PT1M", "limit": 2, "behavior": behavior}], tasks=[returned("a", "x")])

    runs = [workspace.wait_for(workspace.start("counted")) for _ in range(3)]

    assert [run.state for run in runs] == ["SUCCESS", "SUCCESS", state]
    assert runs[2].task_runs == []

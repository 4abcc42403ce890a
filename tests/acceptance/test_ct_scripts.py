"""Checks 19 to 25 of the catalogue: scripts, their messages and their files."""

from __future__ import annotations

import pytest

from tests.acceptance.building import log, returned, shell, task
from tests.acceptance.workspace import Workspace


def test_ct_19_the_error_tasks_can_read_the_exit_code(workspace: Workspace) -> None:
    run = workspace.run("coded", tasks=[shell("t", "exit 3")], errors=[returned("seen", "{{ outputs.t.exitCode }}")])

    assert run.summary() == {"t": "FAILED", "seen": "SUCCESS"}
    assert run.task("t").outputs["exitCode"] == 3
    assert run.task("seen").outputs["value"] == "3"


def test_ct_20_a_whole_line_is_a_message_and_an_indented_one_a_log(workspace: Workspace) -> None:
    commands = [
        """echo '::{"outputs":{"out":1}}::'""",
        """echo '::{"outputs":{"err":2}}::' >&2""",
        """echo '  ::{"outputs":{"indented":3}}::'""",
    ]

    run = workspace.run("speaking", tasks=[shell("t", *commands)])

    workspace.wait_for_log(run.id, "indented")
    assert run.state == "SUCCESS"
    assert run.task("t").outputs["vars"] == {"out": 1, "err": 2}
    assert not any('"out"' in message or '"err"' in message for _, message in workspace.logs(run.id))


@pytest.mark.parametrize(("last", "state"), [("exit 0", "SUCCESS"), ("exit 4", "FAILED")])
def test_ct_21_without_fail_fast_the_last_command_decides(workspace: Workspace, last: str, state: str) -> None:
    run = workspace.run("going-on", tasks=[shell("t", "false", last, failFast=False)])

    assert run.state == state


def test_ct_21_with_fail_fast_the_first_failure_decides(workspace: Workspace) -> None:
    run = workspace.run("stopping", tasks=[shell("t", "false", "exit 0")])

    assert run.state == "FAILED"


def test_ct_22_an_address_in_a_command_becomes_a_readable_path(workspace: Workspace) -> None:
    commands = ["cat {{ outputs.text.uri }} > copy.txt"]
    text = task("text", "storage.Write", content="readable", extension=".txt")

    run = workspace.run("reading", tasks=[text, shell("t", *commands, outputFiles=["copy.txt"])])

    assert run.state == "SUCCESS"
    assert workspace.read_file(run.id, run.task("t").outputs["outputFiles"]["copy.txt"]) == "readable"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("*.txt", ["a.txt"]), ("**/*.txt", ["sub/b.txt"]), ("**.txt", ["a.txt", "sub/b.txt"])],
)
def test_ct_23_patterns_of_output_files_know_their_level(workspace: Workspace, pattern: str, found: list[str]) -> None:
    commands = ["mkdir sub", "echo a > a.txt", "echo b > sub/b.txt", "echo c > c.csv"]

    run = workspace.run("files", tasks=[shell("t", *commands, outputFiles=[pattern])])

    assert run.state == "SUCCESS"
    assert sorted(run.task("t").outputs["outputFiles"]) == found


def test_ct_23_a_plain_name_finds_namespace_files_at_any_level(workspace: Workspace) -> None:
    uri = "{{ outputs.text.uri }}"
    upload = task("up", "namespace.UploadFiles", filesMap={"a.txt": uri, "sub/a.txt": uri, "sub/b.txt": uri})
    download = task("down", "namespace.DownloadFiles", namespace="{{ flow.namespace }}", files="a.txt")

    run = workspace.run("files", tasks=[task("text", "storage.Write", content="x"), upload, download])

    assert run.state == "SUCCESS"
    assert sorted(run.task("down").outputs["files"]) == ["a.txt", "sub/a.txt"]


@pytest.mark.skip(reason="needs a container engine on this machine")
def test_ct_24_a_kill_stops_and_removes_the_container() -> None:
    """Covered against the engine's interface in the tests of the script plugins."""


def test_ct_25_the_old_runner_property_beats_the_task_runner(workspace: Workspace) -> None:
    docker = {"type": "io.kestra.plugin.scripts.runner.docker.Docker"}

    run = workspace.run("old", tasks=[shell("t", "echo here", runner="PROCESS", taskRunner=docker), log("next")])

    assert run.state == "SUCCESS"
    assert run.task("t").outputs["exitCode"] == 0

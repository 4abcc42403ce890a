"""Checks 19 to 25 of the catalogue: scripts, their messages and their files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.building import Task, log, returned, shell, task
from tests.acceptance.workspace import Workspace
from tests.support import eventually
from tests.support.container_engine import TINY_IMAGE, ContainerEngine


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


def in_container(task_id: str, engine: ContainerEngine, /, *commands: str, **properties: Any) -> Task:
    """Return a task that runs shell commands in a container of the engine."""
    runner = {
        "type": "io.kestra.plugin.scripts.runner.docker.Docker",
        "host": engine.address,
        "killGracePeriod": "PT2S",
    }
    return shell(task_id, *commands, taskRunner=runner, containerImage=TINY_IMAGE, **properties)


def find_containers(engine: ContainerEngine, execution_id: str) -> list[str]:
    """Return the state of each container of an execution."""
    with engine.client() as client:
        found = client.containers(all=True, filters={"label": [f"kestra.io/execution-id={execution_id}"]})
    return [container["State"] for container in found]


def test_ct_24_a_container_gives_what_a_process_gives(workspace: Workspace, container_engine: ContainerEngine) -> None:
    commands = ["""echo '::{"outputs":{"n":1}}::'""", "echo said", "echo wrong >&2", "cp in.txt out.txt", "exit 3"]
    work = in_container("t", container_engine, *commands, inputFiles={"in.txt": "x"}, outputFiles=["out.txt"])

    run = workspace.run("in-container", tasks=[work], errors=[returned("seen", "{{ outputs.t.exitCode }}")])

    outputs = run.task("t").outputs
    workspace.wait_for_log(run.id, "wrong")
    assert run.summary() == {"t": "FAILED", "seen": "SUCCESS"}
    assert (outputs["vars"], outputs["exitCode"], list(outputs["outputFiles"])) == ({"n": 1}, 3, ["out.txt"])
    assert {("INFO", "said"), ("ERROR", "wrong")} <= set(workspace.logs(run.id))
    assert find_containers(container_engine, run.id) == []


def test_ct_24_a_kill_stops_and_removes_the_container(workspace: Workspace, container_engine: ContainerEngine) -> None:
    workspace.load(
        "killed-container", tasks=[in_container("t", container_engine, "trap '' TERM", "while true; do sleep 1; done")]
    )
    execution_id = workspace.start("killed-container")
    eventually(lambda: find_containers(container_engine, execution_id) == ["running"], within=30)

    workspace.kill(execution_id)

    eventually(lambda: find_containers(container_engine, execution_id) == [], within=15)
    assert workspace.wait_for(execution_id).state == "KILLED"


def test_ct_24_a_timeout_removes_the_container(workspace: Workspace, container_engine: ContainerEngine) -> None:
    run = workspace.run("late-container", tasks=[in_container("t", container_engine, "sleep 60", timeout="PT2S")])

    assert run.state == "FAILED"
    assert find_containers(container_engine, run.id) == []


def test_ct_25_the_old_runner_property_beats_the_task_runner(workspace: Workspace) -> None:
    docker = {"type": "io.kestra.plugin.scripts.runner.docker.Docker"}

    run = workspace.run("old", tasks=[shell("t", "echo here", runner="PROCESS", taskRunner=docker), log("next")])

    assert run.state == "SUCCESS"
    assert run.task("t").outputs["exitCode"] == 0

"""The Docker runner on a real engine: what a script sees, what comes back, and what is left behind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.plugin_api.testing import FakeContext
from plugins.scripts import tasks
from plugins.scripts.docker_runner import Docker
from tests.support.container_engine import TINY_IMAGE, ContainerEngine
from tests.support.waiting import eventually

DOCKER = "io.kestra.plugin.scripts.runner.docker.Docker"
Shell = tasks.ShellCommands  # type: ignore[attr-defined]
PythonCommands = tasks.PythonCommands  # type: ignore[attr-defined]
ShellScript = tasks.ShellScript  # type: ignore[attr-defined]


@pytest.fixture
def config() -> dict[str, Any]:
    return {}


@pytest.fixture
def context(container_engine: ContainerEngine, config: dict[str, Any]) -> Iterator[FakeContext]:
    with FakeContext(config={"scripts.docker.host": container_engine.address, "installation": "tests", **config}) as made:
        yield made


def in_container(*commands: str, runner: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Return the properties of a shell task in a container of the tiny image."""
    return {
        "taskRunner": {"type": DOCKER, **(runner or {})},
        "containerImage": TINY_IMAGE,
        "commands": list(commands),
        **properties,
    }


def fail(context: FakeContext, raw: Mapping[str, Any], task: RunnableTask | None = None) -> TaskFailure:
    chosen = task or Shell()
    with pytest.raises(TaskFailure) as caught:
        chosen.run(context, load_properties(chosen.Props, raw, context.render))
    return caught.value


def list_containers(engine: ContainerEngine) -> list[dict[str, Any]]:
    with engine.client() as client:
        return list(client.containers(all=True))


def test_lines_of_both_outputs_are_logged_and_the_container_is_removed(
    context: FakeContext, container_engine: ContainerEngine
) -> None:
    output = context.run(Shell(), in_container("echo out", "echo err >&2", "printf last"))

    assert (output["exitCode"], list(output["taskRunner"])) == (0, ["containerId"])
    assert (context.log.messages("INFO"), context.log.messages("ERROR")) == (["out", "last"], ["err"])
    assert list_containers(container_engine) == []


def test_messages_and_files_work_as_in_a_process(context: FakeContext) -> None:
    commands = [
        """echo '::{"outputs": {"n": 1}, "metrics": [{"name": "rows", "type": "counter", "value": 4}]}::'""",
        "cat in.txt sub/deep.txt > out.txt",
        "mkdir -p made && echo ü > made/ü.txt && ln -s out.txt link.txt",
    ]
    raw = in_container(*commands, inputFiles={"in.txt": "a\n", "sub/deep.txt": "b\n"}, outputFiles=["*.txt", "made/*"])

    output = context.run(Shell(), raw)

    assert output["vars"] == {"n": 1}
    assert context.metrics.value_of("rows") == 4
    assert sorted(output["outputFiles"]) == ["in.txt", "link.txt", "made/ü.txt", "out.txt"]
    with context.storage.open(output["outputFiles"]["link.txt"]) as file:
        assert file.read() == b"a\nb\n"


def test_nothing_of_ours_stays_in_the_working_directory(context: FakeContext) -> None:
    context.run(Shell(), in_container("echo x > kept.txt", outputDirectory=True))

    assert [path.name for path in context.workdir.iterdir()] == ["kept.txt"]


def test_outputs_and_files_of_a_failed_container_are_kept(context: FakeContext, container_engine: ContainerEngine) -> None:
    failure = fail(context, in_container("echo x > left.txt", "exit 3", outputFiles=["*.txt"]))

    assert (failure.outputs.exit_code, list(failure.outputs.output_files)) == (3, ["left.txt"])
    assert list_containers(container_engine) == []


def test_folders_and_stored_files_have_the_same_paths_inside(context: FakeContext) -> None:
    uri = context.storage.put(b"stored\n", "in.txt")

    output = context.run(Shell(), in_container(f"cat {uri}", "pwd", 'echo x > "$OUTPUT_DIR/o.txt"', outputDirectory=True))

    assert context.log.messages("INFO") == ["stored", str(context.workdir.resolve())]
    assert list(output["outputFiles"]) == ["o.txt"]


def test_the_container_gets_no_variable_of_the_worker(context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELESTRA_DATABASE_URL", "CELESTRA_SECRET_KEY", "PIP_INDEX_URL", "HTTP_PROXY", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "canary")

    context.run(Shell(), in_container("env", env={"MINE": "yes"}))

    text = "\n".join(context.log.messages())
    assert "MINE=yes" in text
    assert "WORKING_DIR=" in text
    assert "canary" not in text


def test_root_has_no_rights_and_gains_none(context: FakeContext) -> None:
    context.run(Shell(), in_container("grep -E 'Cap(Eff|Prm|Bnd)|NoNewPrivs' /proc/self/status"))

    assert [line.split()[-1].lstrip("0") for line in context.log.messages("INFO")] == ["", "", "", "1"]


@pytest.mark.parametrize("config", [{"scripts.docker.capabilities": ["CAP_CHOWN"]}])
def test_the_operator_gives_single_rights_back(context: FakeContext) -> None:
    context.run(Shell(), in_container("touch a", "chown 7:7 a", "stat -c %u a"))

    assert context.log.messages("INFO") == ["7"]


def test_no_socket_of_an_engine_and_no_folder_of_the_host_is_inside(context: FakeContext) -> None:
    context.run(Shell(), in_container("ls /var/run/docker.sock /run/podman 2>/dev/null || true", "ls /"))

    assert "work" not in context.log.messages("INFO")
    assert not any("sock" in line for line in context.log.messages())


@pytest.mark.parametrize("config", [{"scripts.docker.process-limit": 8}])
def test_a_fork_bomb_meets_the_limit_of_processes(context: FakeContext) -> None:
    failure = fail(context, in_container("for i in $(seq 1 20); do sleep 20 & done; echo all"))

    assert "all" not in context.log.messages("INFO")
    assert failure.outputs.exit_code != 0


def test_out_of_memory_names_the_limit(context: FakeContext) -> None:
    raw = in_container("x", runner={"memory": {"memory": "32MB"}}, interpreter=["/bin/awk", 'BEGIN{s="x"; while(1) s=s s}'])

    failure = fail(context, raw)

    assert "32 MiB" in failure.message


@pytest.mark.parametrize("config", [{"scripts.docker.memory-ceiling": "64MiB"}])
def test_the_operator_has_the_last_word_on_memory(context: FakeContext) -> None:
    failure = fail(context, in_container("true", runner={"memory": {"memory": "65MB"}}))

    assert "scripts.docker.memory-ceiling" in failure.message
    assert failure.permanent


def test_limits_reach_the_container(context: FakeContext) -> None:
    files = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max"
    runner = {"cpu": {"cpus": 0.5}, "shmSize": "8MB", "extraHosts": ["elsewhere:192.0.2.7"], "networkMode": "none"}

    context.run(Shell(), in_container(f"cat {files} 2>/dev/null || true", "df -k /dev/shm", "cat /etc/hosts", runner=runner))

    text = "\n".join(context.log.messages("INFO"))
    assert "50000" in text
    assert "8192" in text
    assert "192.0.2.7\telsewhere" in text


@pytest.mark.parametrize(
    ("runner", "setting"),
    [
        ({"privileged": True}, "scripts.docker.privileged-enabled"),
        ({"networkMode": "host"}, "scripts.docker.host-network-enabled"),
        ({"networkMode": "container:other"}, "scripts.docker.host-network-enabled"),
    ],
)
def test_what_opens_the_host_is_refused_and_the_switch_named(context: FakeContext, runner: dict[str, Any], setting: str) -> None:
    failure = fail(context, in_container("true", runner=runner))

    assert setting in failure.message
    assert failure.permanent


def test_volumes_are_ignored_with_a_warning(context: FakeContext) -> None:
    context.run(Shell(), in_container("ls /secrets 2>/dev/null || echo none", runner={"volumes": ["/etc:/secrets"]}))

    assert context.log.messages("INFO") == ["none"]
    assert "scripts.docker.volume-enabled" in context.log.messages("WARN")[0]


@pytest.mark.parametrize("config", [{"scripts.docker.volume-enabled": True}])
def test_volumes_are_mounted_when_the_operator_allows_them(context: FakeContext) -> None:
    (context.folder / "shared").mkdir()
    (context.folder / "shared" / "a.txt").write_text("shared")

    context.run(Shell(), in_container("cat /shared/a.txt", runner={"volumes": [f"{context.folder}/shared:/shared:ro"]}))

    assert context.log.messages("INFO") == ["shared"]


@pytest.mark.parametrize("config", [{"scripts.docker.read-only": True}])
def test_the_root_folder_may_be_made_read_only(context: FakeContext) -> None:
    context.run(Shell(), in_container("touch /x 2>/dev/null || echo refused", "touch /tmp/x here"))

    assert context.log.messages("INFO") == ["refused"]
    assert (context.workdir / "here").exists()


def test_a_mounted_folder_is_the_folder_itself(context: FakeContext) -> None:
    raw = in_container(
        "cat in.txt", "echo x > out.txt", "ls -n out.txt", runner={"fileHandlingStrategy": "MOUNT"}, inputFiles={"in.txt": "a"}
    )

    output = context.run(Shell(), {**raw, "outputFiles": ["out.txt"]})

    assert list(output["outputFiles"]) == ["out.txt"]
    assert context.log.messages("INFO")[0].startswith("a-rw")


def test_another_user_may_read_and_write_the_files(context: FakeContext) -> None:
    raw = in_container("id -u", "cat sub/in.txt", "echo x > out.txt", "echo y > sub/out.txt", runner={"user": "1000:1000"})

    output = context.run(Shell(), {**raw, "inputFiles": {"sub/in.txt": "a\n"}, "outputFiles": ["**.txt"]})

    assert context.log.messages("INFO") == ["1000", "a"]
    assert sorted(output["outputFiles"]) == ["out.txt", "sub/in.txt", "sub/out.txt"]


def test_the_entry_point_of_the_image_gives_way(context: FakeContext) -> None:
    context.run(Shell(), in_container("echo plain"))
    context.run(Shell(), in_container("echo wrapped", runner={"entryPoint": ["/bin/env", "WRAPPED=yes"]}))

    assert context.log.messages("INFO") == ["plain", "wrapped"]


def test_the_old_properties_choose_a_container_too(context: FakeContext) -> None:
    raw = {"commands": ["ls /bin/busybox"], "runner": "DOCKER", "docker": {"image": TINY_IMAGE, "pullPolicy": "NEVER"}}

    output = context.run(Shell(), raw)

    assert list(output["taskRunner"]) == ["containerId"]
    assert context.log.messages("INFO") == ["/bin/busybox"]


def test_the_old_name_of_the_runner_is_known(context: FakeContext) -> None:
    raw = in_container("echo here")
    raw["taskRunner"]["type"] = "io.kestra.plugin.scripts.runner.docker.DockerTaskRunner"

    assert context.run(Shell(), raw)["exitCode"] == 0


def test_a_missing_image_says_so_and_leaves_nothing(context: FakeContext, container_engine: ContainerEngine) -> None:
    failure = fail(context, {**in_container("true", runner={"pullPolicy": "NEVER"}), "containerImage": "localhost/missing:1"})

    assert "pullPolicy: NEVER" in failure.message
    assert failure.permanent
    assert list_containers(container_engine) == []


def test_an_image_is_pulled_when_asked_and_the_pull_is_tried_again(context: FakeContext) -> None:
    credentials = {"registry": "localhost", "username": "ada", "password": "correct-horse"}

    failure = fail(context, in_container("true", runner={"pullPolicy": "always", "credentials": credentials}))

    assert f'The image "{TINY_IMAGE}" could not be pulled' in failure.message
    assert len(context.log.messages("WARN")) == 2
    assert "correct-horse" in context.masked


def test_a_program_that_the_image_lacks_is_named(context: FakeContext, container_engine: ContainerEngine) -> None:
    failure = fail(context, in_container("x", interpreter=["/bin/no-such-program", "-x"]))

    assert 'The program "/bin/no-such-program" could not be started' in failure.message
    assert failure.outputs.exit_code == 127
    assert list_containers(container_engine) == []


def test_a_kill_ends_and_removes_the_container_within_the_grace_period(
    context: FakeContext, container_engine: ContainerEngine
) -> None:
    task = Shell()
    raw = in_container(
        "trap '' TERM", "echo started > mark.txt", "while true; do sleep 1; done", runner={"killGracePeriod": "PT1S"}
    )
    killer = threading.Thread(target=lambda: (eventually(lambda: is_running(container_engine)), task.kill()))
    killer.start()
    began = time.monotonic()

    failure = fail(context, {**raw, "outputFiles": ["mark.txt"]}, task)

    killer.join()
    assert "killed" in failure.message
    assert time.monotonic() - began < 10
    assert list(failure.outputs.output_files) == ["mark.txt"]
    assert list_containers(container_engine) == []


def is_running(engine: ContainerEngine) -> bool:
    return any(container["State"] == "running" for container in list_containers(engine))


def test_a_timeout_ends_and_removes_the_container(context: FakeContext, container_engine: ContainerEngine) -> None:
    context.deadline = time.monotonic() + 1.5

    failure = fail(context, in_container("sleep 60", runner={"killGracePeriod": "PT0S"}))

    assert "timeout" in failure.message
    assert list_containers(container_engine) == []


def test_a_kill_before_the_start_makes_no_container(context: FakeContext, container_engine: ContainerEngine) -> None:
    task = Shell()
    task.kill()

    fail(context, in_container("touch started", outputFiles=["started"]), task)

    assert not (context.workdir / "started").exists()
    assert list_containers(container_engine) == []


def test_a_container_is_kept_when_asked(context: FakeContext, container_engine: ContainerEngine) -> None:
    output = context.run(Shell(), in_container("true", runner={"delete": False}))

    kept = list_containers(container_engine)
    assert [container["Id"] for container in kept] == [output["taskRunner"]["containerId"]]
    assert kept[0]["Labels"]["kestra.io/flow-id"] == "flow"
    remove_all(container_engine)


def remove_all(engine: ContainerEngine) -> None:
    with engine.client() as client:
        for container in client.containers(all=True):
            client.remove_container(container["Id"], v=True, force=True)


def test_a_container_may_be_left_to_itself(context: FakeContext, container_engine: ContainerEngine) -> None:
    output = context.run(Shell(), in_container("sleep 60", runner={"wait": False, "delete": False}))

    running = [container["Id"] for container in list_containers(container_engine) if container["State"] == "running"]
    assert running == [output["taskRunner"]["containerId"]]
    remove_all(container_engine)


def test_labels_name_the_run(context: FakeContext, container_engine: ContainerEngine) -> None:
    context.taskrun = {**context.taskrun, "id": "x" * 70}

    context.run(Shell(), in_container("true", runner={"delete": False}))

    labels = list_containers(container_engine)[0]["Labels"]
    assert labels["kestra.io/namespace"] == "company.team"
    assert labels["kestra.io/taskrun-id"] == "x" * 63
    assert labels["kestra.io/taskrun-attempt"] == "0"
    remove_all(container_engine)


def test_a_large_output_and_large_files_pass(context: FakeContext) -> None:
    raw = in_container("head -c 3000000 /dev/zero | tr '\\0' x", "echo", "head -c 20000000 /dev/zero > big", "wc -c < big")

    output = context.run(Shell(), {**raw, "outputFiles": ["big"]})

    assert context.log.messages("INFO")[-1] == "20000000"
    assert context.storage.size(output["outputFiles"]["big"]) == 20_000_000


def test_an_engine_that_is_not_there_is_named_with_the_way_out(context: FakeContext) -> None:
    failure = fail(context, in_container("true", runner={"host": "unix:///nowhere/engine.sock"}))

    assert 'No container engine answers at "unix:///nowhere/engine.sock"' in failure.message
    assert "apt install podman" in failure.message
    assert "io.kestra.plugin.core.runner.Process" in failure.message


def test_python_packages_are_installed_inside_and_the_helper_is_there(context: FakeContext) -> None:
    raw = in_container('ls "${PYTHONPATH##*:}/kestra/__init__.py"', 'echo "${PYTHONPATH%%:*}"', dependencies=["pandas==2"])

    context.run(PythonCommands(), raw)

    called, helper, packages = context.log.messages("INFO")
    assert called.startswith("python -m pip install")
    assert called.endswith("/requirements.txt")
    assert helper.endswith("/kestra/__init__.py")
    assert packages == "/tmp/celestra-packages"


def test_packages_need_a_shell_to_be_installed_in_a_container(context: FakeContext) -> None:
    failure = fail(context, in_container("x", dependencies=["pandas"], interpreter=["python", "-c"]), PythonCommands())

    assert '"interpreter"' in failure.message


def test_json_of_the_context_is_read_inside(context: FakeContext) -> None:
    output = context.run(
        ShellScript(),
        {
            "taskRunner": {"type": DOCKER},
            "containerImage": TINY_IMAGE,
            "script": "cat $KESTRA_EXECUTION_CONTEXT_FILE",
            "executionContext": True,
        },
    )

    assert output["exitCode"] == 0
    assert isinstance(json.loads(context.log.messages("INFO")[0]), dict)


def leave_behind(engine: ContainerEngine, context: FakeContext, *commands: str) -> str:
    """Start a container as an attempt does whose worker is then lost, and return its id."""
    output = context.run(Shell(), in_container(*commands, runner={"wait": False, "delete": False}))
    lost = output["taskRunner"]["containerId"]
    with engine.client() as client:
        made = client.inspect_container(lost)
        client.remove_container(lost, v=True, force=True)
        again = client.create_container(
            TINY_IMAGE,
            entrypoint=[""],
            command=["/bin/sh", "-c", "; ".join(commands)],
            working_dir=made["Config"]["WorkingDir"],
            volumes=[made["Config"]["WorkingDir"]],
            labels={**made["Config"]["Labels"], "celestra.io/removable": "true"},
        )["Id"]
        client.start(again)
    context.attempt += 1
    return str(again)


def test_the_next_attempt_goes_on_with_the_container_of_a_lost_worker(
    context: FakeContext, container_engine: ContainerEngine
) -> None:
    lines = ["echo first", """echo '::{"outputs": {"n": 1}}::'""", "sleep 1", "echo last >&2", "echo x > out.txt"]
    lost = leave_behind(container_engine, context, *lines)

    output = context.run(Shell(), in_container("echo another", outputFiles=["out.txt"]))

    assert (output["taskRunner"]["containerId"], output["vars"]) == (lost, {"n": 1})
    assert list(output["outputFiles"]) == ["out.txt"]
    assert ("first" in context.log.messages("INFO"), context.log.messages("ERROR")) == (True, ["last"])
    assert list_containers(container_engine) == []


def test_a_container_that_ended_while_nobody_looked_is_taken_over(
    context: FakeContext, container_engine: ContainerEngine
) -> None:
    leave_behind(container_engine, context, "echo done", "exit 4")
    eventually(lambda: not is_running(container_engine))

    failure = fail(context, in_container("echo another"))

    assert (failure.outputs.exit_code, context.log.messages("INFO")[1:]) == (4, ["done"])
    assert list_containers(container_engine) == []


def test_without_resume_the_lost_container_is_removed_first(context: FakeContext, container_engine: ContainerEngine) -> None:
    leave_behind(container_engine, context, "sleep 60")

    context.run(Shell(), in_container("echo another", runner={"resume": False}))

    assert context.log.messages("INFO") == ["another"]
    assert list_containers(container_engine) == []


@pytest.mark.parametrize(("is_open", "left"), [(True, 1), (False, 0)])
def test_the_sweep_removes_containers_of_task_runs_that_are_over(
    context: FakeContext, container_engine: ContainerEngine, is_open: bool, left: int
) -> None:
    leave_behind(container_engine, context, "sleep 60")

    removed = Docker().remove_leftovers(context.config, lambda ids: ids if is_open else set())

    assert (removed, len(list_containers(container_engine))) == (1 - left, left)
    remove_all(container_engine)


def test_the_sweep_leaves_containers_of_others_alone(context: FakeContext, container_engine: ContainerEngine) -> None:
    leave_behind(container_engine, context, "sleep 60")
    other = {"scripts.docker.host": container_engine.address, "installation": "other"}

    removed = Docker().remove_leftovers(lambda key, default=None: other.get(key, default), lambda ids: set())

    assert (removed, len(list_containers(container_engine))) == (0, 1)
    remove_all(container_engine)


def test_a_server_without_an_engine_has_nothing_to_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.scripts.containers.address.LOCAL_SOCKETS", ())
    monkeypatch.delenv("DOCKER_HOST", raising=False)

    assert Docker().remove_leftovers(lambda key, default=None: default, lambda ids: set()) == 0

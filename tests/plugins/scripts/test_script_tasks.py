"""Script tasks with real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.plugin_api.testing import FakeContext
from plugins.scripts import tasks
from tests.support.waiting import eventually

Shell = tasks.ShellCommands  # type: ignore[attr-defined]
Python = tasks.PythonScript  # type: ignore[attr-defined]
PythonLines = tasks.PythonCommands  # type: ignore[attr-defined]


def render(value: Any, variables: Mapping[str, Any], *, typed: bool) -> Any:
    """Look plain dotted names up: enough of the expression language for these tests."""
    if isinstance(value, dict):
        return {k: render(v, variables, typed=False) for k, v in value.items()}
    if isinstance(value, list):
        return [render(v, variables, typed=False) for v in value]
    if not isinstance(value, str):
        return value

    def find(match: re.Match[str]) -> Any:
        found: Any = variables
        for part in match[1].split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    pattern = r"\{\{\s*([\w.]+)(?: \?\? null)?\s*\}\}"
    whole = re.fullmatch(pattern, value)
    return find(whole) if whole and typed else re.sub(pattern, lambda m: str(find(m)), value)


@pytest.fixture
def config() -> dict[str, Any]:
    return {}


@pytest.fixture
def context(config: dict[str, Any]) -> Iterator[FakeContext]:
    with FakeContext(render=render, variables={"inputs": {"name": "Ada", "map": {"B": 2}}}, config=config) as made:
        yield made


def fail(context: FakeContext, task: RunnableTask, raw: Mapping[str, Any]) -> TaskFailure:
    with pytest.raises(TaskFailure) as caught:
        task.run(context, load_properties(task.Props, raw, context.render))
    return caught.value


def test_lines_run_in_one_shell_and_stop_at_the_first_failure(context: FakeContext) -> None:
    failure = fail(context, Shell(), {"beforeCommands": ["x=1"], "commands": ["echo $x", "false", "echo never"]})

    assert (context.log.messages("INFO"), failure.outputs.exit_code) == (["1"], 1)


def test_fail_fast_may_be_switched_off(context: FakeContext) -> None:
    output = context.run(Shell(), {"commands": ["false", "echo on"], "failFast": False})

    assert (output["exitCode"], context.log.messages("INFO")) == (0, ["on"])


def test_outputs_of_a_failed_script_are_kept(context: FakeContext) -> None:
    script = "import sys\nprint('::{\"outputs\": {\"n\": 1}}::')\nopen('left.txt', 'w').write('x')\nsys.exit(3)"

    failure = fail(context, Python(), {"script": script, "outputFiles": ["*.txt"]})

    assert (failure.outputs.exit_code, failure.outputs.vars, list(failure.outputs.output_files)) == (3, {"n": 1}, ["left.txt"])


def test_a_python_script_sees_its_files_and_its_neighbours(context: FakeContext) -> None:
    script = "import rows, json, os\nos.makedirs('out')\nprint(os.getcwd())\nopen('out/n.json', 'w').write(json.dumps(rows.N))"

    output = context.run(Python(), {"script": script, "inputFiles": {"rows.py": "N = [1, 2]"}, "outputFiles": ["out/*.json"]})

    with context.storage.open(output["outputFiles"]["out/n.json"]) as file:
        assert json.load(file) == [1, 2]
    assert context.log.messages("INFO") == [str(context.workdir.resolve())]


def test_nothing_of_ours_stays_in_the_working_directory(context: FakeContext) -> None:
    context.run(Python(), {"script": "pass", "outputDirectory": True, "executionContext": True})

    assert list(context.workdir.iterdir()) == []


def test_the_environment_is_cleaned(context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELESTRA_DATABASE_URL", "CELESTRA_SECRET_KEY", "SECRET_TOKEN", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "canary")

    context.run(Shell(), {"commands": ["env", "cat /proc/$PPID/environ | tr '\\0' '\\n'"], "env": {"MINE": "yes"}})

    text = "\n".join(context.log.messages())
    assert "MINE=yes" in text
    assert "CELESTRA_TASKRUN_ID=taskrun1" in text
    assert "canary" not in text


def test_env_may_be_one_expression_and_is_rendered(context: FakeContext) -> None:
    context.run(Shell(), {"commands": ['echo "$B"'], "env": "{{ inputs.map }}"})
    context.run(Shell(), {"commands": ['echo "$NAME $WORKING_DIR"'], "env": {"NAME": "{{ inputs.name }}", "GONE": None}})

    assert context.log.messages("INFO") == ["2", f"Ada {context.workdir.resolve()}"]


def test_commands_know_their_folders(context: FakeContext) -> None:
    raw = {
        "commands": [
            "echo hi > {{ outputDir }}/a.txt",
            "mkdir $OUTPUT_DIR/in",
            "cp {{ outputDir }}/a.txt {{ outputDir }}/in/b.txt",
        ]
    }

    output = context.run(Shell(), {**raw, "outputDirectory": True})

    assert sorted(output["outputFiles"]) == ["a.txt", "in/b.txt"]


def test_stored_files_in_commands_become_paths(context: FakeContext) -> None:
    uri = context.storage.put(b"stored\n", "in.txt")

    context.run(Shell(), {"commands": [f"cat {uri} {uri}"]})

    assert context.log.messages("INFO") == ["stored", "stored"]


def test_rendered_text_is_in_no_argument_list(context: FakeContext) -> None:
    lines = [
        "x=canary-{{ inputs.name }}",
        "cat /proc/*/cmdline > seen.txt 2>/dev/null || true",
        "grep -c canary-Ada seen.txt || true",
    ]

    context.run(Shell(), {"commands": lines})

    assert context.log.messages("INFO") == ["0"]


def test_standard_error_is_logged_and_gives_a_warning_only_when_asked(context: FakeContext) -> None:
    raw = {"commands": ["echo careful >&2"]}
    task = Shell()

    quiet = task.run(context, load_properties(task.Props, raw, context.render))
    strict = task.run(context, load_properties(task.Props, {**raw, "warningOnStdErr": True}, context.render))

    assert (quiet.final_state, strict.final_state) == (None, "WARNING")
    assert context.log.messages("ERROR") == ["careful", "careful"]


def test_the_python_of_the_worker_is_found_first(context: FakeContext) -> None:
    context.run(PythonLines(), {"commands": ["python -c 'import sys, pandas; print(sys.prefix)'"]})

    assert context.log.messages("INFO") == [sys.prefix]


def test_the_helper_module_speaks_the_protocol(context: FakeContext) -> None:
    script = """
    from kestra import Kestra, context
    Kestra.outputs({"name": context.inputs.name})
    Kestra.counter("rows", 3, {"table": "t"})
    assert Kestra.timer("slow", lambda: "result") == "result"
    Kestra.logger().warning("two\\nlines")
    open("r.ion", "w").write('{"a": 1.5e0, "at": 2031-05-04T10:00:00.000Z}\\n')
    Kestra.outputs({"at": Kestra.read("r.ion")[0]["at"].isoformat()})
    """
    lines = "\n".join(line.strip() for line in script.splitlines())

    output = context.run(Python(), {"script": lines, "executionContext": True})

    assert output["vars"] == {"name": "Ada", "at": "2031-05-04T10:00:00+00:00"}
    assert context.metrics.value_of("rows") == 3
    assert context.log.messages("WARN") == ["two\nlines"]


def test_a_program_that_is_missing_is_named(context: FakeContext) -> None:
    failure = fail(context, Shell(), {"commands": ["1"], "interpreter": ["no-such-interpreter", "-x"]})

    assert 'The program "no-such-interpreter" could not be started' in failure.message


@pytest.mark.parametrize("config", [{"scripts.kill-grace-seconds": 0.2}])
def test_the_timeout_ends_the_whole_tree_even_when_it_ignores_the_polite_signal(context: FakeContext) -> None:
    context.deadline = time.monotonic() + 0.5
    child = "trap '' TERM; sleep 61.25 & setsid sh -c \"trap '' TERM; sleep 61.25; true\" & wait; sleep 61.25"

    failure = fail(context, Shell(), {"commands": [child]})

    assert "timeout" in failure.message
    assert not find_processes("61.25")


def test_a_kill_from_another_thread_ends_the_script(context: FakeContext) -> None:
    task = Shell()
    killer = threading.Thread(target=lambda: (eventually(lambda: find_processes("62.5"), within=10), task.kill()))
    killer.start()

    failure = fail(context, task, {"commands": ["sleep 62.5"]})

    killer.join()
    assert "killed" in failure.message
    assert not find_processes("62.5")


def test_a_kill_before_the_run_starts_nothing(context: FakeContext) -> None:
    task = Shell()
    task.kill()

    fail(context, task, {"commands": ["touch started"]})

    assert not (context.workdir / "started").exists()


def test_processes_left_behind_end_with_the_script(context: FakeContext) -> None:
    context.run(Shell(), {"commands": ["setsid nohup sleep 63.75 >/dev/null 2>&1 &", "sleep 63.75 & echo started"]})

    assert context.log.messages("INFO") == ["started"]
    assert not find_processes("63.75")


@pytest.mark.parametrize("config", [{"scripts.memory-limit": "64MiB"}])
def test_out_of_memory_is_named_with_the_limit(context: FakeContext) -> None:
    script = "import time\nkept = bytearray(b'x') * (200 * 1024 * 1024)\ntime.sleep(30)"

    failure = fail(context, Python(), {"script": script})

    assert failure.message.startswith("Out of memory, limit 64 MiB")


def test_scripts_die_with_a_killed_worker(tmp_path: Path) -> None:
    program = (
        "from flows.plugin_api.testing import FakeContext\nfrom plugins.scripts import tasks\n"
        "FakeContext().run(tasks.ShellCommands(), {'commands': ['setsid sleep 64.25 & sleep 64.25; true']})"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    eventually(lambda: len(find_processes("64.25")) == 2, within=20)

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    eventually(lambda: not find_processes("64.25"), within=10)


def test_a_supervisor_that_was_killed_is_replaced(context: FakeContext) -> None:
    context.run(Shell(), {"commands": ["true"]})
    own = [pid for pid in find_processes("scripts/supervisor.py") if parent_of(pid) == os.getpid()]
    for pid in own:
        os.kill(pid, signal.SIGKILL)

    assert own
    assert context.run(Shell(), {"commands": ["true"]})["exitCode"] == 0


@pytest.mark.parametrize("config", [{"scripts.docker.host": "unix:///nowhere/engine.sock"}])
@pytest.mark.parametrize(
    "runner", [{"taskRunner": {"type": "io.kestra.plugin.scripts.runner.docker.Docker"}}, {"runner": "DOCKER"}]
)
def test_the_docker_runner_says_how_to_go_on_without_an_engine(context: FakeContext, runner: dict[str, Any]) -> None:
    failure = fail(context, Shell(), {"commands": ["true"], "docker": {"image": "alpine"}, **runner})

    assert "io.kestra.plugin.core.runner.Process" in failure.message
    assert "apt install podman" in failure.message


def test_an_old_runner_property_goes_before_the_new_one(context: FakeContext) -> None:
    raw = {"commands": ["true"], "runner": "PROCESS", "taskRunner": {"type": "io.kestra.plugin.scripts.runner.docker.Docker"}}

    assert context.run(Shell(), raw)["exitCode"] == 0


@pytest.mark.parametrize("config", [{"scripts.process-enabled": False}])
def test_the_process_runner_can_be_switched_off(context: FakeContext) -> None:
    assert "switched off" in fail(context, Shell(), {"commands": ["true"]}).message


@pytest.mark.parametrize(
    ("language", "program", "script"),
    [("Node", "node", "console.log(6 * 7)"), ("Perl", "perl", "print 6 * 7;"), ("Shell", "sh", "echo $((6 * 7))")],
)
def test_a_script_of_each_installed_language_runs(context: FakeContext, language: str, program: str, script: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")

    context.run(getattr(tasks, f"{language}Script")(), {"script": script})

    assert context.log.messages("INFO") == ["42"]


@pytest.mark.parametrize("language", ["Powershell", "R", "Ruby", "Julia", "Php", "Lua", "Bun", "Deno", "Dotnet", "Go"])
def test_the_command_line_of_other_languages_reaches_their_program(context: FakeContext, language: str) -> None:
    task = getattr(tasks, f"{language}Script")()
    folder = context.folder / "bin"
    folder.mkdir()
    words = task.language.command.replace("&", "").split() or task.language.interpreter
    stand_in = folder / words[0]
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)

    context.run(task, {"script": "x", "env": {"PATH": f"{folder}:{os.environ['PATH']}"}})

    assert re.search(r"script-\w+\.\w+'?$", context.log.messages("INFO")[0].strip())


def test_a_large_output_is_read_without_holding_it(context: FakeContext) -> None:
    context.run(Shell(), {"commands": ["head -c 5000000 /dev/zero | tr '\\0' x", "echo", "echo end"]})

    assert [len(m) < 1_100_000 for m in context.log.messages("INFO")] == [True, True]
    assert context.log.messages("INFO")[-1] == "end"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def find_processes(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parts = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(part.decode(errors="replace").endswith(word) for part in parts) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found

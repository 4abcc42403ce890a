"""Tasks of the catalogue beside its numbered checks, each in a flow of its own."""

from __future__ import annotations

from tests.acceptance.building import log, returned, shell, task
from tests.acceptance.workspace import Workspace

LATER = "2999-01-01T00:00:00Z"


def test_fetch_writes_the_lines_of_named_tasks_to_a_file(workspace: Workspace) -> None:
    """Source: catalogue, 3.1."""
    fetch = task("fetched", "log.Fetch", tasksId=["two", "one"], level="INFO")

    run = workspace.run("fetching", tasks=[log("one", "first"), log("two", "second"), log("three", "third"), fetch])

    outputs = run.task("fetched").outputs
    stored = workspace.read_file(run.id, outputs["uri"])
    assert (run.state, outputs["size"]) == ("SUCCESS", 2)
    assert stored.index("second") < stored.index("first")
    assert "third" not in stored


def test_purged_logs_are_gone(workspace: Workspace) -> None:
    """Source: catalogue, 3.1: levels are an exact set."""
    old = workspace.run("old", tasks=[log("a", "kept", level="WARN"), log("b", "dropped", level="DEBUG")])
    workspace.wait_for_log(old.id, "dropped")
    purge = task("p", "log.PurgeLogs", namespace=workspace.namespace, flowId="old", logLevels=["DEBUG"], endDate=LATER)

    run = workspace.run("purging", tasks=[purge])

    assert run.task("p").outputs == {"count": 1}
    assert [message for _, message in workspace.logs(old.id)] == ["kept"]


def test_a_task_resumes_another_execution(workspace: Workspace) -> None:
    """Source: catalogue, section 5."""
    asked = [{"id": "n", "type": "INT"}]
    workspace.load("waiting", tasks=[task("p", "flow.Pause", onResume=asked), returned("r", "{{ outputs.p.onResume.n }}")])
    waiting = workspace.start("waiting")
    workspace.wait_for(waiting, "PAUSED")
    resume = task("go", "execution.Resume", executionId="{{ inputs.id }}", inputs={"n": 5})
    workspace.load("resuming", inputs=[{"id": "id", "type": "STRING"}], tasks=[resume])

    done = workspace.wait_for(workspace.start("resuming", {"id": waiting}))
    again = workspace.wait_for(workspace.start("resuming", {"id": waiting}))

    run = workspace.wait_for(waiting)
    assert (done.state, again.state) == ("SUCCESS", "FAILED")
    assert (run.state, run.task("r").outputs["value"]) == ("SUCCESS", "5")


def test_a_task_kills_another_execution(workspace: Workspace) -> None:
    """Source: catalogue, section 5."""
    workspace.load("waiting", tasks=[task("p", "flow.Pause")])
    waiting = workspace.start("waiting")
    workspace.wait_for(waiting, "PAUSED")
    kill = {"id": "k", "type": "io.kestra.plugin.kestra.executions.Kill", "executionId": waiting}

    done = workspace.run("killing", tasks=[kill])

    assert done.state == "SUCCESS"
    assert workspace.wait_for(waiting).state == "KILLED"


def test_states_are_merged_and_deleted(workspace: Workspace) -> None:
    """Source: catalogue, 6.2."""
    tasks = [
        task("one", "state.Set", data={"a": 1, "deep": {"x": 1}}),
        task("two", "state.Set", data={"b": 2, "deep": {"y": 2}}),
        task("read", "state.Get"),
        task("gone", "state.Delete"),
        task("empty", "state.Get"),
    ]

    run = workspace.run("stateful", tasks=tasks)

    assert run.state == "SUCCESS"
    assert run.task("read").outputs["data"] == {"a": 1, "b": 2, "deep": {"x": 1, "y": 2}}
    assert run.task("gone").outputs == {"deleted": True}
    assert run.task("empty").outputs["data"] == {}


def test_local_files_come_and_go_in_a_working_directory(workspace: Workspace) -> None:
    """Source: catalogue, 6.3."""
    come = task("come", "storage.LocalFiles", inputs={"in.txt": "hello"})
    go = task("go", "storage.LocalFiles", outputs=["*.out"])
    folder = task("folder", "flow.WorkingDirectory", tasks=[come, shell("copy", "cat in.txt > copy.out"), go])

    run = workspace.run("local", tasks=[folder])

    assert run.state == "SUCCESS"
    assert workspace.read_file(run.id, run.task("go").outputs["uris"]["copy.out"]) == "hello"


def test_the_files_of_the_running_execution_can_be_purged(workspace: Workspace) -> None:
    """Source: catalogue, 6.3."""
    size = task("size", "storage.Size", uri="{{ outputs.w.uri }}")
    purge = task("purge", "storage.PurgeCurrentExecutionFiles")

    run = workspace.run("purged", tasks=[task("w", "storage.Write", content="abc"), size, purge, size | {"id": "late"}])

    assert run.summary() == {"w": "SUCCESS", "size": "SUCCESS", "purge": "SUCCESS", "late": "FAILED"}
    assert run.task("size").outputs == {"size": 3}
    assert run.task("purge").outputs["uris"] == [run.task("w").outputs["uri"]]


def test_old_revisions_are_purged_and_the_latest_stays(workspace: Workspace) -> None:
    """Source: catalogue, section 7."""
    for text in ("one", "two", "three"):
        workspace.load("revised", tasks=[log("a", text)])
    behavior = {"type": "version", "keepAmount": 1}
    purge = task("p", "flow.PurgeFlows", namespaces=[workspace.namespace], flowPattern="revised", behavior=behavior)

    run = workspace.run("purging", tasks=[purge])

    kept = workspace.call("GET", f"/flows/{workspace.namespace}/revised/revisions")
    assert (run.state, run.task("p").outputs) == ("SUCCESS", {"size": 2})
    assert [row["revision"] for row in kept] == [3]


def test_keys_are_listed_kept_and_deleted(workspace: Workspace) -> None:
    """Source: catalogue, 6.1."""
    tasks = [
        *(task(f"set_{name}", "kv.Set", key=name, value="x") for name in ("b_one", "a_two", "a_one")),
        task("again", "kv.Set", key="a_one", value="y", overwrite=False, allowFailure=True),
        task("keys", "kv.GetKeys", prefix="a_"),
        task("gone", "kv.Delete", key="a_one"),
        task("missing", "kv.Delete", key="a_one"),
        task("get", "kv.Get", key="a_one", errorOnMissing=False),
        task("strict", "kv.Get", key="a_one"),
    ]

    run = workspace.run("keys", tasks=tasks)

    assert (run.states("again"), run.states("strict")) == (["WARNING"], ["FAILED"])
    assert run.task("keys").outputs == {"keys": ["a_one", "a_two"]}
    assert (run.task("gone").outputs, run.task("missing").outputs) == ({"deleted": True}, {"deleted": False})
    assert run.task("get").outputs == {"value": None}


def test_rows_are_filtered(workspace: Workspace) -> None:
    """Source: catalogue, 6.3."""
    rows = task("rows", "storage.Write", content='{"n": 1}\n{"n": 2}\n{"n": 3}\n', extension=".ion")
    common = {"from": "{{ outputs.rows.uri }}", "filterCondition": "{{ n > 1 }}"}

    run = workspace.run(
        "filtered",
        tasks=[
            rows,
            task("kept", "storage.FilterItems", **common),
            task("left", "storage.FilterItems", **common, filterType="EXCLUDE"),
        ],
    )

    counts = [
        (run.task(name).outputs["processedItemsTotal"], run.task(name).outputs["droppedItemsTotal"]) for name in ("kept", "left")
    ]
    assert counts == [(3, 1), (3, 2)]


def test_a_python_script_speaks_through_the_helper_module(workspace: Workspace) -> None:
    """Source: catalogue, 10.5."""
    script = "from kestra import Kestra\nKestra.outputs({'n': 3})\nKestra.counter('rows', 4, {'t': 'x'})\nprint('plain')\n"
    python = {"id": "p", "type": "io.kestra.plugin.scripts.python.Script", "script": script}
    python |= {"taskRunner": {"type": "io.kestra.plugin.core.runner.Process"}}

    run = workspace.run("scripted", tasks=[python])

    workspace.wait_for_log(run.id, "plain")
    assert (run.state, run.task("p").outputs["vars"]) == ("SUCCESS", {"n": 3})
    assert workspace.metrics(run.id)["rows"] == 4


def test_standard_error_warns_only_when_it_is_asked_to(workspace: Workspace) -> None:
    """Source: catalogue, 10.2."""
    quiet, loud = shell("quiet", "echo x >&2"), shell("loud", "echo x >&2", warningOnStdErr=True)

    run = workspace.run("noisy", tasks=[quiet, loud])

    assert (run.summary(), run.state) == ({"quiet": "SUCCESS", "loud": "WARNING"}, "WARNING")


def test_the_cache_of_a_working_directory_lasts_from_run_to_run(workspace: Workspace) -> None:
    """Source: flow language, 6.11."""
    count = shell(
        "count", "echo x >> seen/marks; wc -l < seen/marks | tr -d ' ' > n", outputFiles=["n"], beforeCommands=["mkdir -p seen"]
    )
    folder = task("folder", "flow.WorkingDirectory", tasks=[count], cache={"patterns": ["seen/**"], "ttl": "PT1H"})

    runs = [workspace.run("cached", tasks=[folder]) for _ in range(2)]

    counts = [workspace.read_file(run.id, run.task("count").outputs["outputFiles"]["n"]).strip() for run in runs]
    assert counts == ["1", "2"]

"""Checks 11 to 15, 28 and 29 of the catalogue: files of executions and namespaces, and what purges leave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.building import Task, log, returned, task
from tests.acceptance.runs import Run
from tests.acceptance.workspace import Workspace

ROWS = '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n{"id": 1, "name": "c"}\n'
LATER = "2999-01-01T00:00:00Z"


def written(task_id: str, content: str, extension: str = ".txt") -> Task:
    """Return a task that writes a file."""
    return task(task_id, "storage.Write", content=content, extension=extension)


def contents(workspace: Workspace, run: Run, uris: list[str]) -> list[str]:
    """Return the texts of stored files."""
    return [workspace.read_file(run.id, uri) for uri in uris]


def test_ct_11_split_deals_lines_to_partitions_and_fills_rows(workspace: Workspace) -> None:
    uri = "{{ outputs.%s.uri }}"
    tasks = [
        written("three", "1\n2\n3\n"),
        written("five", "1\n2\n3\n4\n5\n"),
        task("partitions", "storage.Split", from_=uri % "three", partitions=4),
        task("rows", "storage.Split", from_=uri % "five", rows=2),
    ]

    run = workspace.run("split", tasks=tasks)

    assert contents(workspace, run, run.task("partitions").outputs["uris"]) == ["1\n", "2\n", "3\n"]
    assert contents(workspace, run, run.task("rows").outputs["uris"]) == ["1\n2\n", "3\n4\n", "5\n"]


def test_ct_12_concat_writes_the_separator_after_the_last_file_too(workspace: Workspace) -> None:
    files = ["{{ outputs.a.uri }}", "{{ outputs.b.uri }}"]

    run = workspace.run(
        "joined", tasks=[written("a", "one"), written("b", "two"), task("both", "storage.Concat", files=files, separator=";")]
    )

    assert workspace.read_file(run.id, run.task("both").outputs["uri"]) == "one;two;"


def test_ct_13_deduplication_keeps_the_last_row_of_a_key_in_file_order(workspace: Workspace) -> None:
    unique = task("unique", "storage.DeduplicateItems", from_="{{ outputs.rows.uri }}", expr="{{ id }}")

    run = workspace.run("unique", tasks=[written("rows", ROWS, ".ion"), unique])

    outputs = run.task("unique").outputs
    lines = workspace.read_file(run.id, outputs["uri"]).splitlines()
    assert [name for line in lines for name in "abc" if f'"{name}"' in line] == ["b", "c"]
    assert (outputs["numKeys"], outputs["processedItemsTotal"], outputs["droppedItemsTotal"]) == (2, 3, 1)


@pytest.mark.parametrize("kind", ["INCLUDE", "EXCLUDE"])
@pytest.mark.parametrize(("behavior", "kept"), [("FAIL", None), ("INCLUDE", True), ("EXCLUDE", False)])
def test_ct_14_a_row_without_an_answer_goes_where_it_is_said(
    workspace: Workspace, kind: str, behavior: str, kept: bool | None
) -> None:
    rows = written("rows", '{"id": 1, "ok": null}\n', ".ion")
    filtered = task(
        "filtered",
        "storage.FilterItems",
        from_="{{ outputs.rows.uri }}",
        filterCondition="{{ ok }}",
        filterType=kind,
        errorOrNullBehavior=behavior,
    )

    run = workspace.run("filtered", tasks=[rows, filtered])

    dropped = run.task("filtered").outputs.get("droppedItemsTotal")
    assert (run.state, dropped) == (("FAILED", None) if kept is None else ("SUCCESS", 0 if kept else 1))


def test_ct_15_an_upload_obeys_its_rule_for_conflicts(workspace: Workspace) -> None:
    def upload(content: str, conflict: str) -> str:
        files = {"report.txt": "{{ outputs.text.uri }}"}
        tasks = [written("text", content), task("up", "namespace.UploadFiles", filesMap=files, conflict=conflict)]
        return workspace.run("uploading", tasks=tasks).states("up")[0]

    def stored() -> Any:
        return workspace.call("GET", f"/namespaces/{workspace.namespace}/files", path="/report.txt")

    steps = []
    for content, conflict in [("one", "ERROR"), ("two", "ERROR"), ("three", "SKIP"), ("four", "OVERWRITE")]:
        steps.append((upload(content, conflict), stored()))

    assert steps == [("SUCCESS", "one"), ("FAILED", "one"), ("SUCCESS", "one"), ("SUCCESS", "four")]


def test_ct_28_a_purge_takes_ended_executions_and_nothing_else(workspace: Workspace) -> None:
    kept = [task("key", "kv.Set", key="kept", value="here"), written("text", "still there")]
    upload = task("up", "namespace.UploadFiles", filesMap={"kept.txt": "{{ outputs.text.uri }}"})
    metric = task("metric", "metric.Publish", metrics=[{"type": "counter", "name": "rows", "value": 1}])
    ended = workspace.run("ended", tasks=[*kept, upload, metric, log("line")])
    workspace.wait_for_log(ended.id, "written")
    workspace.load("waiting", tasks=[task("p", "flow.Pause")])
    waiting = workspace.start("waiting")
    workspace.wait_for(waiting, "PAUSED")

    purge = task("purge", "execution.PurgeExecutions", namespace=workspace.namespace, endDate=LATER)
    run = workspace.run("purging", tasks=[purge])

    outputs = run.task("purge").outputs
    assert (run.state, set(outputs)) == ("SUCCESS", {"executionsCount", "logsCount", "storagesCount", "metricsCount"})
    assert (outputs["executionsCount"], outputs["storagesCount"], outputs["metricsCount"]) == (1, 1, 1)
    assert outputs["logsCount"] >= 1
    assert workspace.status_of("GET", f"/executions/{ended.id}")[0] == 404
    assert workspace.read(waiting).state == "PAUSED"
    assert workspace.call("GET", f"/namespaces/{workspace.namespace}/kv/kept")["value"] == "here"
    assert workspace.call("GET", f"/namespaces/{workspace.namespace}/files", path="/kept.txt") == "still there"


def test_ct_29_a_storage_purge_only_counts_unless_it_is_told_to_delete(workspace: Workspace) -> None:
    ended = workspace.run("ended", tasks=[written("text", "still there")])
    uri = ended.task("text").outputs["uri"]
    purge = task("purge", "storage.PurgeStorage", namespace=workspace.namespace, flowId="ended", endDate=LATER)

    counted = workspace.run("counting", tasks=[purge, returned("n", "{{ outputs.purge.scannedCount }}")])
    before = workspace.read_file(ended.id, uri)
    deleted = workspace.run("deleting", tasks=[purge | {"dryRun": False}])

    assert (counted.state, counted.task("n").outputs["value"]) == ("SUCCESS", "1")
    assert before == "still there"
    assert deleted.task("purge").outputs["deletedFilesCount"] == 1
    assert workspace.status_of("GET", f"/executions/{ended.id}/file", path=uri)[0] == 404

"""The task cache: what is used again, what is not, and what happens to files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.engine.task_cache import purge_expired_results
from flows.models import CachedResult, Execution, TaskRun
from flows.operations.executions import delete_execution
from flows.storage import get_storage
from flows.storage.uri import parse_address
from tests.engine.whole_runs import RETURN, run, save, task_run

SET = "io.kestra.plugin.core.kv.Set"
GET = "io.kestra.plugin.core.kv.Get"
WRITE = "io.kestra.plugin.core.storage.Write"
SCRIPT = "io.kestra.plugin.scripts.shell.Script"

READ = f"""
id: reads
inputs:
  - {{id: value, type: STRING}}
  - {{id: key, type: STRING, defaults: word}}
tasks:
  - {{id: set, type: {SET}, key: "{{{{ inputs.key }}}}", value: "{{{{ inputs.value }}}}"}}
  - id: get
    type: {GET}
    key: "{{{{ inputs.key }}}}"
    taskCache: {{enabled: true%s}}
"""

pytestmark = pytest.mark.django_db(transaction=True)


def _read(value: str, **inputs: str) -> tuple[str, bool]:
    """Run the flow and return what its second task gave, and whether that came from the cache."""
    found = task_run(run("reads", inputs={"value": value, **inputs}), "get")
    return found.outputs["value"], found.attempts[-1].get("cached", False)


def _list_cached(execution: Execution) -> list[bool]:
    """Return for both iterations whether they came from the cache."""
    runs = TaskRun.objects.filter(execution=execution, task_id="same")
    return [each.attempts[0].get("cached", False) for each in runs]


def test_equal_properties_give_the_outputs_of_the_earlier_run() -> None:
    save(READ % "")

    assert [_read("one"), _read("two")] == [("one", False), ("one", True)]


def test_other_properties_another_task_and_another_flow_do_not_share_results() -> None:
    save(READ % "")
    _read("one")

    assert _read("two", key="other") == ("two", False)
    save((READ % "").replace("id: get", "id: got"))
    assert task_run(run("reads", inputs={"value": "three"}), "got").outputs["value"] == "three"


def test_a_result_is_used_only_within_its_time_to_live() -> None:
    save(READ % ", ttl: PT1H")
    _read("one")
    CachedResult.objects.update(created_at=datetime.now(UTC) - timedelta(hours=2))

    assert _read("two") == ("two", False)
    assert _read("three") == ("two", True)


def test_the_purge_deletes_only_what_has_expired() -> None:
    save(READ % ", ttl: PT1H")
    _read("one")
    save(READ % "")
    _read("one", key="lasting")

    assert purge_expired_results(at=datetime.now(UTC)) == 0
    assert purge_expired_results(at=datetime.now(UTC) + timedelta(hours=2)) == 1
    assert CachedResult.objects.get().expires_at is None


def test_every_iteration_has_results_of_its_own() -> None:
    save(
        "id: loops\ntasks:\n  - id: each\n    type: io.kestra.plugin.core.flow.ForEach\n    values: [a, b]\n    tasks:\n"
        f"      - {{id: same, type: {RETURN}, format: x, taskCache: {{enabled: true}}}}\n"
    )

    first, second = run("loops"), run("loops")

    assert _list_cached(first) == [False, False]
    assert _list_cached(second) == [True, True]


def test_a_failure_is_not_kept() -> None:
    save(
        f"id: fails\ntasks:\n  - {{id: bad, type: {SCRIPT}, script: exit 3, taskCache: {{enabled: true}}, allowFailure: true}}\n"
    )
    run("fails")

    assert not CachedResult.objects.exists()


def test_a_worker_is_not_asked_for_a_result_that_is_kept() -> None:
    save(f"id: heavy\ntasks:\n  - id: work\n    type: {SCRIPT}\n    script: |\n"
         "      echo '::{\"outputs\": {\"n\": 1}}::'\n    taskCache: {enabled: true}\n")  # fmt: skip

    first, second = task_run(run("heavy"), "work"), task_run(run("heavy"), "work")

    assert first.outputs == second.outputs and first.outputs["vars"] == {"n": 1}
    assert "workerId" in first.attempts[0]
    assert second.attempts[0]["cached"] is True and "workerId" not in second.attempts[0]


def test_files_are_copied_to_the_execution_that_uses_them() -> None:
    save(f"id: files\ntasks:\n  - {{id: write, type: {WRITE}, content: hello, taskCache: {{enabled: true}}}}\n")
    first, second = run("files"), run("files")
    delete_execution(first.id, at=datetime.now(UTC))

    uri = task_run(second, "write").outputs["uri"]

    assert task_run(second, "write").attempts[0]["cached"] is True
    assert parse_address(uri).execution_id() == second.id
    with get_storage().open_read(uri) as stream:
        assert stream.read() == b"hello"


def test_a_result_whose_file_is_gone_is_made_again() -> None:
    save(f"id: files\ntasks:\n  - {{id: write, type: {WRITE}, content: hello, taskCache: {{enabled: true}}}}\n")
    get_storage().delete(task_run(run("files"), "write").outputs["uri"])

    again = task_run(run("files"), "write")

    assert "cached" not in again.attempts[0]
    assert get_storage().exists(again.outputs["uri"])


def test_properties_that_only_the_plugin_can_render_are_never_cached() -> None:
    save(
        "id: dirs\ntasks:\n  - {id: work, type: " + SCRIPT + ', script: "test -d {{ workingDir }}", taskCache: {enabled: true}}\n'
    )

    assert run("dirs").state == "SUCCESS"
    assert not CachedResult.objects.exists()

"""Tasks with `logToFile`: their log lies in the storage, one file for each attempt, and not in the table."""

from __future__ import annotations

import pytest

from flows.models import Execution, LogEntry
from flows.storage import get_storage
from tests.engine.whole_runs import LOG, run, save, task_run

SCRIPT = "io.kestra.plugin.scripts.shell.Script"

pytestmark = pytest.mark.django_db(transaction=True)


def _list_messages(execution: Execution, task_id: str) -> list[str]:
    rows = LogEntry.objects.filter(execution_id=execution.id, task_id=task_id)
    return list(rows.order_by("id").values_list("message", flat=True))


def _read_file(execution: Execution, task_id: str, attempt: int = 0) -> str:
    with get_storage().open_read(task_run(execution, task_id).attempts[attempt]["logFile"]) as stream:
        return stream.read().decode()


def test_the_log_of_a_light_task_goes_to_a_file() -> None:
    save(f"id: says\ntasks:\n  - {{id: say, type: {LOG}, message: [one, two], level: WARN, logToFile: true}}\n")

    execution = run("says")

    assert [line.split(" ", 1)[1] for line in _read_file(execution, "say").splitlines()] == ["WARN  one", "WARN  two"]
    assert _list_messages(execution, "say") == []


def test_a_script_logs_to_a_file_down_to_its_level() -> None:
    save(
        f"id: works\ntasks:\n  - {{id: work, type: {SCRIPT}, script: 'echo hello; echo oh >&2',\n"
        "     logToFile: true, logLevel: ERROR}\n"
    )

    execution = run("works")

    assert "oh" in _read_file(execution, "work")
    assert "hello" not in _read_file(execution, "work")
    assert _list_messages(execution, "work") == []


def test_why_an_attempt_failed_stands_in_its_file_and_in_the_table() -> None:
    save(
        f"id: fails\ntasks:\n  - {{id: bad, type: {SCRIPT}, script: 'echo before; exit 3', logToFile: true}}\n"
        f"errors:\n  - {{id: told, type: {LOG}, message: '{{{{ errorLogs()[0].message }}}}'}}\n"
    )

    execution = run("fails")

    reason = _list_messages(execution, "bad")
    assert len(reason) == 1 and reason[0] in _read_file(execution, "bad")
    assert "before" in _read_file(execution, "bad")
    assert _list_messages(execution, "told") == reason


def test_children_of_a_working_directory_have_log_files_of_their_own() -> None:
    save(
        "id: shares\ntasks:\n  - id: dir\n    type: io.kestra.plugin.core.flow.WorkingDirectory\n    tasks:\n"
        f"      - {{id: inside, type: {SCRIPT}, script: echo inside, logToFile: true}}\n"
    )

    execution = run("shares")

    assert "inside" in _read_file(execution, "inside")
    assert _list_messages(execution, "inside") == []

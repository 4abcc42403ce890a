"""Acts that take turns with workers: their row of the audit log commits with the change, so that a crash leaves both or none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.engine.transitions import LostRaceError
from flows.engine.turn import Turn
from flows.models import AuditEntry, Execution, NamespaceFile
from flows.operations import namespace_files
from flows.operations.callers import caller_of
from flows.operations.executions import (
    change_execution_status,
    kill_execution,
    pause_execution,
    restart_execution,
    resume_execution,
    review_execution,
    set_execution_labels,
)
from flows.primitives.callers import Door, acting_as
from flows.primitives.errors import InvalidError
from tests.support import driving

from .world import add_person

pytestmark = pytest.mark.django_db(transaction=True)


class CrashError(BaseException):
    """The process dies; nothing catches it on the way."""


@pytest.fixture
def owner(db: None) -> Iterator[None]:
    """Act as a person, whose acts are written down."""
    with acting_as(caller_of(add_person("owner@example.org", is_superuser=True), door=Door.API)):
        yield


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die right after the commit of a turn."""

    def die(*_: Any, **__: Any) -> None:
        raise CrashError

    monkeypatch.setattr("flows.engine.visits._after_commit", die)


def list_rows() -> list[str]:
    return list(
        AuditEntry.objects.exclude(what__in=["execution.start", "flow.save"]).order_by("id").values_list("what", flat=True)
    )


def act(name: str, execution_id: str) -> None:
    at = datetime.now(UTC)
    match name:
        case "kill":
            kill_execution(execution_id, at=at)
        case "pause":
            pause_execution(execution_id, at=at)
        case "set-labels":
            set_execution_labels(execution_id, labels=[("a", "b")], at=at)
        case "restart":
            restart_execution(execution_id, at=at)
        case "change-status":
            change_execution_status(execution_id, status="SUCCESS", at=at)
        case "resume":
            resume_execution(execution_id, at=at)


@pytest.mark.parametrize("name", ["kill", "pause", "set-labels", "restart", "change-status", "resume"])
def test_a_crash_right_after_the_change_leaves_its_row(owner: None, name: str, request: pytest.FixtureRequest) -> None:
    task = {"restart": driving.fail("a"), "change-status": driving.fail("a"), "resume": driving.pause("a")}.get(name)
    driving.save(task or driving.heavy("a"))
    execution_id = driving.start()
    driving.visit(execution_id)
    before = driving.picture(execution_id)
    request.getfixturevalue("crash")

    with pytest.raises(CrashError):
        act(name, execution_id)

    assert list_rows() == [f"execution.{name}"]
    assert name == "set-labels" or driving.picture(execution_id) != before


def test_a_change_that_is_tried_again_after_a_lost_race_leaves_one_row(owner: None, monkeypatch: pytest.MonkeyPatch) -> None:
    driving.save(driving.heavy("a"))
    execution_id = driving.start()
    driving.visit(execution_id)
    tries: list[str] = []
    commit = Turn.commit

    def lose_the_first(turn: Turn) -> None:
        tries.append(turn.board.root.id)
        if len(tries) == 1:
            raise LostRaceError(execution_id)
        commit(turn)

    monkeypatch.setattr(Turn, "commit", lose_the_first)
    pause_execution(execution_id, at=datetime.now(UTC))

    assert (len(tries), driving.state_of(execution_id), list_rows()) == (2, "PAUSED", ["execution.pause"])


def test_a_resume_that_its_child_refuses_leaves_no_row_and_one_that_it_takes_one(owner: None) -> None:
    driving.save(driving.pause("wait", onResume=[{"id": "count", "type": "INT"}]), flow_id="child")
    driving.save(driving.subflow("call", "child"))
    execution_id = driving.start()
    driving.run_to_end(execution_id)
    for child in Execution.objects.filter(caller_execution_id=execution_id):
        driving.visit(child.id)
    assert driving.state_of(execution_id) == "PAUSED"

    with pytest.raises(InvalidError):
        resume_execution(execution_id, inputs={"count": "many"}, at=datetime.now(UTC))
    refused = list_rows()
    resume_execution(execution_id, inputs={"count": "3"}, at=datetime.now(UTC))

    assert (refused, list_rows()) == ([], ["execution.resume"])


def test_a_comment_that_is_missing_leaves_no_row(owner: None) -> None:
    driving.save({"id": "ask", "type": f"{driving.CORE}.flow.Approval", "commentRequired": "ALWAYS"})
    execution_id = driving.start()
    driving.visit(execution_id)

    with pytest.raises(InvalidError):
        review_execution(execution_id, decision="DENIED", at=datetime.now(UTC))
    refused = list_rows()
    review_execution(execution_id, decision="DENIED", comment="No.", at=datetime.now(UTC))

    assert (refused, list_rows()) == ([], ["execution.review"])
    assert AuditEntry.objects.get(what="execution.review").after == {"decision": "DENIED"}


def test_a_file_and_its_row_are_stored_together(owner: None, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC)
    namespace_files.put_file("company.team", "/a.txt", b"one", at=at)
    row = AuditEntry.objects.get(what="file.put")

    def fail(*_: Any, **__: Any) -> None:
        raise CrashError

    monkeypatch.setattr("flows.operations.acts.record", fail)
    with pytest.raises(CrashError):
        namespace_files.put_file("company.team", "/b.txt", b"two", at=at)
    with pytest.raises(CrashError):
        namespace_files.delete_file("company.team", "/a.txt", at=at)

    assert (row.object_id, row.after) == ("/a.txt", {"version": 1, "bytes": 3})
    assert list(NamespaceFile.objects.values_list("path", flat=True)) == ["/a.txt"]

"""A look that starts nothing: what it would find, in words, and that nothing of it stays."""

from __future__ import annotations

from typing import Any

import pytest

from flows.models import AuditEntry, Execution, LogEntry, TriggerState
from flows.operations import dry_polls
from flows.operations.dry_polls import ask_for_dry_poll, poll_dry
from flows.operations.namespaces import set_secret
from flows.primitives.callers import NOBODY, Caller, CallerKind, Door, acting_as
from flows.primitives.errors import ConflictError, ForbiddenError, NotFoundError
from flows.primitives.rights import ALL_PERMISSIONS, EVERYWHERE, Grant

from .trigger_flows import NAMESPACE, START, save, schedule, state

pytestmark = pytest.mark.django_db

WATCH = "io.kestra.plugin.scripts.shell.CommandsTrigger"
NAMES = {"namespace": NAMESPACE, "flow_id": "watched", "trigger_id": "watch"}


def watch(*commands: str, condition: str = "exit 0", **more: Any) -> dict[str, Any]:
    return {"id": "watch", "type": WATCH, "exitCondition": condition, "commands": list(commands), **more}


def snapshot() -> list[Any]:
    """Return everything that a poll could change."""
    rows = list(TriggerState.objects.order_by("pk").values())
    return [rows, Execution.objects.count(), LogEntry.objects.count()]


def test_a_look_tells_what_would_start_and_leaves_nothing_behind() -> None:
    save("watched", watch('echo \'::{"outputs": {"state": "ready"}}::\''))
    before = snapshot()

    found = poll_dry(**NAMES)

    assert (found["fires"], found["has_failed"]) == (True, False)
    assert '"state": "ready"' in found["variables"]
    assert snapshot() == before


def test_a_look_that_finds_nothing_says_so() -> None:
    save("watched", watch("exit 1"))

    found = poll_dry(**NAMES)

    assert (found["fires"], found["has_failed"], found["variables"]) == (False, False, "")
    assert found["reason"] == "There is nothing that would start an execution."


def test_what_its_condition_refuses_is_shown() -> None:
    save("watched", watch("exit 0", when="{{ trigger.exitCode == 7 }}"))

    found = poll_dry(**NAMES)

    assert not found["fires"] and "“when” refuses it" in found["reason"]
    assert '"exitCode": 0' in found["variables"]


def test_a_look_that_fails_says_how_and_what_it_logged() -> None:
    save("watched", watch("exit 0", condition="{{ nothing.here }}"))

    found = poll_dry(**NAMES)

    assert (found["fires"], found["has_failed"]) == (False, True)
    assert "nothing" in found["reason"]


def test_secrets_are_hidden_in_what_was_found() -> None:
    set_secret(namespace=NAMESPACE, key="TOKEN", value="very-secret-value", at=START, actor="alice@example.org")
    save("watched", watch('echo "::{\\"outputs\\": {\\"said\\": \\"{{ secret(\'TOKEN\') }}\\"}}::"'))

    found = poll_dry(**NAMES)

    assert found["fires"]
    assert "very-secret-value" not in str(found)


def test_a_poll_remembers_and_a_look_does_not() -> None:
    save("watched", watch("exit 0", edge=True))
    TriggerState.objects.update(state={"matched": True})

    found = poll_dry(**NAMES)

    assert not found["fires"]
    assert state("watched", "watch").state == {"matched": True}


def test_only_polling_triggers_are_asked_and_only_by_those_who_may_change_them() -> None:
    save("watched", watch("exit 0"), schedule())

    with pytest.raises(ConflictError):
        ask_for_dry_poll(**{**NAMES, "trigger_id": "every"})
    with pytest.raises(NotFoundError):
        ask_for_dry_poll(**{**NAMES, "trigger_id": "other"})
    with acting_as(NOBODY), pytest.raises((ForbiddenError, NotFoundError)):
        ask_for_dry_poll(**NAMES)


def test_who_asks_is_told_when_no_worker_answers(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save("watched", watch("exit 0"))
    monkeypatch.setattr(dry_polls, "LONGEST_WAIT_SECONDS", 0.3)
    owner = Caller("ann", CallerKind.PERSON, Door.CONSOLE, (Grant(EVERYWHERE, ALL_PERMISSIONS),))

    with acting_as(owner), pytest.raises(ConflictError) as told:
        ask_for_dry_poll(**NAMES)

    assert told.value.code == "no-answer"
    assert not AuditEntry.objects.filter(what="trigger.evaluate", result="DONE").exists()

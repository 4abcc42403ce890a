"""A person's right counts where something starts; a flow that starts another acts for its namespace (S-04)."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from flows.models import AuditEntry, Execution
from flows.operations import executions, triggers
from flows.operations.callers import caller_of
from flows.operations.platform import FlowPlatform
from flows.operations.services import announce
from flows.primitives.callers import PLATFORM, Door, acting_as, current_caller
from flows.primitives.errors import FlowsError, ForbiddenError, NotFoundError

from .world import AT, Filled, add_person, fill

pytestmark = pytest.mark.django_db


@pytest.fixture
def near(db: None) -> Filled:
    """The namespace of Alice."""
    return fill("near.team", "near")


@pytest.fixture
def far(near: Filled) -> Filled:
    """A namespace that is none of hers."""
    return fill("far.team", "far")


@pytest.fixture
def alice(near: Filled) -> User:
    """Somebody who operates executions of one namespace."""
    return add_person("alice@example.org", "operator", "near.team")


def test_starting_asks_for_the_right_in_the_namespace_of_the_flow(near: Filled, far: Filled, alice: User) -> None:
    with acting_as(caller_of(alice, door=Door.API)):
        started = executions.start_execution(namespace="near.team", flow_id="near-flow", at=AT)
        with pytest.raises(NotFoundError):
            executions.start_execution(namespace="far.team", flow_id="far-flow", at=AT)

    assert Execution.objects.filter(pk=started.pk).exists()


@pytest.mark.parametrize("what", ["replay", "restart", "resume", "kill", "pause"])
def test_acting_on_a_foreign_execution_fails_as_if_it_were_missing(near: Filled, far: Filled, alice: User, what: str) -> None:
    act = getattr(executions, f"{what}_execution")
    state = {"replay": "FAILED", "restart": "FAILED", "resume": "PAUSED", "kill": "RUNNING", "pause": "RUNNING"}[what]
    with acting_as(caller_of(alice, door=Door.API)):
        act(near.executions[state], at=AT)
        with pytest.raises(NotFoundError) as foreign:
            act(far.executions[state], at=AT)
        with pytest.raises(NotFoundError) as missing:
            act("absent", at=AT)

    assert str(foreign.value).replace(far.executions[state], "") == str(missing.value).replace("absent", "")


def test_a_backfill_needs_what_a_start_needs(near: Filled) -> None:
    from flows.models import Binding, Role
    from flows.primitives.ids import new_id

    Role.objects.create(id="switcher", name="switcher", permissions={"TRIGGER": ["READ", "UPDATE"]}, created_at=AT, updated_at=AT)
    bob = add_person("bob@example.org")
    Binding.objects.create(id=new_id(), role_id="switcher", user=bob, namespace="near.team", created_at=AT)
    names = {"namespace": "near.team", "flow_id": "near-flow", "trigger_id": "near-nightly"}
    with acting_as(caller_of(bob, door=Door.API)):
        triggers.set_trigger_disabled(**names, disabled=False, at=AT)
        with pytest.raises(ForbiddenError):
            triggers.create_backfill(**names, start=AT.replace(year=2026), end=AT.replace(year=2026, day=6), at=AT)

    assert list(AuditEntry.objects.values_list("what", "result")) == [("backfill.create", "DENIED"), ("trigger.enable", "DONE")]


def test_a_resume_that_is_passed_on_asks_for_the_right_of_the_child(near: Filled, far: Filled, alice: User) -> None:
    parent, child = near.executions["PAUSED"], far.executions["PAUSED"]
    run = f"{parent}run"
    Execution.objects.filter(pk=child).update(caller_execution_id=parent, caller_task_run_id=run)
    with acting_as(caller_of(alice, door=Door.API)), pytest.raises(FlowsError):
        executions.resume_execution(child, at=AT)

    assert Execution.objects.get(pk=child).state == "PAUSED"


def test_killing_reaches_what_an_execution_started_wherever_it_runs(near: Filled, far: Filled, alice: User) -> None:
    parent, child = near.executions["RUNNING"], far.executions["RUNNING"]
    Execution.objects.filter(pk=child).update(caller_execution_id=parent)
    with acting_as(caller_of(alice, door=Door.API)):
        executions.kill_execution(parent, at=AT)

    assert Execution.objects.get(pk=child).state in ("KILLED", "KILLING")
    assert AuditEntry.objects.count() == 1


def test_the_engine_acts_for_the_namespace_and_not_for_a_person(near: Filled, far: Filled) -> None:
    assert current_caller() is PLATFORM
    FlowPlatform("near.team", "near-flow").kill_execution(far.executions["RUNNING"], cascade=True)
    announce(far.executions["FAILED"], AT)

    assert Execution.objects.get(pk=far.executions["RUNNING"]).state in ("KILLED", "KILLING")
    assert not AuditEntry.objects.exists()

"""What people do with triggers, and what lists show of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from flows.models import TriggerState
from flows.operations import triggers
from flows.operations.schedules import fire_due_schedules, on_execution_ended
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.pages import Window
from flows.queries.triggers import describe_triggers, list_next_dates, search_triggers

from .trigger_flows import NAMESPACE, START, end, executions, save, schedule, state

pytestmark = pytest.mark.django_db

DAILY = {"namespace": NAMESPACE, "flow_id": "daily", "trigger_id": "every"}


def clock(text: str) -> datetime:
    return datetime.fromisoformat(f"2031-05-04T{text}+00:00")


def test_a_disabled_trigger_waits_for_nothing_and_goes_on_from_now() -> None:
    save("daily", schedule())

    triggers.set_trigger_disabled(**DAILY, disabled=True, at=START)
    assert fire_due_schedules(at=clock("13:00:00")) == 0
    row = triggers.set_trigger_disabled(**DAILY, disabled=False, at=clock("13:01:00"))

    assert row.next_at == clock("13:10:00")


def test_a_trigger_switched_off_at_run_time_stays_off_through_a_new_revision() -> None:
    save("daily", schedule())
    triggers.set_trigger_disabled(**DAILY, disabled=True, at=START)

    save("daily", schedule(cron="*/5 * * * *"))

    assert state("daily").disabled
    assert state("daily").next_at is None


def test_what_the_source_disables_cannot_be_switched_on() -> None:
    save("daily", schedule(disabled=True))

    with pytest.raises(ConflictError) as caught:
        triggers.set_trigger_disabled(**DAILY, disabled=False, at=START)

    assert caught.value.code == "trigger-disabled-in-source"


def test_unlock_lets_the_next_date_fire() -> None:
    save("daily", schedule())
    fire_due_schedules(at=clock("12:10:01"))

    row = triggers.unlock_trigger(**DAILY, at=clock("12:21:00"))

    assert row.execution_id is None
    assert fire_due_schedules(at=clock("12:21:00")) == 1


def test_unlocking_what_is_not_locked_is_a_conflict() -> None:
    save("daily", schedule())

    with pytest.raises(ConflictError):
        triggers.unlock_trigger(**DAILY, at=START)


def test_restart_forgets_lock_and_backfill_and_waits_from_now() -> None:
    save("daily", schedule())
    triggers.create_backfill(**DAILY, start=clock("10:00:00"), at=START)
    fire_due_schedules(at=START)

    row = triggers.restart_trigger(**DAILY, at=clock("13:01:00"))

    assert (row.execution_id, row.backfill, row.next_at) == (None, None, clock("13:10:00"))


def test_an_unknown_trigger_is_not_found() -> None:
    save("daily", schedule())

    for act in (triggers.unlock_trigger, triggers.restart_trigger, triggers.delete_trigger, triggers.delete_backfill):
        with pytest.raises(NotFoundError):
            act(namespace=NAMESPACE, flow_id="daily", trigger_id="none", at=START)


def test_only_a_leftover_trigger_can_be_deleted() -> None:
    save("daily", schedule())
    TriggerState.objects.create(
        namespace=NAMESPACE, flow_id="daily", trigger_id="old", type="x", family="schedule", flow_revision=1
    )

    with pytest.raises(ConflictError):
        triggers.delete_trigger(**DAILY, at=START)
    triggers.delete_trigger(namespace=NAMESPACE, flow_id="daily", trigger_id="old", at=START)

    assert list(TriggerState.objects.values_list("trigger_id", flat=True)) == ["every"]


def fill(at: datetime) -> None:
    for _ in range(20):
        fire_due_schedules(at=at)
        for execution in executions("daily"):
            if execution.state == "CREATED":
                on_execution_ended(end(execution, at=at))


def test_a_backfill_fires_its_dates_one_after_the_other_and_regular_dates_come_back() -> None:
    save("daily", schedule(labels={"a": "1"}), inputs=[{"id": "mode", "type": "STRING", "defaults": "live"}])
    triggers.create_backfill(
        **DAILY,
        start=clock("11:00:00"),
        end=clock("11:30:00"),
        inputs={"mode": "past"},
        labels=[("why", "late")],
        at=clock("12:05:00"),
    )

    assert fire_due_schedules(at=clock("12:05:00")) == 1
    fill(clock("12:05:01"))
    done = executions("daily")

    assert [execution.schedule_at for execution in done] == [clock(f"11:{minute}:00") for minute in ("00", "10", "20", "30")]
    assert {execution.inputs["mode"] for execution in done} == {"past"}
    assert {"key": "why", "value": "late"} in done[0].labels
    assert done[0].trigger["variables"]["date"] == "2031-05-04T11:00:00Z"
    assert (state("daily").backfill, state("daily").next_at) == (None, clock("12:10:00"))


def test_regular_dates_wait_while_a_backfill_is_paused() -> None:
    save("daily", schedule())
    triggers.create_backfill(**DAILY, start=clock("11:00:00"), end=clock("11:10:00"), at=START)

    triggers.set_backfill_paused(**DAILY, paused=True, at=START)
    assert fire_due_schedules(at=clock("12:40:00")) == 0
    triggers.set_backfill_paused(**DAILY, paused=False, at=clock("12:40:00"))
    fill(clock("12:40:30"))

    dates = [execution.schedule_at for execution in executions("daily")]
    assert dates == [clock(text) for text in ("11:00:00", "11:10:00", "12:10:00", "12:20:00", "12:30:00", "12:40:00")]


def test_the_same_range_can_be_filled_twice() -> None:
    save("daily", schedule())
    for _ in range(2):
        triggers.create_backfill(**DAILY, start=clock("11:00:00"), end=clock("11:10:00"), at=START)
        fill(START)

    assert len(executions("daily")) == 4


def test_deleting_a_backfill_brings_the_regular_date_back() -> None:
    save("daily", schedule())
    triggers.create_backfill(**DAILY, start=clock("11:00:00"), at=START)

    row = triggers.delete_backfill(**DAILY, at=START)

    assert (row.backfill, row.next_at) == (None, clock("12:10:00"))


def test_the_preview_of_a_backfill_counts_what_it_creates() -> None:
    save("daily", schedule())

    dates = triggers.preview_backfill(**DAILY, start=clock("11:00:00"), end=None, at=START)

    assert len(dates) == 7


def test_a_backfill_is_refused_when_it_cannot_run() -> None:
    save("daily", schedule())
    with pytest.raises(InvalidError):
        triggers.create_backfill(**DAILY, start=clock("11:01:00"), end=clock("11:02:00"), at=START)
    with pytest.raises(InvalidError):
        triggers.create_backfill(**DAILY, start=clock("11:00:00"), labels=[("system.x", "y")], at=START)
    triggers.create_backfill(**DAILY, start=clock("11:00:00"), at=START)
    with pytest.raises(ConflictError):
        triggers.create_backfill(**DAILY, start=clock("11:00:00"), at=START)


def test_triggers_are_searched_and_described() -> None:
    save("daily", schedule(), schedule("other", disabled=True))
    save("weekly", schedule("sunday", "0 0 * * 0"))
    criteria = Criteria("and", (Condition("flowId", Operation.EQUALS, "daily"),))

    page = search_triggers(criteria, Window(1, 10, (("triggerId", "desc"),)), at=START)
    views = describe_triggers(page.results)

    assert page.total == 2
    assert [view.state.trigger_id for view in views] == ["other", "every"]
    assert views[1].trigger is not None and views[1].trigger.properties["cron"] == "*/10 * * * *"


def test_the_next_dates_of_a_schedule_are_listed_in_its_zone() -> None:
    save("daily", schedule(timezone="Europe/Paris"))

    dates = list_next_dates(state("daily"), at=START, count=3)

    assert [date.isoformat() for date in dates] == [f"2031-05-04T14:{minute}:00+02:00" for minute in (10, 20, 30)]
    assert dates[1] - dates[0] == timedelta(minutes=10)

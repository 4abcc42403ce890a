"""Schedules on real rows: due dates fire once, locks hold, missed dates follow the rule, edits surprise nobody."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections

from flows.models import Execution, Firing, TriggerState
from flows.operations.flow_rewriting import set_flow_disabled
from flows.operations.flows import delete_flow
from flows.operations.schedules import (
    FIRINGS_KEPT,
    fire_due_schedules,
    next_due_at,
    on_execution_ended,
    purge_firings,
    recover_missed_schedules,
    release_stale_locks,
)

from .trigger_flows import NAMESPACE, ON_DATES, START, end, executions, save, schedule, state

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def clock(text: str) -> datetime:
    return datetime.fromisoformat(f"2031-05-04T{text}+00:00")


def run_until(flow_id: str, at: datetime) -> None:
    """Fire and end executions one after the other, as a quick flow would, until nothing is due."""
    while fire_due_schedules(at=at):
        for execution in executions(flow_id):
            if execution.state == "CREATED":
                on_execution_ended(end(execution, at=at))


def test_a_saved_schedule_waits_for_its_next_date() -> None:
    save("daily", schedule())

    assert state("daily").next_at == clock("12:10:00")
    assert next_due_at() == clock("12:10:00")


def test_nothing_fires_before_the_date() -> None:
    save("daily", schedule())

    assert fire_due_schedules(at=clock("12:09:59.9")) == 0
    assert executions("daily") == []


def test_a_due_date_starts_one_execution_with_its_variables() -> None:
    save("daily", schedule(timezone="Europe/Paris", labels={"by": "{{ trigger.date }}"}), labels={"team": "data"})

    assert fire_due_schedules(at=clock("12:10:01")) == 1
    (execution,) = executions("daily")
    row = state("daily")

    assert execution.schedule_at == clock("12:10:00")
    assert execution.trigger["variables"]["date"] == "2031-05-04T14:10:00+02:00"
    assert execution.trigger["variables"]["next"] == "2031-05-04T14:20:00+02:00"
    assert execution.trigger["variables"]["previous"] == "2031-05-04T14:00:00+02:00"
    labels = {label["key"]: label["value"] for label in execution.labels}
    assert labels == {"team": "data", "by": "2031-05-04T14:10:00+02:00", "system.correlationId": execution.pk}
    assert (row.execution_id, row.last_fired_at, row.next_at) == (execution.pk, clock("12:10:00"), clock("12:20:00"))


def test_the_next_date_waits_for_the_end_of_the_running_execution() -> None:
    save("daily", schedule())
    fire_due_schedules(at=clock("12:10:01"))

    assert fire_due_schedules(at=clock("12:30:01")) == 0
    on_execution_ended(end(executions("daily")[0]))
    assert fire_due_schedules(at=clock("12:30:01")) == 1
    assert [execution.schedule_at for execution in executions("daily")] == [clock("12:10:00"), clock("12:20:00")]


def test_a_concurrent_schedule_does_not_wait() -> None:
    save("daily", schedule(allowConcurrent=True))

    assert fire_due_schedules(at=clock("12:40:01")) == 4
    assert state("daily").execution_id is None


def test_a_date_that_fired_before_does_not_fire_again() -> None:
    save("daily", schedule(allowConcurrent=True))
    fire_due_schedules(at=clock("12:10:01"))
    TriggerState.objects.update(next_at=clock("12:10:00"))

    assert fire_due_schedules(at=clock("12:10:02")) == 0
    assert len(executions("daily")) == 1
    assert state("daily").next_at == clock("12:20:00")


@pytest.mark.parametrize(("rule", "count"), [("ALL", 10), ("LAST", 1), ("NONE", 0)])
def test_a_scheduler_that_was_down_follows_the_recover_rule(rule: str, count: int) -> None:
    save("daily", schedule(cron="* * * * *", recoverMissedSchedules=rule))
    at = clock("12:10:40")

    recover_missed_schedules(at=at)
    run_until("daily", at)

    dates = [execution.schedule_at for execution in executions("daily")]
    assert len(dates) == count
    assert dates == sorted(dates)
    assert state("daily").next_at == clock("12:11:00")


def test_a_late_date_is_skipped_when_the_delay_is_limited() -> None:
    save("daily", schedule(lateMaximumDelay="PT5M"))

    run_until("daily", clock("12:28:00"))

    assert executions("daily") == []
    assert state("daily").next_at == clock("12:30:00")


def test_conditions_filter_dates() -> None:
    weekend = {"type": "io.kestra.plugin.core.condition.Weekend"}
    save("daily", schedule(cron="0 9 * * *", conditions=[weekend]), at=datetime.fromisoformat("2031-05-05T10:00:00+00:00"))

    assert state("daily").next_at == datetime.fromisoformat("2031-05-10T09:00:00+00:00")


def test_a_filter_that_fails_creates_a_failed_execution_and_goes_on() -> None:
    save("daily", schedule(when="{{ no.such.name }}"))

    assert fire_due_schedules(at=clock("12:10:01")) == 1
    (execution,) = executions("daily")

    assert execution.state == "FAILED"
    assert "every" in execution.error
    assert state("daily").execution_id is None
    assert state("daily").next_at == clock("12:20:00")


def test_a_row_keeps_what_its_last_evaluation_found() -> None:
    save("daily", schedule())
    save("broken", schedule(when="{{ no.such.name }}"))

    fire_due_schedules(at=clock("12:10:01"))
    good, bad = state("daily").evaluation, state("broken").evaluation

    assert good is not None and bad is not None
    assert (good["at"], good["result"], good["executionId"]) == (
        "2031-05-04T12:10:01+00:00",
        "STARTED",
        executions("daily")[0].pk,
    )
    assert (bad["result"], bad["executionId"]) == ("FAILED", executions("broken")[0].pk)
    assert "no" in bad["message"] and good["seconds"] >= 0


def test_inputs_that_cannot_be_made_create_a_failed_execution() -> None:
    save("daily", schedule(inputs={"day": "{{ no.such.name }}"}), inputs=[{"id": "day", "type": "STRING"}])

    fire_due_schedules(at=clock("12:10:01"))

    assert [execution.state for execution in executions("daily")] == ["FAILED"]


def test_inputs_are_rendered_and_typed() -> None:
    save("daily", schedule(inputs={"hour": "{{ trigger.date | date('HH') }}"}), inputs=[{"id": "hour", "type": "INT"}])

    fire_due_schedules(at=clock("12:10:01"))

    assert executions("daily")[0].inputs == {"hour": 12}


def test_one_faulty_flow_keeps_no_other_from_firing() -> None:
    save("broken", schedule(inputs={"day": "{{ no.such.name }}"}), inputs=[{"id": "day", "type": "STRING"}])
    save("daily", schedule())

    assert fire_due_schedules(at=clock("12:10:01")) == 2


def test_fixed_dates_fire_in_order_and_then_nothing_waits() -> None:
    dates = ["2031-05-04T13:00:00Z", "2031-05-04T12:30:00Z"]
    save("daily", {"id": "every", "type": ON_DATES, "dates": dates})

    run_until("daily", clock("14:00:00"))

    assert [execution.schedule_at for execution in executions("daily")] == [clock("12:30:00"), clock("13:00:00")]
    assert state("daily").next_at is None


def test_an_edited_rule_counts_from_now_and_keeps_the_pending_date_it_still_has() -> None:
    save("daily", schedule(), schedule("other", "0 * * * *"))
    save("daily", schedule(cron="*/5 * * * *"), schedule("other", "30 * * * *"), at=clock("12:09:59"))

    assert state("daily").next_at == clock("12:10:00")
    assert state("daily", "other").next_at == clock("12:30:00")
    assert fire_due_schedules(at=clock("12:09:59")) == 0


def test_a_new_revision_without_change_keeps_lock_and_date() -> None:
    save("daily", schedule())
    fire_due_schedules(at=clock("12:10:01"))
    save("daily", schedule(), at=clock("12:11:00"), description="words")

    row = state("daily")

    assert row.execution_id == executions("daily")[0].pk
    assert (row.flow_revision, row.next_at) == (2, clock("12:20:00"))


def test_a_removed_trigger_loses_its_row_and_a_deleted_flow_all() -> None:
    save("daily", schedule(), schedule("other"))
    save("daily", schedule("other"))
    assert list(TriggerState.objects.values_list("trigger_id", flat=True)) == ["other"]

    delete_flow(NAMESPACE, "daily", at=START)

    assert not TriggerState.objects.exists()


def test_a_disabled_flow_waits_for_nothing_and_goes_on_from_now() -> None:
    save("daily", schedule())
    set_flow_disabled(NAMESPACE, "daily", disabled=True, at=clock("12:05:00"))
    assert state("daily").next_at is None
    assert fire_due_schedules(at=clock("13:00:00")) == 0

    set_flow_disabled(NAMESPACE, "daily", disabled=False, at=clock("13:01:00"))

    assert state("daily").next_at == clock("13:10:00")


def test_stop_after_switches_the_trigger_off_at_the_named_end() -> None:
    save("daily", schedule(stopAfter=["FAILED"]))
    fire_due_schedules(at=clock("12:10:01"))
    on_execution_ended(end(executions("daily")[0]))
    assert not state("daily").disabled

    fire_due_schedules(at=clock("12:20:01"))
    on_execution_ended(end(executions("daily")[1], "FAILED"))

    assert state("daily").disabled
    assert state("daily").next_at is None


def test_a_lock_whose_execution_is_gone_is_released() -> None:
    save("gone", schedule())
    save("ended", schedule())
    save("running", schedule())
    fire_due_schedules(at=clock("12:10:01"))
    Execution.objects.filter(flow_id="gone").delete()
    end(executions("ended")[0])

    released = release_stale_locks(at=clock("12:12:00"))

    assert released == 2
    assert state("running").execution_id is not None
    assert state("gone").execution_id is None


def test_records_of_firings_are_purged_after_their_time() -> None:
    save("daily", schedule())
    fired_at = clock("12:10:01")
    fire_due_schedules(at=fired_at)

    assert purge_firings(at=fired_at + FIRINGS_KEPT) == 0
    assert purge_firings(at=fired_at + FIRINGS_KEPT + timedelta(seconds=1)) == 1


@pytest.mark.django_db(transaction=True)
def test_five_schedulers_at_once_start_one_execution_per_slot() -> None:
    for number in range(20):
        save(f"flow-{number}", schedule(allowConcurrent=True))
    at = clock("13:00:01")

    def scheduler() -> None:
        try:
            fire_due_schedules(at=at)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=scheduler) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fire_due_schedules(at=at)

    slots = Execution.objects.values_list("flow_id", "schedule_at")
    assert len(slots) == len(set(slots)) == 20 * 6
    assert Firing.objects.count() == 120


def test_a_row_that_cannot_be_written_holds_up_no_other() -> None:
    save("poison", schedule())
    save("daily", schedule())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE flows_execution ADD CONSTRAINT no_poison CHECK (flow_id <> 'poison')")

    assert fire_due_schedules(at=clock("12:10:01")) == 1
    assert executions("poison") == []
    assert state("poison").next_at == clock("12:11:01")
    assert not Firing.objects.filter(flow_id="poison").exists()

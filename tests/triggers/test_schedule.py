"""Schedules: properties of a trigger, missed and late dates, filters, variables, backfills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.language.flow import Trigger
from flows.primitives.errors import InvalidError
from flows.triggers.backfill import (
    advance_backfill,
    date_after_backfill,
    dump_backfill,
    list_backfill_dates,
    load_backfill,
    start_backfill,
)
from flows.triggers.schedule import (
    Schedule,
    find_next_accepted,
    next_date_after_gap,
    next_fire_after,
    previous_fire_before,
    read_schedule,
    schedule_variables,
    skip_late_dates,
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def schedule(**properties: Any) -> Schedule:
    properties.setdefault("cron", "*/10 * * * *")
    return read_schedule(Trigger(id="t", type="Schedule", family="schedule", properties=properties))


def on_dates(*dates: Any, **properties: Any) -> Schedule:
    trigger = Trigger(id="t", type="ScheduleOnDates", family="schedule", properties={"dates": list(dates), **properties})
    return read_schedule(trigger)


START, NOW = moment("2024-05-01T12:00Z"), moment("2024-05-01T13:05Z")


@pytest.mark.parametrize(
    ("recover", "last_fired", "expected"),
    [
        ("ALL", START, "2024-05-01T12:10Z"),
        ("LAST", START, "2024-05-01T13:00Z"),
        ("LAST", moment("2024-05-01T13:00Z"), "2024-05-01T13:10Z"),
        ("LAST", None, "2024-05-01T13:00Z"),
        ("NONE", START, "2024-05-01T13:10Z"),
    ],
)
def test_after_a_gap_the_next_date_follows_the_policy(recover: str, last_fired: datetime | None, expected: str) -> None:
    found = next_date_after_gap(
        schedule(recoverMissedSchedules=recover), stored=moment("2024-05-01T12:10Z"), last_fired=last_fired, at=NOW
    )

    assert found == moment(expected)


def test_a_trigger_without_a_stored_date_starts_from_now() -> None:
    assert next_date_after_gap(schedule(), stored=None, last_fired=START, at=NOW) == moment("2024-05-01T13:10Z")


def test_a_stored_date_in_the_future_stays() -> None:
    later = NOW + timedelta(days=3)

    assert next_date_after_gap(schedule(recoverMissedSchedules="NONE"), stored=later, last_fired=None, at=NOW) == later


def test_dates_later_than_the_maximum_delay_are_skipped() -> None:
    plan = schedule(lateMaximumDelay="PT25M")

    assert skip_late_dates(plan, START, at=NOW) == moment("2024-05-01T12:40Z")
    assert skip_late_dates(plan, moment("2024-05-01T12:40Z"), at=NOW) == moment("2024-05-01T12:40Z")
    assert skip_late_dates(schedule(), START, at=NOW) == START


def test_fixed_dates_fire_sorted_and_once() -> None:
    plan = on_dates("2024-05-02T00:00:00+02:00", "2024-05-01T00:00:00Z", "2024-05-01T22:00:00Z")

    assert plan.dates == (moment("2024-05-01T00:00Z"), moment("2024-05-01T22:00Z"))
    assert next_fire_after(plan, moment("2024-05-01T00:00Z")) == moment("2024-05-01T22:00Z")
    assert next_fire_after(plan, moment("2024-05-01T22:00Z")) is None
    assert previous_fire_before(plan, moment("2024-05-01T22:00Z")) == moment("2024-05-01T00:00Z")
    assert schedule_variables(plan, plan.dates[0]) == {}


def test_a_fixed_date_is_found_however_far_away_it_is() -> None:
    plan = on_dates("2099-01-01T00:00:00Z")

    found = find_next_accepted(plan, START, None)

    assert found is not None
    assert found.date == moment("2099-01-01T00:00Z")


def test_a_fixed_date_without_offset_is_in_the_zone_of_the_trigger() -> None:
    plan = on_dates("2024-05-02T00:00:00", timezone="Asia/Tokyo")

    assert plan.dates == (moment("2024-05-01T15:00Z"),)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"cron": "x"}, "cron-syntax"),
        ({"timezone": "Nowhere/Land"}, "time-zone"),
        ({"dates": ["soon"]}, "schedule-date"),
        ({"recoverMissedSchedules": "SOME"}, "recover-missed"),
        ({"lateMaximumDelay": "1 hour"}, "duration"),
    ],
)
def test_a_wrong_property_is_refused_with_its_code(properties: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidError) as caught:
        schedule(**properties)

    assert caught.value.code == code


def test_variables_are_in_the_zone_of_the_trigger() -> None:
    plan = schedule(cron="0 9 * * *", timezone="Europe/Paris")

    variables = schedule_variables(plan, moment("2024-03-30T09:00+01:00"))

    assert variables["date"].isoformat() == "2024-03-30T09:00:00+01:00"
    assert variables["next"].isoformat() == "2024-03-31T09:00:00+02:00"
    assert variables["previous"].isoformat() == "2024-03-29T09:00:00+01:00"
    assert variables["date"].tzinfo == ZoneInfo("Europe/Paris")


def test_next_and_previous_are_the_neighbours_that_the_filter_accepts() -> None:
    plan = schedule(cron="0 9 * * *")

    variables = schedule_variables(plan, moment("2024-05-06T09:00Z"), accepts=lambda date: date.weekday() == 0)

    assert variables["next"] == moment("2024-05-13T09:00Z")
    assert variables["previous"] == moment("2024-04-29T09:00Z")


def test_a_filter_that_refuses_everything_ends_the_search() -> None:
    daily = find_next_accepted(schedule(cron="0 9 * * *"), NOW, lambda date: False)
    minutely = find_next_accepted(schedule(cron="* * * * *"), NOW, lambda date: False)

    assert daily is None
    assert minutely is not None and not minutely.is_certain


def backfill(plan: Schedule, start: str, end: str | None = None, accepts: Any = None, at: datetime = NOW) -> Any:
    return start_backfill(
        plan,
        backfill_id="b1",
        start=moment(start),
        end=moment(end) if end else None,
        inputs={"a": 1},
        labels=(("why", "late"),),
        regular_next=moment("2024-05-01T13:10Z"),
        accepts=accepts,
        at=at,
    )


def test_a_backfill_fires_every_date_of_its_range_in_order() -> None:
    plan = schedule()
    running = backfill(plan, "2024-05-01T12:00Z", "2024-05-01T12:30Z")
    fired = []
    while running.current is not None:
        fired.append(running.current)
        running = advance_backfill(plan, running, running.current, None)

    assert fired == list_backfill_dates(plan, start=START, end=moment("2024-05-01T12:30Z"), accepts=None, limit=100)
    assert [date.minute for date in fired] == [0, 10, 20, 30]


def test_a_backfill_without_end_ends_now() -> None:
    assert backfill(schedule(), "2024-05-01T12:00Z").end == NOW


def test_the_end_of_a_backfill_restores_the_saved_date() -> None:
    plan = schedule(recoverMissedSchedules="LAST")
    running = backfill(plan, "2024-05-01T12:00Z")

    at_once = date_after_backfill(plan, running, last_fired=START, at=NOW)
    hours_later = date_after_backfill(plan, running, last_fired=START, at=NOW + timedelta(hours=2))

    assert at_once == moment("2024-05-01T13:10Z")
    assert hours_later == moment("2024-05-01T15:00Z")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-05-01T13:00Z", "2024-05-01T12:00Z"),
        ("2024-05-01T13:00Z", "2024-05-01T14:00Z"),
        ("2024-05-01T12:01Z", "2024-05-01T12:09Z"),
    ],
)
def test_a_backfill_without_dates_or_in_the_future_is_refused(start: str, end: str) -> None:
    with pytest.raises(InvalidError) as caught:
        backfill(schedule(), start, end)

    assert caught.value.code == "backfill-range"


def test_a_backfill_survives_storing() -> None:
    running = backfill(schedule(), "2024-05-01T12:00Z")

    assert load_backfill(dump_backfill(running)) == running


def test_a_backfill_skips_dates_that_the_filter_refuses() -> None:
    plan = schedule()

    dates = list_backfill_dates(plan, start=START, end=NOW, accepts=lambda date: date.minute == 30, limit=10)

    assert dates == [moment("2024-05-01T12:30Z")]

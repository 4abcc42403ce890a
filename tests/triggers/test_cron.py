"""Cron expressions: what can be written, and the golden tables of daylight saving in seven zones over ten years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.language.cron import find_cron_fault
from flows.primitives.errors import InvalidError
from flows.triggers.cron import get_zone, next_moment, parse_cron, previous_moment

from .golden_cron import EXPRESSIONS, SPAN, ZONES, golden_firings, walk_minutes

UTC_ZONE = ZoneInfo("UTC")
MARGIN = timedelta(hours=40)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def clock_changes(zone: str) -> list[datetime]:
    tz = ZoneInfo(zone)
    hours = (SPAN[0] + timedelta(hours=count) for count in range(int((SPAN[1] - SPAN[0]) / timedelta(hours=1))))
    changes = []
    before = None
    for hour in hours:
        offset = hour.astimezone(tz).utcoffset()
        if before is not None and offset != before:
            changes.append(hour)
        before = offset
    return changes


@pytest.mark.parametrize("zone", ZONES)
def test_every_clock_change_of_ten_years_fires_as_the_golden_table_says(zone: str) -> None:
    tz = ZoneInfo(zone)
    changes = clock_changes(zone)
    faults = []
    for change in changes:
        start, end = change - MARGIN, change + MARGIN
        minutes = list(walk_minutes(zone, start, end))
        for text in EXPRESSIONS:
            cron = parse_cron(text)
            forward, backward = [], []
            at = start - timedelta(seconds=1)
            while (at := next_moment(cron, at, tz)) is not None and at < end:
                forward.append(at)
            at = end
            while (at := previous_moment(cron, at, tz)) is not None and at >= start:
                backward.append(at)
            expected = golden_firings(text, minutes)
            if forward != expected or backward[::-1] != expected:
                faults.append((text, change))

    assert faults == []
    assert len(changes) >= 4


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 9 * * MON-FRI", "2024-03-01T10:00Z", "2024-03-04T09:00Z"),
        ("0 0 29 2 *", "2021-01-01T00:00Z", "2024-02-29T00:00Z"),
        ("0 0 29 2 *", "2096-03-01T00:00Z", "2104-02-29T00:00Z"),
        ("0 0 31 * *", "2024-03-31T00:00Z", "2024-05-31T00:00Z"),
        ("59 23 31 12 *", "2024-12-31T23:59Z", "2025-12-31T23:59Z"),
        ("0 0 13 * 5", "2024-09-01T00:00Z", "2024-09-06T00:00Z"),
        ("0 0 * * 7", "2024-09-02T00:00Z", "2024-09-08T00:00Z"),
        ("0 0 * * sat-sun", "2024-09-08T00:00Z", "2024-09-14T00:00Z"),
        ("@hourly", "2024-01-01T00:00Z", "2024-01-01T01:00Z"),
        ("@weekly", "2024-01-01T00:00Z", "2024-01-07T00:00Z"),
        ("*/60 * * * *", "2024-01-01T00:30Z", "2024-01-01T01:00Z"),
        ("5/20 * * * *", "2024-01-01T00:30Z", "2024-01-01T00:45Z"),
    ],
)
def test_the_next_date_is_found(text: str, after: str, expected: str) -> None:
    assert next_moment(parse_cron(text), moment(after), UTC_ZONE) == moment(expected)


def test_six_columns_start_with_seconds() -> None:
    cron = parse_cron("*/20 30 4 * * *", with_seconds=True)

    found = next_moment(cron, moment("2024-01-01T04:30:20Z"), UTC_ZONE)

    assert found == moment("2024-01-01T04:30:40Z")


def test_a_fixed_time_with_seconds_fires_after_the_gap_too() -> None:
    cron = parse_cron("15 30 2 * * *", with_seconds=True)

    found = next_moment(cron, moment("2024-03-30T12:00Z"), ZoneInfo("Europe/Paris"))

    assert found == moment("2024-03-31T03:00+02:00")


def test_every_hour_runs_25_times_on_the_day_with_the_repeated_hour() -> None:
    paris = ZoneInfo("Europe/Paris")
    at, count = moment("2024-10-26T23:59:59+02:00"), 0
    while (at := next_moment(parse_cron("0 * * * *"), at, paris)) < moment("2024-10-28T00:00+01:00"):
        count += 1

    assert count == 25


def test_a_skipped_calendar_day_fires_once_when_the_clock_is_back() -> None:
    apia = ZoneInfo("Pacific/Apia")
    cron = parse_cron("0 12 * * *")

    first = next_moment(cron, datetime(2011, 12, 29, 12, tzinfo=apia), apia)
    second = next_moment(cron, first, apia)

    assert first == datetime(2011, 12, 31, 0, tzinfo=apia)
    assert second == datetime(2011, 12, 31, 12, tzinfo=apia)


def test_a_date_that_never_comes_has_no_next_and_no_previous() -> None:
    cron = parse_cron("0 0 31 2 *")

    assert next_moment(cron, moment("2024-01-01T00:00Z"), UTC_ZONE) is None
    assert previous_moment(cron, moment("2024-01-01T00:00Z"), UTC_ZONE) is None


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
@pytest.mark.parametrize("text", ["0 0 29 2 *", "*/5 * * * *"])
def test_the_ends_of_the_calendar_are_no_error(at: datetime, text: str) -> None:
    for find in (next_moment, previous_moment):
        found = find(parse_cron(text), at, UTC_ZONE)

        assert found is None or found != at


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * 32 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * FOO *", "month"),
        ("* * * * 8", "day of week"),
        ("30-10 * * * *", "backwards"),
        ("*/0 * * * *", "step"),
        ("*/x * * * *", "step"),
        (", * * * *", "minute"),
        ("* * L * *", "day of month"),
        ("* * ? * *", "day of month"),
        ("-5 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        ("* * * *", "4 columns"),
        ("0 * * * * *", "withSeconds"),
        ("", "0 columns"),
        ("@often", "nickname"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(text: str, named: str) -> None:
    with pytest.raises(InvalidError, match=named) as caught:
        parse_cron(text)

    assert caught.value.code == "cron-syntax"


COLUMNS = st.sampled_from(
    ["*", "*/2", "*/60", "1-5", "0", "7", "SUN", "FRI-SUN", "JAN", "mar-oct", "1,2", "5/2", "1-5/2", "L", "0-7", ""]
)


@settings(max_examples=300, deadline=None)
@given(columns=st.lists(COLUMNS, min_size=4, max_size=7), with_seconds=st.booleans())
def test_what_a_flow_may_be_saved_with_can_be_computed(columns: list[str], with_seconds: bool) -> None:
    text = " ".join(columns)

    if find_cron_fault(text, with_seconds=with_seconds) is None:
        assert parse_cron(text, with_seconds=with_seconds).text == text


def test_an_unknown_zone_is_refused() -> None:
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(InvalidError) as caught:
            get_zone(name)

        assert caught.value.code == "time-zone"


@settings(max_examples=150, deadline=None)
@given(
    text=st.sampled_from([*EXPRESSIONS, "*/7 3-5 * * *", "0 0 1 1 *"]),
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_next_strictly_rises_and_previous_undoes_it(text: str, zone: str, at: datetime) -> None:
    cron, tz = parse_cron(text), ZoneInfo(zone)

    first = next_moment(cron, at, tz)
    second = next_moment(cron, first, tz) if first else None

    assert first is not None and first > at
    if second is not None:
        assert second > first
        assert previous_moment(cron, second, tz) == first

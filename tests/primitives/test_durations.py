"""Durations: what is read, what is refused, and that writing and reading agree."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.primitives.durations import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT10S", 10),
        ("PT0.25s", 0.25),
        ("PT5m", 300),
        ("P1DT2H", 93600),
        ("PT1H30M", 5400),
        ("-PT5S", -5),
        ("PT-5S", -5),
        ("P0D", 0),
        (" PT1,5S\n", 1.5),
        (90, 90),
        (0.5, 0.5),
        (timedelta(seconds=3), 3),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert timedelta(seconds=seconds) == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "P1W", "P1M", "P1Y", "1h", "PT1.5H", "10", "PTS", "P1D2H", "PT1S2M", "P٣D", "P" + "9" * 200 + "D"],
)
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), 1e30, "P9999999999D"])
def test_what_a_timedelta_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(DurationError):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (306, "PT5M6S"), (0.25, "PT0.25S"), (93600, "PT26H"), (-5400, "PT-1H-30M"), (60, "PT1M"), (3600.5, "PT1H0.5S")],
)
def test_a_duration_is_written_in_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert text == format_duration(timedelta(seconds=seconds))


@given(st.timedeltas(min_value=timedelta(days=-100000), max_value=timedelta(days=100000)))
def test_a_written_duration_reads_back(length: timedelta) -> None:
    assert length == parse_duration(format_duration(length))

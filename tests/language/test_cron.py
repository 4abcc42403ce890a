"""Cron expressions at save: which pass and what is said about the others."""

from __future__ import annotations

import pytest

from flows.language.cron import find_cron_fault


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6,12 1 JAN-mar 0,7", "@daily", "0 9 * * MON-FRI", "1-59/2 * * * *", " 0  0 1 1 * "]
)
def test_a_cron_expression_passes(text: str) -> None:
    assert find_cron_fault(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "5 fields"),
        ("* * * * * *", "5 fields and has 6"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"),
        ("* * * FOO *", "month"),
        ("* * * * 8", "day of the week"),
        ("5-1 * * * *", "backwards"),
        ("*/0 * * * *", "step"),
        ("1,, * * * *", "minute"),
        ("@never", "nicknames"),
        ("٣ * * * *", "minute"),
    ],
)
def test_a_fault_is_named(text: str, words: str) -> None:
    assert words in (find_cron_fault(text) or "")


def test_seconds_come_first_when_asked_for() -> None:
    assert find_cron_fault("30 * * * * *", with_seconds=True) is None
    assert find_cron_fault("* * * * *", with_seconds=True) is not None

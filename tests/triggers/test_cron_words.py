"""Cron expressions in words."""

from __future__ import annotations

import pytest

from flows.triggers.cron_words import say_cron


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30 3 * * 1-5", "at 03:30, Monday to Friday"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("5 */2 * * *", "every 2 hours at minute 5"),
        ("0 8,20 * * SUN", "at 08:00 and 20:00, Sunday"),
        ("0 0 1 * *", "at 00:00, on day 1 of the month"),
        ("0 6 1,15 1-3 *", "at 06:00, on day 1 and 15 of the month, in January to March"),
        ("@daily", "every day at 00:00"),
        ("0 0 * * 1#2", "0 0 * * 1#2"),
        ("*/10 8-17 * * *", "every 10 minutes from 08:00 to 17:59"),
    ],
)
def test_an_expression_is_said_in_words(text: str, words: str) -> None:
    assert say_cron(text) == words


def test_seconds_are_left_out_when_they_are_zero() -> None:
    assert say_cron("0 30 3 * * *", with_seconds=True) == "at 03:30"

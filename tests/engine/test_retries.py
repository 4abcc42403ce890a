"""When the next attempt may start: one function of the policy, the attempts made and the moments."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.engine.retries import next_attempt_at
from flows.language.flow import Retry

from .rehearsal import AT


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def delay_of(policy: Retry | None, attempts: int, chance: float = 0.0) -> float | None:
    due = next_attempt_at(policy, attempts=attempts, first_started_at=AT, ended_at=AT, chance=chance)
    return None if due is None else (due - AT).total_seconds()


def test_without_a_policy_there_is_no_second_attempt() -> None:
    assert delay_of(None, 1) is None


def test_a_constant_policy_waits_the_same_time_up_to_the_last_attempt() -> None:
    """The number of attempts counts the first one."""
    policy = Retry(type="constant", interval=seconds(5), max_attempts=3)

    assert [delay_of(policy, attempts) for attempts in (1, 2, 3)] == [5, 5, None]


def test_an_exponential_policy_grows_up_to_its_longest_interval() -> None:
    policy = Retry(type="exponential", interval=seconds(30), max_interval=seconds(200), delay_factor=2.0)

    assert [delay_of(policy, attempts) for attempts in (1, 2, 3, 4, 5, 5_000)] == [30, 60, 120, 200, 200, 200]


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 10), (0.5, 15), (0.9, 19)])
def test_a_random_policy_spreads_attempts_between_its_bounds(chance: float, delay: float) -> None:
    policy = Retry(type="random", min_interval=seconds(10), max_interval=seconds(20))

    assert delay_of(policy, 1, chance) == pytest.approx(delay)


def test_an_attempt_that_would_start_too_late_is_not_made() -> None:
    policy = Retry(type="constant", interval=seconds(60), max_duration=seconds(90))

    def due(ended_at: datetime) -> datetime | None:
        return next_attempt_at(policy, attempts=1, first_started_at=AT, ended_at=ended_at, chance=0)

    assert (due(AT + seconds(30)), due(AT + seconds(31))) == (AT + seconds(90), None)


def test_a_policy_without_limits_retries_for_ever() -> None:
    assert delay_of(Retry(type="constant", interval=seconds(1)), 10**9) == 1


@given(
    kind=st.sampled_from(["constant", "exponential", "random"]),
    attempts=st.integers(1, 10_000),
    chance=st.floats(0, 1, exclude_max=True),
    low=st.integers(1, 10_000),
    more=st.integers(0, 10_000),
)
def test_no_attempt_starts_before_the_last_one_ended(kind: str, attempts: int, chance: float, low: int, more: int) -> None:
    policy = Retry(type=kind, interval=seconds(low), min_interval=seconds(low), max_interval=seconds(low + more))

    delay = delay_of(policy, attempts, chance)

    assert delay is not None and low <= delay <= low + more

"""When the next attempt of a failed task may start. Pure but for the random policy, whose number is an argument."""

from __future__ import annotations

from datetime import datetime, timedelta

from flows.language.flow import Retry


def next_attempt_at(
    policy: Retry | None, *, attempts: int, first_started_at: datetime, ended_at: datetime, chance: float
) -> datetime | None:
    """
    Return when the next attempt may start, or None when no attempt is left.

    Args:
        policy: the retry block that applies to the task, None for no retries.
        attempts: how many attempts ended, at least 1.
        first_started_at: aware UTC start of the first attempt, from which `maxDuration` counts.
        ended_at: aware UTC end of the last attempt.
        chance: a number in [0, 1), used by the random policy.

    Returns:
        Aware UTC, not before `ended_at`. An attempt that would start after `first_started_at + maxDuration` is not made.

    Source: flow language, 9.1; the exponential series is interval * factor ** (attempts - 1), at most `maxInterval`.
    """
    if policy is None or (policy.max_attempts is not None and attempts >= policy.max_attempts):
        return None
    due = ended_at + _delay(policy, attempts, chance)
    if policy.max_duration is not None and due > first_started_at + policy.max_duration:
        return None
    return due


def _delay(policy: Retry, attempts: int, chance: float) -> timedelta:
    if policy.type == "random":
        low, high = policy.min_interval or timedelta(0), policy.max_interval or timedelta(0)
        return low + (high - low) * chance
    interval = policy.interval or timedelta(0)
    if policy.type != "exponential":
        return interval
    longest = policy.max_interval or timedelta.max
    try:
        return min(interval * policy.delay_factor ** (attempts - 1), longest)
    except OverflowError:
        return longest

"""Waiting for something to become true, by asking again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within: float = 10.0, every: float = 0.02) -> T:
    """
    Return the first truthy result of `check`.

    Args:
        check: function that returns something truthy, or raises AssertionError while it does not hold.
        within: seconds to go on trying.
        every: seconds between two tries.

    Raises:
        AssertionError: the last one of `check`, or one that shows its last result.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            result = check()
        except AssertionError:
            if time.monotonic() >= deadline:
                raise
        else:
            if result:
                return result
            if time.monotonic() >= deadline:
                raise AssertionError(f"not within {within:g} s; the last answer was {result!r}")
        time.sleep(every)

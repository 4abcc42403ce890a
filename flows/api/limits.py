"""Slows down whoever guesses: counts wrong webhook keys per caller, in the memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from threading import Lock

from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from flows.operations.throttle import throttle

WINDOW_SECONDS = 60.0
MOST_REMEMBERED = 10_000


class GuessLimiter:
    """
    Allows `most` wrong guesses a minute per key; the keys name the caller's address, so nobody can lock out somebody else.

    Source: security, S-06 and S-50.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._wrong: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def check(self, key: Hashable) -> None:
        """Raise Throttled, with the seconds to wait, when there were too many wrong guesses."""
        with self._lock:
            moments = self._wrong.get(key)
            if moments is None or len(moments) < self._most:
                return
            wait = moments[0] + WINDOW_SECONDS - time.monotonic()
        if wait > 0:
            raise Throttled(wait=wait)

    def record(self, key: Hashable) -> None:
        """Count one wrong guess."""
        with self._lock:
            self._wrong.setdefault(key, deque(maxlen=self._most)).append(time.monotonic())
            self._wrong.move_to_end(key)
            while len(self._wrong) > MOST_REMEMBERED:
                self._wrong.popitem(last=False)

    def clear(self) -> None:
        """Forget all guesses."""
        with self._lock:
            self._wrong.clear()


passwords = throttle
"""Wrong passwords at all doors count together."""

webhook_keys = GuessLimiter(most=10)


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", ""))

"""How many requests a caller may send in a minute. Counted in Redis or Valkey, so that all web processes count together."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from django.http.response import HttpResponseBase
from redis import Redis
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from flows.api.limits import address_of
from flows.conf import get_settings
from flows.primitives.callers import current_caller

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
_ANSWER_SECONDS = 0.25
_REPORT_EVERY_SECONDS = 60.0

UNLIMITED_ROUTES = frozenset({"webhook", "webhook-with-path", "health", "health-liveness", "health-readiness", "ping"})
"""Probes must always be answered; webhooks have limits of their own, by trigger."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's minute. `resets_in` is in seconds."""

    limit: int
    left: int
    resets_in: int


class _Reporter:
    """Tells at most once a minute that nothing is counted."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._due = 0.0

    def report(self, error: RedisError) -> None:
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + _REPORT_EVERY_SECONDS
        log.warning("rate-limit.not-counted", extra={"reason": type(error).__name__})


_reporter = _Reporter()


@lru_cache(maxsize=2)
def _connect(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)


def check_rate(request: Request, route: str) -> Allowance | None:
    """
    Count a request of the present caller and return what is left, or None where nothing is limited or nothing can be counted.

    People and service accounts are counted by account and token, everybody else by address. A counter that does not answer
    lets everybody pass: an outage of it must not become one of the API.

    Raises:
        Throttled: the limit of this minute is used up; says after how many seconds to come back.
    """
    settings, caller = get_settings(), current_caller()
    limit = settings.rate_limit_per_minute if caller.name else settings.anonymous_rate_limit_per_minute
    if not limit or not settings.redis_url or route in UNLIMITED_ROUTES:
        return None
    now = time.time()
    window = int(now // WINDOW_SECONDS)
    who = f"{caller.name}/{caller.token}" if caller.name else f"@{address_of(request)}"
    key = f"celestra:rate:{window}:{who}"
    try:
        with _connect(settings.redis_url).pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * WINDOW_SECONDS)
            count = int(pipeline.execute()[0])
    except RedisError as error:
        _reporter.report(error)
        return None
    resets_in = max(1, round((window + 1) * WINDOW_SECONDS - now))
    if count > limit:
        raise Throttled(wait=resets_in, detail=f"More than {limit:,} requests in a minute. Go on in {resets_in} seconds.")
    return Allowance(limit, limit - count, resets_in)


def show_allowance(response: HttpResponseBase, allowance: Allowance | None) -> None:
    """Tell in the headers of an answer what is left."""
    if allowance is not None:
        response["RateLimit-Limit"] = str(allowance.limit)
        response["RateLimit-Remaining"] = str(allowance.left)
        response["RateLimit-Reset"] = str(allowance.resets_in)

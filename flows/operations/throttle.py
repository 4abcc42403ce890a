"""Growing delays after wrong passwords, per account and address, and per address. Held in memory of one process."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from threading import Lock

FREE_TRIES = 5
LONGEST_SECONDS = 120.0
FORGET_SECONDS = 3600.0
REMEMBERED = 10_000


class SignInThrottle:
    """
    Counts failures by key. The delay belongs to the pair of account and address (and to the address with ten times the
    tries), so that nobody can lock somebody else out. An IPv6 address counts as its network of 64 bits.

    Source: security, S-06.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def seconds_to_wait(self, account: str, address: str) -> float:
        """Return how long the next try has to wait, 0 when it may come."""
        now = time.monotonic()
        return max(self._wait(key, free, now) for key, free in _keys(account, address))

    def _wait(self, key: str, free: int, now: float) -> float:
        with self._lock:
            count, last_at = self._failures.get(key, (0, now))
        if count < free or now - last_at > FORGET_SECONDS:
            return 0.0
        delay: float = min(LONGEST_SECONDS, 2.0 ** min(count - free + 1, 10))
        return max(0.0, last_at + delay - now)

    def add_failure(self, account: str, address: str) -> None:
        """Count a wrong password or code."""
        now = time.monotonic()
        with self._lock:
            for key, _ in _keys(account, address):
                count, last_at = self._failures.pop(key, (0, now))
                self._failures[key] = (1 if now - last_at > FORGET_SECONDS else count + 1, now)
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def forget(self, account: str, address: str) -> None:
        """Start anew after a right password; the count of the address stays."""
        with self._lock:
            self._failures.pop(_keys(account, address)[0][0], None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._failures.clear()


def _keys(account: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    network = _network_of(address)
    return (f"{account.casefold()}|{network}", FREE_TRIES), (f"|{network}", 10 * FREE_TRIES)


def _network_of(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


throttle = SignInThrottle()

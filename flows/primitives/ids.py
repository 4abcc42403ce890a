"""Identifiers of executions and task runs: 22 characters of base 62, rising with time so that indexes stay compact."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 22


def new_id() -> str:
    """Return a new identifier: 48 bits of the clock in milliseconds, then 80 random bits. Safe to put into addresses."""
    number = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    digits = []
    for _ in range(_LENGTH):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))

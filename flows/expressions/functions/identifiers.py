"""Functions that make up identifiers and random numbers. Source: expressions, 3."""

from __future__ import annotations

import secrets
import socket
import string
import uuid
from typing import Any

from flows.expressions.arguments import bad_argument, integer_argument, text_argument
from flows.expressions.library import register_function
from flows.expressions.scope import Render
from flows.expressions.values import Long

BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
NANO_ALPHABET = string.digits + string.ascii_letters + "-_"
MAX_NANO_LENGTH = 1000
KSUID_EPOCH_SECONDS = 1_400_000_000


def _to_base_62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits = BASE_62[rest] + digits
    return digits


@register_function("uuid")
def make_uuid(_: Render) -> str:
    """A random UUID."""
    return str(uuid.uuid4())


@register_function("id")
def make_id(_: Render) -> str:
    """A random identifier of 22 letters and digits."""
    return _to_base_62(uuid.uuid4().int, 22)


@register_function("ksuid")
def make_ksuid(render: Render) -> str:
    """An identifier of 27 letters and digits that sorts by the time it was made."""
    seconds = int(render.environment.now().timestamp()) - KSUID_EPOCH_SECONDS
    return _to_base_62((max(seconds, 0) << 128) | secrets.randbits(128), 27)


@register_function("nanoId", "length", "alphabet")
def make_nano_id(_: Render, length: Any = 21, alphabet: Any = NANO_ALPHABET) -> str:
    """A random identifier of the given length over the given alphabet."""
    count = integer_argument("length", length)
    letters = text_argument("alphabet", alphabet)
    if not 1 <= count <= MAX_NANO_LENGTH:
        raise bad_argument(f'The argument "length" must be between 1 and {MAX_NANO_LENGTH}, got {count}.')
    if not letters:
        raise bad_argument('The argument "alphabet" must not be empty.')
    return "".join(secrets.choice(letters) for _ in range(count))


@register_function("randomInt", "lower", "upper", required=2)
def make_random_integer(_: Render, lower: Any, upper: Any) -> int:
    """A random integer from lower up to but without upper."""
    low, high = integer_argument("lower", lower), integer_argument("upper", upper)
    if high < low:
        raise bad_argument(f'The argument "upper" ({high}) must not be smaller than "lower" ({low}).')
    return Long(low if high == low else low + secrets.randbelow(high - low))


@register_function("randomPort")
def find_free_port(_: Render) -> int:
    """A TCP port of this machine that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

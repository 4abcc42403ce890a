"""Streams of server-sent events that follow an execution or its log, and the wait for the end of an execution."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from hashlib import blake2b
from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from flows.api.answers import encode_json
from flows.streams import KEEP_ALIVE, KEEP_ALIVE_SECONDS, Viewer, ask_database, hub

IDLE_LOG_SECONDS = 3600.0
LONGEST_WAIT_SECONDS = 3600.0
_LOOK_BACK = 1000


def frame(name: str, data: Any) -> bytes:
    """Return one event. Its id carries the name, which is how the clients of this API tell frames apart."""
    return f"id: {name}\ndata: {encode_json(data)}\n\n".encode("utf-8", "replace")


def make_viewer(request: Request, namespace: str) -> Viewer:
    """Return who follows something of a namespace with this request."""
    # The credentials of other authenticators are looked up by the caller.
    session = getattr(request, "session", None)
    by_session = isinstance(request.successful_authenticator, SessionAuthentication)
    return Viewer(namespace, session_key=(session.session_key or "") if by_session and session is not None else "")


async def follow(
    execution_id: str, read: Callable[[str], tuple[Any, bool] | None], viewer: Viewer
) -> AsyncGenerator[bytes, None]:
    """
    Yield `start`, `progress` on every change, `end` when everything has ended.

    Each frame holds the whole object, `start` too: clients read every frame into the same model, and that takes no empty one.

    Args:
        read: blocking; returns what to show and whether it has ended, or None when the execution is gone.

    Source: REST API, 7.
    """
    async with hub().listen(execution_id) as changes:
        # A digest, because the text of a large execution times many streams is much memory.
        sent = b""
        while True:
            found = await ask_database(viewer.look(read), execution_id)
            if found is None:
                return
            data, ended = found
            text = encode_json(data)
            if not sent:
                yield f"id: start\ndata: {text}\n\n".encode("utf-8", "replace")
            if ended:
                yield f"id: end\ndata: {text}\n\n".encode("utf-8", "replace")
                return
            digest = blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
            if digest != sent:
                sent = digest
                yield f"id: progress\ndata: {text}\n\n".encode("utf-8", "replace")
            del data, text
            while not await changes.wait(at_most=KEEP_ALIVE_SECONDS):
                await viewer.check()
                yield KEEP_ALIVE


async def follow_each(
    execution_id: str, read: Callable[[str], tuple[Mapping[str, Any], bool] | None], viewer: Viewer
) -> AsyncGenerator[bytes, None]:
    """
    Yield one `progress` per object and change of it, `end` when all have ended.

    Args:
        read: blocking; returns the objects by id and whether all have ended, or None when there is nothing to follow any more.
    """
    sent: dict[str, Any] = {}
    last_at = time.monotonic()
    async with hub().listen(execution_id, hears_all=False) as changes:
        while True:
            found = await ask_database(viewer.look(read), execution_id)
            if found is None:
                return
            objects, ended = found
            for name, data in objects.items():
                if sent.get(name) != data:
                    sent[name] = data
                    last_at = time.monotonic()
                    yield frame("progress", data)
            if ended:
                yield frame("end", objects.get(execution_id, {}))
                return
            if time.monotonic() - last_at >= KEEP_ALIVE_SECONDS:
                last_at = time.monotonic()
                yield KEEP_ALIVE
            await changes.wait()


async def follow_rows(
    execution_id: str,
    read: Callable[[str, int], list[tuple[int, Any]]],
    viewer: Viewer,
    *,
    idle_seconds: float = IDLE_LOG_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """
    Yield `start`, then one `progress` per log line: the stored ones, then those that come. Ends after an hour without a line.

    Args:
        read: blocking; returns numbered rows with a number above the given one, in the order to show them.

    Source: REST API, 7.
    """
    # Numbers are given when a row is written and seen when it is committed, so a lower one may show up after a higher one:
    # each look goes back a little and leaves out what was sent.
    sent: set[int] = set()
    highest = 0
    async with hub().listen(execution_id) as changes:
        yield frame("start", {})
        last_line_at = time.monotonic()
        while time.monotonic() - last_line_at < idle_seconds:
            rows = await ask_database(viewer.look(read), execution_id, max(0, highest - _LOOK_BACK))
            fresh = [(number, row) for number, row in rows if number not in sent]
            for number, row in fresh:
                sent.add(number)
                highest = max(highest, number)
                last_line_at = time.monotonic()
                yield frame("progress", row)
            if len(sent) > 10 * _LOOK_BACK:
                sent = {number for number in sent if number > highest - _LOOK_BACK}
            while not await changes.wait(at_most=KEEP_ALIVE_SECONDS) and time.monotonic() - last_line_at < idle_seconds:
                await viewer.check()
                yield KEEP_ALIVE


async def wait_for_end(
    execution_id: str, read: Callable[[str], tuple[Any, bool] | None], *, seconds: float = LONGEST_WAIT_SECONDS
) -> AsyncGenerator[bytes, None]:
    """
    Yield blanks, which JSON allows in front of a value, while the execution runs, then the execution as it ended (or as it is
    when the time is over).
    """
    until = time.monotonic() + seconds
    async with hub().listen(execution_id) as changes:
        while True:
            found = await ask_database(read, execution_id)
            if found is None or found[1] or time.monotonic() > until:
                yield encode_json(found[0] if found else None).encode("utf-8", "replace")
                return
            while not await changes.wait(at_most=KEEP_ALIVE_SECONDS) and time.monotonic() < until:
                yield b" "

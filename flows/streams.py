"""
What every live stream needs, of the API and of the console: wake-ups when something was committed, reads off the event loop in
the name of the viewer, answers that no proxy holds back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from redis.asyncio import Redis
from redis.exceptions import RedisError

from flows.conf import get_settings
from flows.operations.callers import renew_caller
from flows.primitives.callers import Caller, acting_as, current_caller
from flows.primitives.errors import ForbiddenError
from flows.primitives.rights import Action, Resource

T = TypeVar("T")

log = logging.getLogger(__name__)

CHANNEL_PREFIX = "celestra:execution:"
POLL_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0
RECONNECT_SECONDS = 2.0
RIGHTS_SECONDS = 10.0
"""How long a stream goes on with the rights that it read last."""

KEEP_ALIVE = b": keep-alive\n\n"


class WakeUps:
    """
    The wake-ups of one event loop. All streams share one subscription connection; without one (another broker, a broken
    connection) every stream still looks once a second.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._pubsub: Any = None

    def listen(self, execution_id: str) -> _Listening:
        """Return a context whose event is set whenever something about the execution was committed."""
        return _Listening(self, f"{CHANNEL_PREFIX}{execution_id}")

    async def add(self, channel: str, event: asyncio.Event) -> None:
        """Set the event on every message of the channel from now on."""
        self._waiting.setdefault(channel, set()).add(event)
        await self._subscribe(channel)

    async def remove(self, channel: str, event: asyncio.Event) -> None:
        """Forget the event; with the last one of a channel its subscription ends."""
        events = self._waiting.get(channel, set())
        events.discard(event)
        if not events:
            self._waiting.pop(channel, None)
            await self._unsubscribe(channel)

    async def _subscribe(self, channel: str) -> None:
        if get_settings().redis_url is None:
            return
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        elif self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.subscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        if not self._waiting and self._reader is not None:
            self._reader.cancel()
            self._reader = None
        elif self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _read(self) -> None:
        """Hand messages to the streams until the last one is gone; a broken connection is opened again."""
        client = Redis.from_url(str(get_settings().redis_url))
        try:
            while True:
                try:
                    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                        await pubsub.subscribe(*self._waiting)
                        self._pubsub = pubsub
                        # What happened before the subscription was in place was not heard.
                        self._wake(list(self._waiting))
                        while True:
                            message = await pubsub.get_message(timeout=KEEP_ALIVE_SECONDS)
                            if message is not None:
                                self._wake([message["channel"].decode()])
                except (RedisError, OSError) as error:
                    self._pubsub = None
                    log.warning("stream.wake_ups_lost", extra={"reason": str(error)})
                    await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self._pubsub = None
            await client.aclose()

    def _wake(self, channels: list[str]) -> None:
        for channel in channels:
            for event in self._waiting.get(channel, ()):
                event.set()


class _Listening:
    """One stream's interest in one channel. A class, because a generator would be closed apart from the stream that uses it."""

    def __init__(self, hub: WakeUps, channel: str) -> None:
        self._hub = hub
        self._channel = channel
        self._event = asyncio.Event()

    async def __aenter__(self) -> asyncio.Event:
        await self._hub.add(self._channel, self._event)
        return self._event

    async def __aexit__(self, *_: object) -> None:
        await self._hub.remove(self._channel, self._event)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, WakeUps] = WeakKeyDictionary()


def hub() -> WakeUps:
    """Return the wake-ups of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), WakeUps())


# A few threads read for all streams: a stream costs no thread and no database connection of its own.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stream-reader")


def _run_query(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    finally:
        # Back to the pool, where there is one.
        connection.close()


class Viewer:
    """
    Who follows something: every look happens in the name of the caller of the request, whose rights are read anew every ten
    seconds, so that a stream ends soon after they were taken away.

    Args:
        namespace: where the viewer must stay allowed to see executions; None for a stream over all that the viewer may see.
        session_key: of a browser's session, which can be ended apart from its person; empty for other credentials.

    Source: security, S-42.
    """

    def __init__(self, namespace: str | None, *, session_key: str) -> None:
        self._caller = current_caller()
        self._namespace = namespace
        self._session_key = session_key
        self._fresh_until = time.monotonic() + RIGHTS_SECONDS

    def look(self, read: Callable[..., T]) -> Callable[..., T]:
        """Return a function that reads in the viewer's name. It raises ForbiddenError when the viewer may not any more."""

        def read_as_viewer(*args: Any) -> T:
            if time.monotonic() > self._fresh_until:
                self._renew()
            with acting_as(self._caller):
                return read(*args)

        return read_as_viewer

    def _renew(self) -> None:
        caller = renew_caller(self._caller, session_key=self._session_key, at=timezone.now())
        if caller is None or not self._may_look(caller):
            raise ForbiddenError("The right to follow this was taken away.")
        self._caller = caller
        self._fresh_until = time.monotonic() + RIGHTS_SECONDS

    def _may_look(self, caller: Caller) -> bool:
        if self._namespace is None:
            return caller.list_reached(Resource.EXECUTION) != ()
        return caller.may(Action.READ, Resource.EXECUTION, self._namespace)


async def _until_refused(frames: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        async for each in frames:
            yield each
    except ForbiddenError:
        return
    finally:
        await frames.aclose()


async def ask_database(function: Callable[..., Any], *args: Any) -> Any:
    """Run a blocking read in one of the reader threads."""
    return await asyncio.get_running_loop().run_in_executor(_readers, _run_query, function, *args)


def _release_connection() -> None:
    # The thread of the request lives as long as its answer; its connection is of no use to a stream.
    if not connection.in_atomic_block:
        connection.close()


async def wait_for_change(event: asyncio.Event) -> bool:
    """Wait for the event, at most a second, because an event may be lost with the broker; tell whether it came."""
    try:
        await asyncio.wait_for(event.wait(), POLL_SECONDS)
    except TimeoutError:
        return False
    event.clear()
    return True


def answer_slow_json(body: AsyncGenerator[bytes, None]) -> StreamingHttpResponse:
    """Answer with JSON that is not known yet."""
    _release_connection()
    return StreamingHttpResponse(_until_refused(body), content_type="application/json")


def answer_stream(frames: AsyncGenerator[bytes, None]) -> StreamingHttpResponse:
    """Answer with a stream of events that no proxy holds back."""
    _release_connection()
    response = StreamingHttpResponse(_until_refused(frames), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response

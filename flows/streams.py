"""
What every live stream needs, of the API and of the console: wake-ups when something was committed, reads off the event loop in
the name of the viewer, answers that no proxy holds back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from redis.asyncio import Redis
from redis.exceptions import RedisError

from flows.conf import get_settings
from flows.models import Execution
from flows.operations.callers import renew_caller
from flows.primitives.callers import Caller, acting_as, current_caller
from flows.primitives.errors import ForbiddenError
from flows.primitives.rights import Action, Resource

T = TypeVar("T")

log = logging.getLogger(__name__)

CHANNEL_PREFIX = "celestra:execution:"
POLL_SECONDS = 1.0
"""How soon a stream looks again after a change, and how often where nothing wakes it."""

QUIET_SECONDS = 8.0
"""How long after a change a stream goes on looking by itself, ever less often; then it waits to be woken."""

WATCH_SECONDS = 5.0
"""How often a process compares the versions of all executions that it follows, because a wake-up may have been lost."""

KEEP_ALIVE_SECONDS = 15.0
RECONNECT_SECONDS = 2.0
RIGHTS_SECONDS = 10.0
"""How long a stream goes on with the rights that it read last."""

KEEP_ALIVE = b": keep-alive\n\n"


class WakeUps:
    """
    The wake-ups of one event loop. All streams share one subscription connection, and one look at the versions of what they
    follow; without a connection (another broker, a broken one) every stream looks once a second.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._versions: dict[str, int] = {}
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._pubsub: Any = None

    def listen(self, execution_id: str, *, hears_all: bool = True) -> Listening:
        """
        Return a context that waits until something about the execution was committed.

        Args:
            hears_all: whether nothing else is looked at. A stream of more than this execution looks once a second.
        """
        return Listening(self, f"{CHANNEL_PREFIX}{execution_id}", hears_all=hears_all)

    @property
    def is_connected(self) -> bool:
        """True while every message that is sent arrives."""
        return self._pubsub is not None

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
            self._watcher = asyncio.create_task(self._watch())
        elif self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.subscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        if not self._waiting and self._reader is not None and self._watcher is not None:
            self._reader.cancel()
            self._watcher.cancel()
            self._reader = self._watcher = None
            self._versions.clear()
        elif self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _read(self) -> None:
        """Hand messages to the streams until the last one is gone; a broken connection is opened again."""
        client = Redis.from_url(str(get_settings().redis_url))
        mine: Any = None
        try:
            # A connection that fails while it is closed hides the cancellation, and one that is being opened may swallow it.
            while not _is_cancelled():
                try:
                    async with client.pubsub(ignore_subscribe_messages=True) as mine:
                        await mine.subscribe(*self._waiting)
                        self._pubsub = mine
                        # What happened before the subscription was in place was not heard.
                        self._wake(list(self._waiting))
                        while not _is_cancelled():
                            message = await mine.get_message(timeout=KEEP_ALIVE_SECONDS)
                            if message is not None:
                                self._wake([message["channel"].decode()])
                except (RedisError, OSError) as error:
                    self._forget(mine)
                    # From now on they look by themselves.
                    self._wake(list(self._waiting))
                    log.warning("stream.wake_ups_lost", extra={"reason": str(error)})
                    await asyncio.sleep(0 if _is_cancelled() else RECONNECT_SECONDS)
        finally:
            self._forget(mine)
            await client.aclose()

    def _forget(self, pubsub: Any) -> None:
        # The next reader may have begun before this one was told to end.
        if self._pubsub is pubsub:
            self._pubsub = None

    async def _watch(self) -> None:
        """Wake the streams of executions that changed without a word: their worker died between writing and telling."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            wanted = [channel.removeprefix(CHANNEL_PREFIX) for channel in self._waiting]
            try:
                found = await ask_database(_read_versions, wanted)
            except DatabaseError as error:
                log.warning("stream.versions_unknown", extra={"reason": str(error)})
                continue
            self._wake([f"{CHANNEL_PREFIX}{name}" for name in found if self._versions.get(name, found[name]) != found[name]])
            self._versions = found

    def _wake(self, channels: list[str]) -> None:
        for channel in channels:
            for event in self._waiting.get(channel, ()):
                event.set()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Listening:
    """One stream's interest in one channel. A class, because a generator would be closed apart from the stream that uses it."""

    def __init__(self, hub: WakeUps, channel: str, *, hears_all: bool) -> None:
        self._hub = hub
        self._channel = channel
        self._hears_all = hears_all
        self._event = asyncio.Event()
        self._patience = POLL_SECONDS
        self._due_at = 0.0

    async def __aenter__(self) -> Listening:
        await self._hub.add(self._channel, self._event)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hub.remove(self._channel, self._event)

    async def wait(self, *, at_most: float = math.inf) -> bool:
        """
        Wait for a wake-up, or until it is time to look without one; False when `at_most` seconds went by before.

        That is a second after the last change, for lines may be committed out of the order of their numbers, and ever later
        after it: hundreds of streams of executions that pause must cost next to nothing.
        """
        now = time.monotonic()
        self._due_at = self._due_at or now + self._patience
        left = self._due_at - now
        timeout = min(left, at_most)
        try:
            # Not `wait_for`, which up to Python 3.11 may swallow that the browser is gone.
            async with asyncio.timeout(None if math.isinf(timeout) else timeout):
                await self._event.wait()
        except TimeoutError:
            if at_most < left:
                return False
            self._patience = self._relax()
        else:
            self._event.clear()
            self._patience = POLL_SECONDS
        self._due_at = 0.0
        return True

    def _relax(self) -> float:
        if not self._hears_all or not self._hub.is_connected:
            return POLL_SECONDS
        longer = 2 * self._patience
        return longer if longer <= QUIET_SECONDS else math.inf


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, WakeUps] = WeakKeyDictionary()


def hub() -> WakeUps:
    """Return the wake-ups of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), WakeUps())


# A few threads read for all streams: a stream costs no thread and no database connection of its own.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stream-reader")


def _read_versions(execution_ids: list[str]) -> dict[str, int]:
    return dict(Execution.objects.filter(pk__in=execution_ids).values_list("id", "version"))


def _run_query(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    finally:
        # Back to the pool, where there is one.
        connection.close()


_renewed: OrderedDict[tuple[Caller, str], tuple[float, Caller | None]] = OrderedDict()
_MOST_RENEWED = 1_000


def _renew_together(caller: Caller, session_key: str) -> Caller | None:
    """Return the caller with the rights of now, or None; streams of one person with the same credentials ask once for all."""
    key = (caller, session_key)
    read_at, renewed = _renewed.get(key, (0.0, None))
    if time.monotonic() - read_at > RIGHTS_SECONDS:
        renewed = renew_caller(caller, session_key=session_key, at=timezone.now())
        _renewed[key] = (time.monotonic(), renewed)
        _renewed.move_to_end(key)
        while len(_renewed) > _MOST_RENEWED:
            _renewed.popitem(last=False)
    return renewed


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
        self._began_as = self._caller = current_caller()
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

    async def check(self) -> None:
        """Raise ForbiddenError when the viewer may not look any more. For streams that have had nothing to look at."""
        if time.monotonic() > self._fresh_until:
            await ask_database(self._renew)

    def _renew(self) -> None:
        caller = _renew_together(self._began_as, self._session_key)
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

"""Which parts are there, and which queues workers serve: each part keeps a short-lived key at the broker while it works."""

from __future__ import annotations

import itertools
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from flows.conf import DEFAULT_QUEUE, get_settings
from flows.engine.workers import WorkerRow

log = logging.getLogger(__name__)

WORKER_KEY_PREFIX = "celestra:worker:"
PART_KEY_PREFIX = "celestra:part:"
TAG_JOINER = "+"
"""Between the tags in the name of a queue whose workers have all of them."""

_LIFE_SECONDS = 15
_RENEWAL_SECONDS = 5.0
_ANSWER_SECONDS = 1.0
_MEMORY_SECONDS = 1.0
_MOST_WORKERS = 10_000
# n tags have 2 ** n combinations, and each is a queue to listen to.
_MOST_TAGS = 5


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """One worker that reported lately."""

    name: str
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartPresence:
    """
    One part that reported lately: `kind` is web, scheduler or worker, `name` tells it from others of its kind. `host` and
    `started_at` (aware) are None when the report does not say.
    """

    kind: str
    name: str
    host: str | None
    started_at: datetime | None
    last_seen_at: datetime


class Report:
    """Keeps a key with facts of this process alive until `stop`. Its thread never fails: an unreachable broker is tried again."""

    def __init__(self, key: str, **facts: Any) -> None:
        self._key = key
        started = datetime.now(UTC).isoformat()
        self._facts = {**facts, "pid": os.getpid(), "host": socket.gethostname(), "started": started}
        self._is_reachable = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Report now and every five seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Take the key away at once: a worker that takes no more messages serves no queue. Safe to call twice."""
        self._stopped.set()
        self._thread.join(2 * _ANSWER_SECONDS)

    def _renew(self) -> None:
        """Do what else belongs to a report; it may change the facts."""

    def _end(self) -> None:
        """Do what else belongs to the last report."""

    def _tell(self, client: redis.Redis | None) -> None:
        if client is None:
            return
        try:
            client.set(self._key, json.dumps(self._facts), ex=_LIFE_SECONDS)
            self._is_reachable = True
        except redis.RedisError as error:
            if self._is_reachable:
                log.warning("presence.broker-unreachable", extra={"reason": str(error)})
            self._is_reachable = False

    def _run(self) -> None:
        client = connect()
        while True:
            # The key first: the rest may have to wait for the database.
            told = dict(self._facts)
            self._tell(client)
            self._renew()
            if self._facts != told:
                self._tell(client)
            if self._stopped.wait(_RENEWAL_SECONDS):
                break
        try:
            if client is not None:
                client.delete(self._key)
        except redis.RedisError:
            log.debug("presence.not-removed", extra={"key": self._key})
        finally:
            if client is not None:
                client.close()
        self._end()


class Presence(Report):
    """The report of a worker: which queues it serves, with how many processes. One that is drained serves none."""

    def __init__(self, name: str, *, queues: list[str], concurrency: int | None, row: WorkerRow | None = None) -> None:
        super().__init__(f"{WORKER_KEY_PREFIX}{name}", name=name, queues=queues, concurrency=concurrency)
        self._queues = queues
        self._row = row

    def _renew(self) -> None:
        if self._row is not None:
            self._row.renew()
            self._facts["queues"] = [] if self._row.is_draining else self._queues

    def _end(self) -> None:
        if self._row is not None:
            self._row.end()


def connect() -> redis.Redis | None:
    """Return a client of the broker that waits a second at most, None when the broker is of another kind."""
    url = get_settings().redis_url
    if url is None:
        return None
    return redis.Redis.from_url(url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS)


_own: Presence | None = None


def listen_to_combined_tags(*, instance: Any, **_: Any) -> None:
    """
    Have a worker that serves several queues of tags also serve the queues for tasks that ask for several tags at once.

    A worker with `gpu` and `eu` listens to `eu+gpu` as well. Beyond five tags only the tags themselves are served.
    """
    queues = instance.app.amqp.queues
    for name in combine_tags(list(queues.consume_from)):
        queues.select_add(name)


def combine_tags(queues: list[str]) -> list[str]:
    """Return the names of the queues for two or more of these tags; the default queue is no tag."""
    tags = sorted({name for name in queues if name != DEFAULT_QUEUE and TAG_JOINER not in name})
    if len(tags) > _MOST_TAGS:
        log.warning("presence.too-many-tags", extra={"tags": len(tags), "most": _MOST_TAGS})
        return []
    groups = itertools.chain.from_iterable(itertools.combinations(tags, size) for size in range(2, len(tags) + 1))
    return [TAG_JOINER.join(group) for group in groups]


def announce_worker(*, sender: Any, **_: Any) -> None:
    """Begin to report for the worker of this process, whose consumer has just begun to take messages."""
    global _own  # one worker per process
    controller = getattr(sender, "controller", None)
    name = f"{sender.hostname}:{os.getpid()}"
    queues, concurrency = sorted(sender.app.amqp.queues.consume_from), getattr(controller, "concurrency", None)
    row = WorkerRow(
        name,
        queues=queues,
        slots=concurrency or 1,
        list_processes=lambda: _list_pool(sender),
        drain=lambda is_drained: sender.call_soon(_switch_intake, sender, queues, is_drained),
    )
    _own = Presence(name, queues=queues, concurrency=concurrency, row=row)
    _own.start()


def _list_pool(consumer: Any) -> list[int]:
    """Return the ids of the processes that run the tasks of a worker, its own where they are threads."""
    children = getattr(getattr(getattr(consumer, "pool", None), "_pool", None), "_pool", ())
    return sorted(child.pid for child in list(children) if hasattr(child, "pid")) or [os.getpid()]


def _switch_intake(consumer: Any, queues: Sequence[str], is_drained: bool) -> None:
    """Stop or begin to take messages, in the worker's own loop. What it has already goes on, and so does a lost connection."""
    for queue in queues:
        (consumer.cancel_task_queue if is_drained else consumer.add_task_queue)(queue)


def withdraw_worker(**_: Any) -> None:
    """Stop reporting: the worker of this process stops."""
    if _own is not None:
        _own.stop()


_announced: set[str] = set()


def announce_part(kind: str) -> None:
    """Begin to report for this process, which is the part `kind` (web, scheduler) until it ends. Safe to call again."""
    if kind not in _announced:
        _announced.add(kind)
        name = f"{socket.gethostname()}:{os.getpid()}"
        Report(f"{PART_KEY_PREFIX}{kind}:{name}", name=name).start()


def list_parts() -> list[PartPresence] | None:
    """Return the parts that reported lately, workers included, by kind and name; None when the broker cannot be asked."""
    client = connect()
    if client is None:
        return None
    found = []
    try:
        with client:
            for prefix in (WORKER_KEY_PREFIX, PART_KEY_PREFIX):
                for key in itertools.islice(client.scan_iter(f"{prefix}*", count=1000), _MOST_WORKERS):
                    left, value = int(client.pttl(key)), client.get(key)
                    if value is not None:
                        found.append(_read_part(key.decode(), value, left=timedelta(milliseconds=left)))
    except redis.RedisError:
        log.warning("presence.parts-unknown", exc_info=True)
        return None
    return sorted(found, key=lambda part: (part.kind, part.name))


def _read_part(key: str, value: bytes | str, *, left: timedelta) -> PartPresence:
    kind, name = "worker", key.removeprefix(WORKER_KEY_PREFIX)
    if key.startswith(PART_KEY_PREFIX):
        kind, _, name = key.removeprefix(PART_KEY_PREFIX).partition(":")
    last_seen_at = datetime.now(UTC) - (timedelta(seconds=_LIFE_SECONDS) - left)
    try:
        facts = json.loads(value)
        return PartPresence(kind, name, str(facts["host"]), datetime.fromisoformat(facts["started"]), last_seen_at)
    except (ValueError, KeyError, TypeError):
        return PartPresence(kind, name, None, None, last_seen_at)


def list_workers() -> list[WorkerPresence] | None:
    """Return the workers that reported lately, by name; None when the broker cannot be asked."""
    client = connect()
    if client is None:
        return None
    try:
        with client:
            keys = list(itertools.islice(client.scan_iter(f"{WORKER_KEY_PREFIX}*", count=1000), _MOST_WORKERS))
            values: list[Any] = client.mget(keys) if keys else []
    except redis.RedisError:
        log.warning("presence.workers-unknown", exc_info=True)
        return None
    found = [_read(key.decode().removeprefix(WORKER_KEY_PREFIX), value) for key, value in zip(keys, values, strict=True) if value]
    return sorted(found, key=lambda worker: worker.name)


def _read(name: str, value: bytes) -> WorkerPresence:
    try:
        queues = json.loads(value)["queues"]
        return WorkerPresence(name, tuple(str(queue) for queue in queues))
    except (ValueError, KeyError, TypeError):
        return WorkerPresence(name)


_served: tuple[float, frozenset[str] | None] = (float("-inf"), None)


def find_served_queues() -> frozenset[str] | None:
    """Return the queues that some worker serves, as known for a second at most; None when nobody can tell."""
    global _served  # many task runs of one visit ask the same
    moment, known = _served
    if time.monotonic() - moment > _MEMORY_SECONDS:
        workers = list_workers()
        known = None if workers is None else frozenset(queue for worker in workers for queue in worker.queues)
        _served = (time.monotonic(), known)
    return known


def is_served(queues: Sequence[str]) -> bool:
    """Tell whether some worker serves one of the queues; true when nobody can tell."""
    served = find_served_queues()
    return served is None or not served.isdisjoint(queues)


def forget_workers() -> None:
    """Ask again next time."""
    global _served
    _served = (float("-inf"), None)

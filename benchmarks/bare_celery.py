"""
Plain Celery on the same broker: a chain of two tasks that do nothing. What our engine costs is measured against it.

`celery -A benchmarks.bare_celery worker` is the worker; `python -m benchmarks.bare_celery` publishes and prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import redis
from celery import Celery, chain

_SOCKET = os.environ.get("BENCH_BROKER_SOCKET", "")
_QUEUE = "bench-bare"
_DATABASE = 7
_DONE_KEY = "bench-bare-done"

app = Celery(
    "bare",
    broker=f"redis+socket://{_SOCKET}?virtual_host={_DATABASE}",
    backend=f"redis+socket://{_SOCKET}?virtual_host={_DATABASE}",
)
# As the product's own workers are set, so that the difference is the engine and nothing else.
app.conf.update(
    task_default_queue=_QUEUE,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_pool_limit=4,
    result_expires=600,
    task_ignore_result=False,
)


def open_broker() -> redis.Redis:
    """Return a connection to the broker's database of this benchmark."""
    return redis.Redis(unix_socket_path=_SOCKET, db=_DATABASE)


_counter: redis.Redis | None = None


@app.task(name="bench.first", ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def first() -> None:
    """Do nothing."""


@app.task(name="bench.second")  # type: ignore[untyped-decorator]  # Celery has no types
def second() -> None:
    """Do nothing but tell that the chain has ended."""
    global _counter  # one connection per process
    _counter = _counter or open_broker()
    _counter.incr(_DONE_KEY)


def measure_latency_ms(calls: int) -> list[float]:
    """Return milliseconds from publishing to the result, one chain at a time."""
    found = []
    for _ in range(calls):
        began = time.monotonic()
        chain(first.si(), second.si()).apply_async().get(timeout=30)
        found.append((time.monotonic() - began) * 1000)
        time.sleep(0.03)
    return found


def measure_rate(seconds: float, window: int) -> float:
    """Return chains per second with at most `window` of them open."""
    broker = open_broker()
    broker.delete(_DONE_KEY)
    sent = done = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        done = int(broker.get(_DONE_KEY) or 0)  # type: ignore[arg-type]  # no asynchronous client
        for _ in range(window - (sent - done)):
            chain(first.si(), second.si()).apply_async(ignore_result=True)
            sent += 1
        time.sleep(0.005)
    done = int(broker.get(_DONE_KEY) or 0)  # type: ignore[arg-type]  # no asynchronous client
    elapsed = time.monotonic() - began
    while int(broker.get(_DONE_KEY) or 0) < sent:  # type: ignore[arg-type]  # no asynchronous client
        time.sleep(0.01)
    return done / elapsed


def main() -> None:
    """Measure latency or rate and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=0, help="chains to measure one by one")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long to publish as many as the workers take")
    parser.add_argument("--window", type=int, default=32)
    given = parser.parse_args()
    print(
        json.dumps(
            {
                "latencies_ms": measure_latency_ms(given.calls) if given.calls else [],
                "rate": measure_rate(given.seconds, given.window) if given.seconds else None,
            }
        )
    )


if __name__ == "__main__":
    main()

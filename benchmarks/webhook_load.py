"""
The load generator, a process of its own: calls a webhook over keep-alive connections and keeps a fixed number of executions open.

Run by `benchmarks/engine.py`; prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field

import psycopg

_BODY = b'{"customer":"Ada","total":12.5}'
_TICK_SECONDS = 0.02


@dataclass(slots=True)
class Load:
    """
    What the connections share. `room` is how many more executions may be started before somebody looks again: a closed loop, so
    that no backlog hides how fast executions really end.
    """

    host: str
    port: int
    path: str
    window: int
    ends_at: float
    room: int = 0
    calling: int = 0
    answer_seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def request(self) -> bytes:
        """The bytes of one call."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY


async def call_again_and_again(load: Load) -> None:
    """Call over one connection until the time is over."""
    reader, writer = await asyncio.open_connection(load.host, load.port)
    request = load.request
    while time.monotonic() < load.ends_at:
        if load.room <= 0:
            await asyncio.sleep(0.001)
            continue
        load.room -= 1
        load.calling += 1
        began = time.monotonic()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = read_head(head)
        body = await reader.readexactly(length)
        load.calling -= 1
        if status == 200:
            load.answer_seconds.append(time.monotonic() - began)
        else:
            load.refused.append(f"{status} {body[:200]!r}")
            await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()


def read_head(head: bytes) -> tuple[int, int]:
    """Return status and content length of an HTTP answer."""
    lines = head.split(b"\r\n")
    lengths = [int(line.split(b":", 1)[1]) for line in lines if line.lower().startswith(b"content-length:")]
    return int(lines[0].split(b" ", 2)[1]), lengths[0] if lengths else 0


async def keep_window(load: Load, database_url: str, namespace: str) -> float:
    """Look how many executions are open, and allow as many more; return the moment at which the last one was seen ended."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(
                "select count(*) from flows_execution where state in ('CREATED', 'RUNNING') and namespace = %s", [namespace]
            )
            row = await cursor.fetchone()
            open_count = row[0] if row else 0
            if time.monotonic() >= load.ends_at:
                load.room = 0
                if not open_count and not load.calling:
                    return time.monotonic()
            else:
                load.room = load.window - open_count - load.calling
            await asyncio.sleep(_TICK_SECONDS)


async def generate(load: Load, connections: int, database_url: str, namespace: str) -> dict[str, object]:
    """Run the connections and return what was seen."""
    began = time.monotonic()
    calls = [asyncio.create_task(call_again_and_again(load)) for _ in range(connections)]
    drained = await keep_window(load, database_url, namespace)
    await asyncio.gather(*calls)
    return {
        "seconds": drained - began,
        "accepted": len(load.answer_seconds),
        "answer_seconds": load.answer_seconds,
        "refused": load.refused[:5],
    }


def main() -> None:
    """Read the arguments, generate load, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--window", type=int, default=32, help="executions that may be open at once")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    load = Load(given.host, given.port, given.path, given.window, time.monotonic() + given.seconds)
    print(json.dumps(asyncio.run(generate(load, given.connections, given.database, given.namespace))))


if __name__ == "__main__":
    main()

"""Reads the console's streams of events in tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient

Event = tuple[str, Any]
"""Name and data."""


def read_events(reader: AsyncClient, path: str, until: Callable[[list[Event]], bool], **headers: str) -> list[Event]:
    """
    Return the events of a stream until its end, or until `until` says that it has seen enough of them.

    Raises:
        TimeoutError: neither came within 20 seconds.
    """

    async def read() -> list[Event]:
        answer = await reader.get(path, headers=headers)
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"].startswith("text/event-stream")
        found: list[Event] = []
        async with asyncio.timeout(20):
            async for event in _split(answer):
                found.append(event)
                if until(found):
                    break
        await sync_to_async(let_go)()
        return found

    return asyncio.run(read())


async def _split(answer: Any) -> AsyncIterator[Event]:
    async for chunk in answer.streaming_content:
        for text in chunk.decode().strip().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in text.splitlines())
            yield fields["event"], json.loads(fields["data"])


def has_ended(found: list[Event]) -> bool:
    """Tell whether the last event is the end."""
    return found[-1][0] == "end"


def let_go() -> None:
    """Close this thread's connection: the thread outlives the test, and would keep the test database from being dropped."""
    connection.close()

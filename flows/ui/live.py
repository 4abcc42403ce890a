"""The streams of the console: what was painted here comes in small parts that a page puts in as they are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flows.queries.log_tail import NewLines
from flows.streams import Viewer, ask_database, hub
from flows.ui.painters.log_lines import Origin, paint_log_lines

GATHER_SECONDS = 0.12
"""Lines that come within this time are sent together."""

LINES_PER_PART = 50
PARTS_PER_EVENT = 10
ALIVE_SECONDS = 5.0
STRAGGLER_SECONDS = 4.0
"""How long lines may still come after the end of an execution, in batches of workers that were busy."""

LONGEST_SECONDS = 30 * 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look at the database found.

    Attributes:
        events: what a page is told, as `write_event` writes it.
        mark: any value that differs when something changed of which `events` say nothing.
        has_ended: True when nothing more is to be expected.
    """

    events: Sequence[bytes] = ()
    mark: Any = None
    has_ended: bool = False


def write_event(name: str, data: Any, *, number: int = 0) -> bytes:
    """Return one event; a browser that lost its stream tells the last `number` when it comes back."""
    lead = f"id: {number}\n" if number else ""
    return f"{lead}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def write_lines(lines: NewLines, *, last_id: int, origin: Origin = Origin.NONE, marked: str = "") -> Iterator[bytes]:
    """
    Yield the events for new lines: `gap` when some were left out, then `lines` with at most 500 lines each.

    A `lines` event holds `parts`, a list of [count of lines, markup], so small that a page can put in one between two frames.
    """
    if lines.skipped_count:
        yield write_event("gap", {"count": lines.skipped_count, "after": lines.skipped_after})
    size = LINES_PER_PART * PARTS_PER_EVENT
    for start in range(0, len(lines.entries), size):
        chunk = lines.entries[start : start + size]
        # Only the last event moves the place to come back to: within a look moments rise, ids need not.
        reached = last_id if start + size >= len(lines.entries) else 0
        parts = paint_parts(chunk, origin=origin, marked=marked)
        yield write_event("lines", {"parts": parts, "last": reached}, number=reached)


def paint_parts(entries: Sequence[Any], *, origin: Origin = Origin.NONE, marked: str = "") -> list[tuple[int, str]]:
    """Return lines as parts: how many each one holds, and its markup."""
    return [
        (len(part), str(paint_log_lines(part, origin=origin, marked=marked)))
        for part in (entries[start : start + LINES_PER_PART] for start in range(0, len(entries), LINES_PER_PART))
    ]


async def follow_changes(
    channel: str, look: Callable[[], Look], viewer: Viewer, *, gather_seconds: float = GATHER_SECONDS
) -> AsyncGenerator[bytes, None]:
    """
    Yield events as something changes: those that a look found, `changed` when only its mark did, `alive` now and then, `end`.

    Args:
        channel: id of the execution whose changes wake the stream; empty for a log of many, which is looked at once a second.
        look: blocking; finds what is new since the look before it. It runs off the event loop and in the name of the viewer.
        gather_seconds: the shortest time between two looks; slow looks take at most a quarter of the time.
    """
    began_at = told_at = time.monotonic()
    ended_at = 0.0
    mark = None
    async with hub().listen(channel, hears_all=bool(channel)) as changes:
        # At once, so that a page knows that its stream is open.
        yield write_event("alive", {})
        while time.monotonic() - began_at < LONGEST_SECONDS:
            looked_at = time.monotonic()
            found = await ask_database(viewer.look(look))
            for event in found.events:
                yield event
            if mark is not None and found.mark != mark:
                yield write_event("changed", {})
            mark = found.mark
            now = time.monotonic()
            ended_at = (ended_at or now) if found.has_ended else 0.0
            if ended_at and not found.events and now - ended_at > STRAGGLER_SECONDS:
                yield write_event("end", {})
                return
            if found.events:
                told_at = now
            while not await changes.wait(at_most=max(0.0, told_at + ALIVE_SECONDS - time.monotonic())):
                told_at = time.monotonic()
                await viewer.check()
                yield write_event("alive", {})
            # The first change is told at once; those that follow closely are told together.
            await asyncio.sleep(max(0.0, now + max(gather_seconds, 3 * (now - looked_at)) - time.monotonic()))

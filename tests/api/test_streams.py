"""Live streams: frames, their order and their end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient
from redis import Redis
from redis.asyncio.client import PubSub

from flows import streams
from flows.api.sse import follow
from flows.conf import get_settings
from flows.models import Execution, LogEntry
from tests.api.conftest import AT, PASSWORD, MakeExecution, basic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker_url")]


class Reader:
    """A signed-in caller that reads streams."""

    async def get(self, path: str) -> Any:
        return await AsyncClient().get(path, headers={"authorization": basic("alice@example.org")})


@pytest.fixture
def client(transactional_db: None) -> Reader:
    """A signed-in caller that reads streams."""
    User.objects.create_superuser("alice@example.org", "alice@example.org", PASSWORD)
    return Reader()


async def _frames(answer: Any) -> AsyncIterator[tuple[str, Any]]:
    async for chunk in answer.streaming_content:
        for text in chunk.decode().split("\n\n"):
            if text.startswith("id: "):
                name, _, data = text.removeprefix("id: ").partition("\ndata: ")
                yield name, json.loads(data)


def _run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


async def _elsewhere(write: Callable[[], Any]) -> None:
    """Write as another process would: in a thread and on a connection of its own."""

    def run() -> None:
        try:
            write()
        finally:
            connection.close()

    await asyncio.to_thread(run)


def _announce(execution_id: str) -> None:
    with Redis.from_url(str(get_settings().redis_url)) as redis:
        redis.publish(f"{streams.CHANNEL_PREFIX}{execution_id}", "x")


def test_an_ended_execution_gives_its_end_and_closes(client: Reader, make_execution: MakeExecution) -> None:
    execution = make_execution("SUCCESS", runs={"a": "SUCCESS"})

    async def read() -> list[tuple[str, Any]]:
        answer = await client.get(f"/api/v1/main/executions/{execution.id}/follow")
        assert answer["Content-Type"].startswith("text/event-stream") and answer["X-Accel-Buffering"] == "no"
        return [frame async for frame in _frames(answer)]

    frames = _run(read())

    assert [name for name, _ in frames] == ["start", "end"]
    assert frames[0][1] == frames[1][1]
    assert frames[-1][1]["state"]["current"] == "SUCCESS" and len(frames[-1][1]["taskRunList"]) == 1


def test_each_change_is_one_frame_and_the_end_the_last(
    client: Reader, make_execution: MakeExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The safety poll is set so slow that only wake-ups can explain the frames."""
    monkeypatch.setattr(streams, "POLL_SECONDS", 15.0)
    execution = make_execution("RUNNING")

    def finish() -> None:
        Execution.objects.filter(pk=execution.id).update(
            state="SUCCESS", histories=[*execution.histories, ["SUCCESS", AT.isoformat()]]
        )
        _announce(execution.id)

    async def read() -> list[str]:
        answer = await client.get(f"/api/v1/main/executions/{execution.id}/follow")
        names = []
        async for name, _ in _frames(answer):
            names.append(name)
            if name == "progress" and len(names) == 2:
                await _elsewhere(finish)
        return names

    assert _run(read()) == ["start", "progress", "end"]


def test_a_stream_goes_on_without_a_broker(
    client: Reader, make_execution: MakeExecution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(streams.WakeUps, "_subscribe", _subscribe_to_nothing)
    execution = make_execution("RUNNING")

    async def read() -> list[str]:
        answer = await client.get(f"/api/v1/main/executions/{execution.id}/follow")
        names = []
        async for name, _ in _frames(answer):
            names.append(name)
            if name == "progress":
                await _elsewhere(lambda: Execution.objects.filter(pk=execution.id).update(state="FAILED"))
        return names

    assert _run(read()) == ["start", "progress", "end"]


@pytest.mark.parametrize(("hears", "fewest", "most"), [(True, 3, 8), (False, 15, 60)])
def test_a_stream_that_hears_of_every_change_looks_ever_less_often(
    client: Reader, monkeypatch: pytest.MonkeyPatch, hears: bool, fewest: int, most: int
) -> None:
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.05)
    if not hears:
        monkeypatch.setattr(streams.WakeUps, "_subscribe", _subscribe_to_nothing)
    looks = []

    def read(execution_id: str) -> tuple[dict[str, str], bool]:
        looks.append(execution_id)
        return {"id": execution_id}, False

    async def watch() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                async for _ in follow("quiet", read, streams.Viewer("prod", session_key="")):
                    pass

    _run(watch())

    assert fewest <= len(looks) <= most


async def _subscribe_to_nothing(self: Any, channel: str) -> None:
    return None


def test_log_lines_come_stored_ones_first_then_live_ones(client: Reader, make_execution: MakeExecution) -> None:
    execution = make_execution("RUNNING", logs=[(1, "debug"), (2, "first")])

    def write() -> None:
        LogEntry.objects.create(
            namespace="company.team", flow_id="daily", execution_id=execution.id, level=3, timestamp=AT, message="second"
        )
        _announce(execution.id)

    async def read() -> list[tuple[str, Any]]:
        answer = await client.get(f"/api/v1/main/logs/{execution.id}/follow?minLevel=INFO")
        found = []
        async for frame in _frames(answer):
            found.append(frame)
            if len(found) == 2:
                await _elsewhere(write)
            if len(found) == 3:
                break
        return found

    frames = _run(read())

    assert [name for name, _ in frames] == ["start", "progress", "progress"]
    assert frames[0][1] == {} and [data["message"] for _, data in frames[1:]] == ["first", "second"]


def test_many_streams_share_one_subscription(client: Reader, make_execution: MakeExecution) -> None:
    execution = make_execution("RUNNING")

    async def read() -> int:
        answers = [await client.get(f"/api/v1/main/executions/{execution.id}/follow") for _ in range(5)]
        streams = [answer.streaming_content for answer in answers]
        for stream in streams:
            await anext(stream)
            await anext(stream)
        await asyncio.sleep(0)
        with Redis.from_url(str(get_settings().redis_url)) as redis:
            count = 0
            for _ in range(100):
                count = await asyncio.to_thread(_count_subscribers, redis, execution.id)
                if count:
                    break
        return count

    assert _run(read()) == 1


def _count_subscribers(redis: Redis, execution_id: str) -> int:
    return int(redis.pubsub_numsub(f"{streams.CHANNEL_PREFIX}{execution_id}")[0][1])


def test_relatives_are_followed_one_by_one(client: Reader, make_execution: MakeExecution) -> None:
    parent = make_execution("SUCCESS")
    child = make_execution("FAILED", caller_execution_id=parent.id)

    async def read() -> list[tuple[str, Any]]:
        answer = await client.get(f"/api/v1/main/executions/{parent.id}/follow-dependencies")
        return [frame async for frame in _frames(answer)]

    frames = _run(read())

    assert {data["executionId"] for name, data in frames if name == "progress"} == {parent.id, child.id}
    assert frames[-1][0] == "end"


async def _end_within(seconds: float, stays: Callable[[streams.WakeUps], Any]) -> bool:
    """Open the first stream and end it after a while; tell whether all that was begun for it ends, too."""
    before = asyncio.all_tasks()
    hub = streams.WakeUps()
    async with hub.listen("one"):
        await stays(hub)
    if begun := asyncio.all_tasks() - before:
        await asyncio.wait(begun, timeout=seconds)
    return not asyncio.all_tasks() - before


async def _until_connected(hub: streams.WakeUps) -> None:
    async with asyncio.timeout(10):
        while not hub.is_connected:
            await asyncio.sleep(0.01)


def test_nothing_goes_on_after_the_last_stream_although_the_connection_breaks_while_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_: PubSub) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(PubSub, "aclose", fail)

    assert asyncio.run(_end_within(5, _until_connected))


def test_nothing_goes_on_after_a_stream_that_ends_while_it_is_connected() -> None:
    async def open_and_leave() -> list[bool]:
        # From before the connection is there until the first message may come.
        return [await _end_within(5, lambda _, step=step: asyncio.sleep(step * 0.0001)) for step in range(80)]  # type: ignore[misc]

    assert all(asyncio.run(open_and_leave()))


def test_a_stream_that_comes_when_the_last_one_leaves_is_still_woken() -> None:
    async def change_over() -> bool:
        hub = streams.WakeUps()
        async with hub.listen("one"):
            await _until_connected(hub)
        async with hub.listen("two"):
            await _until_connected(hub)
            # The reader of before is gone by now, and took nothing with it.
            await asyncio.sleep(0.2)
            return hub.is_connected

    assert asyncio.run(change_over())

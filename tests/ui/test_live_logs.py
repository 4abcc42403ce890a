"""The streams of log lines that the console reads: markup in small parts, what was left out, changes, the end, who may look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient

from flows.models import Execution, Flow, LogEntry
from flows.queries import log_tail
from flows.queries.executions import list_task_runs, measure_progress
from flows.ui import live
from orchestrator.asgi import waits

from .conftest import AT, FLOW_ID, NAMESPACE, save_execution, save_log, save_task_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker_url")]

Event = tuple[str, Any]


@pytest.fixture
def reader(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncClient:
    """A browser in which Alice is signed in; nobody waits for stragglers."""
    monkeypatch.setattr(live, "STRAGGLER_SECONDS", 0.0)
    client = AsyncClient()
    client.force_login(User.objects.create_superuser("alice@example.org", password="Correct-horse-1"))
    return client


def _save_lines(execution: Execution, count: int) -> list[int]:
    facts = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "execution_id": execution.id, "level": 2}
    rows = [LogEntry(**facts, message=f"line {n}", timestamp=AT + timedelta(milliseconds=n)) for n in range(count)]
    return [row.id for row in LogEntry.objects.bulk_create(rows)]


async def _events(answer: Any) -> AsyncIterator[Event]:
    async for chunk in answer.streaming_content:
        for text in chunk.decode().strip().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in text.splitlines())
            yield fields["event"], json.loads(fields["data"])


def _let_go() -> None:
    # The thread outlives the test, and its connection would keep the test database from being dropped.
    connection.close()


def _read(reader: AsyncClient, path: str, until: Callable[[list[Event]], bool], **headers: str) -> list[Event]:
    async def read() -> list[Event]:
        answer = await reader.get(path, headers=headers)
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"].startswith("text/event-stream")
        found: list[Event] = []
        async with asyncio.timeout(20):
            async for event in _events(answer):
                found.append(event)
                if until(found):
                    break
        await sync_to_async(_let_go)()
        return found

    return asyncio.run(read())


def _ended(found: list[Event]) -> bool:
    return found[-1][0] == "end"


def _texts(found: list[Event]) -> list[str]:
    markup = "".join(part for name, data in found if name == "lines" for _, part in data["parts"])
    return [piece.partition("</span>")[0] for piece in markup.split('<span class="l-text">')[1:]]


def test_lines_come_as_markup_in_small_parts_and_then_the_end(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    ids = _save_lines(execution, 1_100)

    found = _read(reader, f"/ui/live/executions/{execution.id}/logs?after=0", _ended)

    lines = [data for name, data in found if name == "lines"]
    assert [[count for count, _ in data["parts"]] for data in lines] == [[50] * 10, [50] * 10, [50] * 2]
    assert [data["last"] for data in lines] == [0, 0, ids[-1]]
    assert _texts(found) == [f"line {number}" for number in range(1_100)]
    assert found[0][0] == "alive" and found[-1][0] == "end"


def test_a_browser_that_comes_back_gets_what_it_has_not_seen(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    ids = _save_lines(execution, 600)

    found = _read(reader, f"/ui/live/executions/{execution.id}/logs?after=0", _ended, **{"Last-Event-ID": str(ids[499])})

    assert _texts(found)[-100:] == [f"line {number}" for number in range(500, 600)]
    assert len(_texts(found)) < 400


def test_what_comes_too_fast_is_told_as_a_gap(reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MOST_AT_ONCE", 300)
    execution = save_execution()
    _save_lines(execution, 1_000)

    found = _read(reader, f"/ui/live/executions/{execution.id}/logs?after=0", _ended)

    assert [data["count"] for name, data in found if name == "gap"] == [700]
    assert _texts(found) == [f"line {number}" for number in range(700, 1_000)]


def test_the_filters_of_the_page_hold_for_what_comes(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    for level, text in ((2, "a needle"), (4, "a <needle>"), (4, "hay")):
        save_log(execution, text, level=level)

    found = _read(reader, f"/ui/live/executions/{execution.id}/logs?level=ERROR&q=needle&after=0", _ended)

    assert _texts(found) == ["a &lt;<mark>needle</mark>&gt;"]


def test_a_change_of_the_execution_rings(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution(state="RUNNING")

    def write() -> None:
        try:
            Execution.objects.filter(pk=execution.pk).update(state="SUCCESS")
        finally:
            connection.close()

    began: list[object] = []

    def until(found: list[Event]) -> bool:
        if not began:
            began.append(asyncio.get_running_loop().run_in_executor(None, write))
        return _ended(found)

    found = _read(reader, f"/ui/live/executions/{execution.id}/logs?after=0", until)

    assert [name for name, _ in found if name != "alive"] in (["changed", "end"], ["end"])


def _seen_by_page(execution: Execution) -> str:
    return measure_progress(execution, list_task_runs(execution.id)).mark


def test_a_page_of_an_execution_is_rung_for_what_it_has_not_seen_and_gets_no_part_of_it(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    before = _seen_by_page(execution)
    save_task_run(execution, "hello")
    address = f"/ui/live/executions/{execution.id}?seen="

    behind, up_to_date = (_read(reader, address + mark, _ended) for mark in (before, _seen_by_page(execution)))

    assert [event for event in behind if event[0] != "alive"] == [("changed", {}), ("end", {})]
    assert [event for event in up_to_date if event[0] != "alive"] == [("end", {})]


def test_a_task_that_waits_after_the_end_keeps_the_stream_open(
    reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.5)
    execution = save_execution()
    save_task_run(execution, "sign", state="PAUSED", ended_at=None)

    found = _read(reader, f"/ui/live/executions/{execution.id}?seen={_seen_by_page(execution)}", lambda _: False)

    assert {name for name, _ in found} == {"alive"}


def test_the_lines_of_all_executions_are_followed_with_where_they_come_from(
    reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.5)
    save_log(save_execution(), "hello")

    found = _read(reader, "/ui/live/logs?after=0", lambda _: False)

    [[[count, markup]]] = [data["parts"] for name, data in found if name == "lines"]
    assert count == 1
    assert 'class="l-flow" href="/ui/e/exec1?tab=logs' in markup


def test_nobody_follows_a_log_without_signing_in(flow: Flow) -> None:
    execution = save_execution()

    async def ask() -> int:
        answer = await AsyncClient().get(f"/ui/live/executions/{execution.id}/logs")
        await sync_to_async(_let_go)()
        return int(answer.status_code)

    assert asyncio.run(ask()) == 302


def test_a_stream_is_served_as_something_that_waits() -> None:
    scope = {"path": "/ui/live/executions/exec1/logs", "query_string": b"", "headers": []}

    assert waits(scope)
    assert not waits({**scope, "path": "/ui/logs"})

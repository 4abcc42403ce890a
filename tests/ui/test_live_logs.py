"""The streams of log lines that the console reads: markup in small parts, what was left out, changes, the end, who may look."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient

from flows.models import Execution, Flow, LogEntry
from flows.queries import log_tail
from flows.ui import live
from orchestrator.asgi import waits

from .conftest import AT, FLOW_ID, NAMESPACE, save_execution, save_log
from .streaming import Event, has_ended, let_go, read_events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker_url")]


def _save_lines(execution: Execution, count: int) -> list[int]:
    facts = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "execution_id": execution.id, "level": 2}
    rows = [LogEntry(**facts, message=f"line {n}", timestamp=AT + timedelta(milliseconds=n)) for n in range(count)]
    return [row.id for row in LogEntry.objects.bulk_create(rows)]


def _texts(found: list[Event]) -> list[str]:
    markup = "".join(part for name, data in found if name == "lines" for _, part in data["parts"])
    return [piece.partition("</span>")[0] for piece in markup.split('<span class="l-text">')[1:]]


def test_lines_come_as_markup_in_small_parts_and_then_the_end(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    ids = _save_lines(execution, 1_100)

    found = read_events(reader, f"/ui/live/executions/{execution.id}/logs?after=0", has_ended)

    lines = [data for name, data in found if name == "lines"]
    assert [[count for count, _ in data["parts"]] for data in lines] == [[50] * 10, [50] * 10, [50] * 2]
    assert [data["last"] for data in lines] == [0, 0, ids[-1]]
    assert _texts(found) == [f"line {number}" for number in range(1_100)]
    assert found[0][0] == "alive" and found[-1][0] == "end"


def test_a_browser_that_comes_back_gets_what_it_has_not_seen(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    ids = _save_lines(execution, 600)

    found = read_events(reader, f"/ui/live/executions/{execution.id}/logs?after=0", has_ended, **{"Last-Event-ID": str(ids[499])})

    assert _texts(found)[-100:] == [f"line {number}" for number in range(500, 600)]
    assert len(_texts(found)) < 400


def test_what_comes_too_fast_is_told_as_a_gap(reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MOST_AT_ONCE", 300)
    execution = save_execution()
    _save_lines(execution, 1_000)

    found = read_events(reader, f"/ui/live/executions/{execution.id}/logs?after=0", has_ended)

    assert [data["count"] for name, data in found if name == "gap"] == [700]
    assert _texts(found) == [f"line {number}" for number in range(700, 1_000)]


def test_the_filters_of_the_page_hold_for_what_comes(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    for level, text in ((2, "a needle"), (4, "a <needle>"), (4, "hay")):
        save_log(execution, text, level=level)

    found = read_events(reader, f"/ui/live/executions/{execution.id}/logs?level=ERROR&q=needle&after=0", has_ended)

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
        return has_ended(found)

    found = read_events(reader, f"/ui/live/executions/{execution.id}/logs?after=0", until)

    assert [name for name, _ in found if name != "alive"] in (["changed", "end"], ["end"])


def test_the_lines_of_all_executions_are_followed_with_where_they_come_from(
    reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.5)
    save_log(save_execution(), "hello")

    found = read_events(reader, "/ui/live/logs?after=0", lambda _: False)

    [[[count, markup]]] = [data["parts"] for name, data in found if name == "lines"]
    assert count == 1
    assert 'class="l-flow" href="/ui/e/exec1?tab=logs' in markup


def test_nobody_follows_a_log_without_signing_in(flow: Flow) -> None:
    execution = save_execution()

    async def ask() -> int:
        answer = await AsyncClient().get(f"/ui/live/executions/{execution.id}/logs")
        await sync_to_async(let_go)()
        return int(answer.status_code)

    assert asyncio.run(ask()) == 302


def test_a_stream_is_served_as_something_that_waits() -> None:
    scope = {"path": "/ui/live/executions/exec1/logs", "query_string": b"", "headers": []}

    assert waits(scope)
    assert not waits({**scope, "path": "/ui/logs"})

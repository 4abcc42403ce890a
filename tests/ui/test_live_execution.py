"""The stream of an execution's page: what it has not seen, row by row and node by node, and never the whole again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import AsyncClient

from flows.models import Execution, Flow, TaskRun
from flows.queries.executions import list_task_runs, measure_progress
from flows.ui import live

from .conftest import AT, save_execution, save_task_run
from .streaming import Event, has_ended, read_events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker_url")]

STREAM = "/ui/live/executions/exec1"


def _seen_by_page(execution: Execution) -> str:
    return measure_progress(execution, list_task_runs(execution.id)).mark


def _told(found: list[Event]) -> list[Event]:
    return [event for event in found if event[0] not in ("alive", "end")]


def _watch(reader: AsyncClient, execution: Execution, change: Callable[[], object], *, tab: str, query: str = "") -> list[Event]:
    """Follow a page that shows everything, change something, and return what the page is told of it."""
    begun: list[object] = []

    def write() -> None:
        try:
            change()
        finally:
            connection.close()

    def until(found: list[Event]) -> bool:
        # The first sign of life comes before the first look, the second one after it.
        if not begun and len(found) == 2:
            begun.append(asyncio.get_running_loop().run_in_executor(None, write))
        return bool(_told(found)) and found[-1][0] == "alive"

    address = f"{STREAM}?tab={tab}&query={quote(query)}&seen={_seen_by_page(execution)}"
    return _told(read_events(reader, address, until))


def _parts(told: list[Event]) -> set[str]:
    return {part for name, data in told if name == "parts" for part in data}


def _changes(told: list[Event]) -> list[tuple[int, int, str]]:
    return [(place, count, markup) for name, data in told if name == "elements" for place, count, markup in data]


@pytest.fixture(autouse=True)
def _frequent_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ALIVE_SECONDS", 0.3)


def _save_running(*task_ids: str) -> tuple[Execution, dict[str, TaskRun]]:
    """Store a running execution; its first task run has ended, those of `task_ids` go on."""
    execution = save_execution(state="RUNNING")
    save_task_run(execution, "hello")
    history = [["CREATED", AT.isoformat()], ["RUNNING", AT.isoformat()]]
    facts = {"state": "RUNNING", "ended_at": None, "histories": history}
    return execution, {name: save_task_run(execution, name, **facts) for name in task_ids}


def _save_end(run: TaskRun, state: str = "SUCCESS") -> None:
    run.histories = [*run.histories, [state, (AT + timedelta(seconds=2)).isoformat()]]
    run.state, run.ended_at = state, AT + timedelta(seconds=2)
    run.save()


def test_a_page_gets_what_it_has_not_seen_and_nothing_when_it_has_seen_all(reader: AsyncClient, flow: Flow) -> None:
    execution = save_execution()
    before = _seen_by_page(execution)
    save_task_run(execution, "hello")

    behind, up_to_date = (
        read_events(reader, f"{STREAM}?tab=gantt&seen={mark}", has_ended) for mark in (before, _seen_by_page(execution))
    )

    [(name, parts)] = _told(behind)
    assert name == "parts"
    assert set(parts) == {"live-head", "live-acts", "live-dialogs", "live-body"}
    assert _told(up_to_date) == []


@pytest.mark.parametrize("tab", ["overview", "topology"])
def test_a_node_that_moved_comes_without_the_picture(reader: AsyncClient, flow: Flow, tab: str) -> None:
    execution, runs = _save_running("say")

    told = _watch(reader, execution, lambda: _save_end(runs["say"]), tab=tab)

    markup = "".join(text for _, _, text in _changes(told))
    assert 'id="n-say"' in markup and "st-good" in markup
    assert 'id="n-hello"' not in markup
    assert "live-head" in _parts(told) and "live-body" not in _parts(told)


def test_a_row_that_moved_comes_without_the_others(reader: AsyncClient, flow: Flow) -> None:
    execution, runs = _save_running("say")

    told = _watch(reader, execution, lambda: _save_end(runs["say"], "WARNING"), tab="gantt")

    [(place, count, markup)] = _changes(told)
    assert (place, count, markup.count('role="row"')) == (1, 1, 1)
    assert "st-warning" in markup and "live-body" not in _parts(told)


def test_a_new_row_comes_between_those_around_it(reader: AsyncClient, flow: Flow) -> None:
    execution, _ = _save_running("say")

    told = _watch(reader, execution, lambda: save_task_run(execution, "within", parent_id="exec1-say-0"), tab="gantt")

    assert "gantt-count" in _parts(told) and "live-body" not in _parts(told)
    # The row around it is a group now.
    [(place, count, markup)] = _changes(told)
    assert (place, count, markup.count('role="row"')) == (1, 1, 2)
    assert "within" in markup and "hello" not in markup


def test_the_choices_of_the_page_hold_for_what_comes(reader: AsyncClient, flow: Flow) -> None:
    execution, runs = _save_running("say", "each")

    told = _watch(reader, execution, lambda: _save_end(runs["say"]), tab="gantt", query="q=each&sort=start")

    # Of the rows that the filter leaves none moved.
    assert _changes(told) == [] and "live-head" in _parts(told)


def test_what_people_can_do_and_are_asked_comes_with_the_state(reader: AsyncClient, flow: Flow) -> None:
    execution, _ = _save_running()

    def end() -> None:
        Execution.objects.filter(pk="exec1").update(state="SUCCESS", ended_at=AT, version=execution.version + 1)

    told = _watch(reader, execution, end, tab="overview")

    parts = {part: text for name, data in told if name == "parts" for part, text in data.items()}
    assert "Replay" in parts["live-acts"]
    assert 'id="state-dialog"' in parts["live-dialogs"]
    assert "SUCCESS" in parts["live-head"]


def test_the_log_tab_gets_no_lines_by_this_stream(reader: AsyncClient, flow: Flow) -> None:
    execution, runs = _save_running("say")

    told = _watch(reader, execution, lambda: _save_end(runs["say"]), tab="logs")

    assert "live-head" in _parts(told) and "live-body" not in _parts(told)


def test_a_task_that_waits_after_the_end_keeps_the_stream_open(
    reader: AsyncClient, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.5)
    execution = save_execution()
    save_task_run(execution, "sign", state="PAUSED", ended_at=None)

    found = read_events(reader, f"{STREAM}?seen={_seen_by_page(execution)}", lambda _: False)

    assert {name for name, _ in found} == {"alive"}

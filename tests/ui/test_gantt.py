"""Task runs over time: folds, attempts, the chain that decided the duration, gaps that are cut, and what stays text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.models import TaskRun
from flows.ui.gantt_rows import GanttRow, filter_rows, find_critical_ids, find_gaps, list_rows
from flows.ui.painters.gantt import Frame, paint_gantt, paint_gantt_table
from flows.ui.painters.time_scale import TimeScale

AT = datetime(2031, 5, 4, tzinfo=UTC)
END = AT + timedelta(seconds=4)


def _run(number: float, *, length: float = 1, parent: str | None = None, iteration: int | None = None, **fields: Any) -> TaskRun:
    start, end = AT + timedelta(seconds=number), AT + timedelta(seconds=number + length)
    state = fields.pop("state", "SUCCESS")
    history = [["CREATED", start.isoformat()], ["RUNNING", start.isoformat()]]
    if state != "RUNNING":
        history.append([state, end.isoformat()])
    facts: dict[str, Any] = {
        "id": f"run{number:g}" if iteration is None else f"run{number:g}-{iteration}",
        "task_id": "say",
        "parent_id": parent,
        "iteration": iteration,
        "value": None if iteration is None else str(iteration),
        "attempts": [],
    }
    return TaskRun(**{**facts, "state": state, "histories": history, **fields})


def _link(**changes: str) -> str:
    return "?" + "&".join(f"{name}={value}" for name, value in changes.items())


def _paint(rows: list[GanttRow], *, end: datetime | None = END, most: int = 200, **frame: Any) -> str:
    return str(paint_gantt(rows, Frame(AT, end, END, **frame), link=_link, most=most))


def test_a_loop_of_many_iterations_is_one_row_until_it_is_unfolded() -> None:
    states = ["FAILED" if number == 7 else "SUCCESS" for number in range(30)]
    runs = [_run(0), *(_run(0, parent="run0", iteration=number, state=state) for number, state in enumerate(states))]

    row = list_rows(runs, {})[1]

    assert row.strip.index("FAILED") == 7
    assert row.folded == (("FAILED", 1), ("SUCCESS", 29))
    assert _paint([row]).count('class="g-try') == 30


def test_a_long_strip_keeps_the_failure_of_a_single_iteration() -> None:
    states = ["FAILED" if number == 777 else "SUCCESS" for number in range(2000)]
    runs = [_run(0), *(_run(0, parent="run0", iteration=number, state=state) for number, state in enumerate(states))]

    strip = list_rows(runs, {})[1].strip

    assert len(strip) == 200
    assert strip.count("FAILED") == 1


def test_a_folded_group_hides_what_it_holds() -> None:
    runs = [_run(0), _run(1, parent="run0"), _run(2)]

    rows = list_rows(runs, {}, folded=["run0"])

    assert [(row.id, row.is_folded, row.child_count) for row in rows] == [("run0", True, 1), ("run2", False, 0)]


def test_bars_stand_where_their_moments_are() -> None:
    picture = _paint(list_rows([_run(0), _run(1), _run(3)], {}))

    assert 'x="25.00%" y="8" width="25.00%"' in picture
    assert 'x="75.00%" y="8" width="25.00%"' in picture


def test_a_window_shows_a_part_of_the_axis_over_the_whole_width() -> None:
    window = (AT + timedelta(seconds=1), AT + timedelta(seconds=3))

    picture = _paint(list_rows([_run(1)], {}), window=window)

    assert 'x="0.00%" y="8" width="50.00%"' in picture
    assert 'data-offset="1000" data-span="2000"' in picture


def test_every_attempt_is_a_segment_of_its_bar() -> None:
    moments = [(AT + timedelta(seconds=second)).isoformat() for second in (0, 1, 2, 4)]
    attempts = [
        {"state": "FAILED", "startDate": moments[0], "endDate": moments[1]},
        {"state": "SUCCESS", "startDate": moments[2], "endDate": moments[3]},
    ]

    picture = _paint(list_rows([_run(0, length=4, attempts=attempts)], {}))

    assert "attempt 1, FAILED" in picture
    assert 'class="g-try st-good" x="50.00%" y="8" height="14" rx="2" width="50.00%"' in picture


def test_a_task_run_of_an_unknown_parent_is_shown_at_the_top() -> None:
    assert [row.depth for row in list_rows([_run(1, parent="gone")], {})] == [0]


def test_the_critical_path_is_the_chain_before_the_last_end() -> None:
    # 0-2 and 0-1 side by side, then 2-3; the short one decided nothing.
    runs = [_run(0, length=2, id="long"), _run(0, length=1, id="short"), _run(2, id="last")]

    assert find_critical_ids(runs) == {"long", "last"}


def test_the_groups_around_the_critical_path_belong_to_it() -> None:
    runs = [
        _run(0, length=3, id="group"),
        _run(0, length=1, id="short", parent="group"),
        _run(0, length=3, id="in", parent="group"),
    ]

    assert find_critical_ids(runs) == {"group", "in"}


def test_task_runs_that_end_as_they_begin_do_not_stop_the_critical_path() -> None:
    runs = [_run(0, length=2, id="first"), _run(2, length=0, id="instant"), _run(2, length=0, id="other")]

    assert "first" in find_critical_ids(runs)


def test_the_critical_path_of_nothing_is_empty() -> None:
    assert find_critical_ids([]) == frozenset()


def test_rows_are_filtered_by_text_state_and_critical_path() -> None:
    rows = list_rows([_run(0, task_id="load", state="FAILED"), _run(1, task_id="send")], {})

    assert [row.task_id for row in filter_rows(rows, text="LO")] == ["load"]
    assert [row.task_id for row in filter_rows(rows, states=["FAILED"])] == ["load"]
    assert len(filter_rows(rows, critical=True)) == 2


def test_a_long_gap_without_work_is_found_and_takes_little_room() -> None:
    rows = list_rows([_run(0), _run(9)], {})
    end = AT + timedelta(seconds=10)

    gaps = find_gaps(rows, start=AT, end=end)
    scale = TimeScale(AT, end, cuts=gaps)

    assert gaps == [(AT + timedelta(seconds=1), AT + timedelta(seconds=9))]
    assert 45 < scale.place(AT + timedelta(seconds=1)) < 50
    assert 50 < scale.place(AT + timedelta(seconds=9)) < 55
    assert scale.place(end) == pytest.approx(100)


def test_short_gaps_are_not_cut() -> None:
    rows = list_rows([_run(0), _run(2), _run(3)], {})

    assert find_gaps(rows, start=AT, end=END) == []


def test_the_marks_of_the_axis_never_leave_it() -> None:
    for seconds in (0.001, 0.3, 7, 61, 3601, 90_000, 10_000_000):
        ticks = TimeScale(AT, AT + timedelta(seconds=seconds)).list_ticks()

        assert all(0 <= place <= 100 for place, _ in ticks)
        assert len(ticks) <= 8


def test_rows_beyond_the_first_are_offered_by_a_link() -> None:
    rows = list_rows([_run(number / 1000, id=f"r{number}") for number in range(450)], {})

    picture = _paint(rows, most=200)

    assert picture.count('class="g-row st-') == 200
    assert "250 more rows" in picture


def test_a_table_says_the_same_as_the_chart() -> None:
    rows = list_rows([_run(0, task_id="load"), _run(1, task_id="send", state="FAILED")], {})

    table = paint_gantt_table(rows, link=_link, at=END)

    assert table.count("<tr>") == 3
    assert "FAILED" in table


def test_hostile_names_and_values_stay_text() -> None:
    hostile = '"><script>alert(1)</script>'
    rows = list_rows([_run(0, task_id=hostile, value=hostile, id=hostile)], {hostile: hostile})

    for picture in (_paint(rows), paint_gantt_table(rows, link=_link, at=END)):
        assert "<script>" not in picture

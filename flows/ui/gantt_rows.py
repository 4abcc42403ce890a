"""The task runs of an execution as rows over time: the tree with its folds, attempts, and the chain that decided the duration."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flows.models import TaskRun
from flows.primitives.states import TERMINAL, State
from flows.ui.wording import read_history

FOLD_FROM = 20
MOST_ROWS = 5000
DEEPEST = 12
LONGEST_STRIP = 200
GAP_SHARE = 0.3
_WAITING = frozenset({"CREATED", "RESTARTED", "QUEUED"})
_TOLERANCE = timedelta(milliseconds=5)

_WORST_FIRST = tuple(
    str(state.value)
    for state in (
        State.RUNNING, State.RETRYING, State.PAUSED, State.BREAKPOINT, State.KILLING, State.FAILED, State.KILLED,
        State.CANCELLED, State.WARNING, State.CREATED, State.RESTARTED, State.SUCCESS,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """One attempt: its state, and when it began and ended (None while it goes on)."""

    state: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class GanttRow:
    """
    One task run, or many iterations folded into one row. Moments are aware; `ended_at` is None while it goes on; `began_at` is
    None while it waits for a worker. `strip` holds one state per folded iteration, `child_count` what a folded group hides.
    """

    id: str
    task_id: str
    type: str
    value: str
    depth: int
    state: str
    created_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    attempt_count: int = 1
    is_group: bool = False
    folded: tuple[tuple[str, int], ...] = ()
    strip: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    is_critical: bool = False
    child_count: int = 0
    is_folded: bool = False


def worst_state(states: Collection[str]) -> str:
    """Return the state that speaks for many: what still goes on first, then what went wrong. `states` must not be empty."""
    held = set(states)
    return next((one for one in _WORST_FIRST if one in held), next(iter(held)))


def list_rows(
    runs: Sequence[TaskRun],
    types: Mapping[str, str],
    *,
    unfolded: Collection[str] = (),
    folded: Collection[str] = (),
    by_start: bool = False,
) -> list[GanttRow]:
    """
    Return the rows as a tree in the order of creation; a loop with more than 20 iterations is one row unless it is unfolded.

    Args:
        runs: all task runs of an execution, by creation.
        types: last part of the type name by task id.
        unfolded: ids of task runs whose iterations are all shown.
        folded: ids of groups whose children are hidden.
        by_start: one flat list by the moment at which each task run began, without groups and folds.
    """
    critical = find_critical_ids(runs)
    if by_start:
        parents = {run.parent_id for run in runs}
        rows = [_make_row(run, 0, types, critical=critical) for run in runs if run.id not in parents]
        return sorted(rows, key=lambda row: row.began_at or row.created_at)[:MOST_ROWS]
    children: dict[str | None, list[TaskRun]] = defaultdict(list)
    known = {run.id for run in runs}
    for run in runs:
        children[run.parent_id if run.parent_id in known else None].append(run)
    rows = []
    # A stack instead of recursion: loops in loops may be deep.
    stack: list[tuple[TaskRun, int]] = [(run, 0) for run in reversed(children[None])]
    while stack and len(rows) < MOST_ROWS:
        run, depth = stack.pop()
        inner = children.get(run.id, [])
        row = _make_row(run, depth, types, critical=critical)
        is_folded = run.id in folded and bool(inner)
        rows.append(replace(row, is_group=bool(inner), child_count=len(inner), is_folded=is_folded) if inner else row)
        if is_folded:
            continue
        iterations = {child.iteration for child in inner if child.iteration is not None}
        if len(iterations) > FOLD_FROM and run.id not in unfolded:
            rows.append(_fold(run, inner, depth + 1, is_critical=run.id in critical))
        else:
            stack.extend((child, depth + 1) for child in reversed(inner))
    return rows


def _make_row(run: TaskRun, depth: int, types: Mapping[str, str], *, critical: Collection[str]) -> GanttRow:
    history = read_history(run.histories)
    began = next((moment for state, moment in history if state not in _WAITING), None)
    return GanttRow(
        id=run.id,
        task_id=run.task_id,
        type=types.get(run.task_id, ""),
        value=run.value or "",
        depth=min(depth, DEEPEST),
        state=run.state,
        created_at=history[0][1],
        began_at=began,
        ended_at=history[-1][1] if run.state in TERMINAL else None,
        attempt_count=max(1, len(run.attempts)),
        segments=_list_segments(run) if len(run.attempts) > 1 else (),
        is_critical=run.id in critical,
    )


def _list_segments(run: TaskRun) -> tuple[Segment, ...]:
    found = []
    for attempt in run.attempts:
        begin, end = attempt.get("startDate"), attempt.get("endDate")
        if begin:
            began, ended = datetime.fromisoformat(begin), datetime.fromisoformat(end) if end else None
            found.append(Segment(str(attempt.get("state") or "RUNNING"), began, ended))
    return tuple(found)


def _fold(run: TaskRun, inner: Sequence[TaskRun], depth: int, *, is_critical: bool) -> GanttRow:
    by_iteration = list_iteration_states(inner)
    counts = Counter(by_iteration)
    first, last = read_history(inner[0].histories), max(read_history(child.histories)[-1][1] for child in inner)
    return GanttRow(
        id=run.id,
        task_id=f"{len(by_iteration):,} iterations",
        type="",
        value="",
        depth=min(depth, DEEPEST),
        state=worst_state(by_iteration),
        created_at=first[0][1],
        began_at=first[0][1],
        ended_at=last if run.state in TERMINAL else None,
        is_group=True,
        folded=tuple(sorted(counts.items())),
        strip=_shorten_strip(by_iteration),
        is_critical=is_critical,
    )


def list_iteration_states(inner: Sequence[TaskRun]) -> list[str]:
    """Return one state per iteration of a loop, in the order of the iterations."""
    by_number: dict[int, list[str]] = defaultdict(list)
    for child in inner:
        if child.iteration is not None:
            by_number[child.iteration].append(child.state)
    return [worst_state(by_number[number]) for number in sorted(by_number)]


def _shorten_strip(states: Sequence[str]) -> tuple[str, ...]:
    """Return at most `LONGEST_STRIP` states; neighbours that share a place are told by their worst."""
    size = -(-len(states) // LONGEST_STRIP)
    return tuple(worst_state(states[index : index + size]) for index in range(0, len(states), max(1, size)))


def find_critical_ids(runs: Sequence[TaskRun]) -> frozenset[str]:
    """
    Return the ids of the task runs that decided how long the execution took, with the groups around them.

    The chain is read backwards from the end: before each task run stands the one that ended last before it was created.
    """
    parents = {run.parent_id for run in runs}
    by_id = {run.id: run for run in runs}
    begins = {run.id: read_history(run.histories)[0][1] for run in runs}
    ends: list[tuple[datetime, str]] = []
    running = []
    for run in runs:
        if run.id in parents:
            continue
        history = read_history(run.histories)
        if run.state in TERMINAL:
            ends.append((history[-1][1], run.id))
        else:
            running.append((begins[run.id], run.id))
    ends.sort()
    moments = [moment for moment, _ in ends]
    at = min(running)[1] if running else ends[-1][1] if ends else ""
    found: set[str] = set()
    while at:
        found.add(at)
        created = begins[at]
        index = bisect_right(moments, created + _TOLERANCE) - 1
        # What began together, as siblings do, did not wait for one another, however short it was.
        while index >= 0 and (ends[index][1] in found or begins[ends[index][1]] >= created):
            index -= 1
        at = ends[index][1] if index >= 0 else ""
    for one in list(found):
        parent = by_id[one].parent_id
        while parent and parent in by_id and parent not in found:
            found.add(parent)
            parent = by_id[parent].parent_id
    return frozenset(found)


def filter_rows(
    rows: Sequence[GanttRow], *, text: str = "", states: Collection[str] = (), critical: bool = False
) -> list[GanttRow]:
    """Return the rows that match; a folded loop matches when one of its iterations is in a wanted state."""
    wanted = text.lower()
    return [
        row
        for row in rows
        if (not wanted or wanted in row.task_id.lower() or wanted in row.value.lower() or wanted in row.type.lower())
        and (not states or row.state in states or any(state in states for state, _ in row.folded))
        and (not critical or row.is_critical)
    ]


def find_gaps(rows: Sequence[GanttRow], *, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the spans in which no task ran and that take more than 30 % of the time from start to end, in order."""
    if end <= start:
        return []
    busy = sorted((row.began_at, row.ended_at or end) for row in rows if row.began_at and (not row.is_group or row.folded))
    gaps, reached = [], start
    for began, ended in [*busy, (end, end)]:
        if (began - reached) / (end - start) > GAP_SHARE:
            gaps.append((reached, began))
        reached = max(reached, ended)
    return gaps

"""What a due schedule does: fire one date or move on, and which date it waits for next. Pure: row values in, decision out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flows.primitives.errors import FlowsError
from flows.triggers.backfill import Backfill, advance_backfill, date_after_backfill
from flows.triggers.schedule import (
    DateFilter,
    Recover,
    Schedule,
    find_next_accepted,
    next_date_after_gap,
    next_fire_after,
    skip_late_dates,
)

# A date this young was not missed: another scheduler may just have taken over.
GRACE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """
    What the row of a schedule remembers; moments are aware UTC.

    `next_at` None means that nothing is due ever; while a backfill is set, `next_at` is its current date, or None when paused.
    """

    next_at: datetime | None
    last_fired_at: datetime | None = None
    backfill: Backfill | None = None


@dataclass(frozen=True, slots=True)
class ScheduleDecision:
    """
    What to do with a due row.

    Attributes:
        fire_date: the date to start an execution for, None when nothing starts.
        after: what the row remembers from now on.
        backfill: the backfill that the fired date belongs to.
        failure: why the filter of the date could not be answered; the execution is then created as FAILED.
    """

    fire_date: datetime | None
    after: ScheduleState
    backfill: Backfill | None = None
    failure: str = ""


def decide_schedule(schedule: Schedule, state: ScheduleState, accepts: DateFilter | None, *, at: datetime) -> ScheduleDecision:
    """
    Return what a row that may be due does at a moment.

    Args:
        schedule: the dates.
        state: what the row remembers.
        accepts: the date filter of the trigger, None when it has none; a FlowsError that it raises becomes `failure`.
        at: now, aware UTC.

    Source: flow language, 13.2 and 13.4.
    """
    if state.backfill is not None:
        return _decide_backfill(schedule, state, state.backfill, accepts, at)
    if state.next_at is None or state.next_at > at:
        return ScheduleDecision(None, state)
    due = skip_late_dates(schedule, state.next_at, at=at)
    if due is None or due > at:
        return ScheduleDecision(None, replace(state, next_at=due))
    failure = ""
    try:
        fires = accepts is None or accepts(due)
    except FlowsError as error:
        fires, failure = True, str(error)
    after = ScheduleState(
        next_at=next_waiting_date(schedule, due, accepts), last_fired_at=due if fires else state.last_fired_at, backfill=None
    )
    return ScheduleDecision(due if fires else None, after, failure=failure)


def next_waiting_date(schedule: Schedule, after: datetime, accepts: DateFilter | None) -> datetime | None:
    """
    Return the date to wait for after `after`: the next one that the filter accepts, or the one where the search gave up.

    A filter that fails counts as accepting, so that its failure shows when the date comes.
    """
    found = find_next_accepted(schedule, after, be_lenient(accepts))
    return found.date if found is not None else None


def be_lenient(accepts: DateFilter | None) -> DateFilter | None:
    """Return a filter that accepts the dates for which the given one fails."""
    if accepts is None:
        return None

    def lenient(date: datetime) -> bool:
        try:
            return accepts(date)
        except FlowsError:
            return True

    return lenient


def first_waiting_date(schedule: Schedule, accepts: DateFilter | None, *, at: datetime) -> datetime | None:
    """Return the date a new, reset or re-enabled trigger waits for: the first one after now."""
    return next_waiting_date(schedule, at, accepts)


def date_after_change(schedule: Schedule, state: ScheduleState, accepts: DateFilter | None, *, at: datetime) -> datetime | None:
    """
    Return the date a trigger waits for after its rule was edited: computed from the old date and the new rule.

    The last date that fired is the base; what it gives in the past was never a date of the trigger while it ran, so an edit
    starts no surprise execution. Source: flow language, 13.9; reliability, R-53.
    """
    waiting = state.next_at
    # The pending date survives when the new rule has it too: an edit a second before it must not lose it.
    if waiting is not None and next_fire_after(schedule, waiting - timedelta(microseconds=1)) == waiting:
        return waiting
    return next_waiting_date(schedule, max(state.last_fired_at or at, at), accepts)


def recover_state(schedule: Schedule, state: ScheduleState, *, at: datetime) -> ScheduleState:
    """
    Return the state of a row after nobody looked at schedules for a while; unchanged when nothing was missed.

    Source: flow language, 13.3.
    """
    if state.backfill is not None or state.next_at is None or state.next_at >= at - GRACE or schedule.recover is Recover.ALL:
        return state
    return replace(state, next_at=next_date_after_gap(schedule, stored=state.next_at, last_fired=state.last_fired_at, at=at))


def _decide_backfill(
    schedule: Schedule, state: ScheduleState, backfill: Backfill, accepts: DateFilter | None, at: datetime
) -> ScheduleDecision:
    if backfill.paused:
        return ScheduleDecision(None, replace(state, next_at=None))
    date = backfill.current
    if date is None:
        return ScheduleDecision(None, end_backfill(schedule, state, at=at))
    failure = ""
    try:
        fires = accepts is None or accepts(date)
    except FlowsError as error:
        fires, failure = True, str(error)
    moved = advance_backfill(schedule, backfill, date, be_lenient(accepts))
    after = replace(state, backfill=moved, next_at=moved.current)
    if moved.current is None:
        after = end_backfill(schedule, after, at=at)
    return ScheduleDecision(date if fires else None, after, backfill, failure)


def end_backfill(schedule: Schedule, state: ScheduleState, *, at: datetime) -> ScheduleState:
    """Return the state without its backfill, waiting for the regular date again."""
    if state.backfill is None:
        return state
    regular = date_after_backfill(schedule, state.backfill, last_fired=state.last_fired_at, at=at)
    return replace(state, backfill=None, next_at=regular)

"""Schedules: which dates a Schedule or ScheduleOnDates trigger has, which of them fire, and what their executions see."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from flows.language.flow import Trigger
from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError
from flows.triggers.cron import SEARCH_YEARS, Cron, get_zone, next_moment, parse_cron, previous_moment

DateFilter = Callable[[datetime], bool]

# A filter may refuse every date of ten years; past this many tries the search gives up for now and goes on later.
FILTER_TRIES = 4000
TICK = timedelta(microseconds=1)


class Recover(StrEnum):
    """What becomes of dates that passed while nobody looked: all fire in order, only the last one, or none."""

    ALL = "ALL"
    LAST = "LAST"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    The dates of one trigger: those of `cron`, or else the fixed `dates` (aware UTC, rising, no doubles).

    `zone` is the zone in which the cron expression is meant and `trigger.date` is shown; `late_maximum` is the delay past
    which a regular date is dropped, None for no limit.
    """

    zone: ZoneInfo
    cron: Cron | None = None
    dates: tuple[datetime, ...] = ()
    recover: Recover = Recover.ALL
    late_maximum: timedelta | None = None

    @property
    def has_variables(self) -> bool:
        """Only a cron schedule gives its executions trigger variables."""
        return self.cron is not None


def read_schedule(trigger: Trigger, *, default_zone: str = "UTC", default_recover: Recover = Recover.ALL) -> Schedule:
    """
    Return the schedule that a trigger of family `schedule` describes.

    Args:
        trigger: a typed trigger; its properties are read as written, `cron` or `dates` tells the kind.
        default_zone: IANA name used when the trigger names none.
        default_recover: what the plugin configuration says about missed dates.

    Raises:
        InvalidError: codes `cron-syntax`, `time-zone`, `schedule-date`, `duration` or `recover-missed`.

    Source: flow language, 13.2, 13.3 and 13.5.
    """
    properties = trigger.properties
    zone = get_zone(str(properties.get("timezone") or default_zone))
    cron: Cron | None = None
    dates: tuple[datetime, ...] = ()
    if "dates" in properties:
        dates = tuple(sorted({_read_date(trigger.id, value, zone) for value in properties["dates"] or ()}))
    else:
        cron = parse_cron(str(properties.get("cron", "")), with_seconds=properties.get("withSeconds") is True)
    return Schedule(
        zone=zone,
        cron=cron,
        dates=dates,
        recover=_read_recover(trigger.id, properties.get("recoverMissedSchedules"), default_recover),
        late_maximum=_read_late_maximum(trigger.id, properties.get("lateMaximumDelay")),
    )


def next_fire_after(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first date strictly after `after` as aware UTC, or None when there is none within ten years."""
    if schedule.cron is not None:
        return next_moment(schedule.cron, after, schedule.zone)
    index = bisect_right(schedule.dates, after)
    return schedule.dates[index] if index < len(schedule.dates) else None


def previous_fire_before(schedule: Schedule, before: datetime) -> datetime | None:
    """Return the last date strictly before `before` as aware UTC, or None when there is none within ten years."""
    if schedule.cron is not None:
        return previous_moment(schedule.cron, before, schedule.zone)
    index = bisect_left(schedule.dates, before)
    return schedule.dates[index - 1] if index > 0 else None


def next_date_after_gap(
    schedule: Schedule, *, stored: datetime | None, last_fired: datetime | None, at: datetime
) -> datetime | None:
    """
    Return the date that a trigger waits for after nobody looked at it for a while.

    Args:
        stored: the next date noted before the gap, None when the trigger is new or was disabled.
        last_fired: the newest date that ever fired, None when none did.
        at: now.

    Returns:
        Aware UTC, in the past when a missed date has to fire first; None when no date is left.

    Source: flow language, 13.3.
    """
    future = next_fire_after(schedule, at)
    if stored is None:
        return future
    if stored > at or schedule.recover is Recover.ALL:
        return stored
    if schedule.recover is Recover.LAST:
        last = previous_fire_before(schedule, at + TICK)
        if last is not None and last >= stored and (last_fired is None or last > last_fired):
            return last
    return future


def skip_late_dates(schedule: Schedule, due: datetime, *, at: datetime) -> datetime | None:
    """Return `due`, or the first date that is not later than the schedule's `late_maximum` allows; None when none is left."""
    if schedule.late_maximum is None or at - due <= schedule.late_maximum:
        return due
    return next_fire_after(schedule, at - schedule.late_maximum - TICK)


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date of a filtered search; `is_certain` is False when the search gave up there and must go on from it."""

    date: datetime
    is_certain: bool = True


def find_next_accepted(schedule: Schedule, after: datetime, accepts: DateFilter | None) -> FoundDate | None:
    """
    Return the first date after `after` for which the filter holds, or None when ten years have none.

    The search looks at no more than `FILTER_TRIES` dates; then it returns the last one it saw as uncertain. Fixed dates are
    found however far away they are.
    """
    limit = _years_later(after, SEARCH_YEARS) if schedule.cron is not None else None
    moment = next_fire_after(schedule, after)
    for _ in range(FILTER_TRIES):
        if moment is None or (limit is not None and moment > limit):
            return None
        if accepts is None or accepts(moment):
            return FoundDate(moment)
        following = next_fire_after(schedule, moment)
        if following is None:
            return None
        moment = following
    return FoundDate(moment, is_certain=False) if moment is not None else None


def find_previous_accepted(schedule: Schedule, before: datetime, accepts: DateFilter | None) -> FoundDate | None:
    """The mirror of `find_next_accepted`: the last date before `before` for which the filter holds."""
    limit = _years_later(before, -SEARCH_YEARS) if schedule.cron is not None else None
    moment = previous_fire_before(schedule, before)
    for _ in range(FILTER_TRIES):
        if moment is None or (limit is not None and moment < limit):
            return None
        if accepts is None or accepts(moment):
            return FoundDate(moment)
        earlier = previous_fire_before(schedule, moment)
        if earlier is None:
            return None
        moment = earlier
    return FoundDate(moment, is_certain=False) if moment is not None else None


def schedule_variables(schedule: Schedule, fire_date: datetime, accepts: DateFilter | None = None) -> dict[str, Any]:
    """
    Return the `trigger.*` variables of the execution for one date.

    Returns:
        `date`, `next`, `previous` and `timestamp` as zoned date-times in the schedule's zone; `next` and `previous` are the
        neighbouring dates that the filter accepts, and absent when there is none. Empty for fixed dates.

    Source: flow language, 13.2.
    """
    if not schedule.has_variables:
        return {}
    local = fire_date.astimezone(schedule.zone)
    variables: dict[str, Any] = {"date": local, "timestamp": local}
    following = find_next_accepted(schedule, fire_date, accepts)
    if following is not None and following.is_certain:
        variables["next"] = following.date.astimezone(schedule.zone)
    earlier = find_previous_accepted(schedule, fire_date, accepts)
    if earlier is not None and earlier.is_certain:
        variables["previous"] = earlier.date.astimezone(schedule.zone)
    return variables


def _read_date(trigger_id: str, value: Any, zone: ZoneInfo) -> datetime:
    moment: datetime | None = None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=zone)
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.partition("[")[0])
        except ValueError:
            moment = None
    if moment is None:
        raise InvalidError(
            f'Trigger "{trigger_id}" has the date "{value}", which is not a date-time such as 2031-05-04T10:00:00+02:00.',
            code="schedule-date",
        )
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _read_recover(trigger_id: str, value: Any, default: Recover) -> Recover:
    if value is None:
        return default
    try:
        return Recover(str(value))
    except ValueError as error:
        raise InvalidError(
            f'Trigger "{trigger_id}" has recoverMissedSchedules "{value}"; use ALL, LAST or NONE.', code="recover-missed"
        ) from error


def _read_late_maximum(trigger_id: str, value: Any) -> timedelta | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except DurationError as error:
        raise InvalidError(
            f'Trigger "{trigger_id}" has lateMaximumDelay "{value}", which is not a duration such as PT1H: {error}.',
            code="duration",
        ) from error


def _years_later(moment: datetime, years: int) -> datetime:
    try:
        return moment + timedelta(days=366 * years)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if years > 0 else datetime.min.replace(tzinfo=UTC)

"""
An independent, slow reading of cron in time zones, to check the fast one against. It walks over every UTC minute of a span,
looks at the wall clock, and applies the two rules in words: a wildcard hour fires at each matching instant; a fixed hour
fires once per wall-clock time, at the first instant on or after which the clock shows it or has passed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
NAMES = {"JAN": 1, "MAR": 3, "OCT": 10, "DEC": 12, "SUN": 0, "MON": 1, "FRI": 5}


def allowed(column: str, low: int, high: int) -> set[int]:
    """Return the values a column allows; knows lists, ranges, steps and the few names used in the tables."""
    values = set()
    for item in column.split(","):
        base, _, step = item.partition("/")
        ends = ["*"] if base == "*" else base.split("-")
        numbers = [NAMES.get(end, end) for end in ends]
        first = low if base == "*" else int(numbers[0])
        last = high if base == "*" or (step and len(numbers) == 1) else int(numbers[-1])
        values |= {value for value in range(first, last + 1) if (value - first) % int(step or 1) == 0}
    return values


def walk_minutes(zone: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield (UTC, naive wall clock) for every minute of the span."""
    tz = ZoneInfo(zone)
    moment = start
    while moment < end:
        yield moment, moment.astimezone(tz).replace(tzinfo=None, fold=0)
        moment += MINUTE


def golden_firings(expression: str, minutes: list[tuple[datetime, datetime]]) -> list[datetime]:
    """Return every firing (aware UTC) of a five-column expression inside the walked minutes."""
    columns = expression.split()
    minute, hour, day, month = (
        allowed(column, low, high) for column, (low, high) in zip(columns[:4], ((0, 59), (0, 23), (1, 31), (1, 12)), strict=True)
    )
    week = {value % 7 for value in allowed(columns[4], 0, 6)}
    either = len(day) < 31 and len(week) < 7

    def matches(wall: datetime) -> bool:
        if wall.minute not in minute or wall.hour not in hour or wall.month not in month:
            return False
        in_month, in_week = wall.day in day, (wall.weekday() + 1) % 7 in week
        return in_month or in_week if either else in_month and in_week

    if columns[1].startswith("*"):
        return [moment for moment, wall in minutes if matches(wall)]

    firings = []
    clock_reached = minutes[0][1] - MINUTE
    for moment, wall in minutes:
        due = False
        while clock_reached < wall:
            clock_reached += MINUTE
            due = due or matches(clock_reached)
        if due:
            firings.append(moment)
    return firings


ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Casablanca",
)
EXPRESSIONS = (
    "30 2 * * *",
    "30 1 * * *",
    "0 * * * *",
    "*/15 * * * *",
    "0 */2 * * *",
    "15,45 0-3 * * *",
    "0 0 * * *",
    "*/20 2 * * SUN",
    "0 12 31 * *",
    "59 23 29 2 *",
    "5 */23 * MAR,OCT *",
    "30 2 1,15 * 0",
    "10 0-2 1-7 JAN,DEC MON-FRI",
)
SPAN = (datetime(2019, 12, 20, tzinfo=UTC), datetime(2030, 1, 10, tzinfo=UTC))

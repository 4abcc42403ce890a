"""A cron expression in words, for people who do not read five columns. The dates themselves come from `cron.py`."""

from __future__ import annotations

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SHORT = {name[:3].upper(): str(number) for number, name in enumerate(_DAYS[:7])}
_SHORT_MONTHS = {name[:3].upper(): str(number) for number, name in enumerate(_MONTHS) if name}
_NAMED = {
    "@hourly": "every hour",
    "@daily": "every day at 00:00",
    "@midnight": "every day at 00:00",
    "@weekly": "every Sunday at 00:00",
    "@monthly": "on day 1 of every month at 00:00",
    "@yearly": "every year on 1 January at 00:00",
    "@annually": "every year on 1 January at 00:00",
}


def say_cron(text: str, *, with_seconds: bool = False) -> str:
    """
    Return what an expression means, such as "at 03:30, Monday to Friday"; the expression itself where words would be longer.

    Args:
        with_seconds: whether the first of six columns counts seconds.
    """
    named = _NAMED.get(text.strip().lower())
    if named:
        return named
    columns = text.split()
    if with_seconds and len(columns) == 6:
        second, *columns = columns
        if second != "0":
            return text.strip()
    if len(columns) != 5 or any(mark in text for mark in "LW#?"):
        return text.strip()
    minute, hour, day, month, weekday = columns
    parts = [_say_time(minute, hour), _say_days(day, weekday), _say_months(month)]
    return ", ".join(part for part in parts if part)


def _say_time(minute: str, hour: str) -> str:
    if minute.isdigit() and hour.isdigit():
        return f"at {int(hour):02d}:{int(minute):02d}"
    if minute == "*" and hour == "*":
        return "every minute"
    if minute.startswith("*/") and hour == "*":
        return f"every {minute[2:]} minutes"
    if minute.isdigit() and hour == "*":
        return "every hour" if minute == "0" else f"every hour at minute {int(minute)}"
    if minute.isdigit() and hour.startswith("*/"):
        return f"every {hour[2:]} hours" + ("" if minute == "0" else f" at minute {int(minute)}")
    if minute.isdigit() and all(part.isdigit() for part in hour.split(",")):
        return "at " + _join([f"{int(part):02d}:{int(minute):02d}" for part in hour.split(",")])
    start, dash, end = hour.partition("-")
    if dash and start.isdigit() and end.isdigit():
        each = (
            "every minute"
            if minute == "*"
            else f"every {minute[2:]} minutes"
            if minute.startswith("*/")
            else f"at minute {minute}"
        )
        return f"{each} from {int(start):02d}:00 to {int(end):02d}:59"
    return f"at minute {minute} of hour {hour}"


def _say_days(day: str, weekday: str) -> str:
    of_month = "" if day == "*" else f"on day {_join(day.split(','))} of the month"
    of_week = "" if weekday == "*" else _join([_say_range(part, _SHORT, _DAYS) for part in weekday.split(",")])
    return f"{of_month} or {of_week}" if of_month and of_week else of_month or of_week


def _say_months(month: str) -> str:
    return "" if month == "*" else "in " + _join([_say_range(part, _SHORT_MONTHS, _MONTHS) for part in month.split(",")])


def _say_range(part: str, short: dict[str, str], names: tuple[str, ...]) -> str:
    ends = [short.get(end.upper(), end) for end in part.split("-")]
    words = [names[int(end)] if end.isdigit() and int(end) < len(names) else end for end in ends]
    return " to ".join(words)


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

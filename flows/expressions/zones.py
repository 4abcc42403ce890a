"""Time zones by region id or offset, as Java names them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from flows.expressions.arguments import bad_argument

_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?\Z", re.ASCII
)
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*\Z", re.ASCII)


@lru_cache(maxsize=512)
def get_zone(name: str) -> tzinfo:
    """
    Return the zone of a region id (`Europe/Paris`, `UTC`) or an offset (`Z`, `+02:00`, `-03:30`).

    Raises ExpressionError of kind bad_argument for one that is not known.
    """
    if name in ("Z", "z"):
        return UTC
    found = _OFFSET.match(name)
    if found is not None:
        seconds = int(found["hours"]) * 3600 + int(found["minutes"] or 0) * 60 + int(found["seconds"] or 0)
        if seconds <= 18 * 3600 and int(found["minutes"] or 0) < 60:
            return timezone(timedelta(seconds=-seconds if found["sign"] == "-" else seconds))
    elif _REGION.match(name) and len(name) < 60:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass
    raise bad_argument(f'"{name[:60]}" is no time zone. Use a region such as Europe/Paris, UTC, Z or an offset such as +02:00.')


def get_region(moment: datetime) -> str | None:
    """Return the region id of an aware moment's zone, or None when it has only an offset."""
    zone = moment.tzinfo
    return zone.key if isinstance(zone, ZoneInfo) else None


def normalize(moment: datetime) -> datetime:
    """Move a wall time that a clock change skips to where Java moves it: later by the length of the gap."""
    zone = moment.tzinfo
    assert zone is not None
    return moment.astimezone(UTC).astimezone(zone)

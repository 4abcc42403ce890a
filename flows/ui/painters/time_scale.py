"""The axis of time: from moments to places in per cent, with a window that is looked at and long gaps that are cut out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from flows.ui.wording import write_duration

CUT_SHARE = 0.03
_STEPS = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400, 604800)


class TimeScale:
    """Places between `start` and `end`, 0 to 100. `cuts` are spans inside, in order, each of which takes only a little room."""

    def __init__(self, start: datetime, end: datetime, *, cuts: Sequence[tuple[datetime, datetime]] = ()) -> None:
        self.start = start
        self.seconds = max((end - start).total_seconds(), 0.001)
        inside = [(max(start, begin), min(end, stop)) for begin, stop in cuts if begin < end and stop > start]
        self.cuts = [((begin - start).total_seconds(), (stop - start).total_seconds()) for begin, stop in inside]
        kept = self.seconds - sum(stop - begin for begin, stop in self.cuts)
        self._cut_size = max(kept, 0.001) * CUT_SHARE
        self._whole = max(kept, 0.001) + self._cut_size * len(self.cuts)

    def place(self, moment: datetime) -> float:
        """Return where a moment lies, in per cent; what lies outside lies at the edge."""
        return self._place_seconds((moment - self.start).total_seconds())

    def _place_seconds(self, seconds: float) -> float:
        at, moved = min(max(seconds, 0.0), self.seconds), 0.0
        for begin, stop in self.cuts:
            if at >= stop:
                moved += (stop - begin) - self._cut_size
            elif at > begin:
                moved += (at - begin) * (1 - self._cut_size / (stop - begin))
        return min(100.0, max(0.0, 100 * (at - moved) / self._whole))

    def list_ticks(self, *, offset: float = 0.0, most: int = 6) -> list[tuple[float, str]]:
        """Return place and text of the marks of the axis. `offset` are the seconds that lie before the window."""
        step = next((one for one in _STEPS if self._whole / one <= most), self._whole / most)
        first = int(-(-offset // step))
        found: list[tuple[float, str]] = []
        number = first
        while number * step - offset <= self.seconds:
            seconds = number * step - offset
            cut = next((stop for begin, stop in self.cuts if begin < seconds < stop), None)
            if cut is not None:
                number = max(number + 1, int(-(-(cut + offset) // step)))
                continue
            place = self._place_seconds(seconds)
            if not found or place - found[-1][0] > 100 / most / 2:
                found.append((place, _write_tick(number * step)))
            number += 1
        return found

    def list_cut_places(self) -> list[tuple[float, float, str]]:
        """Return begin and width of every cut in per cent, and how long it is in words."""
        return [
            (begin, self._place_seconds(stop) - begin, write_duration(timedelta(seconds=stop - start)))
            for start, stop in self.cuts
            for begin in (self._place_seconds(start),)
        ]


def _write_tick(seconds: float) -> str:
    return "0" if seconds == 0 else write_duration(timedelta(seconds=seconds)).replace(".0 s", " s").replace("m 00s", "m")

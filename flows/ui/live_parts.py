"""What a page that follows something shows, compared part by part and element by element with what was sent to it last."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from flows.ui.painters.painting import Painting

BODY = "live-body"
"""Id of the part that a tab of an execution shows below its filters; the painting of a tab lies in it."""

# What only says how late it is moves in the browser, and tokens of forms are masked anew each time: neither is a change.
_PASSING = re.compile(r"""(data-ticks-from="[^"]*">|<time class="age"[^>]*>)[^<]*|name="csrfmiddlewaretoken" value="[^"]*""")

Change = tuple[int, int, str]
"""Place of the first element that changed, how many elements go, and the markup that comes in their place."""


@dataclass(frozen=True, slots=True)
class News:
    """What a page does not show yet: whole parts by id, and elements of its painting, by their places before the change."""

    parts: Mapping[str, str]
    changes: Sequence[Change] = ()


class SentParts:
    """What one stream has sent to its page. It keeps a number for each part and element, not the markup."""

    def __init__(self) -> None:
        self._parts: dict[str, int] = {}
        self._shape: int | None = None
        self._elements: list[int] = []

    def compare(self, parts: Mapping[str, str], around: str = "", painting: Painting | None = None) -> News:
        """
        Return what differs from what was sent, and take it for sent.

        Args:
            parts: markup by id; with a painting also that of `BODY`, which is sent when more than elements changed.
            around: the markup of `BODY` without the painting.
            painting: its elements are compared one by one.
        """
        found = {name: text for name, text in parts.items() if (painting is None or name != BODY) and self._is_new(name, text)}
        if painting is None:
            self._shape = None
            return News(found)
        shape = hash((_weigh(around), painting.shape))
        elements = [hash(mark) for mark in painting.marks] or [_weigh(text) for text in painting.elements]
        spots = {name: text for name, text in painting.spots.items() if self._is_new(name, text)}
        if shape != self._shape:
            self._shape, self._elements = shape, elements
            return News({**found, BODY: parts[BODY]})
        changes = [
            (first, last - first, "".join(painting.elements[begin:end]))
            for first, last, begin, end in find_changes(self._elements, elements)
        ]
        self._elements = elements
        return News({**found, **spots}, changes)

    def _is_new(self, name: str, text: str) -> bool:
        weight = _weigh(text)
        is_new = self._parts.get(name) != weight
        self._parts[name] = weight
        return is_new


def _weigh(text: str) -> int:
    return hash(_PASSING.sub(r"\1", text))


def find_changes(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[tuple[int, int, int, int]]:
    """Return where two lists differ, in order: places `first` to `last` in the one, `begin` to `end` in the other."""
    if len(before) != len(after):
        matcher = SequenceMatcher(None, before, after, autojunk=False)
        return [(first, last, begin, end) for tag, first, last, begin, end in matcher.get_opcodes() if tag != "equal"]
    found: list[tuple[int, int, int, int]] = []
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1, found[-1][2], place + 1)
        else:
            found.append((place, place + 1, place, place + 1))
    return found

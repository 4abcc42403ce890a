"""A painted part of a page that stays up to date element by element."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.safestring import SafeString

CONTAINER = "data-elements"
"""Attribute of the element that holds the elements; its value is how many of its children stand before them."""


@dataclass(frozen=True, slots=True)
class Painting:
    """
    Markup with a list of elements in it; templates print it like a text.

    Attributes:
        before, after: what stands around the elements, with the tags of their container.
        elements: markup of exactly one element each.
        marks: what tells for each element whether it looks as before; its own markup when there are none. A painter gives
            marks where the markup also tells how late it is, because a page moves by itself what only the time changes.
        shape: what all elements depend on: when it differs, everything is painted again.
        spots: markup by id of the elements around the list that change with it; `before` or `after` holds them too.
    """

    before: str
    elements: Sequence[str]
    after: str
    shape: Hashable = None
    marks: Sequence[Hashable] = ()
    spots: Mapping[str, str] = field(default_factory=dict)

    @property
    def markup(self) -> SafeString:
        """The whole."""
        return SafeString("".join((self.before, *self.elements, self.after)))

    def __str__(self) -> SafeString:
        return self.markup

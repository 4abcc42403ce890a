"""The panels of the flow editor and the two columns that they stand in, as a person arranged them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PANELS = {
    "code": "Code",
    "topology": "Topology",
    "docs": "Docs",
    "inputs": "Inputs",
    "playground": "Playground",
    "files": "Files",
    "blueprints": "Blueprints",
}
"""The panels that can stand in either column, with the words of their tabs, in the order of the tabs."""

PASSING = {"form": "Form", "difference": "Difference"}
"""Panels of the moment: their tabs stand in the right column while they are open, and no address leads to them."""

_FOR_WRITERS = frozenset({"playground", "blueprints"})

AS_DELIVERED = "code~code.topology"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its name, the word on its tab, its place among all, whether it is to be seen, and whether it passes."""

    name: str
    word: str
    position: int
    is_shown: bool
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the editor: `left` or `right`, and its panels in the order of their tabs, one of which is shown."""

    name: str
    panels: Sequence[Panel]


def is_arrangement(text: str) -> bool:
    """
    Tell whether a text says which panels stand on the left and which ones are shown, such as `code.files~files.docs`.

    Each column holds one panel at least.
    """
    left, tilde, shown = text.partition("~")
    lefts, seen = left.split("."), shown.split(".")
    are_known = set(lefts) < PANELS.keys() and set(seen) <= PANELS.keys()
    return bool(tilde) and are_known and len(set(lefts)) == len(lefts) and len(seen) <= 2


def arrange(text: str, wanted: Collection[str] = (), *, is_read_only: bool = False) -> list[Column]:
    """
    Return the two columns.

    Args:
        text: an arrangement as `is_arrangement` knows it; anything else is the one that the editor comes with.
        wanted: names of panels that the address asks for; they are shown before those that were shown last.
        is_read_only: leave out what only people can use who may change the flow.
    """
    left, _, shown = (text if is_arrangement(text) else AS_DELIVERED).partition("~")
    lefts, seen = set(left.split(".")), [*wanted, *shown.split(".")]
    offered = [one for one in PANELS if not (is_read_only and one in _FOR_WRITERS)]
    if not lefts & set(offered) or lefts >= set(offered):
        lefts = {"code"}
    columns = []
    for name, names in (
        ("left", [one for one in offered if one in lefts]),
        ("right", [one for one in offered if one not in lefts]),
    ):
        at = next((one for one in seen if one in names), names[0])
        columns.append(Column(name, [Panel(one, PANELS[one], list(PANELS).index(one), one == at) for one in names]))
    passing = [Panel(name, word, len(PANELS), is_shown=False, is_passing=True) for name, word in PASSING.items()]
    return [columns[0], Column("right", [*columns[1].panels, *passing])]

"""The lines of a picture: straight down, with round corners where they go sideways; mirrored for the other direction."""

from __future__ import annotations

import re

_RADIUS = 7
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_TURNED = {"H": "V", "V": "H", "h": "v", "v": "h"}


def transpose(path: str) -> str:
    """Return a path mirrored at the diagonal, so that what ran downwards runs to the right. It knows the commands used here."""
    parts = []
    for letter, numbers in _COMMAND.findall(path):
        held = numbers.split()
        pairs = [(held[index + 1], held[index]) for index in range(0, len(held) - 1, 2)] if len(held) > 1 else [tuple(held)]
        parts.append(_TURNED.get(letter, letter) + " ".join(number for pair in pairs for number in pair))
    return "".join(parts)


def bend(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line that goes sideways right below its start and then straight down."""
    return bend_late(x1, y1, x2, y2, y1 + 9)


def bend_late(x1: float, y1: float, x2: float, y2: float, turn: float) -> str:
    """Return a line that goes straight down, sideways at the height `turn`, and straight down again."""
    if abs(x1 - x2) < 1:
        return f"M{x1:.1f} {y1:.1f}V{y2:.1f}"
    side = 1 if x2 > x1 else -1
    radius = min(_RADIUS, abs(x2 - x1) / 2, max(0.0, abs(turn - y1)), max(0.0, abs(y2 - turn)))
    return (
        f"M{x1:.1f} {y1:.1f}V{turn - radius:.1f}Q{x1:.1f} {turn:.1f} {x1 + side * radius:.1f} {turn:.1f}"
        f"H{x2 - side * radius:.1f}Q{x2:.1f} {turn:.1f} {x2:.1f} {turn + radius:.1f}V{y2:.1f}"
    )

"""How states look: one table of icons and colours for the style sheet, the badges and the pictures. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flows.primitives.states import State


@dataclass(frozen=True, slots=True)
class Look:
    """
    One family of states. `solid` fills bars in both themes; `ink` on `tint` is text on a badge, first light, then dark.
    `icon` names a symbol of icons.svg; `moves` tells that the mark pulses while the state lasts.
    """

    name: str
    states: tuple[State, ...]
    icon: str
    solid: str
    light: tuple[str, str]
    dark: tuple[str, str]
    moves: tuple[State, ...] = ()


LOOKS = (
    Look("good", (State.SUCCESS,), "s-good", "#12a071", ("#067a57", "#e3f6ee"), ("#4fd1a1", "#0f2a22")),
    Look("running", (State.RUNNING,), "s-running", "#7457ff", ("#5b3df5", "#ece8ff"), ("#a996ff", "#221b45"), (State.RUNNING,)),
    Look("failed", (State.FAILED,), "s-failed", "#d92d20", ("#c4201a", "#fdeceb"), ("#ff8078", "#381614")),
    Look("warning", (State.WARNING,), "s-warning", "#c96f00", ("#a85400", "#fff1de"), ("#ffb35c", "#35220b")),
    Look(
        "stopped",
        (State.KILLING, State.KILLED, State.CANCELLED),
        "s-stopped",
        "#a57f00",
        ("#7a5d00", "#fdf4cf"),
        ("#e8cd5b", "#302909"),
        (State.KILLING,),
    ),
    Look(
        "waiting",
        (State.CREATED, State.QUEUED, State.RESTARTED, State.SUBMITTED, State.RESUBMITTED),
        "s-waiting",
        "#2f7ae5",
        ("#175fc7", "#e6f0fe"),
        ("#7db2ff", "#12243f"),
    ),
    Look(
        "retrying",
        (State.RETRYING, State.RETRIED),
        "s-retrying",
        "#c96f00",
        ("#a85400", "#fff1de"),
        ("#ffb35c", "#35220b"),
        (State.RETRYING,),
    ),
    Look(
        "paused",
        (State.PAUSED, State.PAUSING, State.BREAKPOINT),
        "s-paused",
        "#0e8fa8",
        ("#0b6b7e", "#def4f8"),
        ("#5fd0e6", "#0b2a31"),
    ),
    Look("skipped", (State.SKIPPED,), "s-skipped", "#7f8a99", ("#5b6675", "#eef0f3"), ("#a3adba", "#222935")),
)

_BY_STATE = {state.value: look for look in LOOKS for state in look.states}
_UNKNOWN = LOOKS[-1]


def look_of(state: str) -> Look:
    """Return how a state looks; an unknown word looks like one that was skipped."""
    return _BY_STATE.get(state, _UNKNOWN)


def is_moving(state: str) -> bool:
    """Tell whether the mark of a state pulses."""
    return state in look_of(state).moves


def write_style_rules(looks: Iterable[Look] = LOOKS) -> str:
    """Return the part of the style sheet that follows from the table, one line per family and theme."""
    lines = []
    for look in looks:
        lines.append(f".st-{look.name}{{--solid:{look.solid};--ink:{look.light[0]};--tint:{look.light[1]}}}")
        lines.append(f'[data-theme="dark"] .st-{look.name}{{--ink:{look.dark[0]};--tint:{look.dark[1]}}}')
    return "\n".join(lines) + "\n"

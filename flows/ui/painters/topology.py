"""Draws a flow as SVG: nodes, frames and lines, with the states of an execution laid over them when there is one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape

from django.urls import reverse

from flows.language.flow import Flow, Task
from flows.ui.looks import is_moving, look_of
from flows.ui.painters.boxes import (
    FOLD_WIDTH,
    FORK,
    HEAD,
    LONGEST_HEAD,
    LONGEST_KIND,
    LONGEST_LABEL,
    NODE_HEIGHT,
    NODE_WIDTH,
    Box,
    arrange_flow,
    label_space,
    label_width,
    recall_arrangement,
)
from flows.ui.painters.painting import CONTAINER, Painting
from flows.ui.painters.paths import bend, bend_late, transpose

MARGIN = 24
TRIGGER_ROW, TRIGGER_HEIGHT, TRIGGER_GAP = 54, 34, 40
LONGEST_TITLE = 22
INSIDE = "/"
"""Divides the id of a call from those of the tasks of the called flow that are drawn in its place."""

_PASSED = frozenset({"SUCCESS", "WARNING", "SKIPPED"})

_MARKS = {
    "good": "M-4 0l3 3 5-6",
    "failed": "M-3-3l6 6M3-3l-6 6",
    "running": "M-2.5-4l6 4-6 4z",
    "warning": "M0-4v4.5M0 3.5v.5",
    "stopped": "M-3-3h6v6h-6z",
    "waiting": "M0-4v4h3",
    "retrying": "M3.5-2A4 4 0 1 0 4 1M4-4v2.5H1.5",
    "paused": "M-2-3.5v7M2-3.5v7",
    "skipped": "M-4 0h8",
}


@dataclass(frozen=True, slots=True)
class NodeState:
    """
    What an execution says of a task: its state, a short note (`8.0 s`, `7 / 12`), where a click leads, and one state per
    iteration of a loop. With `ticks_from` the note is a duration since that moment, which grows in the browser.
    """

    state: str
    note: str = ""
    url: str = ""
    strip: tuple[str, ...] = ()
    ticks_from: datetime | None = None


def draw_topology(
    flow: Flow,
    states: Mapping[str, NodeState] | None = None,
    *,
    title: str = "Topology",
    folded: Collection[str] = (),
    fold_link: Callable[[str], str] | None = None,
    opened: Collection[str] = (),
    open_link: Callable[[str], str] | None = None,
    sideways: bool = False,
) -> Painting:
    """
    Return the picture of a flow.

    Args:
        states: by task id, for the picture of an execution; tasks that are missing there were not reached and are faded.
        folded: ids of groups that are drawn as one box.
        fold_link: from the id of a group to the address that folds or unfolds it; without it nothing can be folded.
        opened: ids of calls that are drawn as groups with the tasks of the called flow.
        open_link: from the id of a call to the address that opens or closes it; without it no call can be opened.
        sideways: the flow runs to the right instead of downwards.
    """
    # Executions of a revision share its flow, and live pictures are drawn again and again; the text of an editor is always new.
    arrange = arrange_flow if states is None else recall_arrangement
    whole = arrange(flow, folded=folded, sideways=sideways)
    painter = _Painter(states, fold_link, open_link, frozenset(opened), sideways=sideways)
    painter.draw(whole)
    _, _, inner_width, inner_height = painter.frame_of(whole)
    count = len(flow.triggers)
    if sideways:
        # Triggers stand in a column before the start, or in a row above it.
        beside = NODE_WIDTH + TRIGGER_GAP if count else 0
        width, height = inner_width + beside + 2 * MARGIN, max(inner_height, count * TRIGGER_ROW) + 2 * MARGIN
        left = float(MARGIN + beside)
        top = MARGIN + max(0.0, count * TRIGGER_ROW / 2 - whole.children[0].middle)
        height = max(height, top + inner_height + MARGIN)
        start = (left, top + whole.children[0].middle)
    else:
        above = TRIGGER_ROW if count else 0
        width = max(inner_width, count * (NODE_WIDTH + 16) - 16) + 2 * MARGIN
        height = inner_height + above + 2 * MARGIN
        left, top = (width - inner_width) / 2, MARGIN + above
        start = (width / 2, top)
    parts = [
        f'<svg class="topology{" has-states" if states is not None else ""}" xmlns="http://www.w3.org/2000/svg" role="group" '
        f'aria-label="{escape(title)}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
    ]
    parts.append(f'<g {CONTAINER}="0" transform="translate({left:.1f} {top:.1f})">')
    triggers = _draw_triggers(flow, start, sideways=sideways) if count else []
    elements = painter.frames + painter.lines + painter.nodes
    before, after = "".join(parts), "".join(("</g>", *triggers, "</svg>"))
    # With the same surroundings and as many elements it is the same arrangement: only states differ.
    return Painting(before, elements, after, shape=(before, after, len(painter.frames), len(painter.lines)))


def _draw_triggers(flow: Flow, start: tuple[float, float], *, sideways: bool) -> list[str]:
    x, y = start
    count = len(flow.triggers)
    total = count * (NODE_WIDTH + 16) - 16
    parts = []
    for number, trigger in enumerate(flow.triggers):
        if sideways:
            left, top = float(MARGIN), y + (number - (count - 1) / 2) * TRIGGER_ROW - TRIGGER_HEIGHT / 2
            line = transpose(bend_late(top + TRIGGER_HEIGHT / 2, left + NODE_WIDTH, y, x, left + NODE_WIDTH + TRIGGER_GAP / 2))
        else:
            left, top = x - total / 2 + number * (NODE_WIDTH + 16), MARGIN - 6.0
            line = bend(left + NODE_WIDTH / 2, MARGIN + 30, x, y)
        parts.append(f'<path class="line is-trigger" d="{line}"/>')
        parts.append(
            f'<g class="node is-trigger{" is-off" if trigger.disabled else ""}" transform="translate({left:.1f} {top:.1f})" '
            f'data-line="{trigger.position[0]}" tabindex="0" role="button" aria-label="trigger {escape(trigger.id)}">'
            f'<rect width="{NODE_WIDTH}" height="{TRIGGER_HEIGHT}" rx="17"/><path class="mark" transform="translate(20 17)" '
            'd="M1-6l-5 7h4l-1 5 5-7h-4z"/>'
            f'<text class="name" x="36" y="15">{escape(_shorten(trigger.id))}</text>'
            f'<text class="type" x="36" y="27">{escape(_shorten(trigger.type.rpartition(".")[2]))}</text></g>'
        )
    return parts


@cache
def _find_look(state: str) -> tuple[str, str, str]:
    """Return the classes of a node in some state, the path of its mark, and the word for readers of the screen."""
    look = look_of(state).name
    return f" st-{look}{' is-moving' if is_moving(state) else ''}", _MARKS[look], escape(state.lower())


def _paint_note(found: NodeState, x: float, y: int) -> str:
    if not found.note:
        return ""
    ticks = f' data-ticks-from="{found.ticks_from.isoformat()}"' if found.ticks_from else ""
    return f'<text class="note" x="{x:.1f}" y="{y}"{ticks}>{escape(found.note)}</text>'


def _name(task_id: str) -> str:
    """Return the id of a task as its own flow writes it."""
    return task_id.rpartition(INSIDE)[2]


def _shorten(text: str, longest: int = LONGEST_TITLE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


class _Painter:
    """Collects what is behind (frames), between (lines) and in front (nodes)."""

    def __init__(
        self,
        states: Mapping[str, NodeState] | None,
        fold_link: Callable[[str], str] | None,
        open_link: Callable[[str], str] | None,
        opened: frozenset[str],
        *,
        sideways: bool,
    ) -> None:
        self._sideways = sideways
        self._open_link = open_link
        self._opened = opened
        self._states = states
        self._fold_link = fold_link
        self._reached: dict[int, bool] = {}
        self._owners: dict[int, Box] = {}
        self.frames: list[str] = []
        self.lines: list[str] = []
        self.nodes: list[str] = []

    def frame_of(self, box: Box) -> tuple[float, float, float, float]:
        """Return where a box is drawn: left, top, width, height."""
        return (box.y, box.x, box.height, box.width) if self._sideways else (box.x, box.y, box.width, box.height)

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return (y, x) if self._sideways else (x, y)

    def _line(self, path: str, way: str, kind: str = "line") -> None:
        self.lines.append(f'<path class="{kind}{way}" d="{transpose(path) if self._sideways else path}"/>')

    def _dot(self, x: float, y: float, radius: int) -> None:
        across, down = self._point(x, y)
        self.nodes.append(f'<circle class="dot" cx="{across:.1f}" cy="{down:.1f}" r="{radius}"/>')

    def draw(self, box: Box) -> None:
        """Draw a box and everything in it."""
        if box.kind == "task":
            self._draw_task(box)
        elif box.kind == "dot":
            self._dot(box.middle, box.y + 4, 4)
        elif box.kind == "group":
            self._owners |= {id(child): box for child in box.children}
            self._draw_frame(box)
        elif box.kind == "fan":
            self._draw_fan(box)
        elif box.kind == "dag":
            self._draw_wires(box)
        if box.kind == "column":
            for above, below in zip(box.children, box.children[1:], strict=False):
                self._arrow(above.middle, above.y + above.height, below.y, way=self._way(above, below))
        for child in box.children:
            self.draw(child)

    def _is_reached(self, box: Box) -> bool:
        """Tell whether the execution came to anything in a box; in the picture of a flow without an execution nothing is."""
        if self._states is None:
            return False
        if id(box) not in self._reached:
            here = box.task is not None and box.task.id in self._states
            self._reached[id(box)] = here or any(self._is_reached(child) for child in box.children)
        return self._reached[id(box)]

    def _has_passed(self, box: Box) -> bool:
        found = self._states.get(box.task.id) if self._states and box.task else None
        return box.kind == "dot" or (found is not None and found.state in _PASSED)

    def _way(self, above: Box, below: Box) -> str:
        """Return how a line is drawn: taken, not taken, or neither when no execution is shown."""
        if self._states is None:
            return ""
        if above.kind == "dot":
            return " is-taken" if self._is_reached(below) else " is-faded"
        arrives = self._has_passed(above) if below.kind == "dot" else self._is_reached(below)
        return " is-taken" if self._is_reached(above) and arrives else " is-faded"

    def _look(self, box: Box) -> tuple[str, NodeState | None]:
        if self._states is None or box.task is None:
            return "", None
        found = self._states.get(box.task.id)
        if found is None:
            return " is-unreached", None
        return _find_look(found.state)[0], found

    def _draw_task(self, box: Box) -> None:
        task = box.task
        if task is None:
            return
        classes, found = self._look(box)
        # Pictures have many nodes: every text is escaped once, and what equal states share is found once.
        name, kind = escape(task.id), escape(task.type)
        mark, told, link, note = "", "", "", ""
        if found is not None:
            _, mark, word = _find_look(found.state)
            told = f", {word}" if found.ticks_from else f", {word}, {escape(found.note)}"
            link = f' data-url="{escape(found.url)}"' if found.url else ""
            note = _paint_note(found, NODE_WIDTH - 10, 33)
        if task.role == "unknown":
            classes, told, mark = " st-warning is-unknown", ", its type is not installed", _MARKS["warning"]
        called = find_called_flow(task)
        button_count = int(called is not None or box.is_folded) + int(called is not None and self._open_link is not None)
        # A long count takes its room from the type before it.
        longest = 18 - max(0, len(found.note) - 8) if found else 18
        off = " is-off" if task.disabled else ""
        left, top, _, _ = self.frame_of(box)
        self.nodes.append(
            f'<g class="node{classes}{off}" id="n-{name}" data-task="{name}" '
            f'data-line="{task.position[0]}"{link} transform="translate({left:.1f} {top:.1f})" tabindex="0" role="button" '
            f'aria-label="task {name}{told}"><title>{name}: {kind}</title>'
            f'<rect class="card" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="7"/>'
            f'<path class="edge" d="M3.5 .5h-.0a3 3 0 0 0-3 3v{NODE_HEIGHT - 7}a3 3 0 0 0 3 3z"/>'
            f'<circle class="disc" cx="24" cy="22" r="10"/><path class="mark" transform="translate(24 22)" d="{mark}"/>'
            f'<text class="name" x="42" y="19">{escape(_shorten(_name(task.id), LONGEST_TITLE - 5 * button_count))}</text>'
            f'<text class="type" x="42" y="33">{escape(_shorten(box.subtitle, longest))}</text>{note}</g>'
        )
        if called and self._open_link is not None:
            self._draw_fold(box, left + NODE_WIDTH - 42, top + 5, is_folded=True, link=self._open_link)
        if box.is_folded:
            self._draw_fold(box, left + NODE_WIDTH - 22, top + 5, is_folded=True)
        elif called:
            address = reverse("ui:flow", args=called)
            self.nodes.append(
                f'<a class="fold" href="{escape(address)}" transform="translate({left + NODE_WIDTH - 22:.1f} {top + 5:.1f})" '
                f'aria-label="Open flow {escape(called[1])}"><title>Open flow {escape(".".join(called))}</title>'
                '<rect width="16" height="16" rx="4"/><path d="M5 11l6-6M6.5 5H11v4.5"/></a>'
            )

    def _draw_frame(self, box: Box) -> None:
        classes, found = self._look(box)
        task = box.task
        left, top, width, height = self.frame_of(box)
        facts = (
            f' id="n-{escape(task.id)}" data-task="{escape(task.id)}" data-line="{task.position[0]}" tabindex="0" role="button"'
            f' aria-label="{escape(f"group {task.id}" + (f", {found.state.lower()}" if found else ""))}"'
            if task
            else ""
        )
        link = f' data-url="{escape(found.url)}"' if found and found.url else ""
        right = width - (12 if self._fold_link is None else 10 + FOLD_WIDTH)
        note = _paint_note(found, right, HEAD - 9) if found else ""
        self.frames.append(
            f'<g class="frame{classes}{" is-side" if box.is_dashed else ""}"{facts}{link} '
            f'transform="translate({left:.1f} {top:.1f})">'
            f'<rect width="{width:.1f}" height="{height:.1f}" rx="9"/>'
            f'<text class="head" x="12" y="{HEAD - 9}">{escape(_shorten(_name(box.title), LONGEST_HEAD))} '
            f'<tspan class="type">{escape(_shorten(box.subtitle, LONGEST_KIND))}</tspan></text>{note}'
            f"{self._paint_strip(width, found)}</g>"
        )
        if task:
            closes = self._open_link if task.id in self._opened else self._fold_link
            self._draw_fold(box, left + width - 24, top + 7, is_folded=False, link=closes)

    def _paint_strip(self, width: float, found: NodeState | None) -> str:
        if found is None or not found.strip:
            return ""
        step = (width - 20) / len(found.strip)
        gap = 1 if step > 3 else 0
        return "".join(
            f'<rect class="part st-{look_of(state).name}" x="{10 + index * step:.1f}" y="2" width="{step - gap:.1f}" height="3"/>'
            for index, state in enumerate(found.strip)
        )

    def _draw_fold(self, box: Box, x: float, y: float, *, is_folded: bool, link: Callable[[str], str] | None = None) -> None:
        link = link or self._fold_link
        if link is None or box.task is None:
            return
        verb, cross = ("Show what is in", "M4 8h8M8 4v8") if is_folded else ("Fold", "M4 8h8")
        self.nodes.append(
            f'<a class="fold" data-part href="{escape(link(box.task.id))}" transform="translate({x:.1f} {y:.1f})" '
            f'aria-label="{verb} {escape(box.task.id)}"><rect width="16" height="16" rx="4"/><path d="{cross}"/></a>'
        )

    def _draw_fan(self, box: Box) -> None:
        middle, top, bottom = box.middle, box.y, box.y + box.height
        self._dot(middle, top + 4, 3)
        self._dot(middle, bottom - 4, 3)
        back = label_space(box, sideways=True) / 2 + 3 if self._sideways else 15
        for lane, label in zip(box.children, box.labels, strict=True):
            centre = lane.middle
            lane_end = lane.y + lane.height
            way = self._lane_way(box, lane)
            left = self._way(lane.children[-1], Box("dot")) if lane.children else way
            self._line(bend(middle, top + 6, centre, lane.y), way)
            if lane.children:
                self._arrow_head(centre, lane.y, way=way)
            self._line(bend_late(centre, lane_end, middle, bottom - 6, bottom - FORK / 2), left)
            if not lane.children:
                self._line(f"M{centre:.1f} {lane.y:.1f}V{lane_end:.1f}", way)
            if label:
                width = label_width(label)
                text = f'<text y="3.5">{escape(_shorten(label, LONGEST_LABEL))}</text>'
                pill = f'<rect x="{-width / 2:.1f}" y="-9" width="{width:.1f}" height="17" rx="8.5"/>'
                across, down = self._point(centre, lane.y - back)
                self.nodes.append(f'<g class="label{way}" transform="translate({across:.1f} {down:.1f})">{pill}{text}</g>')

    def _lane_way(self, fan: Box, lane: Box) -> str:
        if self._states is None:
            return ""
        if lane.children:
            return " is-taken" if self._is_reached(lane) else " is-faded"
        # A lane without tasks was taken when the choice was made and fell on no other lane.
        owner = self._owners.get(id(fan))
        chosen = owner is not None and self._has_passed(owner) and not self._is_reached(fan)
        return " is-taken" if chosen else " is-faded"

    def _draw_wires(self, box: Box) -> None:
        for source, target in box.wires:
            above, below = box.children[source], box.children[target]
            start, end = above.y + above.height, below.y
            turn = start + (end - start) / 2 if end - start < 60 else end - 20
            way = self._way(above, below)
            self._line(bend_late(above.middle, start, below.middle, end, turn), way)
            self._arrow_head(below.middle, end, way=way)

    def _arrow(self, x: float, start: float, end: float, *, way: str) -> None:
        self._line(f"M{x:.1f} {start:.1f}V{end - 1:.1f}", way)
        self._arrow_head(x, end, way=way)

    def _arrow_head(self, x: float, y: float, *, way: str) -> None:
        self._line(f"M{x - 3.5:.1f} {y - 6:.1f}h7l-3.5 6z", way, "tip")


def find_called_flow(task: Task) -> tuple[str, str] | None:
    """Return namespace and id of the flow that a task starts, or None when it starts none or an expression names it."""
    if task.arrangement not in ("subflow", "for-each-item"):
        return None
    names = (task.properties.get("namespace"), task.properties.get("flowId"))
    if not all(isinstance(name, str) and name and "{" not in name and "/" not in name for name in names):
        return None
    return str(names[0]), str(names[1])


def list_task_lines(flow: Flow) -> dict[str, int]:
    """Return the line of every task of the flow, for jumps between picture and text."""
    return {task.id: task.position[0] for task in flow.all_tasks()}

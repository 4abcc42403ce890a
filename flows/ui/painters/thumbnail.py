"""Draws a flow as a small picture without words: its shape at a glance, each task in the colour of its family."""

from __future__ import annotations

from django.utils.safestring import SafeString

from flows.language.flow import Flow
from flows.ui.families import family_of
from flows.ui.painters.boxes import Box, arrange_flow, list_boxes

MARGIN = 12
SCALE = 0.46


def draw_thumbnail(flow: Flow) -> SafeString:
    """Return the picture of a flow at the scale of a card. It is decoration: who listens to the page is told nothing of it."""
    whole = arrange_flow(flow)
    width, height = whole.width + 2 * MARGIN, whole.height + 2 * MARGIN
    frames, lines, nodes = [], [], []
    for box in list_boxes(whole):
        if box.kind == "group":
            frames.append(f'<rect class="t-frame" {_place(box)} rx="12"/>')
        elif box.kind == "task" and box.task is not None:
            nodes.append(_draw_task(box, family_of(box.task.type).name))
        elif box.kind == "column":
            lines += [
                f"M{above.middle:.0f} {above.y + above.height:.0f}V{below.y:.0f}"
                for above, below in zip(box.children, box.children[1:], strict=False)
            ]
        elif box.kind == "fan":
            lines += [_fork(box, lane) for lane in box.children]
        elif box.kind == "dag":
            lines += [_wire(box.children[source], box.children[target]) for source, target in box.wires]
    path = f'<path class="t-wire" d="{"".join(lines)}"/>' if lines else ""
    return SafeString(
        f'<svg class="thumb" aria-hidden="true" viewBox="{-MARGIN} {-MARGIN} {width:.0f} {height:.0f}" '
        f'width="{width * SCALE:.0f}">{"".join(frames)}{path}{"".join(nodes)}</svg>'
    )


def _draw_task(box: Box, family: str) -> str:
    middle = box.y + box.height / 2
    return (
        f'<g class="fam-{family}"><rect class="t-node" {_place(box)} rx="10"/>'
        f'<circle class="t-mark" cx="{box.x + 24:.0f}" cy="{middle:.0f}" r="9"/>'
        f'<rect class="t-line" x="{box.x + 44:.0f}" y="{middle - 5:.0f}" width="{box.width / 2:.0f}" height="10" rx="5"/></g>'
    )


def _place(box: Box) -> str:
    return f'x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}"'


def _fork(fan: Box, lane: Box) -> str:
    """Return the line from the beginning of a fan to a lane and from the lane to its end."""
    top, bottom = fan.y, fan.y + fan.height
    return (
        f"M{fan.middle:.0f} {top:.0f}V{top + 8:.0f}H{lane.middle:.0f}V{lane.y:.0f}"
        f"M{lane.middle:.0f} {lane.y + lane.height:.0f}V{bottom - 8:.0f}H{fan.middle:.0f}V{bottom:.0f}"
    )


def _wire(above: Box, below: Box) -> str:
    turn = below.y - 12
    return f"M{above.middle:.0f} {above.y + above.height:.0f}V{turn:.0f}H{below.middle:.0f}V{below.y:.0f}"

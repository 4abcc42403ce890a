"""Things that lead to one another, as SVG: layers from left to right by the longest way, edges as curves around the nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.ui.looks import is_moving, look_of

NODE_WIDTH, NODE_HEIGHT = 190, 46
GAP_X, GAP_Y = 64, 16
LANE_HEIGHT = 10
MARGIN = 20
SWEEPS = 4
LONGEST_TEXT = 24
MOST_NODES = 300

_Edge = tuple[str, str]
_Stop = str | tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One thing: its name, a small second line, the state that gives the colour (may be empty), and where it leads."""

    id: str
    title: str
    note: str
    state: str
    url: str
    is_here: bool = False


def draw_dependencies(
    nodes: Sequence[GraphNode], edges: Sequence[tuple[str, str]], *, dashed: Collection[tuple[str, str]] = ()
) -> SafeString:
    """
    Return the picture. Edges of unknown nodes are left out, circles are drawn as they are.

    Args:
        edges: pairs of ids, from what comes first to what it leads to.
        dashed: those of the edges that are drawn with a broken line.
    """
    shown = list(nodes[:MOST_NODES])
    known = {node.id for node in shown}
    kept = [(source, target) for source, target in dict.fromkeys(edges) if source in known and target in known]
    layers, ways = _route(_list_layers(shown, kept), kept)
    places, width, height = _place(layers)
    parts = [
        f'<svg class="topology has-states" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="Dependencies" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
    ]
    parts += [_draw_edge([places[stop] for stop in way], edge in dashed) for edge, way in ways.items()]
    parts += [_draw_node(node, *places[node.id]) for node in shown]
    parts.append("</svg>")
    return SafeString("".join(parts))


def _route(layers: Sequence[Sequence[GraphNode]], edges: Sequence[_Edge]) -> tuple[list[list[_Stop]], dict[_Edge, list[_Stop]]]:
    """
    Return the layers with a free lane for each edge that passes through them, and by edge the stops on its way.

    A stop is the id of a node, or edge and layer for a lane. Neighbours are then brought near to one another.
    """
    depths = {node.id: number for number, layer in enumerate(layers) for node in layer}
    filled: list[list[_Stop]] = [[node.id for node in layer] for layer in layers]
    ways: dict[_Edge, list[_Stop]] = {}
    for source, target in edges:
        lanes: list[_Stop] = [(source, target, number) for number in range(depths[source] + 1, depths[target])]
        for lane, layer in zip(lanes, filled[depths[source] + 1 :], strict=False):
            layer.append(lane)
        ways[source, target] = [source, *lanes, target]
    before: dict[_Stop, list[_Stop]] = defaultdict(list)
    after: dict[_Stop, list[_Stop]] = defaultdict(list)
    for way in ways.values():
        for one, other in pairwise(way):
            after[one].append(other)
            before[other].append(one)
    for _ in range(SWEEPS):
        for number in range(1, len(filled)):
            filled[number] = _sort_near(filled[number], filled[number - 1], before)
        for number in range(len(filled) - 2, -1, -1):
            filled[number] = _sort_near(filled[number], filled[number + 1], after)
    return filled, ways


def _sort_near(layer: list[_Stop], fixed: list[_Stop], neighbours: dict[_Stop, list[_Stop]]) -> list[_Stop]:
    ranks = {stop: index / max(1, len(fixed) - 1) for index, stop in enumerate(fixed)}
    own = {stop: index / max(1, len(layer) - 1) for index, stop in enumerate(layer)}

    def find_middle(stop: _Stop) -> float:
        found = [ranks[one] for one in neighbours[stop] if one in ranks]
        return sum(found) / len(found) if found else own[stop]

    return sorted(layer, key=find_middle)


def _place(layers: Sequence[Sequence[_Stop]]) -> tuple[dict[_Stop, tuple[float, float]], float, float]:
    """Return the upper left corner of every stop, and the size of the picture."""
    heights = [[NODE_HEIGHT if isinstance(stop, str) else LANE_HEIGHT for stop in layer] for layer in layers]
    totals = [sum(each) + GAP_Y * max(0, len(each) - 1) for each in heights]
    width = max(1, len(layers)) * (NODE_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = max(totals, default=NODE_HEIGHT) + 2 * MARGIN
    places: dict[_Stop, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        y = (height - totals[number]) / 2
        for stop, size in zip(layer, heights[number], strict=True):
            # A lane is drawn along its middle; half a node above that is where a node would begin.
            places[stop] = (MARGIN + number * (NODE_WIDTH + GAP_X), y - (NODE_HEIGHT - size) / 2)
            y += size + GAP_Y
    return places, width, height


def _list_layers(nodes: Sequence[GraphNode], edges: Sequence[tuple[str, str]]) -> list[list[GraphNode]]:
    sources: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        sources[target].append(source)
    depths: dict[str, int] = {}
    for node in nodes:
        # A stack instead of recursion; what is being looked at counts as the first layer, so circles end.
        stack = [(node.id, False)]
        open_ids: set[str] = set()
        while stack:
            current, is_done = stack.pop()
            if is_done:
                depths[current] = 1 + max((depths.get(one, 0) for one in sources[current]), default=-1)
                continue
            if current in depths or current in open_ids:
                continue
            open_ids.add(current)
            stack.append((current, True))
            stack += [(one, False) for one in sources[current] if one not in depths and one not in open_ids]
    layers: dict[int, list[GraphNode]] = defaultdict(list)
    for node in nodes:
        layers[depths[node.id]].append(node)
    return [layers[depth] for depth in sorted(layers)]


def _draw_edge(stops: Sequence[tuple[float, float]], is_dashed: bool) -> str:
    parts = []
    for number, ((x1, y1), (x2, y2)) in enumerate(pairwise(stops)):
        begin, end, up, low = x1 + NODE_WIDTH, x2, y1 + NODE_HEIGHT / 2, y2 + NODE_HEIGHT / 2
        middle = (begin + end) / 2
        # In front of the last stop is room for the tip; through a lane the line goes straight.
        end -= 5 if number == len(stops) - 2 else 0
        parts.append(
            f"{'L' if number else 'M'}{begin:.1f} {up:.1f}C{middle:.1f} {up:.1f} {middle:.1f} {low:.1f} {end:.1f} {low:.1f}"
        )
    x, y = stops[-1][0], stops[-1][1] + NODE_HEIGHT / 2
    classes = "line is-trigger" if is_dashed else "line"
    return f'<path class="{classes}" d="{"".join(parts)}"/><path class="tip" d="M{x - 7:.1f} {y - 3.5:.1f}v7l6-3.5z"/>'


def _draw_node(node: GraphNode, x: float, y: float) -> str:
    look = f" st-{look_of(node.state).name}{' is-moving' if is_moving(node.state) else ''}" if node.state else ""
    here = " is-lit is-here" if node.is_here else ""
    words = escape(f"{node.title}, {node.state.lower()}, {node.note}" if node.state else f"{node.title}, {node.note}")
    return (
        f'<a href="{escape(node.url)}" aria-label="{words}"><g class="node{look}{here}" transform="translate({x:.1f} {y:.1f})">'
        f'<title>{words}</title><rect class="card" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="7"/>'
        f'<path class="edge" d="M3.5 .5a3 3 0 0 0-3 3v{NODE_HEIGHT - 7}a3 3 0 0 0 3 3z"/>'
        f'<text class="name" x="14" y="20">{escape(_shorten(node.title))}</text>'
        f'<text class="type" x="14" y="35">{escape(_shorten(node.note, 30))}</text></g></a>'
    )


def _shorten(text: str, longest: int = LONGEST_TEXT) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

"""Things that lead to one another, as SVG: layers from left to right by the longest way, edges as curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString

from flows.ui.looks import is_moving, look_of

NODE_WIDTH, NODE_HEIGHT = 190, 46
GAP_X, GAP_Y = 64, 16
MARGIN = 20
LONGEST_TEXT = 24
MOST_NODES = 300


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One thing: its name, a small second line, the state that gives the colour (may be empty), and where it leads."""

    id: str
    title: str
    note: str
    state: str
    url: str
    is_here: bool = False


def draw_dependencies(nodes: Sequence[GraphNode], edges: Sequence[tuple[str, str]]) -> SafeString:
    """
    Return the picture. Edges of unknown nodes are left out, circles are drawn as they are.

    Args:
        edges: pairs of ids, from what comes first to what it leads to.
    """
    shown = list(nodes[:MOST_NODES])
    known = {node.id for node in shown}
    kept = [(source, target) for source, target in dict.fromkeys(edges) if source in known and target in known]
    layers = _list_layers(shown, kept)
    tallest = max((len(layer) for layer in layers), default=1)
    width = len(layers) * (NODE_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        top = (height - len(layer) * (NODE_HEIGHT + GAP_Y) + GAP_Y) / 2
        for index, node in enumerate(layer):
            places[node.id] = (MARGIN + number * (NODE_WIDTH + GAP_X), top + index * (NODE_HEIGHT + GAP_Y))
    parts = [
        f'<svg class="topology has-states" xmlns="http://www.w3.org/2000/svg" role="group" aria-label="Dependencies" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
    ]
    parts += [_draw_edge(places[source], places[target]) for source, target in kept]
    parts += [_draw_node(node, *places[node.id]) for node in shown]
    parts.append("</svg>")
    return SafeString("".join(parts))


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


def _draw_edge(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1 = source[0] + NODE_WIDTH, source[1] + NODE_HEIGHT / 2
    x2, y2 = target[0], target[1] + NODE_HEIGHT / 2
    middle = (x1 + x2) / 2
    return (
        f'<path class="line" d="M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2 - 5:.1f} {y2:.1f}"/>'
        f'<path class="tip" d="M{x2 - 7:.1f} {y2 - 3.5:.1f}v7l6-3.5z"/>'
    )


def _draw_node(node: GraphNode, x: float, y: float) -> str:
    look = f" st-{look_of(node.state).name}{' is-moving' if is_moving(node.state) else ''}" if node.state else ""
    here = " is-lit" if node.is_here else ""
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

"""Which flows lead to which, as a picture and as a list: the same panel for one flow and for a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from flows.queries.last_runs import list_last_runs
from flows.queries.topology import FLOW_TRIGGER, Name, Topology, find_topology
from flows.ui.filters import write_query
from flows.ui.painters.dependency_graph import MOST_NODES, GraphNode, draw_dependencies

DEPTHS = ("1", "2", "3", "all")
DIRECTIONS = (("both", "Both ways"), ("up", "What leads here"), ("down", "What follows"))


def describe_dependencies(request: HttpRequest, own: Sequence[Name], *, depth: str, focus: Name | None = None) -> dict[str, Any]:
    """
    Return what the panel shows: the picture, the relations with the state of each flow's last run, and the choices.

    Args:
        own: the flows around which the picture is drawn.
        depth: one of `DEPTHS`, for an address that names none.
        focus: the flow that stands out.
    """
    wanted = request.GET.get("depth", "")
    depth = wanted if wanted in DEPTHS else depth
    direction = request.GET.get("direction", "")
    direction = direction if direction in ("up", "down") else "both"
    as_table = request.GET.get("as") == "table"
    found = Topology((), ())
    if own:
        found = find_topology(
            own,
            upwards=direction != "down",
            downwards=direction != "up",
            expand=depth == "all",
            steps=int(depth) if depth != "all" else 1,
        )
    named = list(dict.fromkeys(name for source, target, _ in found.relations for name in (source, target)))
    runs = list_last_runs(named, count=1)
    states = {name: runs[name][0].state for name in named if runs.get(name)}
    return {
        "relations": [
            {
                "source": source,
                "source_state": states.get(source, ""),
                "target": target,
                "target_state": states.get(target, ""),
                "kind": "triggers" if kind == FLOW_TRIGGER else "starts",
            }
            for source, target, kind in found.relations
        ],
        "graph": "" if as_table or not named else _draw(found, named, states, focus),
        "depth": depth,
        "depths": DEPTHS,
        "direction": direction,
        "directions": DIRECTIONS,
        "as_table": as_table,
        "as_url": write_query(request, **{"as": "" if as_table else "table"}),
        "flow_count": len(named),
        "left_out": max(0, len(named) - MOST_NODES),
        "has_triggers": any(kind == FLOW_TRIGGER for _, _, kind in found.relations),
    }


def _draw(found: Topology, named: Sequence[Name], states: dict[Name, str], focus: Name | None) -> str:
    nodes = [
        GraphNode(
            "/".join(name),
            name[1],
            name[0],
            states.get(name, ""),
            reverse("ui:flow-tab", args=[*name, "dependencies"]),
            is_here=name == focus,
        )
        for name in named
    ]
    edges = [("/".join(source), "/".join(target)) for source, target, _ in found.relations]
    dashed = {("/".join(source), "/".join(target)) for source, target, kind in found.relations if kind == FLOW_TRIGGER}
    return draw_dependencies(nodes, edges, dashed=dashed)

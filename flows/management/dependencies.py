"""`flows dependencies`: which flow starts which, as a table, a graph or JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flows.engine.catalog import describe_missing_flow
from flows.management.terminal import Terminal, add_action
from flows.models import Flow
from flows.primitives.errors import NotFoundError
from flows.queries.topology import FLOW_TASK, Name, Topology, find_topology

COLUMNS = ("source", "target", "relation")
_WORDS = {FLOW_TASK: "starts"}


def add_dependencies(actions: Any) -> None:
    """Add the action `dependencies NS [ID]`."""
    parser = add_action(actions, "dependencies", show_dependencies, about="Shows which flow starts which.")
    parser.add_argument("namespace")
    parser.add_argument("id", nargs="?")
    parser.add_argument("--expand", action="store_true", help="follow relations to every distance")
    parser.add_argument("--format", choices=("table", "dot", "mermaid"), default="table")


def show_dependencies(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the relations of one flow, or of all flows of a namespace."""
    topology = find_topology(_list_start(options), expand=options.expand)
    if terminal.output == "json":
        terminal.show_json(_present(topology))
    elif options.format == "dot":
        edges = [f"  {_quote(source)} -> {_quote(target)} [label={_word(kind)}];" for source, target, kind in topology.relations]
        terminal.write("\n".join(["digraph flows {", *(f"  {_quote(name)};" for name in topology.flows), *edges, "}"]))
    elif options.format == "mermaid":
        terminal.write(_format_mermaid(topology))
    else:
        rows = [{"source": _label(a), "target": _label(b), "relation": _word(kind)} for a, b, kind in topology.relations]
        terminal.show_rows(COLUMNS, rows)


def _list_start(options: argparse.Namespace) -> list[Name]:
    rows = Flow.objects.filter(namespace=options.namespace, deleted=False)
    if options.id is None:
        names = list(rows.values_list("namespace", "flow_id"))
        if not names:
            raise NotFoundError(f'Namespace "{options.namespace}" has no flows.', code="namespace-not-found")
        return names
    if not rows.filter(flow_id=options.id).exists():
        raise NotFoundError(describe_missing_flow(options.namespace, options.id), code="flow-not-found")
    return [(options.namespace, options.id)]


def _present(topology: Topology) -> dict[str, Any]:
    nodes = [{"uid": _label(name), "namespace": name[0], "id": name[1]} for name in topology.flows]
    edges = [{"source": _label(a), "target": _label(b), "relation": kind} for a, b, kind in topology.relations]
    return {"nodes": nodes, "edges": edges}


def _format_mermaid(topology: Topology) -> str:
    names = {name: f"n{index}" for index, name in enumerate(topology.flows)}
    nodes = [f'  {names[name]}["{_label(name)}"]' for name in topology.flows]
    edges = [f"  {names[a]} -->|{_word(kind)}| {names[b]}" for a, b, kind in topology.relations]
    return "\n".join(["flowchart LR", *nodes, *edges])


def _word(kind: str) -> str:
    return _WORDS.get(kind, "triggers")


def _label(name: Name) -> str:
    return "/".join(name)


def _quote(name: Name) -> str:
    return json.dumps(_label(name), ensure_ascii=False)

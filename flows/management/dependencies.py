"""`flows dependencies`: which flow starts which, as a table, a graph or JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flows.management.connecting import add_data_action, open_target
from flows.management.presenters import Json
from flows.management.terminal import Terminal
from flows.primitives.errors import NotFoundError
from flows.queries.topology import FLOW_TASK

COLUMNS = ("source", "target", "relation")
_WORDS = {FLOW_TASK: "starts"}


def add_dependencies(actions: Any) -> None:
    """Add the action `dependencies NS [ID]`."""
    parser = add_data_action(actions, "dependencies", show_dependencies, about="Shows which flow starts which.")
    parser.add_argument("namespace", help="namespace of the flows")
    parser.add_argument("id", nargs="?", help="one flow instead of all")
    parser.add_argument("--expand", action="store_true", help="follow relations to every distance")
    parser.add_argument("--format", choices=("table", "dot", "mermaid"), default="table", help="how they are written")


def show_dependencies(terminal: Terminal, options: argparse.Namespace) -> None:
    """Show the relations of one flow, or of all flows of a namespace."""
    found = open_target(options).flows.list_relations(options.namespace, options.id, expand=options.expand)
    if not found["nodes"]:
        raise NotFoundError(f'Namespace "{options.namespace}" has no flows.', code="namespace-not-found")
    labels = {node["uid"]: f"{node['namespace']}/{node['id']}" for node in found["nodes"]}
    rows = [
        {"source": labels[edge["source"]], "target": labels[edge["target"]], "relation": _WORDS.get(edge["relation"], "triggers")}
        for edge in found["edges"]
    ]
    if terminal.output == "json":
        terminal.show_json(found)
    elif options.format == "dot":
        edges = [f"  {_quote(row['source'])} -> {_quote(row['target'])} [label={row['relation']}];" for row in rows]
        terminal.write("\n".join(["digraph flows {", *(f"  {_quote(label)};" for label in labels.values()), *edges, "}"]))
    elif options.format == "mermaid":
        terminal.write(_format_mermaid(list(labels.values()), rows))
    else:
        terminal.show_rows(COLUMNS, rows)


def _format_mermaid(labels: list[str], rows: list[Json]) -> str:
    names = {label: f"n{index}" for index, label in enumerate(labels)}
    nodes = [f'  {names[label]}["{label}"]' for label in labels]
    edges = [f"  {names[row['source']]} -->|{row['relation']}| {names[row['target']]}" for row in rows]
    return "\n".join(["flowchart LR", *nodes, *edges])


def _quote(label: str) -> str:
    return json.dumps(label, ensure_ascii=False)

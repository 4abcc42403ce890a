"""`flows graph`: the graph of a stored flow or of a file, as DOT, Mermaid or JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flows.language.parse import parse_flow
from flows.management.connecting import add_data_action, open_target
from flows.management.documents import read_documents
from flows.management.presenters import Json
from flows.management.selection import parse_count
from flows.management.targets.flows import GRAPH_PARTS
from flows.management.terminal import Terminal, UsageError
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.queries.graphs import draw_flow


def add_graph(actions: Any) -> None:
    """Add the action `graph NS ID` and `graph PATH`."""
    parser = add_data_action(actions, "graph", show_graph, about="Draws a flow.")
    parser.add_argument("flow", nargs="+", metavar="NS ID | PATH", help="a stored flow, or a file with one")
    parser.add_argument("--revision", type=parse_count, help="a revision instead of the newest one")
    parser.add_argument("--format", choices=("dot", "mermaid", "json"), default="dot", help="how it is written")


def show_graph(terminal: Terminal, options: argparse.Namespace) -> None:
    """Write the graph in the wanted form."""
    if len(options.flow) > 2:
        raise UsageError("flows graph takes a namespace and an id, or one path.")
    if len(options.flow) == 2:
        graph = open_target(options).flows.draw(options.flow[0], options.flow[1], options.revision)
    else:
        graph = _draw_file(options.flow[0])
    if options.format == "json" or terminal.output == "json":
        terminal.show_json(graph)
    elif options.format == "dot":
        terminal.write(format_dot(graph))
    else:
        terminal.write(format_mermaid(graph))


def format_dot(graph: Json) -> str:
    """Return the graph in the DOT language."""
    nodes = [f"  {_quote(node['uid'])} [label={_quote(_label(node))}];" for node in graph["nodes"]]
    edges = [f"  {_quote(edge['source'])} -> {_quote(edge['target'])}{_dot_label(edge)};" for edge in graph["edges"]]
    return "\n".join(["digraph flow {", "  node [shape=box];", *nodes, *edges, "}"])


def format_mermaid(graph: Json) -> str:
    """Return the graph as a Mermaid flowchart."""
    names = {node["uid"]: f"n{index}" for index, node in enumerate(graph["nodes"])}
    nodes = [f"  {names[node['uid']]}[{_escape(_label(node))}]" for node in graph["nodes"]]
    edges = [f"  {names[edge['source']]} -->{_mermaid_label(edge)} {names[edge['target']]}" for edge in graph["edges"]]
    return "\n".join(["flowchart TD", *nodes, *edges])


def _draw_file(path: str) -> Json:
    documents = read_documents([path])
    if len(documents) != 1:
        raise UsageError(f'"{path}" holds {len(documents)} flows: give a file with one.')
    result = parse_flow(documents[0].text, get_registry())
    if result.flow is None:
        raise InvalidError(f"{documents[0].label} is no valid flow.", problems=result.problems)
    drawn = draw_flow(result.flow)
    return {name: getattr(drawn, name) for name in GRAPH_PARTS}


def _label(node: dict[str, Any]) -> str:
    task = node.get("task") or node.get("triggerDeclaration") or {}
    return str(task.get("id") or node["uid"])


def _relation(edge: dict[str, Any]) -> str:
    relation = edge["relation"]
    kind = relation.get("relationType")
    parts = [] if kind in (None, "SEQUENTIAL") else [kind.lower()]
    return " ".join([*parts, *([str(relation["value"])] if relation.get("value") is not None else [])])


def _dot_label(edge: dict[str, Any]) -> str:
    text = _relation(edge)
    return f" [label={_quote(text)}]" if text else ""


def _mermaid_label(edge: dict[str, Any]) -> str:
    text = _relation(edge)
    return f"|{_escape(text)}|" if text else ""


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escape(text: str) -> str:
    return '"' + text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;") + '"'

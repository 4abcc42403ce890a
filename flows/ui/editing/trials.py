"""A flow in which a plugin can be tried: its own example as it stands, or a skeleton around the type."""

from __future__ import annotations

import re
from textwrap import indent

from flows.language.source import read_document
from flows.plugin_api.registry import get_registry
from flows.ui.editing.node_forms import make_skeleton

_LOG = "id: hello\ntype: io.kestra.plugin.core.log.Log\nmessage: It fired\n"


def make_trial(type_name: str, example: str, namespace: str) -> str:
    """
    Return the text of a new flow with an example of a type.

    Args:
        example: number of the example, from 0; anything else gives a skeleton with the required properties.

    Raises:
        NotFoundError: no plugin has this type.
    """
    entry = get_registry().get(type_name)
    short = re.sub(r"(?<!^)(?=[A-Z])", "_", entry.type.rpartition(".")[2]).lower()
    head = f"id: try_{short}\nnamespace: {namespace}\n\n"
    number = int(example) if example.isascii() and example.isdigit() else -1
    text = entry.examples[number] if 0 <= number < len(entry.examples) else make_skeleton(entry.type, short, get_registry())
    data = read_document(text).data
    if isinstance(data, dict) and ("tasks" in data or "triggers" in data) and data.get("type") is None:
        body = text if "tasks" in data else f"{text}tasks:\n{_as_item(_LOG)}"
        return body if "id" in data and "namespace" in data else head + body
    item = _as_item(text) if isinstance(data, dict) else indent(text, "  ")
    if entry.kind == "trigger":
        return f"{head}tasks:\n{_as_item(_LOG)}\ntriggers:\n{item}"
    return f"{head}tasks:\n{item}"


def _as_item(text: str) -> str:
    return "  - " + indent(text.rstrip("\n"), "    ").lstrip() + "\n"

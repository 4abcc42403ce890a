"""What is known of installed plugin types, as pages for people and as schemas for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.plugin_api.registry import PluginEntry


def describe_schema(entry: PluginEntry) -> dict[str, Any]:
    """Return the JSON schemas of properties and outputs of one type. Source: REST API, 8.12."""
    return {
        "properties": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": entry.title or entry.type,
            "description": entry.description,
            "examples": [{"code": example, "lang": "yaml", "full": True} for example in entry.examples],
            **entry.schema,
        },
        "outputs": dict(entry.outputs) or {"type": "object", "properties": {}},
        "definitions": {},
    }


def write_documentation(entry: PluginEntry) -> str:
    """Return a page about one plugin type in Markdown."""
    parts = [f"# {entry.title or entry.type.rpartition('.')[2]}", f"`{entry.type}`"]
    if entry.deprecated:
        parts.append(f"> **Deprecated.** {entry.deprecated}")
    if entry.description:
        parts.append(entry.description)
    parts += [f"```yaml\n{example.strip()}\n```" for example in entry.examples]
    for title, schema in (("Properties", entry.schema), ("Outputs", entry.outputs)):
        properties = schema.get("properties") or {}
        if properties:
            required = set(schema.get("required") or ())
            parts.append(f"## {title}")
            parts += [_write_property(name, facts, name in required) for name, facts in sorted(properties.items())]
    if entry.metrics:
        parts.append("## Metrics\n\n" + "\n".join(_write_metric(metric) for metric in entry.metrics))
    if entry.aliases:
        parts.append("## Other names\n\n" + "\n".join(f"- `{alias}`" for alias in entry.aliases))
    return "\n\n".join(parts) + "\n"


def _write_metric(metric: Mapping[str, str]) -> str:
    unit = f", {metric['unit']}" if metric.get("unit") else ""
    return f"- `{metric['name']}` ({metric['type']}{unit}): {metric['description']}"


def _write_property(name: str, facts: Any, is_required: bool) -> str:
    kind = (
        facts.get("type") or " or ".join(str(one.get("type", "")) for one in facts.get("anyOf", ()) if one.get("type")) or "any"
    )
    words = [f"* Type: {kind}", f"* Required: {'yes' if is_required else 'no'}"]
    if "default" in facts:
        words.append(f"* Default: `{facts['default']}`")
    text = facts.get("description") or ""
    return f"### `{name}`\n\n" + "\n".join(words) + (f"\n\n{text}" if text else "")

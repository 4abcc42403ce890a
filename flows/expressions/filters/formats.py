"""Filters that write JSON, Ion and YAML, and jq. Source: expressions, 4.3."""

from __future__ import annotations

from typing import Any

from flows.expressions.arguments import text_argument
from flows.expressions.ion_format import write_ion
from flows.expressions.jq_process import run_jq
from flows.expressions.library import register_filter
from flows.expressions.scope import Render
from flows.expressions.values import to_json
from flows.expressions.yaml_format import write_yaml


@register_filter("toJson", takes_null=True)
def to_json_text(render: Render, value: Any) -> str:
    """The value as compact JSON."""
    return to_json(render.budget, value)


@register_filter("json", takes_null=True)
def to_json_by_old_name(render: Render, value: Any) -> str:
    """The value as compact JSON (old name of toJson)."""
    return to_json(render.budget, value)


@register_filter("toIon", takes_null=True)
def to_ion_text(render: Render, value: Any) -> str:
    """The value as Ion text."""
    return write_ion(render.budget, value)


@register_filter("yaml", takes_null=True)
def to_yaml_text(render: Render, value: Any) -> str:
    """The value as block YAML."""
    return "null" if value is None else write_yaml(render.budget, value)


@register_filter("jq", "expression", required=1)
def apply_jq(render: Render, value: Any, expression: Any) -> list[Any]:
    """The list of all results of a jq program."""
    document = value if isinstance(value, str) else to_json(render.budget, value)
    return run_jq(render.budget, text_argument("expression", expression), document)

"""Functions that render texts, print blocks, or show the variables. Source: expressions, 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.expressions.arguments import boolean_argument
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.library import register_function
from flows.expressions.limits import MAX_DEPTH, limit_error
from flows.expressions.operators import join_texts
from flows.expressions.scope import Render
from flows.expressions.values import to_java_text


@register_function("render", "toRender", "recursive", required=1)
def render_again(render: Render, to_render: Any, recursive: Any = True) -> Any:
    """The text, or the texts inside a map or list, rendered until they no longer change."""
    return _render_value(render, to_render, boolean_argument("recursive", recursive), "render", 0)


@register_function("renderOnce", "toRender", required=1)
def render_once(render: Render, to_render: Any) -> Any:
    """The text, or the texts inside a map or list, rendered in one pass."""
    return _render_value(render, to_render, False, "renderOnce", 0)


def _render_value(render: Render, value: Any, recursive: bool, name: str, depth: int) -> Any:
    if render.environment.recursive:
        raise ExpressionError(
            Kind.UNKNOWN_FUNCTION,
            f"Function or Macro [{name}] does not exist on this server, because every result is rendered again anyway.",
        )
    render.budget.tick()
    if depth > MAX_DEPTH:
        raise limit_error("The nesting of the value to render", f"{MAX_DEPTH} levels")
    if isinstance(value, str):
        return render.render_text(render, value, recursive)
    if isinstance(value, Mapping):
        rendered: dict[Any, Any] = {}
        for key, item in value.items():
            new_key = render.render_text(render, key, recursive) if isinstance(key, str) else key
            if new_key not in rendered:
                rendered[new_key] = _render_value(render, item, recursive, name, depth + 1)
        return rendered
    if isinstance(value, (list, tuple)):
        return [_render_value(render, item, recursive, name, depth + 1) for item in value]
    return value


@register_function("block", "name", required=1)
def print_block(render: Render, name: Any) -> str:
    """The text of a block once more; nothing for an unknown name."""
    body = render.blocks.get(to_java_text(render.budget, name))
    if body is None:
        return ""
    out: list[Any] = []
    printed = render.output_length
    render.budget.step()
    render.budget.enter()
    try:
        body(render, out)
    finally:
        render.budget.leave()
    render.output_length = printed
    return join_texts(render.budget, out)


@register_function("parent")
def print_parent(_: Render) -> str:
    """Always fails: templates do not extend one another."""
    raise ExpressionError(Kind.BAD_ARGUMENT, "parent() has no block to print, because a template here cannot extend another one.")


@register_function("printContext")
def print_context(render: Render) -> dict[str, Any]:
    """All variables; prints as JSON."""
    return dict(render.variables)


@register_function("fetchContext")
def fetch_context(render: Render) -> dict[str, Any]:
    """All variables as a map."""
    return dict(render.variables)

"""A tiny renderer for tests of pure rules: `{{ a.b }}` and `{{ a.b == 'c' }}`, so that they need no expression language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flows.primitives.errors import FlowsError

_EXPRESSION = re.compile(r"\{\{\s*([\w.]+)(?:\s*==\s*'([^']*)')?\s*\}\}")


def render(text: Any, variables: Mapping[str, Any]) -> Any:
    """Render a text; an unknown name fails, as in the real language."""
    if not isinstance(text, str):
        return text

    def replace(match: re.Match[str]) -> str:
        value: Any = variables
        for name in match.group(1).split("."):
            if not isinstance(value, Mapping) or name not in value:
                raise FlowsError(f'Unable to find "{name}"')
            value = value[name]
        if match.group(2) is not None:
            return "true" if value == match.group(2) else "false"
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    return _EXPRESSION.sub(replace, text)

"""What counts as true after rendering, for the conditions that core tasks evaluate themselves."""

from __future__ import annotations

from typing import Any

_FALSY = frozenset({"", "false", "0", "-0"})


def is_true(value: Any) -> bool:
    """Return whether a rendered condition holds; text is compared exactly, untrimmed. Source: flow language, 1.2."""
    return as_condition_text(value) not in _FALSY


def as_condition_text(value: Any) -> str:
    """Return a rendered value as the text that conditions compare; null gives the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

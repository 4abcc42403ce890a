"""Search conditions as plain values that can be kept in a row, and back."""

from __future__ import annotations

from typing import Any, Literal

from flows.queries.criteria import Condition, Criteria, Operation


def write_criteria(criteria: Criteria) -> dict[str, Any]:
    """Return conditions as maps and lists of texts."""
    return {"joiner": criteria.joiner, "members": [_write_member(member) for member in criteria.members]}


def _write_member(member: Condition | Criteria) -> Any:
    if isinstance(member, Criteria):
        return write_criteria(member)
    return [member.field, member.operation.value, member.value, member.key]


def read_criteria(stored: dict[str, Any]) -> Criteria:
    """Return what `write_criteria` wrote."""
    joiner: Literal["and", "or"] = "or" if stored["joiner"] == "or" else "and"
    return Criteria(joiner, tuple(_read_member(member) for member in stored["members"]))


def _read_member(stored: Any) -> Condition | Criteria:
    if isinstance(stored, dict):
        return read_criteria(stored)
    field, operation, value, key = stored
    return Condition(field, Operation(operation), value, key)

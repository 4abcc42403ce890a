"""Reads the filters of a query string, in the form with brackets and in the older form, into `Criteria`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from rest_framework.request import Request

from flows.queries.criteria import Condition, Criteria, CriteriaError, Operation

MOST_FILTERS = 200

_PARTS = re.compile(r"\[([^\[\]]*)\]")
_GROUP_WORDS = ("and", "or")

# Old query values: which field and operation each one stands for.
_OLD_VALUES: Mapping[str, tuple[str, Operation]] = {
    "q": ("q", Operation.EQUALS),
    "namespace": ("namespace", Operation.PREFIX),
    "flowId": ("flowId", Operation.EQUALS),
    "state": ("state", Operation.IN),
    "labels": ("labels", Operation.EQUALS),
    "scope": ("scope", Operation.IN),
    "startDate": ("startDate", Operation.GREATER_THAN_OR_EQUAL_TO),
    "endDate": ("endDate", Operation.LESS_THAN_OR_EQUAL_TO),
    "timeRange": ("timeRange", Operation.EQUALS),
    "triggerExecutionId": ("triggerExecutionId", Operation.EQUALS),
    "childFilter": ("childFilter", Operation.EQUALS),
    "minLevel": ("level", Operation.EQUALS),
    "triggerId": ("triggerId", Operation.EQUALS),
    "workerId": ("workerId", Operation.EQUALS),
    "existing": ("existingOnly", Operation.EQUALS),
    "executionId": ("executionId", Operation.EQUALS),
}


def read_criteria(request: Request, known: frozenset[str]) -> Criteria:
    """
    Return the filters of a request.

    Args:
        known: fields of the resource; old query values for other fields are left out, filters for them are an error.

    Returns:
        Plain filters and old values joined by `and`, groups inside. A filter with brackets replaces the old value of its field.

    Raises:
        CriteriaError: unknown field or operation, or brackets that make no filter.

    Source: REST API, 4.
    """
    plain: list[Condition | Criteria] = []
    groups: dict[str, list[Condition | Criteria]] = {"and": [], "or": []}
    nested: dict[tuple[str, str, str], list[Condition | Criteria]] = {}
    count = 0
    for name, values in request.query_params.lists():
        if not name.startswith("filters["):
            continue
        parts = _PARTS.findall(name.removeprefix("filters"))
        if "".join(f"[{part}]" for part in parts) != name.removeprefix("filters"):
            raise CriteriaError(f'"{name[:100]}" is not written as filters[field][operation].')
        for value in values:
            count += 1
            if count > MOST_FILTERS:
                raise CriteriaError(f"More than {MOST_FILTERS} filters in one request are not allowed.")
            _place(parts, str(value), name, known, plain, groups, nested)
    for (joiner, _, inner), members in nested.items():
        groups[joiner].append(Criteria(_joiner(inner), tuple(members)))
    members = [*plain, *groups["and"]]
    if groups["or"]:
        members.append(Criteria("or", tuple(groups["or"])))
    given = {condition.field for condition in Criteria("and", tuple(members)).conditions()}
    members.extend(_read_old_values(request, known - given))
    return Criteria("and", tuple(members))


def _place(
    parts: list[str],
    value: str,
    name: str,
    known: frozenset[str],
    plain: list[Condition | Criteria],
    groups: dict[str, list[Condition | Criteria]],
    nested: dict[tuple[str, str, str], list[Condition | Criteria]],
) -> None:
    if len(parts) < 2 or parts[0] not in _GROUP_WORDS:
        plain.append(_read_condition(parts, value, name, known))
        return
    joiner, index, rest = parts[0], parts[1], parts[2:]
    if rest and rest[0] in _GROUP_WORDS:
        inner = rest[2:]
        if inner and inner[0] in _GROUP_WORDS:
            raise CriteriaError(f'"{name[:100]}" nests groups more than once.')
        nested.setdefault((joiner, index, rest[0]), []).append(_read_condition(inner, value, name, known))
        return
    groups[joiner].append(_read_condition(rest, value, name, known))


def _joiner(word: str) -> Literal["and", "or"]:
    return "or" if word == "or" else "and"


def _read_condition(parts: list[str], value: str, name: str, known: frozenset[str]) -> Condition:
    if len(parts) not in (2, 3) or ((len(parts) == 3) != (parts[0] == "labels") and len(parts) == 3):
        raise CriteriaError(f'"{name[:100]}" is not written as filters[field][operation].')
    field_name, word = parts[0], parts[1]
    if field_name not in known:
        raise CriteriaError(f'The field "{field_name[:60]}" cannot be filtered here. Known fields: {", ".join(sorted(known))}.')
    return Condition(field_name, read_operation(word), value, parts[2] if len(parts) == 3 else "")


def read_operation(word: str) -> Operation:
    """Return the operation of that name. Raises CriteriaError for an unknown one."""
    try:
        return Operation(word)
    except ValueError:
        raise CriteriaError(f'"{word[:60]}" is no operation. Known ones: {", ".join(Operation)}.') from None


def _read_old_values(request: Request, wanted: frozenset[str]) -> list[Condition | Criteria]:
    found: list[Condition | Criteria] = []
    for name, (field_name, operation) in _OLD_VALUES.items():
        values = [value for value in request.query_params.getlist(name) if value] if field_name in wanted else []
        if not values:
            continue
        if name == "labels":
            found.extend(_read_old_label(text) for text in values)
        else:
            found.append(Condition(field_name, operation, ",".join(values) if operation is Operation.IN else values[-1]))
    return found


def _read_old_label(text: str) -> Condition:
    key, _, value = text.partition(":")
    return Condition("labels", Operation.EQUALS, value, key)


def read_old_body(body: Mapping[str, Any], known: frozenset[str]) -> Criteria:
    """
    Return the filters of a JSON body whose keys are the old query values: texts, or lists of texts for `state` and `labels`.

    Args:
        known: fields of the resource; keys for other fields are left out, as unknown keys of any body.

    Raises:
        CriteriaError: a value is an object or another thing that no query could hold.
    """
    members: list[Condition | Criteria] = []
    for name, (field_name, operation) in _OLD_VALUES.items():
        value = body.get(name)
        if field_name not in known or value is None or value in ("", [], {}):
            continue
        if name == "labels" and isinstance(value, dict):
            value = [f"{key}:{text}" for key, text in value.items()]
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise CriteriaError(f'"{name}" must be a text or a list of texts.')
        if name == "labels":
            members.extend(_read_old_label(text) for text in texts)
        else:
            members.append(Condition(field_name, operation, ",".join(texts) if operation is Operation.IN else texts[-1]))
    return Criteria("and", tuple(members))


def read_body_criteria(body: Any, known: frozenset[str]) -> Criteria:
    """Return the filters that a JSON body holds as `{"filters": [{field, operation, value}]}`. Raises CriteriaError."""
    filters = body.get("filters", []) if isinstance(body, dict) else None
    if not isinstance(filters, list) or not all(isinstance(item, dict) for item in filters):
        raise CriteriaError('The body must be an object with a list "filters".')
    members: list[Condition | Criteria] = []
    for item in filters:
        name, value = str(item.get("field", "")), item.get("value", "")
        if name not in known:
            raise CriteriaError(f'The field "{name[:60]}" cannot be filtered here. Known fields: {", ".join(sorted(known))}.')
        operation = read_operation(str(item.get("operation", "EQUALS")))
        if isinstance(value, dict):
            members.extend(Condition(name, operation, str(text), str(key)) for key, text in value.items())
        else:
            text = (
                ",".join(map(str, value))
                if isinstance(value, list)
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
            members.append(Condition(name, operation, text))
    return Criteria("and", tuple(members))

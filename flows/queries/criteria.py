"""Search conditions as values, and the rules that turn the allowed ones into database lookups. No query string is read here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from typing import Literal

from django.db.models import Q

from flows.primitives.durations import DurationError, parse_duration
from flows.primitives.errors import InvalidError


class Operation(StrEnum):
    """How a field is compared with a value."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_OR_EQUAL_TO = "GREATER_THAN_OR_EQUAL_TO"
    LESS_THAN = "LESS_THAN"
    LESS_THAN_OR_EQUAL_TO = "LESS_THAN_OR_EQUAL_TO"
    IN = "IN"
    NOT_IN = "NOT_IN"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    REGEX = "REGEX"
    PREFIX = "PREFIX"
    IS_NULL = "IS_NULL"
    IS_NOT_NULL = "IS_NOT_NULL"


class CriteriaError(InvalidError):
    """A filter names a field, an operation or a value that the resource does not know."""

    code = "filter"


class SortError(InvalidError):
    """A sort order cannot be understood."""

    code = "sort"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `key` is the label key when `field` is `labels`, else empty. `value` is text as the client sent it."""

    field: str
    operation: Operation
    value: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Conditions and nested groups joined by `and` or `or`; without members everything matches."""

    joiner: Literal["and", "or"] = "and"
    members: tuple[Condition | Criteria, ...] = field(default_factory=tuple)

    def conditions(self) -> list[Condition]:
        """Return every condition at every level."""
        found: list[Condition] = []
        for member in self.members:
            found.extend(member.conditions() if isinstance(member, Criteria) else [member])
        return found


Rule = Callable[[Condition], Q]
Rules = Mapping[str, Rule]

_ALWAYS = Q()
_NEVER = Q(pk__in=[])


def build_lookup(criteria: Criteria, rules: Rules) -> Q:
    """
    Return the database condition for `criteria`.

    Only names in `rules` reach the database, and values only as parameters.

    Raises:
        CriteriaError: a field that `rules` does not list, or a value or operation that the field does not take.

    Source: REST API, 4; security S-14.
    """
    parts = []
    for member in criteria.members:
        if isinstance(member, Criteria):
            parts.append(build_lookup(member, rules))
            continue
        rule = rules.get(member.field)
        if rule is None:
            raise CriteriaError(f'The field "{member.field}" cannot be filtered here. Known fields: {", ".join(sorted(rules))}.')
        parts.append(rule(member))
    if not parts:
        return _ALWAYS
    return reduce(operator.and_ if criteria.joiner == "and" else operator.or_, parts)


def split_list(value: str) -> list[str]:
    """Return the parts of a comma-separated list, which old clients wrap in brackets."""
    return [part.strip().strip('"') for part in value.strip().removeprefix("[").removesuffix("]").split(",") if part.strip()]


def _refuse(condition: Condition, takes: str) -> CriteriaError:
    return CriteriaError(f'The field "{condition.field}" does not take the operation {condition.operation}; it takes {takes}.')


_TEXT_LOOKUPS = {
    Operation.STARTS_WITH: "startswith",
    Operation.ENDS_WITH: "endswith",
    Operation.CONTAINS: "icontains",
    Operation.REGEX: "regex",
}


def match_text(column: str) -> Rule:
    """Return the rule of a text column. PREFIX means the dotted name itself or a child of it."""

    def rule(condition: Condition) -> Q:
        value = condition.value
        match condition.operation:
            case Operation.EQUALS:
                return Q(**{column: value})
            case Operation.NOT_EQUALS:
                return ~Q(**{column: value})
            case Operation.IN:
                return Q(**{f"{column}__in": split_list(value)})
            case Operation.NOT_IN:
                return ~Q(**{f"{column}__in": split_list(value)})
            case Operation.PREFIX:
                return Q(**{column: value}) | Q(**{f"{column}__startswith": f"{value}."})
            case Operation.NOT_CONTAINS:
                return ~Q(**{f"{column}__icontains": value})
            case Operation.IS_NULL:
                return Q(**{f"{column}__isnull": True})
            case Operation.IS_NOT_NULL:
                return Q(**{f"{column}__isnull": False})
            case operation if operation in _TEXT_LOOKUPS:
                return Q(**{f"{column}__{_TEXT_LOOKUPS[operation]}": value})
        raise _refuse(condition, "EQUALS, NOT_EQUALS, IN, NOT_IN, STARTS_WITH, ENDS_WITH, CONTAINS, REGEX and PREFIX")

    return rule


def match_choice(column: str, choices: Mapping[str, str]) -> Rule:
    """Return the rule of a column with a closed list of values; `choices` maps what clients may write to what is stored."""

    def read(condition: Condition, word: str) -> str:
        found = choices.get(word.upper())
        if found is None:
            raise CriteriaError(f'"{word}" is no {condition.field}; known ones: {", ".join(choices)}.')
        return found

    def rule(condition: Condition) -> Q:
        match condition.operation:
            case Operation.EQUALS:
                return Q(**{column: read(condition, condition.value)})
            case Operation.NOT_EQUALS:
                return ~Q(**{column: read(condition, condition.value)})
            case Operation.IN:
                return Q(**{f"{column}__in": [read(condition, word) for word in split_list(condition.value)]})
            case Operation.NOT_IN:
                return ~Q(**{f"{column}__in": [read(condition, word) for word in split_list(condition.value)]})
        raise _refuse(condition, "EQUALS, NOT_EQUALS, IN and NOT_IN")

    return rule


_ORDER_LOOKUPS = {
    Operation.EQUALS: "exact",
    Operation.GREATER_THAN: "gt",
    Operation.GREATER_THAN_OR_EQUAL_TO: "gte",
    Operation.LESS_THAN: "lt",
    Operation.LESS_THAN_OR_EQUAL_TO: "lte",
}


def read_moment(text: str, *, name: str) -> datetime:
    """
    Return the aware UTC moment of an ISO date-time; seconds may be missing, without an offset it means UTC.

    Raises:
        CriteriaError: not a date-time; `name` is the field that the message names.
    """
    try:
        # A plus sign that nobody encoded arrives as a blank.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CriteriaError(f'"{name}" must be a date-time such as 2031-05-04T00:00:00Z; got "{text[:60]}".') from error


def match_moment(*columns: str) -> Rule:
    """Return the rule of moments; with several columns one of them has to match."""

    def rule(condition: Condition) -> Q:
        if condition.operation is Operation.IS_NULL:
            return reduce(operator.and_, (Q(**{f"{column}__isnull": True}) for column in columns))
        if condition.operation is Operation.IS_NOT_NULL:
            return reduce(operator.or_, (Q(**{f"{column}__isnull": False}) for column in columns))
        if condition.operation is Operation.NOT_EQUALS:
            moment = read_moment(condition.value, name=condition.field)
            return reduce(operator.and_, (~Q(**{column: moment}) for column in columns))
        lookup = _ORDER_LOOKUPS.get(condition.operation)
        if lookup is None:
            raise _refuse(condition, "EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN and their _OR_EQUAL_TO forms")
        moment = read_moment(condition.value, name=condition.field)
        return reduce(operator.or_, (Q(**{f"{column}__{lookup}": moment}) for column in columns))

    return rule


def match_time_range(*columns: str, at: datetime) -> Rule:
    """Return the rule of an ISO duration that reaches back from `at`."""

    def rule(condition: Condition) -> Q:
        if condition.operation is not Operation.EQUALS:
            raise _refuse(condition, "EQUALS")
        try:
            since = at - parse_duration(condition.value)
        except (DurationError, OverflowError) as error:
            raise CriteriaError(f'"timeRange" must be a duration such as PT24H or P7D; got "{condition.value[:60]}".') from error
        return reduce(operator.or_, (Q(**{f"{column}__gte": since}) for column in columns))

    return rule


def match_number(column: str) -> Rule:
    """Return the rule of a whole-number column."""

    def read(condition: Condition, text: str) -> int:
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 9:
            raise CriteriaError(f'"{condition.field}" must be a whole number; got "{text[:60]}".')
        return int(text)

    def rule(condition: Condition) -> Q:
        match condition.operation:
            case Operation.NOT_EQUALS:
                return ~Q(**{column: read(condition, condition.value)})
            case Operation.IN:
                return Q(**{f"{column}__in": [read(condition, part) for part in split_list(condition.value)]})
            case Operation.NOT_IN:
                return ~Q(**{f"{column}__in": [read(condition, part) for part in split_list(condition.value)]})
        lookup = _ORDER_LOOKUPS.get(condition.operation)
        if lookup is None:
            raise _refuse(condition, "EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN, IN and NOT_IN")
        return Q(**{f"{column}__{lookup}": read(condition, condition.value)})

    return rule


def match_condition(holds: Q) -> Rule:
    """Return the rule of a yes-or-no field; `holds` is true for the rows that stand for yes, and never unknown."""

    def rule(condition: Condition) -> Q:
        word = condition.value.strip().lower()
        if word not in ("true", "false"):
            raise CriteriaError(f'"{condition.field}" must be true or false; got "{condition.value[:60]}".')
        if condition.operation not in (Operation.EQUALS, Operation.NOT_EQUALS):
            raise _refuse(condition, "EQUALS and NOT_EQUALS")
        return holds if (word == "true") is (condition.operation is Operation.EQUALS) else ~holds

    return rule


def match_labels(column: str = "labels") -> Rule:
    """Return the rule of a column that holds labels as a list of `{key, value}`."""

    def has(key: str, value: str) -> Q:
        return Q(**{f"{column}__contains": [{"key": key, "value": value}]})

    def rule(condition: Condition) -> Q:
        key, value = condition.key, condition.value
        if not key:
            key, _, value = value.partition(":")
        match condition.operation:
            case Operation.EQUALS:
                return has(key, value)
            case Operation.NOT_EQUALS:
                return ~has(key, value)
            case Operation.IN:
                return reduce(operator.or_, (has(key, part) for part in split_list(value)), _NEVER)
            case Operation.NOT_IN:
                return ~reduce(operator.or_, (has(key, part) for part in split_list(value)), _NEVER)
            case Operation.CONTAINS:
                return Q(**{f"{column}__contains": [{"key": key}]}) & Q(**{f"{column}__icontains": value})
            case Operation.IS_NULL:
                return ~Q(**{f"{column}__contains": [{"key": key}]})
            case Operation.IS_NOT_NULL:
                return Q(**{f"{column}__contains": [{"key": key}]})
        raise _refuse(condition, "EQUALS, NOT_EQUALS, IN, NOT_IN and CONTAINS")

    return rule


def match_search_text(*columns: str) -> Rule:
    """Return the rule of `q`: the text, without regard to case, in one of the columns."""

    def rule(condition: Condition) -> Q:
        found = reduce(operator.or_, (Q(**{f"{column}__icontains": condition.value}) for column in columns))
        if condition.operation in (Operation.EQUALS, Operation.CONTAINS):
            return found if condition.value else _ALWAYS
        if condition.operation in (Operation.NOT_EQUALS, Operation.NOT_CONTAINS):
            return ~found
        raise _refuse(condition, "EQUALS and NOT_EQUALS")

    return rule


def match_scope(column: str, *, system_namespace: str) -> Rule:
    """Return the rule of `scope`: SYSTEM is the system namespace, USER every other one."""

    def rule(condition: Condition) -> Q:
        words = {word.upper() for word in split_list(condition.value)}
        if not words or words - {"USER", "SYSTEM"}:
            raise CriteriaError(f'"scope" must be USER or SYSTEM; got "{condition.value[:60]}".')
        if len(words) == 2:
            return _ALWAYS
        inside = Q(**{column: system_namespace})
        wants_system = "SYSTEM" in words
        if condition.operation in (Operation.NOT_EQUALS, Operation.NOT_IN):
            wants_system = not wants_system
        return inside if wants_system else ~inside

    return rule

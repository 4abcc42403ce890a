"""What the filter bars of the console say, as search conditions, and the chips that show and remove them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from flows.primitives.states import State
from flows.queries.criteria import Condition, Criteria, Operation

RANGES = {"1h": "PT1H", "24h": "PT24H", "7d": "P7D", "30d": "P30D"}
LISTED_STATES = (
    State.RUNNING, State.FAILED, State.WARNING, State.SUCCESS, State.QUEUED, State.CREATED, State.PAUSED, State.RETRYING,
    State.KILLED, State.CANCELLED,
)  # fmt: skip
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter and the address of the page without it."""

    text: str
    without_url: str


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one request. `values` are what the bar shows."""

    criteria: Criteria
    values: Mapping[str, Any]
    chips: Sequence[Chip]


Finder = Callable[[str], Condition | Criteria]


def read_filters(
    request: HttpRequest, *, names: Sequence[str], fixed: Sequence[Condition] = (), find_text: Finder | None = None
) -> Filters:
    """
    Return the filters of a list page.

    Args:
        names: which of q, namespace, flow, state, label, level, range, from, to, task, execution, parent the page knows.
        fixed: conditions of the page itself, such as the flow whose executions it lists.
        find_text: turns the free text into a condition that an index can answer; without it the text may stand anywhere.
    """
    query = request.GET
    conditions: list[Condition | Criteria] = list(fixed)
    chips: list[Chip] = []
    values: dict[str, Any] = {}
    for name in names:
        given = [value.strip() for value in query.getlist(name) if value.strip() and "\0" not in value][:MOST_VALUES]
        values[name] = given if name in ("state", "label") else given[-1] if given else ""
        if not given:
            continue
        found = [find_text(given[-1])] if name == "q" and find_text is not None else _make_conditions(name, given)
        conditions += found
        if found:
            chips += [Chip(f"{name}: {value}", _without(query, name, value)) for value in given]
    return Filters(Criteria(members=tuple(conditions)), values, chips)


def _make_conditions(name: str, given: list[str]) -> list[Condition | Criteria]:
    value = given[-1]
    match name:
        case "q":
            return [Condition("q", Operation.EQUALS, value)]
        case "namespace":
            return [Condition("namespace", Operation.PREFIX, value)]
        case "flow":
            return [Condition("flowId", Operation.EQUALS, value)]
        case "task":
            return [Condition("taskId", Operation.EQUALS, value)]
        case "execution":
            return [Condition("executionId", Operation.EQUALS, value)]
        case "state":
            known = [word for word in given if word in State.__members__]
            return [Condition("state", Operation.IN, ",".join(known))] if known else []
        case "level":
            return [Condition("level", Operation.GREATER_THAN_OR_EQUAL_TO, value)] if value in LEVELS else []
        case "label":
            pairs = [text.partition(":") for text in given]
            return [Condition("labels", Operation.EQUALS, held, key) for key, colon, held in pairs if colon]
        case "range":
            return [Condition("timeRange", Operation.EQUALS, RANGES[value])] if value in RANGES else []
        case "from":
            return [Condition("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, value)]
        case "to":
            return [Condition("startDate", Operation.LESS_THAN, value)]
    return []


def _without(query: QueryDict, name: str, value: str) -> str:
    pairs = [(key, each) for key, held in query.lists() for each in held if (key, each.strip()) != (name, value)]
    # Without any filter in the address a list would open with its reader's usual ones.
    return f"?{urlencode([pair for pair in pairs if pair[0] not in ('before', 'after')]) or 'q='}"


def write_query(request: HttpRequest, **changes: str) -> str:
    """Return the query of the request with some values replaced; empty ones are left out."""
    pairs = [(key, value) for key, held in request.GET.lists() for value in held if key not in changes]
    pairs += [(key, value) for key, value in changes.items() if value]
    return f"?{urlencode(pairs)}" if pairs else "?"

"""JSON text into values, within limits that hold before anything is built."""

from __future__ import annotations

import json
from typing import Any

from flows.expressions.arguments import bad_value
from flows.expressions.limits import MAX_DEPTH, MAX_PARSED_VALUES, Budget, limit_error

BYTES_PER_VALUE = 64


def read_json(budget: Budget, text: str) -> Any:
    """
    Return the value of a JSON text.

    Raises ExpressionError: bad_value ("Invalid json: ...") when it cannot be read, limit for more than 500 000 values.
    """
    count = text.count(",") + text.count("[") + text.count("{")
    if count > MAX_PARSED_VALUES:
        raise limit_error("The number of values in a JSON text", f"{MAX_PARSED_VALUES}")
    budget.spend(count * BYTES_PER_VALUE + len(text))
    budget.tick_many(count >> 3)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise limit_error("The nesting of a JSON text", f"{MAX_DEPTH} levels") from error
    except ValueError as error:
        raise bad_value(f"Invalid json: {error}.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")

"""Checks that filters and functions share: an argument or input must be a text, an integer, a list. One wording for all."""

from __future__ import annotations

from typing import Any

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.values import describe_type, is_integer, is_list


def bad_argument(message: str) -> ExpressionError:
    """Return an error of kind bad_argument."""
    return ExpressionError(Kind.BAD_ARGUMENT, message)


def bad_value(message: str) -> ExpressionError:
    """Return an error of kind bad_value: a text that cannot be read as what it should be."""
    return ExpressionError(Kind.BAD_VALUE, message)


def bad_input(what: str, expected: str, value: Any) -> ExpressionError:
    """Return an error of kind bad_input: `what` ("filter \\"join\\"") needs `expected` ("a list") but got `value`."""
    return ExpressionError(Kind.BAD_INPUT, f"The {what} needs {expected} but got {describe_type(value)}.")


def text_argument(name: str, value: Any) -> str:
    """Return an argument that must be a text. Raises bad_argument."""
    if not isinstance(value, str):
        raise bad_argument(f'The argument "{name}" must be a text, got {describe_type(value)}.')
    return value


def integer_argument(name: str, value: Any) -> int:
    """Return an argument that must be an integer. Raises bad_argument."""
    if not is_integer(value):
        raise bad_argument(f'The argument "{name}" must be an integer, got {describe_type(value)}.')
    return int(value)


def boolean_argument(name: str, value: Any) -> bool:
    """Return an argument that must be a boolean. Raises bad_argument."""
    if not isinstance(value, bool):
        raise bad_argument(f'The argument "{name}" must be true or false, got {describe_type(value)}.')
    return value


def text_input(what: str, value: Any) -> str:
    """Return an input that must be a text. Raises bad_input."""
    if not isinstance(value, str):
        raise bad_input(what, "a text", value)
    return value


def list_input(what: str, value: Any) -> Any:
    """Return an input that must be a list. Raises bad_input."""
    if not is_list(value):
        raise bad_input(what, "a list", value)
    return value

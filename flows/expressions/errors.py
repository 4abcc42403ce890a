"""The one exception that leaves the expression language, with its kind and the line inside the template."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from flows.primitives.errors import FlowsError

SHOWN_TEMPLATE_LENGTH = 1000


class Kind(StrEnum):
    """What went wrong. `limit` and `unavailable` are ours, the others are those of the conformance vectors."""

    SYNTAX = "syntax"
    UNDEFINED_VARIABLE = "undefined_variable"
    UNKNOWN_FILTER = "unknown_filter"
    UNKNOWN_FUNCTION = "unknown_function"
    UNKNOWN_TEST = "unknown_test"
    MISSING_ARGUMENT = "missing_argument"
    BAD_ARGUMENT = "bad_argument"
    BAD_INPUT = "bad_input"
    BAD_OPERAND = "bad_operand"
    BAD_VALUE = "bad_value"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    RECURSION = "recursion"
    LIMIT = "limit"
    UNAVAILABLE = "unavailable"


class ExpressionError(FlowsError):
    """
    A template cannot be read or rendered.

    `kind` is a `Kind`; `line` and `column` count from 1 inside the template and are None until the evaluator has placed the
    error; `code` is stable (`expression-undefined-variable`).
    """

    def __init__(self, kind: Kind, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message, code="expression-" + kind.value.replace("_", "-"))
        self.kind = kind
        self.line = line
        self.column = column

    def place(self, template: str, line: int) -> ExpressionError:
        """Add where it happened, unless an inner template already did; returns the same error for `raise`."""
        if self.line is None:
            self.line = line
            self.message = f"{self.message} ({shorten_template(template)}:{line})"
            self.args = (self.message,)
        return self

    def __reduce__(self) -> Any:
        return _rebuild, (self.kind, self.message, self.line, self.column)


def shorten_template(template: str) -> str:
    """Return the template as an error message may show it, at most 1000 characters."""
    if len(template) <= SHOWN_TEMPLATE_LENGTH:
        return template
    return template[:SHOWN_TEMPLATE_LENGTH] + "..."


def _rebuild(kind: Kind, message: str, line: int | None, column: int | None) -> ExpressionError:
    return ExpressionError(kind, message, line=line, column=column)

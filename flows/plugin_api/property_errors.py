"""What is said when properties of a task or trigger do not fit: which one, what it has, what was expected. Public errors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flows.plugin_api.schemas import TEMPLATE
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.problems import Problem

HIDDEN = "******"


class PropertyError(InvalidError):
    """A property of a task or trigger is missing or has a value that does not fit; `name` is its dotted path."""

    code = "property-invalid"

    def __init__(self, message: str, *, name: str = "", problems: Sequence[Problem] = (), code: str | None = None) -> None:
        super().__init__(message, problems=problems, code=code)
        self.name = name


class PropertyTemplateError(PropertyError):
    """The template of a property cannot be rendered; `reason` and `code` are those of the template's own error."""

    def __init__(self, reason: str, *, name: str, code: str) -> None:
        super().__init__(f'Property "{name}" cannot be rendered: {reason}', name=name, code=code)
        self.reason = reason


def name_property(error: FlowsError, key: str) -> PropertyTemplateError:
    """Say in which property a template failed; an error of a nested object already names the rest of the way."""
    if isinstance(error, PropertyTemplateError):
        return PropertyTemplateError(error.reason, name=f"{key}.{error.name}", code=error.code)
    return PropertyTemplateError(error.message, name=key, code=error.code)


def gather_faults(
    error: ValidationError, raw: Mapping[str, Any], *, nested: Collection[str], secret: Collection[str]
) -> PropertyError:
    """
    Return one error for everything that pydantic found.

    Args:
        error: what validation found; it has one fault or more.
        raw: properties by YAML name, as written.
        nested: properties that are objects of their own; faults in them are named by their whole way.
        secret: properties whose values are not shown.

    Returns:
        The error of the one property, or one with a problem for each of several.
    """
    problems: dict[str, Problem] = {}
    for fault in error.errors(include_url=False):
        top = str(fault["loc"][0]) if fault["loc"] else ""
        name = _dotted(fault["loc"]) if top in nested else top
        message = _describe(name, fault, raw.get(top), hide=top in secret)
        problems.setdefault(name, Problem(code="property-invalid", message=message))
    name, first = next(iter(problems.items()))
    if len(problems) == 1:
        return PropertyError(first.message, name=name)
    return PropertyError(f"{len(problems)} properties do not fit.", name=name, problems=tuple(problems.values()))


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_]\w*", step):
            text += f".{step}" if text else step
    return text


def _describe(name: str, fault: ErrorDetails, written: Any, *, hide: bool) -> str:
    subject = f'Property "{name}"' if name else "The properties"
    if fault["type"] == "missing":
        return f"{subject} is required, but it was not given or its template gave null."
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ").rstrip(".")
    shown = HIDDEN if hide else _quote(fault["input"])
    if fault["type"] in {"value_error", "assertion_error"} and not name:
        return f"{reason[:1].upper()}{reason[1:]}."
    from_template = isinstance(written, str) and re.search(TEMPLATE, written)
    source = f' (written as "{written}")' if from_template and not hide else ""
    expected = reason if fault["type"] == "value_error" else f"expected {reason}"
    return f"{subject} has the value {shown}{source}: {expected}."


def _quote(value: Any) -> str:
    text = str(value)
    if len(text) > 200:
        text = text[:200] + "..."
    return f'"{text}"' if isinstance(value, str) else text

"""
Blueprints with blanks: a flow with an `extend` block that declares arguments, and `<< arg.name >>` where their values go.

The blanks have marks of their own because the text is full of `{{ }}` that belong to the flow and must stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.expressions import ExpressionError, render
from flows.language.declared_inputs import read_inputs
from flows.language.flow import Input
from flows.language.inputs import ResolvedInputs, resolve_inputs
from flows.language.reading import Reading
from flows.language.source import read_document
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.primitives.problems import Problem, Severity

_BLOCK = re.compile(r"^extend:[ \t]*\n(?:[ \t#-][^\n]*(?:\n|\Z)|\n)*", re.MULTILINE)
_VALUE = re.compile(r"<<([^\n]+?)>>")
_STATEMENT = re.compile(r"<%([^\n]+?)%>")
# Letters of the private use area stand for the marks of the flow while the blanks are filled in.
_KEPT = {"{{": "\ue000", "}}": "\ue001", "{%": "\ue002", "%}": "\ue003", "{#": "\ue004", "#}": "\ue005"}


@dataclass(frozen=True, slots=True)
class BlueprintTemplate:
    """A text with blanks, without its `extend` block, and the arguments that fill them."""

    text: str
    arguments: tuple[Input, ...]
    declared: tuple[Mapping[str, Any], ...]


def is_template(source: str) -> bool:
    """Tell whether a text declares arguments of a template."""
    return _BLOCK.search(source) is not None


def read_template(source: str) -> BlueprintTemplate:
    """Return the template of a text. Raises InvalidError with every fault of its `extend` block."""
    template, problems = _read(source)
    if template is None:
        raise InvalidError("; ".join(str(problem) for problem in problems), code="blueprint-template", problems=problems)
    return template


def find_template_faults(source: str) -> list[Problem]:
    """Return what is wrong with the `extend` block of a text; what the filled text is worth shows when it is saved as a flow."""
    return _read(source)[1]


def fill_template(source: str, values: Mapping[str, Any]) -> str:
    """
    Return the flow that a template makes with these values; a text without blanks comes back as it is.

    Args:
        values: by id of the argument; defaults fill the rest.

    Raises:
        InvalidError: a value is missing or wrong, or a blank cannot be filled.

    Source: REST API, 8.12.
    """
    if not is_template(source):
        return source
    template = read_template(source)
    resolved = resolve_arguments(template, values)
    if resolved.problems:
        raise InvalidError("; ".join(str(problem) for problem in resolved.problems), code="blueprint-arguments")
    try:
        return _fill(template.text, {"arg": resolved.values})
    except ExpressionError as error:
        raise InvalidError(f"A blank of the blueprint cannot be filled: {error}", code="blueprint-arguments") from error


def resolve_arguments(template: BlueprintTemplate, values: Mapping[str, Any]) -> ResolvedInputs:
    """Return the values of a template's arguments with every fault, for the form that asks for them."""
    return resolve_inputs(template.arguments, values, render=_render_default, store_file=_refuse_file, encrypt=lambda text: text)


def _read(source: str) -> tuple[BlueprintTemplate | None, list[Problem]]:
    block = _BLOCK.search(source)
    if block is None:
        return BlueprintTemplate(source, (), ()), []
    reading = Reading(read_document(block[0]), get_registry())
    data = reading.document.data
    extend = data.get("extend") if isinstance(data, dict) else None
    declared = extend.get("templateArguments") if isinstance(extend, dict) else None
    arguments = read_inputs(reading, declared, ("extend", "templateArguments"))
    if reading.has_errors:
        return None, [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    shown = tuple(one for one in declared or () if isinstance(one, dict))
    return BlueprintTemplate(source[: block.start()] + source[block.end() :], arguments, shown), []


def _fill(text: str, variables: Mapping[str, Any]) -> str:
    for mark, letter in _KEPT.items():
        text = text.replace(mark, letter)
    filled = str(render(_STATEMENT.sub(r"{%\1%}", _VALUE.sub(r"{{\1}}", text)), variables))
    for mark, letter in _KEPT.items():
        filled = filled.replace(letter, mark)
    return filled


def _render_default(value: Any, variables: Mapping[str, Any], *, typed: bool = False) -> Any:
    return render(value, variables, typed=typed)


def _refuse_file(argument_id: str, file: Any) -> str:
    raise InvalidError(f'Argument "{argument_id}" of a blueprint cannot be a file.', code="blueprint-arguments")

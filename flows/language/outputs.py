"""The outputs of a flow, or of one iteration of a Loop: rendered, converted to their types, nested at the dots of their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flows.language.flow import Input, Output
from flows.language.input_values import convert_value
from flows.language.plain_values import InputValueError, make_storable, nest_values, write_plain
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.problems import Problem

_STRUCTURED = frozenset({"JSON", "YAML", "ION", "ARRAY", "MULTISELECT", "OBJECT", "TABLE"})


class OutputError(InvalidError):
    """An output cannot be rendered or does not fit its type; `problems` has one entry per output."""

    code = "output-invalid"


def resolve_outputs(outputs: Sequence[Output], *, render: Callable[..., Any], encrypt: Callable[[str], Any]) -> dict[str, Any]:
    """
    Return the values of outputs as nested, JSON-ready data.

    Args:
        outputs: as declared.
        render: `render(value, typed=False)` with the whole context of the execution; values of lists and maps are rendered
            inside. Called with `typed=True` for outputs whose type has a structure.
        encrypt: gives the stored form of a SECRET.

    Raises:
        OutputError: at least one output fails; all of them are named.

    Source: flow language, 4.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for output in outputs:
        try:
            values[output.id] = _resolve_one(output, render, encrypt)
        except InputValueError as fault:
            problems.append(Problem("output-invalid", f'Output "{output.id}" is not of type {output.type}: {fault.reason}.'))
        except (FlowsError, ValueError) as error:
            problems.append(Problem("output-invalid", f'Output "{output.id}" cannot be rendered: {error}'))
    if problems:
        raise OutputError(" ".join(problem.message for problem in problems), problems=problems)
    return nest_values(values)


def _resolve_one(output: Output, render: Callable[..., Any], encrypt: Callable[[str], Any]) -> Any:
    value = render(output.value, typed=True) if output.type in _STRUCTURED else render(output.value)
    if output.type is None:
        return make_storable(value)
    if value is None or (value == "" and output.type not in {"STRING", "SECRET", "EMAIL"}):
        if output.required:
            raise InputValueError("it has no value but is required")
        return None
    if output.type == "ENUM":
        return write_plain(value)
    declared = Input(
        id=output.id,
        type=output.type,
        options={
            "itemType": output.item_type or "STRING",
            **({"allowCustomValue": True} if output.type == "MULTISELECT" else {}),
        },
    )
    if output.type in {"OBJECT", "TABLE"}:
        declared = Input(id=output.id, type="JSON")
    converted = make_storable(convert_value(declared, value))
    return encrypt(converted) if output.type == "SECRET" else converted

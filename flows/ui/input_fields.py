"""The fields of the form that starts (or resumes) an execution: one per declared input. Values are checked by the operations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from django.http import HttpRequest

from flows.language.flow import Input
from flows.language.inputs import ResolvedInputs

PREFIX = "in."
RADIO_COUNT = 5

_CONTROLS = {
    "INT": "number", "FLOAT": "number", "BOOL": "choice", "BOOLEAN": "choice", "DATE": "date", "TIME": "text", "DATETIME": "text",
    "DURATION": "text", "JSON": "code", "YAML": "code", "ARRAY": "code", "OBJECT": "code", "TABLE": "code",
    "FILE": "file", "SECRET": "password", "URI": "text", "EMAIL": "email",
    "SELECT": "choice", "ENUM": "choice", "MULTISELECT": "many",
}  # fmt: skip
_HINTS = {
    "DATETIME": "Date and time with a zone, such as 2031-05-04T10:00:00Z",
    "TIME": "Such as 10:30:00",
    "DURATION": "ISO duration such as PT1H30M",
    "URI": "An address such as https://example.org/data.csv",
    "ARRAY": 'A JSON list such as ["a", "b"]',
    "JSON": 'JSON such as {"key": 1}',
    "YAML": "YAML text",
    "OBJECT": "A JSON object",
    "TABLE": "A JSON list of objects",
}


@dataclass(frozen=True, slots=True)
class InputField:
    """
    One field. `name` is its part of the form; `control` chooses the element; `choices` are texts; `value` is what the field
    shows, a list of texts for `many`; `is_shown` is False while a condition of the flow hides the input.
    """

    id: str
    name: str
    label: str
    type: str
    control: str
    required: bool
    description: str = ""
    hint: str = ""
    choices: Sequence[tuple[str, str]] = ()
    allows_other: bool = False
    value: Any = ""
    errors: Sequence[str] = ()
    is_shown: bool = True
    steers: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


def make_fields(
    inputs: Sequence[Input], *, given: Mapping[str, Any], resolved: ResolvedInputs | None = None, show_errors: bool = False
) -> list[InputField]:
    """
    Return the fields of a form.

    Args:
        given: what the person has entered so far (texts by dotted id); the rest shows its default.
        resolved: the operations' answer to `given`: defaults, errors, and which inputs are shown.
        show_errors: whether the errors are shown, which they are after the form was sent.
    """
    states = {state.id: state for state in resolved.states} if resolved else {}
    faults: dict[str, list[str]] = {}
    for problem in resolved.problems if resolved and show_errors else ():
        faults.setdefault(problem.input_id, []).append(problem.message)
    steering = {name for _, one in flatten(inputs) for name in one.depends_on}
    return [
        _make_field(name, one, given, states.get(name), faults.get(name, ()), name in steering) for name, one in flatten(inputs)
    ]


def flatten(inputs: Sequence[Input], prefix: str = "") -> Iterator[tuple[str, Input]]:
    """Yield the inputs that hold a value by dotted id; the parts of a form are inputs of their own."""
    for one in inputs:
        if one.type == "FORM":
            yield from flatten(one.children, f"{prefix}{one.id}.")
        else:
            yield f"{prefix}{one.id}", one


def _make_field(name: str, one: Input, given: Mapping[str, Any], state: Any, errors: Sequence[str], steers: bool) -> InputField:
    kind = one.type or "STRING"
    control = _CONTROLS.get(kind, "text")
    choices: list[tuple[str, str]] = []
    values = getattr(state, "choices", None) or one.options.get("values")
    if kind in ("BOOL", "BOOLEAN"):
        choices = [("true", "yes"), ("false", "no")]
    elif isinstance(values, (list, tuple)):
        choices = [(str(value), str(value)) for value in values]
    allows_other = bool(one.options.get("allowCustomValue") or one.options.get("allowCustomInput"))
    if control == "choice":
        if not choices or allows_other:
            control = "text"
        elif len(choices) > RADIO_COUNT:
            control = "select"
    if control == "many" and not choices:
        control = "code"
    attributes = {}
    if kind in ("INT", "FLOAT"):
        attributes = {key: str(one.options[key]) for key in ("min", "max") if key in one.options}
        attributes["step"] = "1" if kind == "INT" else "any"
    if kind == "FILE" and isinstance(one.options.get("allowedFileExtensions"), list):
        attributes["accept"] = ",".join(str(each) for each in one.options["allowedFileExtensions"])
    multiline = kind == "STRING" and isinstance(one.default, str) and "\n" in one.default
    return InputField(
        id=name,
        name=f"{PREFIX}{name}",
        label=one.display_name or name,
        type=kind,
        control="area" if multiline else control,
        required=one.required and not one.has_default,
        description=one.description or "",
        hint=_HINTS.get(kind, ""),
        choices=choices,
        allows_other=allows_other,
        value=_shown_value(name, one, given, state, control),
        errors=errors,
        is_shown=state.enabled if state is not None else True,
        steers=steers,
        attributes=attributes,
    )


def _shown_value(name: str, one: Input, given: Mapping[str, Any], state: Any, control: str) -> Any:
    if one.type in ("SECRET", "FILE"):
        return ""
    if name in given:
        return given[name]
    value = (
        state.value if state is not None and state.value is not None else one.prefill if one.prefill is not None else one.default
    )
    if control == "many":
        return [str(each) for each in value] if isinstance(value, (list, tuple)) else []
    return _write_value(value)


def _write_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)


def read_inputs(request: HttpRequest, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return what a form supplies by dotted id: texts, lists of texts, uploads. Empty fields count as not supplied."""
    supplied: dict[str, Any] = {}
    for name, one in flatten(inputs):
        key = f"{PREFIX}{name}"
        if one.type == "FILE":
            if key in request.FILES:
                supplied[name] = request.FILES[key]
        elif one.type == "MULTISELECT" and (values := [value for value in request.POST.getlist(key) if value]):
            # A list typed as JSON, or one value per ticked box.
            supplied[name] = values[0] if len(values) == 1 and values[0].lstrip().startswith("[") else json.dumps(values)
        elif one.type != "MULTISELECT" and request.POST.get(key, "") != "":
            supplied[name] = request.POST[key].replace("\r\n", "\n")
    return supplied


def read_prefill(request: HttpRequest, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return the values that a link gives for fields, such as `?in.day=2031-05-04`. Secrets and files are never taken."""
    names = {name: one for name, one in flatten(inputs) if one.type not in ("SECRET", "FILE")}
    return {name: request.GET[f"{PREFIX}{name}"] for name in names if f"{PREFIX}{name}" in request.GET}

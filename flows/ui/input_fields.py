"""The fields of the form that starts (or resumes) an execution: one per declared input. Values are checked by the operations."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any
from zlib import crc32

from django.http import HttpRequest, QueryDict

from flows.language.flow import Input
from flows.language.inputs import ResolvedInputs
from flows.language.source import read_document
from flows.ui.free_text import resolve_text

PREFIX = "in."
ADDED = "+"
"""Ends the name of the field in which somebody types further values of a list."""
RADIO_COUNT = 5
SEARCHED_COUNT = 8

_CONTROLS = {
    "INT": "number", "FLOAT": "number", "BOOL": "choice", "BOOLEAN": "choice", "DATE": "moment", "TIME": "moment",
    "DATETIME": "moment", "DURATION": "text", "JSON": "code", "YAML": "code", "ION": "code", "OBJECT": "code", "TABLE": "code",
    "ARRAY": "many", "FILE": "file", "SECRET": "password", "URI": "url", "EMAIL": "email",
    "SELECT": "choice", "ENUM": "choice", "MULTISELECT": "many",
}  # fmt: skip
_PLAIN_ITEMS = frozenset(
    {"STRING", "INT", "FLOAT", "BOOL", "BOOLEAN", "DATE", "TIME", "DATETIME", "DURATION", "URI", "EMAIL", "SELECT", "ENUM"}
)
_PICKERS = {"DATE": "date", "TIME": "time", "DATETIME": "datetime-local"}
_FREE_TYPES = frozenset({"DATE", "TIME", "DATETIME", "DURATION"})
_LANGUAGES = {"YAML": "yaml"}
_HINTS = {
    "DATE": "A date, or words such as today, -1d, +2w",
    "DATETIME": "A moment such as 2031-05-04T10:00:00Z, or words such as now, -1d, tomorrow 9:30",
    "TIME": "Such as 10:30:00, now or +2h",
    "DURATION": "Such as 90s, 1h 30m or PT1H30M",
    "URI": "An address such as https://example.org/data.csv",
    "JSON": 'JSON such as {"key": 1}',
    "YAML": "YAML text",
    "OBJECT": "A JSON object",
    "TABLE": "A JSON list of objects",
}


@dataclass(frozen=True, slots=True)
class InputField:
    """
    One field. `name` is its part of the form; `control` chooses the element; `choices` are texts; `value` is what the field
    shows, a list of texts for `many`; `is_shown` is False while a condition of the flow hides the input. `resolved` is the exact
    form of free text; `is_given` tells that somebody chose the value, `is_open` that a list takes further values; `fault_at` is
    line and column (from 1) of the fault in a text that is no JSON or YAML.
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
    resolved: str = ""
    is_given: bool = False
    is_open: bool = False
    picker: str = ""
    language: str = ""
    fault_at: tuple[int, int] | None = None

    @property
    def shape(self) -> str:
        """A digest of what makes the element itself; a script replaces an element only when it differs."""
        parts = (self.control, self.required, self.label, tuple(self.choices), tuple(self.attributes.items()), self.is_open)
        return f"{crc32(repr(parts).encode()):08x}"

    @property
    def digest(self) -> str:
        """A digest of the value, by which a script sees that a default has changed."""
        return f"{crc32(repr(self.value).encode()):08x}"

    @property
    def unlisted(self) -> list[str]:
        """The values of a list that are no offered choice."""
        offered = {value for value, _ in self.choices}
        return [value for value in self.value if value not in offered] if isinstance(self.value, list) else []

    @property
    def has_search(self) -> bool:
        """True when there are so many choices that one wants to search them."""
        return len(self.choices) > SEARCHED_COUNT


def make_fields(
    inputs: Sequence[Input],
    *,
    given: Mapping[str, Any],
    resolved: ResolvedInputs | None = None,
    show_errors: bool | Collection[str] = False,
) -> list[InputField]:
    """
    Return the fields of a form.

    Args:
        given: what the person has entered so far (by dotted id, as `read_typed` returns it); the rest shows its default.
        resolved: the operations' answer to it: defaults, errors, and which inputs are shown.
        show_errors: whether errors are shown, which they are after the form was sent, or the ids of those inputs whose are.
    """
    states = {state.id: state for state in resolved.states} if resolved else {}
    faults: dict[str, list[str]] = {}
    for problem in resolved.problems if resolved else ():
        if show_errors is True or (not isinstance(show_errors, bool) and problem.input_id in show_errors):
            faults.setdefault(problem.input_id, []).append("This needs a value." if problem.is_missing else problem.message)
    steering = {name for _, one in flatten(inputs) for name in one.depends_on}
    fields = (
        _make_field(name, one, given, states.get(name), faults.get(name, ()), name in steering) for name, one in flatten(inputs)
    )
    return [_place_fault(each) for each in fields]


def _place_fault(made: InputField) -> InputField:
    """Return a field with code whose fault says where it stands; other fields as they are."""
    # Ion is read as JSON or as YAML, so that neither can say what is wrong with it.
    if not (made.errors and made.language and made.value) or made.type == "ION":
        return made
    found = _find_yaml_fault(made.value) if made.language == "yaml" else _find_json_fault(made.value)
    if found is None:
        return made
    line, column, reason = found
    return replace(made, errors=(f"Line {line}, column {column}: {reason}",), fault_at=(line, column))


def _find_json_fault(text: str) -> tuple[int, int, str] | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as fault:
        return fault.lineno, fault.colno, f"this is no JSON: {fault.msg[:1].lower()}{fault.msg[1:]}."
    except RecursionError:
        return None
    return None


def _find_yaml_fault(text: str) -> tuple[int, int, str] | None:
    fault = next(iter(read_document(text).problems), None)
    return (fault.place.line, fault.place.column, fault.message) if fault is not None and fault.place is not None else None


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
        elif len(choices) > RADIO_COUNT and one.options.get("isRadio") is not True:
            control = "select"
    item_type = str(one.options.get("itemType") or "STRING")
    if control == "many" and item_type not in _PLAIN_ITEMS:
        control = "code"
    is_open = control == "many" and (kind == "ARRAY" or allows_other or not choices)
    attributes = {}
    if kind in ("INT", "FLOAT"):
        attributes = {key: str(one.options[key]) for key in ("min", "max") if key in one.options}
        attributes["step"] = "1" if kind == "INT" else "any"
    if kind == "FILE" and isinstance(one.options.get("allowedFileExtensions"), list):
        attributes["accept"] = ",".join(str(each) for each in one.options["allowedFileExtensions"])
    if kind == "STRING" and isinstance(one.options.get("validator"), str):
        attributes["data-pattern"] = str(one.options["validator"])[:300]
    multiline = kind == "STRING" and isinstance(one.default, str) and "\n" in one.default
    return InputField(
        id=name,
        name=f"{PREFIX}{name}",
        label=one.display_name or name,
        type=kind,
        control="area" if multiline else control,
        required=one.required and not one.has_default,
        description=one.description or "",
        hint=_HINTS.get(kind, f"A list of {item_type}, one value after the other" if kind == "ARRAY" else ""),
        choices=choices,
        allows_other=allows_other,
        value=_shown_value(name, one, given, state, control),
        resolved=_write_resolved(kind, given.get(name), state),
        is_given=name in given,
        is_open=is_open,
        picker=_PICKERS.get(kind, ""),
        language=_LANGUAGES.get(kind, "json") if control == "code" else "",
        errors=errors,
        is_shown=state.enabled if state is not None else True,
        steers=steers,
        attributes=attributes,
    )


def _shown_value(name: str, one: Input, given: Mapping[str, Any], state: Any, control: str) -> Any:
    if one.type in ("SECRET", "FILE"):
        return ""
    value = given.get(name)
    if value is None:
        value = _find_default(one, state)
    if control == "many":
        return _list_texts(value)
    return _write_value(value)


def _find_default(one: Input, state: Any) -> Any:
    if state is not None and state.value is not None:
        return state.value
    return one.prefill if one.prefill is not None else one.default


def _list_texts(value: Any) -> list[str]:
    """Return the items of a list, or of a text that holds one as JSON, as texts."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if isinstance(value, (list, tuple)):
        return [_write_value(each) for each in value]
    return [str(value)] if value not in (None, "") else []


def _write_resolved(kind: str, typed: Any, state: Any) -> str:
    """Return the exact value of free text, empty when it was written exactly."""
    if kind not in _FREE_TYPES or not isinstance(typed, str) or state is None or state.value is None:
        return ""
    exact = str(state.value)
    return "" if exact == typed.strip() else exact


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


def read_typed(request: HttpRequest, inputs: Sequence[Input]) -> dict[str, Any]:
    """
    Return what a form supplies by dotted id, as it was entered: texts, lists of texts, uploads. Empty fields count as not
    supplied.
    """
    return read_entries(request.POST, inputs, files=request.FILES)


def read_entries(
    entries: QueryDict, inputs: Sequence[Input], *, files: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return what the pairs of a form supply, as `read_typed` does."""
    typed: dict[str, Any] = {}
    for name, one in flatten(inputs):
        key = f"{PREFIX}{name}"
        if one.type == "FILE":
            if key in files:
                typed[name] = files[key]
        elif one.type in ("MULTISELECT", "ARRAY"):
            if values := _read_list(entries, key):
                typed[name] = values
        elif entries.get(key, "") != "":
            typed[name] = str(entries[key]).replace("\r\n", "\n")
    return typed


def _read_list(entries: QueryDict, key: str) -> str | list[str]:
    """Return the values of one list: one text per ticked box and per added word, or a whole list that was typed as JSON."""
    ticked = [str(value) for value in entries.getlist(key) if value]
    if len(ticked) == 1 and ticked[0].lstrip().startswith("["):
        return ticked[0]
    added = str(entries.get(f"{key}{ADDED}", "")).strip()
    if added.startswith("["):
        return [*ticked, *_list_texts(added)]
    words = (word.strip() for word in added.replace("\n", ",").split(","))
    return list(dict.fromkeys([*ticked, *(word for word in words if word)]))


def convert_typed(inputs: Sequence[Input], typed: Mapping[str, Any], *, at: datetime | None = None) -> dict[str, Any]:
    """Return entered values as operations take them: words for moments and durations resolved, lists as JSON."""
    moment = at or datetime.now(UTC)
    kinds = {name: one.type or "STRING" for name, one in flatten(inputs)}
    return {name: _convert(kinds.get(name, "STRING"), value, moment) for name, value in typed.items()}


def _convert(kind: str, value: Any, at: datetime) -> Any:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and kind in _FREE_TYPES:
        return resolve_text(kind, value, at=at)
    return value


def read_inputs(request: HttpRequest, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return what a form supplies by dotted id, as operations take it: texts and uploads. Empty fields are left out."""
    return convert_typed(inputs, read_typed(request, inputs))


def show_stored(inputs: Sequence[Input], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored inputs by dotted id as somebody would have entered them; secrets and files are left out."""
    found: dict[str, Any] = {}
    for name, one in flatten(inputs):
        value: Any = values
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None or one.type in ("SECRET", "FILE"):
            continue
        if isinstance(value, list | dict):
            found[name] = json.dumps(value, ensure_ascii=False, indent=None if one.type in ("MULTISELECT", "ARRAY") else 2)
        else:
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def read_changed(request: HttpRequest, inputs: Sequence[Input], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form supplies that showed stored inputs, as operations take it: only what somebody changed."""
    shown = {one.id: one.value for one in make_fields(inputs, given=show_stored(inputs, values))}
    typed = {name: value for name, value in read_typed(request, inputs).items() if value != shown.get(name)}
    return convert_typed(inputs, typed)


def read_prefill(request: HttpRequest, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return the values that a link gives for fields, such as `?in.day=2031-05-04`. Secrets and files are never taken."""
    found: dict[str, Any] = {}
    for name, one in flatten(inputs):
        values = request.GET.getlist(f"{PREFIX}{name}")
        if values and one.type not in ("SECRET", "FILE"):
            found[name] = values if one.type in ("MULTISELECT", "ARRAY") and len(values) > 1 else values[-1]
    return found


def read_touched(entries: QueryDict) -> frozenset[str]:
    """Return the ids of the inputs that somebody has changed since the form was opened."""
    return frozenset(str(name).removeprefix(PREFIX) for name in entries.getlist("touched"))

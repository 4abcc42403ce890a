"""The inputs of an execution: from what the caller sent to what is stored, and from there to what expressions see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from flows.language.declared_inputs import list_flat
from flows.language.flow import Input
from flows.language.input_values import convert_value, list_choices, revive_value
from flows.language.outputs import OutputError, resolve_outputs
from flows.language.plain_values import InputValueError, make_storable, nest_values, write_plain
from flows.primitives.errors import FlowsError

__all__ = [
    "InputProblem",
    "InputState",
    "OutputError",
    "RenderInput",
    "ResolvedInputs",
    "UploadedFile",
    "find_supplied",
    "resolve_inputs",
    "resolve_outputs",
    "to_variables",
]

_HIDDEN = "******"
_LONGEST_SHOWN = 500
_OWN_SCHEME = "kestra://"
_REGISTERED_SCHEMES = ("nsfile://", "file://", "http://", "https://")


@runtime_checkable
class UploadedFile(Protocol):
    """A file that came with the request."""

    @property
    def name(self) -> str | None:
        """Name under which the caller sent it."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""


class RenderInput(Protocol):
    """Renders a default, an expression or a condition with `variables` added to those of the flow."""

    def __call__(self, value: Any, variables: Mapping[str, Any], *, typed: bool = False) -> Any:
        """Return the result; raises FlowsError or ValueError when it cannot be rendered."""


@dataclass(frozen=True, slots=True)
class InputProblem:
    """Why a value was refused: the dotted id of the input, the whole sentence, and the value as text, hidden for a SECRET."""

    input_id: str
    message: str
    value: str
    is_missing: bool = False

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class InputState:
    """What became of one input: whether it exists, whether its value came from a default, and the value in its stored form."""

    id: str
    type: str | None
    enabled: bool
    is_default: bool = False
    value: Any = None


@dataclass(frozen=True, slots=True)
class ResolvedInputs:
    """
    The outcome for all inputs.

    `values` nests at the dots of ids, is JSON-ready and leaves out disabled inputs and those with a problem; `states` has one
    entry per input that holds a value, in the order of the declaration; `resolved_at` is the moment that was given.
    """

    values: dict[str, Any]
    problems: list[InputProblem] = field(default_factory=list)
    states: list[InputState] = field(default_factory=list)
    resolved_at: datetime | None = None


def resolve_inputs(
    inputs: Sequence[Input],
    supplied: Mapping[str, Any],
    *,
    render: RenderInput,
    store_file: Callable[[str, Any], str],
    encrypt: Callable[[str], Any],
    at: datetime | None = None,
) -> ResolvedInputs:
    """
    Return the value of every declared input, and every reason for which a value was refused.

    Args:
        inputs: as declared; forms are expanded here.
        supplied: by dotted id: text, bool, number, list, mapping or an `UploadedFile`. Mappings that nest at the dots are
            understood too. Unknown ids are passed over.
        render: called with `{"inputs": ...}`; in a `dependsOn.condition` only the inputs that it depends on are in there.
        store_file: called with the input id and an upload, or the address of a file that is not in the storage yet; returns
            the address in the storage. Called for valid files only.
        encrypt: called with the clear text of a SECRET; the result is stored. Raises FlowsError when no key is configured.
        at: aware UTC moment of the resolution.

    Source: flow language, 3.3.
    """
    resolver = _Resolver(inputs, supplied, render, store_file, encrypt)
    for input_id in resolver.list_in_order():
        resolver.resolve(input_id)
    states = [resolver.states[input_id] for input_id in resolver.declared]
    refused = {problem.input_id for problem in resolver.problems}
    values = nest_values({state.id: state.value for state in states if state.enabled and state.id not in refused})
    order = {input_id: number for number, input_id in enumerate(resolver.declared)}
    problems = sorted(resolver.problems, key=lambda problem: order[problem.input_id])
    return ResolvedInputs(values=values, problems=problems, states=states, resolved_at=at)


def to_variables(inputs: Sequence[Input], stored_values: Mapping[str, Any], decrypt: Callable[[Any], str]) -> dict[str, Any]:
    """
    Return stored inputs as expressions see them: dates, times and durations as such, secrets in clear text.

    Args:
        inputs: as declared in the revision that runs.
        stored_values: `ResolvedInputs.values`; values of inputs that are no longer declared are kept as they are.
        decrypt: the reverse of `encrypt`.
    """
    found = _copy_levels(stored_values)
    for input_id, declared in list_flat(tuple(inputs)):
        holder, key = _find_level(found, input_id)
        if holder is None or key not in holder or holder[key] is None:
            continue
        if declared.type == "SECRET":
            holder[key] = decrypt(holder[key])
        else:
            holder[key] = revive_value(declared.type, holder[key], declared=declared)
    return found


class _Resolver:
    def __init__(
        self,
        inputs: Sequence[Input],
        supplied: Mapping[str, Any],
        render: RenderInput,
        store_file: Callable[[str, Any], str],
        encrypt: Callable[[str], Any],
    ) -> None:
        self.declared = dict(list_flat(tuple(inputs)))
        self.states: dict[str, InputState] = {}
        self.problems: list[InputProblem] = []
        self._forms = {item.id: item for item in inputs if item.type in {"FORM", "REUSABLE_INPUTS"}}
        self._supplied = supplied
        self._render = render
        self._store_file = store_file
        self._encrypt = encrypt
        self._open: set[str] = set()
        self._clear: dict[str, Any] = {}

    def list_in_order(self) -> list[str]:
        """Return all ids, those that others depend on first; a long chain of dependencies is no deep recursion then."""
        ordered: dict[str, None] = {}
        opened: set[str] = set()
        for start in self.declared:
            stack = [start]
            while stack:
                name = stack[-1]
                if name in ordered:
                    stack.pop()
                elif name in opened:
                    ordered[name] = None
                    stack.pop()
                else:
                    opened.add(name)
                    form = self._forms.get(name.split(".", 1)[0])
                    wanted = [*self.declared[name].depends_on, *(form.depends_on if form else ())]
                    stack.extend(other for other in self._expand(wanted) if other not in opened)
        return list(ordered)

    def resolve(self, input_id: str) -> InputState:
        """Return the state of one input, dependencies first; every input is resolved once."""
        known = self.states.get(input_id)
        if known is not None:
            return known
        if input_id in self._open:
            return InputState(input_id, None, enabled=False)
        self._open.add(input_id)
        declared = self.declared[input_id]
        state = InputState(input_id, declared.type, enabled=False)
        if self._is_enabled(input_id, declared):
            state = self._find_value(input_id, declared)
        self._open.discard(input_id)
        self.states[input_id] = state
        return state

    def _is_enabled(self, input_id: str, declared: Input) -> bool:
        form = self._forms.get(input_id.split(".", 1)[0])
        return all(self._holds(input_id, item) for item in (form, declared) if item is not None)

    def _holds(self, input_id: str, item: Input) -> bool:
        """Whether the dependencies of an input, or of its form, are there and its condition is true."""
        if item.depends_on and not all(self.resolve(name).enabled for name in self._expand(item.depends_on)):
            return False
        if item.depends_condition is None:
            return True
        try:
            return self._render(item.depends_condition, {"inputs": self._known(item)}, typed=True) is True
        except (FlowsError, ValueError) as error:
            self._refuse(input_id, f"its condition cannot be rendered: {error}", None)
            return False

    def _expand(self, names: Sequence[str]) -> list[str]:
        """Return dotted ids; the id of a form stands for its fields, unknown ids are passed over."""
        found = []
        for name in names:
            if name in self.declared:
                found.append(name)
            elif name in self._forms:
                found.extend(key for key in self.declared if key.startswith(f"{name}."))
        return found

    def _known(self, item: Input) -> dict[str, Any]:
        return nest_values({name: self._clear[name] for name in self._expand(item.depends_on) if name in self._clear})

    def _find_value(self, input_id: str, declared: Input) -> InputState:
        value, is_default = find_supplied(self._supplied, input_id), False
        try:
            choices = self._find_choices(declared)
            if value is None:
                value, is_default = self._find_default(declared, choices)
            if value is None:
                if declared.required:
                    self._refuse(input_id, "missing required input", None, is_missing=True)
                self._clear[input_id] = None
                return InputState(input_id, declared.type, enabled=True)
            stored, clear = self._convert(input_id, declared, value, choices)
        except InputValueError as fault:
            self._refuse(input_id, fault.reason, value)
            return InputState(input_id, declared.type, enabled=True, is_default=is_default)
        except (FlowsError, ValueError) as error:
            self._refuse(input_id, f"it cannot be resolved: {error}", value)
            return InputState(input_id, declared.type, enabled=True, is_default=is_default)
        self._clear[input_id] = clear
        return InputState(input_id, declared.type, enabled=True, is_default=is_default, value=stored)

    def _find_choices(self, declared: Input) -> list[str] | None:
        expression = declared.options.get("expression")
        if declared.type not in {"SELECT", "MULTISELECT"} or expression is None:
            return list_choices(declared.options.get("values")) if "values" in declared.options else None
        found = self._render(expression, {"inputs": self._known(declared)}, typed=True)
        if not isinstance(found, (list, tuple)):
            raise InputValueError("its expression must give a list of values")
        return list_choices(found)

    def _find_default(self, declared: Input, choices: Sequence[str] | None) -> tuple[Any, bool]:
        if declared.default is not None:
            return self._render(
                declared.default, {"inputs": self._known(declared)}, typed=isinstance(declared.default, str)
            ), True
        if declared.options.get("autoSelectFirst") is True and choices:
            return ([choices[0]] if declared.type == "MULTISELECT" else choices[0]), True
        return None, False

    def _convert(self, input_id: str, declared: Input, value: Any, choices: Sequence[str] | None) -> tuple[Any, Any]:
        """Return the stored form of a value and the one that other inputs see."""
        if declared.type == "FILE":
            address = self._keep_file(input_id, declared, value)
            return address, address
        if isinstance(value, UploadedFile):
            value = value.read().decode()
        stored = make_storable(convert_value(declared, value, choices=choices))
        if declared.type == "SECRET":
            return self._encrypt(stored), stored
        return stored, revive_value(declared.type, stored, declared=declared)

    def _keep_file(self, input_id: str, declared: Input, value: Any) -> str:
        name = str(getattr(value, "name", "") or "") if not isinstance(value, str) else value
        endings = declared.options.get("allowedFileExtensions")
        if isinstance(endings, list) and endings and not name.lower().endswith(tuple(str(item).lower() for item in endings)):
            raise InputValueError(f"its name must end with `{', '.join(str(item) for item in endings)}`")
        if isinstance(value, str):
            if value.startswith(_OWN_SCHEME):
                return value
            if value.startswith(_REGISTERED_SCHEMES):
                return self._store_file(input_id, value)
            raise InputValueError("it must be a file, or an address such as `kestra:///...` or `nsfile:///...`")
        if not isinstance(value, UploadedFile):
            raise InputValueError("it must be a file")
        return self._store_file(input_id, value)

    def _refuse(self, input_id: str, reason: str, value: Any, *, is_missing: bool = False) -> None:
        declared = self.declared[input_id]
        if value is None:
            shown = "null"
        elif declared.type == "SECRET":
            shown = _HIDDEN
        else:
            shown = str(getattr(value, "name", "a file")) if isinstance(value, UploadedFile) else write_plain(value)
        shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
        message = f"Invalid input for `{input_id}`, {reason}, but received `{shown}`"
        self.problems.append(InputProblem(input_id, message, shown, is_missing))


def find_supplied(supplied: Mapping[str, Any], input_id: str) -> Any:
    """Return what the caller gave for a dotted id, flat or nested at the dots; None when nothing was given."""
    if input_id in supplied:
        return supplied[input_id]
    level: Any = supplied
    for step in input_id.split("."):
        if not isinstance(level, Mapping) or step not in level:
            return None
        level = level[step]
    return level


def _copy_levels(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy_levels(item) if isinstance(item, Mapping) else item for key, item in values.items()}


def _find_level(values: dict[str, Any], input_id: str) -> tuple[dict[str, Any] | None, str]:
    *levels, last = input_id.split(".")
    level: Any = values
    for step in levels:
        level = level.get(step) if isinstance(level, dict) else None
    return (level if isinstance(level, dict) else None), last

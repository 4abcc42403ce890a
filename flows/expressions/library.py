"""The registry of functions, filters and tests: names, argument names, and how arguments of a call are laid onto them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.expressions.errors import ExpressionError, Kind


@dataclass(frozen=True, slots=True)
class Builtin:
    """
    A function, filter or test.

    `call` takes the Render, for filters and tests the input, then one value per name in `arguments`; `required` names must
    be given, the others have `defaults`. `is_variadic` functions take any number of positional values instead and ignore
    named ones. `takes_null` says that a filter wants to see null; otherwise null passes through it. `takes_undefined` gives null
    to a filter or test whose input is undefined, instead of failing. `summary` is one line.
    """

    kind: str
    name: str
    arguments: tuple[str, ...]
    required: int
    call: Callable[..., Any]
    defaults: tuple[Any, ...] = ()
    is_variadic: bool = False
    takes_null: bool = False
    takes_undefined: bool = False
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What the API and the editor show: name, argument names in order, how many are required, one line of explanation."""

    name: str
    arguments: tuple[str, ...]
    required: int
    summary: str


@dataclass(slots=True)
class Library:
    """All built-ins by name. Filled when the modules of filters and functions are imported."""

    functions: dict[str, Builtin] = field(default_factory=dict)
    filters: dict[str, Builtin] = field(default_factory=dict)
    tests: dict[str, Builtin] = field(default_factory=dict)


LIBRARY = Library()


def register_function(
    name: str, *arguments: str, required: int = 0, variadic: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Register a function of the language; `arguments` are its names in order."""
    return _register(LIBRARY.functions, "function", name, arguments, required, skipped=1, variadic=variadic)


def register_filter(
    name: str, *arguments: str, required: int = 0, takes_null: bool = False, takes_undefined: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Register a filter of the language; the input is not among `arguments`."""
    options = {"takes_null": takes_null, "takes_undefined": takes_undefined}
    return _register(LIBRARY.filters, "filter", name, arguments, required, skipped=2, **options)


def register_test(name: str, *, takes_undefined: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Register a test of the language; it sees null."""
    return _register(LIBRARY.tests, "test", name, (), 0, skipped=2, takes_null=True, takes_undefined=takes_undefined)


def _register(
    table: dict[str, Builtin],
    kind: str,
    name: str,
    arguments: tuple[str, ...],
    required: int,
    *,
    skipped: int,
    variadic: bool = False,
    takes_null: bool = False,
    takes_undefined: bool = False,
) -> Callable[[Callable[..., Any]], Any]:
    def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(call).parameters.values())[skipped:]
        defaults = () if variadic else tuple(None if p.default is p.empty else p.default for p in parameters)
        summary = (call.__doc__ or "").strip().split("\n")[0]
        table[name] = Builtin(kind, name, arguments, required, call, defaults, variadic, takes_null, takes_undefined, summary)
        return call

    return decorate


def lay_out_arguments(builtin: Builtin, positional: int, named: Sequence[str]) -> list[int | str | None]:
    """
    Return, for every argument of the built-in, where its value comes from: the index of a positional one, a name, or None
    for the default. Trailing defaults are left out.

    Raises ExpressionError: bad_argument for too many or unknown ones, missing_argument for a required one that is absent.
    """
    label = f'{builtin.kind} "{builtin.name}"'
    if builtin.is_variadic:
        return list(range(positional))
    if positional > len(builtin.arguments):
        raise ExpressionError(
            Kind.BAD_ARGUMENT, f"The {label} takes at most {len(builtin.arguments)} arguments but got {positional}."
        )
    if not builtin.arguments and named and builtin.kind == "function":
        return []
    for name in named:
        if name not in builtin.arguments:
            known = ", ".join(builtin.arguments) or "none"
            raise ExpressionError(Kind.BAD_ARGUMENT, f'The {label} has no argument "{name}". It has: {known}.')
    places: list[int | str | None] = []
    for index, name in enumerate(builtin.arguments):
        if index < positional:
            places.append(index)
        elif name in named:
            places.append(name)
        elif index < builtin.required:
            raise ExpressionError(Kind.MISSING_ARGUMENT, f'The {label} expects an argument "{name}", which is missing.')
        else:
            places.append(None)
    while places and places[-1] is None:
        places.pop()
    return places

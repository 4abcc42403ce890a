"""The tree of a template. Every node knows its line, counted from 1 inside the template; nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a template."""

    line: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A text, number, boolean or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Interpolation(Node):
    """A double-quoted text with `#{...}` parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """`{key: value}`; both sides are expressions."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A root variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Item(Node):
    """`target.key` or `target[key]`; the first has a literal text as key."""

    target: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Arguments(Node):
    """Arguments of a call: positional ones, then named ones."""

    positional: tuple[Node, ...] = ()
    named: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`name(arguments)`: a function or macro."""

    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class MethodCall(Node):
    """`target.name(arguments)`."""

    target: Node
    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """`target | name(arguments)`."""

    target: Node
    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Test(Node):
    """`target is name(arguments)`, or `is not`."""

    target: Node
    name: str
    arguments: Arguments
    negated: bool


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`not`, `-` or `+` before an operand."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Concatenation(Node):
    """A whole chain of `~`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`condition ? yes : no`."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Text between tags."""

    text: str


@dataclass(frozen=True, slots=True)
class Raw(Node):
    """The body of `raw`, which later passes of a recursive render must not evaluate either."""

    text: str


@dataclass(frozen=True, slots=True)
class Print(Node):
    """`{{ expression }}`."""

    expression: Node


@dataclass(frozen=True, slots=True)
class Body(Node):
    """A sequence of statements."""

    statements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    """Branches in order, then `else`."""

    branches: tuple[tuple[Node, Body], ...]
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for variable in iterable`."""

    variable: str
    iterable: Node
    body: Body
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class Set(Node):
    """`set variable = value`."""

    variable: str
    value: Node


@dataclass(frozen=True, slots=True)
class Block(Node):
    """A named part that prints where it stands and again through `block(name)`."""

    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """A named text with parameters; a parameter's default is an expression or None."""

    name: str
    parameters: tuple[tuple[str, Node | None], ...]
    body: Body


@dataclass(frozen=True, slots=True)
class FilterBlock(Node):
    """The printed body, sent through filters."""

    filters: tuple[tuple[str, Arguments, int], ...]
    body: Body


def list_children(node: Node) -> Iterator[Node]:
    """Yield the direct children of a node in source order."""
    kind = type(node)
    names = _FIELD_NAMES.get(kind)
    if names is None:
        names = _FIELD_NAMES[kind] = tuple(field.name for field in fields(node))
    for name in names:
        yield from _list_nodes(getattr(node, name))


# Asked once for each class: checking a long flow walks tens of thousands of nodes.
_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _list_nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for entry in value:
            yield from _list_nodes(entry)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, parents before children."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(list_children(current))))

"""Checks of templates before they run, and the lists of built-ins that editors show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError
from flows.expressions.library import LIBRARY, Builtin, Signature
from flows.expressions.statements import parse_template
from flows.primitives.problems import Place, Problem, Severity


def check_syntax(text: str) -> list[Problem]:
    """
    Return what is wrong with a template, empty when nothing is.

    A template that cannot be read is one problem of severity ERROR. A name of a filter, function or test that does not exist
    is a WARNING: it fails only when it is evaluated. Lines and columns count from 1 inside the template; a warning has column 1.
    """
    if "{" not in text:
        return []
    try:
        tree = parse_template(text)
    except ExpressionError as error:
        place = Place(error.line or 1, error.column or 1)
        return [Problem(error.code, error.message, place=place)]
    except RecursionError:
        return [Problem("expression-limit", "The template nests too deeply.", "Split it with set.", Place(1, 1))]
    return list(_list_unknown_names(tree))


def _list_unknown_names(tree: nodes.Body) -> Iterator[Problem]:
    macros = {node.name for node in nodes.walk(tree) if isinstance(node, nodes.Macro)}
    for node in nodes.walk(tree):
        if isinstance(node, nodes.Filter) and node.name not in LIBRARY.filters:
            yield _unknown("filter", node.name, node.line, f"Filter [{node.name}] does not exist.")
        elif isinstance(node, nodes.FilterBlock):
            for name, _, line in node.filters:
                if name not in LIBRARY.filters:
                    yield _unknown("filter", name, line, f"Filter [{name}] does not exist.")
        elif isinstance(node, nodes.Call) and node.name not in LIBRARY.functions and node.name not in macros:
            yield _unknown("function", node.name, node.line, f"Function or Macro [{node.name}] does not exist")
        elif isinstance(node, nodes.Test) and node.name not in LIBRARY.tests:
            yield _unknown("test", node.name, node.line, f"Test [{node.name}] does not exist.")


def _unknown(kind: str, name: str, line: int, message: str) -> Problem:
    hint = f'Check the spelling of "{name}".'
    return Problem(f"expression-unknown-{kind}", message, hint, Place(line, 1), Severity.WARNING)


def _list_signatures(table: Mapping[str, Builtin]) -> list[Signature]:
    return [Signature(b.name, b.arguments, b.required, b.summary) for _, b in sorted(table.items())]


def list_filters() -> list[Signature]:
    """Return all filters by name; the input is not among the arguments."""
    return _list_signatures(LIBRARY.filters)


def list_functions() -> list[Signature]:
    """Return all functions by name."""
    return _list_signatures(LIBRARY.functions)


def list_tests() -> list[Signature]:
    """Return all tests by name."""
    return _list_signatures(LIBRARY.tests)

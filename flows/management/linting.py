"""`flows lint`: what is allowed in flow files and yet probably a mistake. Nothing is stored, and no database is asked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from flows.language.lint import lint_flow
from flows.language.parse import parse_flow
from flows.management.documents import FlowDocument, read_documents
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.plugin_api.registry import get_registry
from flows.primitives.problems import Problem, Severity

COLUMNS = ("file", "line", "level", "rule", "message")


def add_lint(actions: Any) -> None:
    """Add the action `lint PATH...`."""
    parser = add_action(actions, "lint", lint_paths, about="Looks for names that do not exist or are not used, and for style.")
    parser.add_argument("path", nargs="+", help='a file, a folder or "-"')
    parser.add_argument("--strict", action="store_true", help="matters of style fail as well")


def lint_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Show a row per finding; status 1 when one of them is a warning or an error."""
    documents = read_documents(options.path)
    if not documents:
        raise UsageError(f"No flow was found in {', '.join(options.path)}: flow files end in .yml or .yaml.")
    found = [(document, problem) for document in documents for problem in _lint(document)]
    rows = [_describe(document, problem) for document, problem in found]
    terminal.show_rows(COLUMNS, rows, json_rows=[_present(document, problem) for document, problem in found])
    harmless = set() if options.strict else {Severity.INFO}
    return Exit.FAILED if any(problem.severity not in harmless for _, problem in found) else Exit.DONE


def _lint(document: FlowDocument) -> Iterator[Problem]:
    result = parse_flow(document.text, get_registry())
    yield from result.problems
    if result.flow is not None:
        known = {(problem.code, problem.place.line if problem.place else 0) for problem in result.problems}
        for problem in lint_flow(document.text, result.flow):
            if (problem.code, problem.place.line if problem.place else 0) not in known:
                yield problem


def _describe(document: FlowDocument, problem: Problem) -> dict[str, Any]:
    return {
        "file": document.label,
        "line": problem.place.line if problem.place else None,
        "level": problem.severity.value.lower(),
        "rule": problem.code,
        "message": f"{problem.message} {problem.hint}".strip(),
    }


def _present(document: FlowDocument, problem: Problem) -> dict[str, Any]:
    return {**_describe(document, problem), "column": problem.place.column if problem.place else None}

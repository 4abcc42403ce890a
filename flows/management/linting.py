"""`flows lint`: what is allowed in flow files and yet probably a mistake, and mending it. No database is asked."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.language.lint import lint_flow
from flows.language.lint_fixes import fix_flow
from flows.language.parse import parse_flow
from flows.management.documents import STANDARD_INPUT, FlowDocument, read_documents
from flows.management.dry_runs import add_dry_run, conclude
from flows.management.terminal import Exit, Terminal, UsageError, add_action
from flows.plugin_api.registry import get_registry
from flows.primitives.problems import Problem, Severity

COLUMNS = ("file", "line", "level", "rule", "message")


def add_lint(actions: Any) -> None:
    """Add the action `lint PATH...`."""
    parser = add_action(actions, "lint", lint_paths, about="Looks for names that do not exist or are not used, and for style.")
    parser.add_argument("path", nargs="+", help='a file, a folder or "-"')
    parser.add_argument("--strict", action="store_true", help="matters of style fail as well")
    parser.add_argument("--fix", action="store_true", help="mend old names, unused variables and blanks in the files")
    add_dry_run(parser)


def lint_paths(terminal: Terminal, options: argparse.Namespace) -> int:
    """Show a row per finding; status 1 when one of them is a warning or an error."""
    documents = read_documents(options.path)
    if not documents:
        raise UsageError(f"No flow was found in {', '.join(options.path)}: flow files end in .yml or .yaml.")
    changes: dict[str, str] = {}
    if options.fix:
        changes = _mend(terminal, options, documents)
        documents = documents if options.dry_run else read_documents(options.path)
    elif options.dry_run:
        raise UsageError("flows lint changes nothing without --fix, so --dry-run goes with it only.")
    found = [(document, problem) for document in documents for problem in _lint(document)]
    rows = [_describe(document, problem) for document, problem in found]
    terminal.show_rows(COLUMNS, rows, json_rows=[_present(document, problem) for document, problem in found])
    if options.dry_run:
        return conclude(options, would_change=bool(changes))
    harmless = set() if options.strict else {Severity.INFO}
    return Exit.FAILED if any(problem.severity not in harmless for _, problem in found) else Exit.DONE


def _mend(terminal: Terminal, options: argparse.Namespace, documents: list[FlowDocument]) -> dict[str, str]:
    """Mend the files, or in a dry run say how; return the new text of every file that changes."""
    if any(document.file == STANDARD_INPUT for document in documents):
        raise UsageError("--fix writes files, and standard input is none.")
    changed: dict[str, str] = {}
    for document in documents:
        mended, solved = fix_flow(document.text, get_registry())
        if mended == document.text:
            continue
        before = changed.get(document.file) or Path(document.file).read_text(encoding="utf-8")
        changed[document.file] = before.replace(document.text, mended, 1)
        for problem in solved:
            terminal.say(f"{document.label}: {'would mend' if options.dry_run else 'mended'}: {problem}")
    for file, text in changed.items():
        before = Path(file).read_text(encoding="utf-8")
        lines = difflib.unified_diff(before.splitlines(), text.splitlines(), file, file, lineterm="")
        terminal.say("\n".join(lines))
        if not options.dry_run:
            Path(file).write_text(text, encoding="utf-8")
    return changed


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

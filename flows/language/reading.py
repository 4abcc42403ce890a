"""The state of one parse: the document, the registry and the problems found so far. Every part of the parser reports here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.expressions import check_syntax
from flows.language.source import Document, Path, format_path
from flows.plugin_api.registry import Registry
from flows.primitives.problems import Place, Problem, Severity

MAX_PROBLEMS = 200
MAX_CHOICES = 500
_MAX_SUGGESTIONS = 50


class Reading:
    """
    One parse of one document. Problems gather in the order in which they are found.

    At most 200 errors and 200 other problems are kept, so that a hostile document cannot make the answer large or slow.
    """

    def __init__(self, document: Document, registry: Registry) -> None:
        self.document = document
        self.registry = registry
        self.problems: list[Problem] = []
        self._error_count = 0
        self._other_count = 0
        self._suggestion_count = 0
        self.shapes: dict[str, Any] = {}
        for problem in document.problems:
            self.add(problem)

    @property
    def has_errors(self) -> bool:
        """Whether a problem found so far blocks saving."""
        return self._error_count > 0

    def add(self, problem: Problem) -> None:
        """Keep a problem, unless there are too many already."""
        if problem.severity is Severity.ERROR:
            self._error_count += 1
            is_kept = self._error_count <= MAX_PROBLEMS
        else:
            self._other_count += 1
            is_kept = self._other_count <= MAX_PROBLEMS
        if is_kept:
            self.problems.append(problem)

    def suggest_type(self, type_name: str) -> str | None:
        """Return the known type that is most alike, or None; answers a limited number of times, because it is slow."""
        self._suggestion_count += 1
        return self.registry.suggest(type_name) if self._suggestion_count <= _MAX_SUGGESTIONS else None

    def report(
        self, code: str, message: str, path: Path, *, hint: str = "", severity: Severity = Severity.ERROR, of_key: bool = False
    ) -> None:
        """Add a problem at the value of `path`, or at its key."""
        self.add(Problem(code, message, hint, self.document.find_place(path, of_key=of_key), severity))

    def deprecate(self, message: str, path: Path, *, hint: str = "") -> None:
        """Report an old spelling at the key of `path`."""
        self.report("deprecated", message, path, hint=hint, severity=Severity.DEPRECATION, of_key=True)

    def check_expressions(self, value: Any, path: Path) -> None:
        """Report every broken template in `value`, a text or anything that holds texts."""
        if isinstance(value, str):
            if "{{" in value or "{%" in value:
                for problem in check_syntax(value):
                    message = f'The expression in "{format_path(path)}" is wrong: {problem.message}'
                    self.report(problem.code, message, path, hint=problem.hint, severity=problem.severity)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self.check_expressions(item, (*path, key))
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                self.check_expressions(item, (*path, index))

    def place(self, path: Path) -> Place:
        """Return where the value at `path` stands."""
        return self.document.find_place(path)


def suggest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, or None when none comes near or there are too many to compare."""
    choices = list(known)
    if len(choices) > MAX_CHOICES or len(name) > 100:
        return None
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def list_words(words: Sequence[str], *, last: str = "and", at_most: int = 12) -> str:
    """Return words as part of a sentence: `a, b and c`; a long list ends with how many more there are."""
    shown = list(words[:at_most])
    if len(words) > at_most:
        return f"{', '.join(shown)} {last} {len(words) - at_most} more"
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def show_value(value: Any) -> str:
    """Return a value as a message may show it, cut to a few words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the text "{value[:60]}{"..." if len(value) > 60 else ""}"'
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"

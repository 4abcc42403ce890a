"""Gathers what is wrong with a dashboard document, each fault with its place, so that one answer names all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.language.reading import list_words, show_value, suggest_name
from flows.language.source import Document, Path
from flows.primitives.problems import Problem, Severity

MOST_FAULTS = 200


class Faults:
    """The problems of one dashboard, in the order in which they are found; at most 200 are kept."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)

    @property
    def has_errors(self) -> bool:
        """Whether something found so far keeps the document from being used."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def report(self, code: str, message: str, path: Path, *, hint: str = "", severity: Severity = Severity.ERROR) -> None:
        """Add a problem at the value of `path`."""
        if len(self.problems) < MOST_FAULTS:
            self.problems.append(Problem(code, message, hint, self.document.find_place(path), severity))

    def check_keys(self, value: Mapping[str, Any], known: Sequence[str], path: Path) -> None:
        """Warn of keys that mean nothing here."""
        for key in value:
            if key not in known:
                similar = suggest_name(str(key), known)
                hint = f'Did you mean "{similar}"?' if similar else "It is ignored."
                self.report(
                    "unknown-key", f'The key "{key}" is not known here.', (*path, key), hint=hint, severity=Severity.WARNING
                )

    def check_choice(self, value: Mapping[str, Any], key: str, choices: Sequence[str], path: Path) -> None:
        """Report a value that is given and not one of the choices."""
        if value.get(key) is not None and value[key] not in choices:
            message = f'"{key}" must be {list_words(choices, last="or")}; got {show_value(value[key])}.'
            self.report("chart-option", message, (*path, key))

    def check_flag(self, value: Mapping[str, Any], key: str, path: Path) -> None:
        """Report a value that is given and neither true nor false."""
        if value.get(key) is not None and not isinstance(value[key], bool):
            self.report("chart-option", f'"{key}" must be true or false; got {show_value(value[key])}.', (*path, key))

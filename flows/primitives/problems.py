"""What is wrong with something a user wrote, as a value: code, message, hint and place. No text is parsed here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem matters: an error blocks saving, the others are only reported."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    DEPRECATION = "DEPRECATION"
    INFO = "INFO"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where in a document something stands.

    `line` and `column` count from 1; `path` is the dotted way to the value, with list positions in brackets
    (`tasks[0].format`), empty for the document itself.
    """

    line: int
    column: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that is wrong, with its place.

    `code` is stable and written in kebab case (`unknown-task-type`); `message` is a full sentence that names the object;
    `hint` says what to do and may be empty; `place` is None when no document is at hand.
    """

    code: str
    message: str
    hint: str = ""
    place: Place | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"line {self.place.line}, column {self.place.column}: " if self.place else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"

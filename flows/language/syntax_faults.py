"""What the YAML parser stumbled over, in words for people who do not know its terms. Nothing is parsed here."""

from __future__ import annotations

from typing import Any

import yaml

from flows.primitives.problems import Place, Problem

_CODE = "yaml-syntax"
_START = "The text is not valid YAML: "
_INDENT_HINT = "Give entries that belong together the same number of spaces."
_QUOTE_HINT = "Put the whole value in quotes."
_RESERVED = "@`%&*!|>"


def explain_syntax(error: yaml.YAMLError, text: str) -> Problem:
    """
    Return the problem that a person can act on: the place where to look, what was found there, and what to write instead.

    Args:
        error: what the parser raised; its marks count from 0.
        text: the document, to look at the character in question.
    """
    problem = str(getattr(error, "problem", None) or "")
    context = str(getattr(error, "context", None) or "")
    at = _place_of(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))
    begin = _place_of(getattr(error, "context_mark", None))
    if isinstance(error, yaml.reader.ReaderError):
        return _explain_character(error, text)
    if problem.startswith("found character that cannot start"):
        return _explain_start(_character_at(text, at), at)
    if problem == "found unexpected end of stream" and "quoted scalar" in context:
        quote = _character_at(text, begin)
        return _problem(f"the quote {quote} that opens here is never closed.", f"Write another {quote} at its end.", begin)
    if problem.startswith("mapping values are not allowed"):
        return _problem(
            'a ": " stands where no key can begin.',
            'Put a value that contains ": " in quotes, and indent a key like the keys beside it.',
            at,
        )
    if "block collection" in context:
        return _problem(
            f'this line stands inside the list that begins in line {begin.line}, but is no item of it: items begin with "- ".',
            _INDENT_HINT,
            at,
        )
    if "block mapping" in context:
        return _problem(
            f"this does not fit the mapping that begins in line {begin.line}: a key of it was expected here.",
            f"{_INDENT_HINT} Write a quote inside quotes twice.",
            at,
        )
    if "flow sequence" in context or "flow mapping" in context:
        closing = "]" if "sequence" in context else "}"
        return _problem(
            f'the bracket of line {begin.line}, column {begin.column} is not closed: "," or "{closing}" was expected here.',
            f'Add the "{closing}", or put the value in quotes when the bracket is part of a text.',
            at,
        )
    if "escape character" in problem:
        return _problem(
            "after the backslash stands a character that means nothing in double quotes.",
            "Use single quotes, or write the backslash twice.",
            at,
        )
    reason = problem or str(getattr(error, "reason", None) or "it cannot be read")
    return _problem(f"{reason}.", "Check the indentation and the quotes around texts with `: `, `#`, `{` or `[`.", at)


def _explain_start(character: str, at: Place) -> Problem:
    if character == "\t":
        return _problem("a tab stands at the beginning of a value or a line.", "Indent with spaces, never with tabs.", at)
    shown = f'"{character}"' if character else "this character"
    hint = _QUOTE_HINT if character in _RESERVED else "Remove it, or put the whole value in quotes."
    return _problem(f"a value cannot begin with {shown}.", hint, at)


def _explain_character(error: yaml.reader.ReaderError, text: str) -> Problem:
    # The parser counts bytes.
    before = text.encode()[: int(getattr(error, "position", 0) or 0)].decode(errors="ignore")
    place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
    reason = str(getattr(error, "reason", None) or "this character is not allowed")
    return _problem(f"{reason}.", "Remove the character; in double quotes it can be written as an escape such as \\u0001.", place)


def _problem(fault: str, hint: str, place: Place) -> Problem:
    return Problem(_CODE, _START + fault, hint, place)


def _place_of(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _character_at(text: str, place: Place) -> str:
    lines = text.split("\n")
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return line[place.column - 1 : place.column]

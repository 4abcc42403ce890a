"""Template text into segments (text, raw, print, tag) and expression text into tokens. Nothing is nested here."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.limits import MAX_TOKENS, limit_error
from flows.expressions.values import LONG_MAX

WORD_OPERATORS = frozenset({"or", "and", "is", "not", "contains", "equals"})
CONSTANTS = {
    "true": True,
    "TRUE": True,
    "false": False,
    "FALSE": False,
    "null": None,
    "NULL": None,
    "none": None,
    "NONE": None,
}
MAX_INTERPOLATION_DEPTH = 20

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<decimal>\d+\.\d+)
    |(?P<integer>\d+L?)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>\?\?\?|\?\?|\.\.|==|!=|<=|>=|[-+*/%~|?:()\[\]{},.=<>])
    |(?P<single>'[^'\\]*(?:\\.[^'\\]*)*')
    |(?P<double>")""",
    re.VERBOSE | re.DOTALL,
)
_DOUBLE_PART = re.compile(r'(?:[^"\\#]|\\.|#(?!\{))+', re.DOTALL)
_OPENING = re.compile(r"\{(?:\{|%|#)(?:-(?=\s))?")
_VERBATIM = re.compile(r"\{%(?P<before>-?)\s*(?P<word>verbatim|raw)\s*(?P<after>-?)%\}")
_END_RAW = {word: re.compile(rf"\{{%(?P<before>-?)\s*end{word}\s*(?P<after>-?)%\}}") for word in ("verbatim", "raw")}
_CLOSING = {"{{": re.compile(r"-?\}\}"), "{%": re.compile(r"-?%\}"), "{#": re.compile(r"(?P<dash>-?)#\}")}
_BRACKETS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Token:
    """
    One word of an expression.

    `kind` is `name`, `operator`, `value` (a literal), `text` (a double-quoted text with parts in `value`) or `end`.
    """

    kind: str
    text: str
    offset: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One part of a template: `text`, `raw`, `print` or `tag`.

    The first two carry `text`; the others `tokens`, ended by a token of kind `end`.
    """

    kind: str
    offset: int
    text: str = ""
    tokens: tuple[Token, ...] = ()


class Source:
    """A template with its line numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token_count = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)] if "\n" in text else []

    def line_at(self, offset: int) -> int:
        """Return the line of an offset, from 1."""
        return bisect_left(self._line_ends, offset) + 1 if self._line_ends else 1

    def error(self, message: str, offset: int) -> ExpressionError:
        """Return a syntax error at an offset."""
        line = self.line_at(offset)
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        error = ExpressionError(Kind.SYNTAX, message, column=column)
        error.place(self.text, line)
        return error


def split_template(source: Source) -> list[Segment]:
    """
    Return the segments of a template in order, white space already trimmed where dashes ask for it.

    Raises ExpressionError of kind syntax for what is not closed or cannot be a token.
    """
    text, position, trim_next = source.text, 0, False
    segments: list[Segment] = []

    def add_text(end: int, trim_end: bool) -> None:
        piece = text[position:end]
        if trim_next:
            piece = piece.lstrip()
        if trim_end:
            piece = piece.rstrip()
        if piece:
            segments.append(Segment("text", position, piece))

    while True:
        opening = _OPENING.search(text, position)
        if opening is None:
            add_text(len(text), False)
            return segments
        start = opening.start()
        verbatim = _VERBATIM.match(text, start)
        if verbatim is not None:
            add_text(start, bool(verbatim["before"]))
            segment, position, trim_next = _read_verbatim(source, verbatim)
            if segment.text:
                segments.append(segment)
            continue
        delimiter = opening[0][:2]
        add_text(start, len(opening[0]) > 2)
        if delimiter == "{#":
            closing = _CLOSING["{#"].search(text, opening.end())
            if closing is None:
                raise source.error('The comment is not closed: "#}" is missing.', start)
            position, trim_next = closing.end(), bool(closing["dash"])
            continue
        tokens, position = _read_tokens(source, opening.end(), _CLOSING[delimiter], start)
        trim_next = text[position - 3] == "-"
        segments.append(Segment("print" if delimiter == "{{" else "tag", start, "", tokens))


def _read_verbatim(source: Source, opening: re.Match[str]) -> tuple[Segment, int, bool]:
    word = opening["word"]
    closing = _END_RAW[word].search(source.text, opening.end())
    if closing is None:
        raise source.error(f'The tag "{word}" is not closed: "{{% end{word} %}}" is missing.', opening.start())
    body = source.text[opening.end() : closing.start()]
    if word == "verbatim" or opening["after"]:
        body = body.lstrip()
    if closing["before"]:
        body = body.rstrip()
    kind = "text" if word == "verbatim" else "raw"
    return Segment(kind, opening.end(), body), closing.end(), bool(closing["after"])


def _read_tokens(
    source: Source, position: int, closing: re.Pattern[str], start: int, depth: int = 0
) -> tuple[tuple[Token, ...], int]:
    text, length = source.text, len(source.text)
    tokens: list[Token] = []
    brackets: list[str] = []
    while True:
        if not brackets:
            end = closing.match(text, position)
            if end is not None:
                tokens.append(Token("end", "", position))
                return tuple(tokens), end.end()
        if position >= length:
            raise source.error(f'What begins with "{text[start : start + 2]}" is not closed.', start)
        match = _TOKEN.match(text, position)
        if match is None:
            raise source.error(_describe_unreadable(text, position), position)
        kind = match.lastgroup
        if kind == "double":
            token, position = _read_double_quoted(source, position, depth)
            tokens.append(token)
            continue
        if kind != "space":
            tokens.append(_make_token(source, match, brackets))
        position = match.end()


def _make_token(source: Source, match: re.Match[str], brackets: list[str]) -> Token:
    source.token_count += 1
    if source.token_count > MAX_TOKENS:
        raise limit_error("The number of words in a template", f"{MAX_TOKENS}")
    kind, text, offset = match.lastgroup, match[0], match.start()
    if kind == "name":
        if text in CONSTANTS:
            return Token("value", text, offset, CONSTANTS[text])
        return Token("operator" if text in WORD_OPERATORS else "name", text, offset)
    if kind == "operator":
        if text in "([{":
            brackets.append(text)
        elif text in _BRACKETS and (not brackets or brackets.pop() != _BRACKETS[text]):
            raise source.error(f'"{text}" closes a bracket that was not opened here.', offset)
        return Token("operator", text, offset)
    if kind == "single":
        return Token("value", text, offset, text[1:-1].replace("\\'", "'"))
    if kind == "decimal":
        return Token("value", text, offset, float(text))
    digits = text.rstrip("L")
    if len(digits) > 30 or int(digits) > LONG_MAX:
        raise source.error(f'The number "{text[:40]}" does not fit into 64 bits.', offset)
    return Token("value", text, offset, int(digits))


def _describe_unreadable(text: str, position: int) -> str:
    found = text[position]
    if found == "'":
        return "The text that begins here is not closed: a single quote is missing."
    if found in "&!":
        return f'"{found}" is no operator. Use the words "and", "or" and "not".'
    return f"An expression cannot contain {found!r} here."


def _read_double_quoted(source: Source, start: int, depth: int) -> tuple[Token, int]:
    text, position = source.text, start + 1
    parts: list[Any] = []
    while True:
        part = _DOUBLE_PART.match(text, position)
        if part is not None:
            parts.append(part[0].replace('\\"', '"'))
            position = part.end()
        if text.startswith('"', position):
            break
        if not text.startswith("#{", position):
            raise source.error("The text that begins here is not closed: a double quote is missing.", start)
        if depth >= MAX_INTERPOLATION_DEPTH:
            raise source.error(f"Texts with #{{...}} nest deeper than {MAX_INTERPOLATION_DEPTH} levels.", position)
        tokens, position = _read_tokens(source, position + 2, _INTERPOLATION_END, position, depth + 1)
        parts.append(tokens)
    literal = text[start : position + 1]
    if not parts or (parts == [parts[0]] and isinstance(parts[0], str)):
        return Token("value", literal, start, parts[0] if parts else ""), position + 1
    return Token("text", literal, start, tuple(parts)), position + 1


_INTERPOLATION_END = re.compile(r"\}")

"""Reading SQL text far enough to find statements, named parameters and placeholders outside quotes and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
      (?P<line_comment>--[^\n]*)
    | (?P<block_comment>/\*)
    | (?P<escape_string>\b[eE]'(?:[^'\\]|''|\\.)*'?)
    | (?P<string>'(?:[^']|'')*'?)
    | (?P<name>"(?:[^"]|"")*"?)
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$)
    | (?P<cast>::)
    | (?P<parameter>(?<![:\w]):(?P<word>[A-Za-z_]\w*))
    | (?P<double_mark>\?\?)
    | (?P<mark>\?)
    | (?P<end>;)
    | (?P<keyword>[A-Za-z_][\w$]*)
    | (?P<other>[\s\S])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL text with its place. `kind` is one of the group names above; `block_comment` and `dollar` are complete."""

    kind: str
    text: str
    start: int
    word: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script: its text without the semicolon, where it starts, and its bare words in lower case."""

    text: str
    start: int
    words: tuple[str, ...]

    @property
    def verb(self) -> str:
        """The first word, empty for a statement that begins with something else."""
        return self.words[0] if self.words else ""


def scan(sql: str) -> Iterator[Token]:
    """Yield the tokens of `sql`; joined, their texts are `sql` again. Text that is never closed runs to the end."""
    at = 0
    while match := _TOKEN.match(sql, at):
        kind = str(match.lastgroup if match.lastgroup not in {"tag", "word"} else "dollar" if match["dollar"] else "parameter")
        end = match.end()
        if kind == "block_comment":
            end = _end_of_comment(sql, end)
        elif kind == "dollar":
            close = sql.find(match["dollar"], end)
            end = len(sql) if close < 0 else close + len(match["dollar"])
        yield Token(kind, sql[at:end], at, match["word"] or "")
        at = end


def _end_of_comment(sql: str, at: int) -> int:
    """Return where a block comment ends; PostgreSQL nests them."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(sql)


def split_statements(sql: str) -> list[Statement]:
    """
    Return the statements of a script. Empty ones, also those that are only comments, are left out.

    Semicolons inside quotes, comments, dollar quotes, parentheses and the body of a `BEGIN ATOMIC` function do not split.

    Source: plugins, 2.1.
    """
    found: list[Statement] = []
    pieces: list[Token] = []
    depth = atomic = 0
    previous = ""
    for token in scan(sql):
        if token.kind == "end" and depth <= 0 and not atomic:
            _add_statement(found, pieces)
            pieces, depth = [], 0
            continue
        pieces.append(token)
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind == "keyword":
            word = token.text.lower()
            if (word == "atomic" and previous == "begin") or (atomic and word == "case"):
                atomic += 1
            elif atomic and word == "end":
                atomic -= 1
            previous = word
    _add_statement(found, pieces)
    return found


def _add_statement(found: list[Statement], pieces: list[Token]) -> None:
    while pieces and not _means_something(pieces[0]):
        pieces = pieces[1:]
    if pieces:
        words = tuple(t.text.lower() for t in pieces if t.kind == "keyword")
        found.append(Statement("".join(t.text for t in pieces).rstrip(), pieces[0].start, words))


def _means_something(token: Token) -> bool:
    return token.kind not in {"line_comment", "block_comment"} and not token.text.isspace()


def bind_parameters(sql: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """
    Return `sql` in the driver's form, `%(name)s` for each known `:name`, and the values to bind.

    A list becomes as many values as it has items, for `IN (:ids)`; inside `ANY(...)`, `ALL(...)` and after a parameter's own
    cast (`:ids::int[]`) it stays one value. An empty list becomes NULL, which no value equals. A `:name` that is not in
    `parameters` stays as it is.

    Returns:
        The text and a mapping; the mapping is None, and the text unchanged, when nothing is bound, so that `%` needs no care.
    """
    tokens = list(scan(sql))
    used = {t.word for t in tokens if t.kind == "parameter" and t.word in parameters}
    if not used:
        return sql, None
    values: dict[str, Any] = {}
    parts: list[str] = []
    for at, token in enumerate(tokens):
        if token.kind == "parameter" and token.word in parameters:
            parts.append(_bind(token.word, parameters[token.word], values, is_whole=_takes_array(tokens, at)))
        else:
            parts.append(token.text.replace("%", "%%"))
    return "".join(parts), values


def _bind(name: str, value: Any, values: dict[str, Any], *, is_whole: bool) -> str:
    if not isinstance(value, list | tuple) or is_whole:
        values[name] = list(value) if isinstance(value, tuple) else value
        return f"%({name})s"
    if not value:
        return "NULL"
    names = [f"{name}__{n}" for n in range(len(value))]
    values.update(zip(names, value, strict=True))
    return ", ".join(f"%({n})s" for n in names)


def _takes_array(tokens: list[Token], at: int) -> bool:
    if at + 1 < len(tokens) and tokens[at + 1].kind == "cast":
        return True
    before = [t for t in tokens[:at] if _means_something(t)][-2:]
    return len(before) == 2 and before[1].text == "(" and before[0].text.lower() in {"any", "all", "some", "unnest"}


def bind_marks(sql: str) -> tuple[str, int]:
    """Return `sql` with each `?` in the driver's form, `??` as the operator `?`, and the number of placeholders."""
    parts: list[str] = []
    count = 0
    for token in scan(sql):
        if token.kind == "mark":
            count += 1
            parts.append("%s")
        elif token.kind == "double_mark":
            parts.append("?")
        else:
            parts.append(token.text.replace("%", "%%"))
    return "".join(parts), count

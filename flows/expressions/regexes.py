"""Java regular expressions on the `regex` module: syntax, replacement texts, split. Every match has a time limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import regex

from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.limits import MAX_TEXT_CHARACTERS, Budget, limit_error

MATCH_SECONDS = 1.0
MAX_PATTERN_CHARACTERS = 2000
MAX_REPEAT_PRODUCT = 100_000

# Java's classes are ASCII unless asked otherwise.
_ESCAPES = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": " \\t\\n\\x0B\\f\\r",
    "h": " \\t\\xA0\\u1680\\u180e\\u2000-\\u200a\\u202f\\u205f\\u3000",
    "v": "\\n\\x0B\\f\\r\\x85\\u2028\\u2029",
}
_ANCHORS = {"z": r"\Z", "Z": r"(?=\n?\Z)", "R": r"(?:\r\n|[\n\x0B\f\r\x85\u2028\u2029])", "e": r"\x1b"}
_PROPERTIES = {
    "javaLowerCase": "Ll",
    "javaUpperCase": "Lu",
    "javaAlphabetic": "Alphabetic",
    "javaLetter": "L",
    "javaDigit": "Nd",
    "javaLetterOrDigit": "Alnum",
    "javaWhitespace": "Space",
}
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": "\\x00-\\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1F\\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": " \\t\\n\\x0B\\f\\r",
}
_PROPERTY = re.compile(r"\{(\w+)\}")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_REPLACEMENT = re.compile(r"\\(?P<escaped>.)|\$(?:(?P<group>\d+)|\{(?P<name>\w+)\})|(?P<bad>[\\$])", re.DOTALL)


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """
    Return a Java regular expression in compiled form.

    Raises ExpressionError: bad_argument when it cannot be read, limit beyond 2000 characters.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise limit_error("A regular expression", f"{MAX_PATTERN_CHARACTERS} characters")
    try:
        return regex.compile(_translate(pattern), regex.VERSION1)
    except (regex.error, OverflowError, RecursionError, ValueError, IndexError, KeyError) as error:
        raise ExpressionError(Kind.BAD_ARGUMENT, f'"{pattern}" is not a regular expression: {error}.') from error


def _translate(pattern: str) -> str:
    pieces: list[str] = []
    position, in_class, repeats = 0, 0, 1
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            piece, position = _translate_escape(pattern, position, in_class > 0)
            pieces.append(piece)
            continue
        if char == "{" and not in_class and (repeat := _REPEAT.match(pattern, position)) is not None:
            # Nested counted repeats are unrolled by the compiler, so their product is bounded.
            repeats *= max(int(repeat[1][:9]), int((repeat[2] or "0")[:9]), 1)
            if repeats > MAX_REPEAT_PRODUCT:
                raise limit_error("The product of counted repeats in a regular expression", f"{MAX_REPEAT_PRODUCT}")
            pieces.append(repeat[0])
            position = repeat.end()
            continue
        if char == "[":
            in_class += 1
            pieces.append(char)
            # A bracket directly behind the opening one (or its ^) is a literal one.
            follows = position + 1 + pattern.startswith("^", position + 1)
            if pattern.startswith("]", follows):
                pieces.append(pattern[position + 1 : follows] + "\\]")
                position = follows
        elif char == "]" and in_class:
            in_class -= 1
            pieces.append(char)
        elif in_class and char in "-|~" and pattern.startswith(char, position + 1):
            pieces.append("\\" + char)
        elif char == "(" and pattern.startswith("(?<", position) and pattern[position + 3 : position + 4] not in ("=", "!"):
            pieces.append("(?P<")
            position += 2
        else:
            pieces.append(char)
        position += 1
    return "".join(pieces)


def _translate_escape(pattern: str, position: int, in_class: bool) -> tuple[str, int]:
    name = pattern[position + 1 : position + 2]
    if name == "Q":
        end = pattern.find("\\E", position + 2)
        quoted = pattern[position + 2 : end if end >= 0 else len(pattern)]
        return re.escape(quoted), end + 2 if end >= 0 else len(pattern)
    if name.lower() in _ESCAPES and name:
        return _character_class(_ESCAPES[name.lower()], name.isupper(), in_class), position + 2
    if name in ("p", "P") and (found := _PROPERTY.match(pattern, position + 2)) is not None:
        title = found[1]
        if title in _POSIX:
            return _character_class(_POSIX[title], name == "P", in_class), found.end()
        return f"\\{name}{{{_PROPERTIES.get(title, title)}}}", found.end()
    if name == "k" and (found := re.compile(r"<(\w+)>").match(pattern, position + 2)) is not None:
        return f"(?P={found[1]})", found.end()
    if name in _ANCHORS and not in_class:
        return _ANCHORS[name], position + 2
    return pattern[position : position + 2], position + 2


def _character_class(members: str, negated: bool, in_class: bool) -> str:
    if negated:
        return f"[^{members}]"
    return members if in_class else f"[{members}]"


def _guard(run: Callable[[], Any], pattern: str) -> Any:
    try:
        return run()
    except (TimeoutError, MemoryError) as error:
        raise limit_error(f'Matching "{pattern[:100]}"', f"{MATCH_SECONDS:g} second") from error


def _check_subject(budget: Budget, text: str) -> None:
    budget.check_clock()
    if len(text) > MAX_TEXT_CHARACTERS:
        raise limit_error("The text that a regular expression searches", f"{MAX_TEXT_CHARACTERS} characters")


def find_match(budget: Budget, text: str, pattern: str) -> regex.Match[str] | None:
    """Return the first match anywhere in the text, or None."""
    _check_subject(budget, text)
    compiled = compile_pattern(pattern)
    found: regex.Match[str] | None = _guard(lambda: compiled.search(text, timeout=MATCH_SECONDS), pattern)
    return found


def replace_matches(budget: Budget, text: str, pattern: str, replacement: str) -> str:
    """
    Replace every match. `$1` and `${name}` in the replacement stand for groups, a backslash protects the next character.

    Raises ExpressionError: bad_argument for a bad pattern, group or replacement.
    """
    _check_subject(budget, text)
    compiled = compile_pattern(pattern)
    template = _read_replacement(replacement, compiled)
    length = 0

    def expand(match: regex.Match[str]) -> str:
        nonlocal length
        piece = "".join(part if isinstance(part, str) else match[part[0]] or "" for part in template)
        length += len(piece)
        if length > MAX_TEXT_CHARACTERS:
            budget.spend_text(length)
        budget.tick()
        return piece

    result: str = _guard(lambda: compiled.sub(expand, text, timeout=MATCH_SECONDS), pattern)
    budget.account(result)
    return result


def _read_replacement(replacement: str, compiled: regex.Pattern[str]) -> list[str | tuple[int | str]]:
    parts: list[str | tuple[int | str]] = []
    position = 0
    for match in _REPLACEMENT.finditer(replacement):
        parts.append(replacement[position : match.start()])
        position = match.end()
        if match["bad"]:
            raise ExpressionError(Kind.BAD_ARGUMENT, f'The replacement "{replacement}" ends in or misuses "{match["bad"]}".')
        if match["escaped"] is not None:
            parts.append(match["escaped"])
        elif match["name"] is not None:
            if match["name"] not in compiled.groupindex:
                raise ExpressionError(Kind.BAD_ARGUMENT, f'The regular expression has no group "{match["name"]}".')
            parts.append((match["name"],))
        else:
            position = match.start() + 1 + _append_group(parts, match["group"], compiled)
    parts.append(replacement[position:])
    return parts


def _append_group(parts: list[str | tuple[int | str]], digits: str, compiled: regex.Pattern[str]) -> int:
    # Java reads as many digits as still name a group, at least one.
    length = 1
    while length < len(digits) and int(digits[: length + 1]) <= compiled.groups:
        length += 1
    group = int(digits[:length])
    if group > compiled.groups:
        raise ExpressionError(Kind.BAD_ARGUMENT, f"The regular expression has no group {group}.")
    parts.append((group,))
    return length


def split_text(budget: Budget, text: str, pattern: str, limit: int) -> list[str]:
    """
    Split at every match as Java does: limit 0 drops trailing empty parts, a positive one bounds the number of parts, a
    negative one keeps empties. A match of no characters at the beginning makes no empty first part.
    """
    _check_subject(budget, text)
    compiled = compile_pattern(pattern)

    def cut() -> list[str]:
        parts: list[str] = []
        position = 0
        for match in compiled.finditer(text, timeout=MATCH_SECONDS):
            if 0 < limit <= len(parts) + 1:
                break
            if match.end() == 0:
                continue
            if match.start() == match.end() == len(text):
                continue
            budget.tick()
            parts.append(text[position : match.start()])
            position = match.end()
        if not parts and position == 0:
            return [text]
        parts.append(text[position:])
        return parts

    parts: list[str] = _guard(cut, pattern)
    if limit == 0:
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if len(parts) == 1 and not parts[0] and text:
            parts.pop()
    budget.account(parts)
    return parts

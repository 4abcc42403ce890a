"""Java-style glob patterns as regular expressions: what a file pattern in a flow means. No file is touched here."""

from __future__ import annotations

import re
from functools import lru_cache


class PatternError(ValueError):
    """A file pattern cannot be read; the text says why."""


@lru_cache(maxsize=512)
def compile_glob(glob: str) -> re.Pattern[str]:
    """
    Return the regular expression of a glob, to be used with `fullmatch`.

    `*` and `?` stay inside one folder, `**` crosses folders, `{a,b}` are alternatives, `[...]` is a set (`!` negates),
    a backslash takes the next character as it is.

    Raises:
        PatternError: a brace or bracket is not closed.

    Source: core tasks, 6.4, "Glob rules".
    """
    parts: list[str] = []
    depth = 0
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            crosses = glob[at : at + 1] == "*"
            while glob[at : at + 1] == "*":
                at += 1
            parts.append(".*" if crosses else "[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                raise PatternError(f'The file pattern "{glob}" has a "[" without "]".')
            inside = glob[at:end].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            parts.append(f"(?!/)[{'^' + inside[1:] if inside.startswith('!') else inside}]")
            at = end + 1
        elif char == "{":
            depth += 1
            parts.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            parts.append(")")
        elif char == "," and depth:
            parts.append("|")
        elif char == "\\" and at < len(glob):
            parts.append(re.escape(glob[at]))
            at += 1
        else:
            parts.append(re.escape(char))
    if depth:
        raise PatternError(f'The file pattern "{glob}" has a "{{" without "}}".')
    return _compile("".join(parts), glob)


def compile_workdir_pattern(pattern: str, root: str) -> re.Pattern[str]:
    """
    Return what matches the absolute paths of files below the folder `root` for one pattern of `outputFiles`.

    Plain patterns are meant relative to `root`; with the prefix `glob:` or `regex:` they are matched against the absolute path.
    """
    prefixed = _compile_prefixed(pattern)
    return prefixed if prefixed is not None else compile_glob(_escape(root.rstrip("/") + "/") + pattern.removeprefix("./"))


def compile_namespace_pattern(pattern: str) -> re.Pattern[str]:
    """
    Return what matches the path of a namespace file, which begins with a slash.

    A pattern that starts with a letter, digit or `_` matches at any level; any other one without a leading slash matches from
    the root.
    """
    prefixed = _compile_prefixed(pattern)
    if prefixed is not None:
        return prefixed
    if re.match(r"\w", pattern):
        return compile_glob(f"**/{pattern}")
    if pattern.startswith(("/", "**")):
        return compile_glob(pattern)
    return compile_glob(f"/{pattern}")


def _compile_prefixed(pattern: str) -> re.Pattern[str] | None:
    if pattern.startswith("glob:"):
        return compile_glob(pattern.removeprefix("glob:"))
    if pattern.startswith("regex:"):
        return _compile(pattern.removeprefix("regex:"), pattern)
    return None


def _compile(expression: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.DOTALL)
    except re.error as error:
        raise PatternError(f'The file pattern "{pattern}" cannot be read: {error}.') from error


def _escape(path: str) -> str:
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)

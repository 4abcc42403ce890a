"""Paints the YAML text of a flow for reading: comments, keys, types and expressions in colours of their own."""

from __future__ import annotations

import re

from django.utils.html import escape
from django.utils.safestring import SafeString

_COMMENT = re.compile(r"^(\s*)(#.*)$")
_KEYED = re.compile(r"^(\s*(?:- )*)([\w.\-/\"' ]+?)(:)(?=\s|$)(.*)$")
_EXPRESSION = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})")


def paint_yaml(text: str) -> SafeString:
    """Return the text as escaped HTML with a span around each part that has a colour. No line is added or lost."""
    return SafeString("\n".join(_paint_line(line) for line in text.splitlines()))


def _paint_line(line: str) -> str:
    if found := _COMMENT.match(line):
        return f'{found[1]}<span class="y-c">{escape(found[2])}</span>'
    if (found := _KEYED.match(line)) and "{" not in found[2]:
        value = found[4]
        if found[2] == "type" and "." in value:
            return f'{found[1]}<span class="y-k">type</span>:<span class="y-t">{escape(value)}</span>'
        return f'{found[1]}<span class="y-k">{escape(found[2])}</span>:{_paint_value(value)}'
    return _paint_value(line)


def _paint_value(value: str) -> str:
    parts = _EXPRESSION.split(value)
    return "".join(
        f'<span class="y-e">{escape(part)}</span>' if number % 2 else escape(part) for number, part in enumerate(parts)
    )

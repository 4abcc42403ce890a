"""Paints the text of a file for reading: comments, keywords, texts and numbers of known languages in colours of their own."""

from __future__ import annotations

import time
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString

LONGEST_COLOURED = 128 * 1024
MOST_SECONDS = 0.15
"""Colours are given up for the rest of a text that takes longer, so that no file holds a page up."""

LEXERS = {
    "bash": "bash", "c": "c", "cfg": "ini", "conf": "ini", "cpp": "cpp", "css": "css", "diff": "diff", "go": "go", "h": "c",
    "html": "html", "ini": "ini", "java": "java", "js": "javascript", "json": "json", "jsx": "javascript", "kt": "kotlin",
    "lua": "lua", "mjs": "javascript", "patch": "diff", "php": "php", "pl": "perl", "ps1": "powershell", "py": "python",
    "r": "r", "rb": "ruby", "rs": "rust", "scala": "scala", "sh": "bash", "sql": "sql", "svg": "xml", "tf": "terraform",
    "toml": "toml", "ts": "typescript", "tsx": "typescript", "xml": "xml", "yaml": "yaml", "yml": "yaml",
}  # fmt: skip
"""Names of the languages by the ending of a file."""

_KINDS = (("Comment", "y-c"), ("Keyword", "y-k"), ("Name.Tag", "y-k"), ("Literal.String", "y-t"), ("Literal", "y-e"))


def paint_source(text: str, name: str) -> SafeString:
    """
    Return the text as escaped HTML with a span around each part that has a colour; nothing is added to it or lost.

    Args:
        name: of the file; its ending says which language it is, and one that is not known stays without colours.
    """
    language = LEXERS.get(name.rpartition(".")[2].lower())
    if language is None or len(text) > LONGEST_COLOURED:
        return escape(text)
    # Loading the lexers takes a while, and few pages need one.
    from pygments.lexers import get_lexer_by_name

    until = time.monotonic() + MOST_SECONDS
    parts: list[str] = []
    end = 0
    for start, kind, piece in get_lexer_by_name(language).get_tokens_unprocessed(text):
        css = _find_class(kind)
        parts.append(f'<span class="{css}">{escape(piece)}</span>' if css and piece.strip() else escape(piece))
        end = start + len(piece)
        if time.monotonic() > until:
            break
    return SafeString("".join(parts) + escape(text[end:]))


def _find_class(kind: Any) -> str:
    path = ".".join(kind)
    return next((css for name, css in _KINDS if path == name or path.startswith(f"{name}.")), "")

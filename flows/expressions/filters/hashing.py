"""Filters that encode texts or make digests of them. Source: expressions, 4.1."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from flows.expressions.arguments import bad_value, text_input
from flows.expressions.library import register_filter
from flows.expressions.scope import Render
from flows.expressions.values import to_java_text


def encode_utf8(text: str) -> bytes:
    """Return the UTF-8 form; half surrogate pairs become "?" as in Java."""
    return text.encode("utf-8", "replace")


@register_filter("urlencode")
def url_encode(render: Render, value: Any) -> str:
    """The text in form encoding: a space becomes +."""
    text = to_java_text(render.budget, value)
    render.budget.spend_text(3 * len(text), is_ascii=True)
    return quote_plus(encode_utf8(text), safe="*").replace("~", "%7E")


@register_filter("urldecode")
def url_decode(render: Render, value: Any) -> str:
    """The text read from form encoding."""
    text = to_java_text(render.budget, value)
    position = text.find("%")
    while position >= 0:
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise bad_value(f'"{text[position : position + 3]}" is no encoded character: "%" must be followed by two hex digits.')
        position = text.find("%", position + 3)
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


@register_filter("base64encode")
def base64_encode(render: Render, value: Any) -> str:
    """The UTF-8 form of the text in base64."""
    return base64.b64encode(encode_utf8(to_java_text(render.budget, value))).decode()


@register_filter("base64decode")
def base64_decode(_: Render, value: Any) -> str:
    """The text read from base64."""
    text = text_input('filter "base64decode"', value)
    try:
        # Java accepts a text without its padding.
        data = base64.b64decode(text + "=" * (-len(text) % 4 if not text.endswith("=") else 0), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_value("The text is not valid base64. Check that it was encoded as base64 and not cut.") from error
    return data.decode("utf-8", "replace")


def _digest(name: str, algorithm: str) -> None:
    def digest(_: Render, value: Any) -> str:
        text = text_input(f'filter "{name}"', value)
        return hashlib.new(algorithm, encode_utf8(text), usedforsecurity=False).hexdigest()

    digest.__doc__ = f"The {algorithm.upper()} digest of the text in lower-case hexadecimal digits."
    register_filter(name)(digest)


for _name in ("md5", "sha1", "sha256", "sha512"):
    _digest(_name, _name)

"""Filters on texts. Source: expressions, 4.1."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from flows.expressions.arguments import (
    bad_argument,
    bad_input,
    boolean_argument,
    integer_argument,
    list_input,
    text_argument,
)
from flows.expressions.library import register_filter
from flows.expressions.lookup import CONTROL_AND_SPACE
from flows.expressions.operators import join_texts
from flows.expressions.regexes import find_match, replace_matches, split_text
from flows.expressions.scope import Render
from flows.expressions.value_tests import is_empty
from flows.expressions.values import is_list, java_class_name, to_java_text

MAX_ITEM_DEPTH = 100
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_NOT_SLUG = re.compile(r"[^\w-]", re.ASCII)
_ESCAPED_QUOTES = {"single": ("'", "\\'"), "double": ('"', '\\"'), "shell": ("'", "'\\''")}


@register_filter("upper")
def to_upper(render: Render, value: Any) -> str:
    """The text in upper case."""
    return to_java_text(render.budget, value).upper()


@register_filter("lower")
def to_lower(render: Render, value: Any) -> str:
    """The text in lower case."""
    return to_java_text(render.budget, value).lower()


@register_filter("title")
def to_title(render: Render, value: Any) -> str:
    """The first letter of each word in upper case, the rest unchanged."""
    pieces = re.split(r"(\s+)", to_java_text(render.budget, value))
    return "".join(piece[:1].upper() + piece[1:] for piece in pieces)


@register_filter("capitalize")
def capitalize(render: Render, value: Any) -> str:
    """The first character that is no white space in upper case, the rest unchanged."""
    text = to_java_text(render.budget, value)
    start = len(text) - len(text.lstrip())
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :]


@register_filter("trim")
def trim(render: Render, value: Any) -> str:
    """The text without spaces and control characters at both ends."""
    return to_java_text(render.budget, value).strip(CONTROL_AND_SPACE)


@register_filter("abbreviate", "length", required=1)
def abbreviate(render: Render, value: Any, length: Any) -> str:
    """The text cut to a length, ending in three dots."""
    text, limit = to_java_text(render.budget, value), integer_argument("length", length)
    if limit < 0:
        raise bad_argument(f"The length must not be negative, got {limit}.")
    if len(text) < limit:
        return text
    return text[:limit] if limit <= 3 else text[: limit - 3] + "..."


@register_filter("replace", "replace_pairs", "regexp", required=1)
def replace(render: Render, value: Any, replace_pairs: Any, regexp: Any = False) -> Any:
    """The text with every key of a map replaced by its value, literally or as regular expressions."""
    if isinstance(replace_pairs, str) and isinstance(regexp, str):
        # Published flows write replace('a', 'b'), although only a map is documented.
        replace_pairs, regexp = {replace_pairs: regexp}, False
    if not isinstance(replace_pairs, Mapping):
        raise bad_argument('The argument "replace_pairs" must be a map of texts to replace and their replacements.')
    pairs = [(to_java_text(render.budget, old), to_java_text(render.budget, new)) for old, new in replace_pairs.items()]
    return _replace_in(render, value, pairs, boolean_argument("regexp", regexp), 0)


def _replace_in(render: Render, value: Any, pairs: list[tuple[str, str]], is_pattern: bool, depth: int) -> Any:
    render.budget.tick()
    if depth > MAX_ITEM_DEPTH:
        raise bad_input('filter "replace"', f"a value that nests at most {MAX_ITEM_DEPTH} levels", value)
    if isinstance(value, Mapping):
        return {key: _replace_in(render, item, pairs, is_pattern, depth + 1) for key, item in value.items()}
    if is_list(value):
        return [_replace_in(render, item, pairs, is_pattern, depth + 1) for item in value]
    text = to_java_text(render.budget, value)
    for old, new in pairs:
        if is_pattern:
            text = replace_matches(render.budget, text, old, new)
            continue
        found = text.count(old)
        if found * len(new) > 256:
            render.budget.spend_text(len(text) + found * len(new), is_ascii=text.isascii() and new.isascii())
        text = text.replace(old, new)
    return text


@register_filter("split", "delimiter", "limit", required=1)
def split(render: Render, value: Any, delimiter: Any, limit: Any = 0) -> list[str]:
    """The parts between matches of a regular expression."""
    count = 0 if limit is None else integer_argument("limit", limit)
    return split_text(render.budget, to_java_text(render.budget, value), text_argument("delimiter", delimiter), count)


@register_filter("join", "separator")
def join(render: Render, value: Any, separator: Any = "") -> str:
    """The texts of the items of a list, joined."""
    items = list_input('filter "join"', value)
    between = "" if separator is None else to_java_text(render.budget, separator)
    if len(items) * len(between) > 256:
        render.budget.spend_text(len(items) * len(between))
    return between.join([join_texts(render.budget, [to_java_text(render.budget, item)]) for item in items])


def _parts(render: Render, value: Any, separator: Any) -> tuple[str, str]:
    return to_java_text(render.budget, value), text_argument("separator", separator)


@register_filter("substringBefore", "separator", required=1)
def substring_before(render: Render, value: Any, separator: Any) -> str:
    """What stands before the first separator, all of it without one."""
    text, mark = _parts(render, value, separator)
    return text.partition(mark)[0] if mark else ""


@register_filter("substringBeforeLast", "separator", required=1)
def substring_before_last(render: Render, value: Any, separator: Any) -> str:
    """What stands before the last separator, all of it without one."""
    text, mark = _parts(render, value, separator)
    return text.rpartition(mark)[0] if mark and mark in text else text


@register_filter("substringAfter", "separator", required=1)
def substring_after(render: Render, value: Any, separator: Any) -> str:
    """What stands after the first separator, nothing without one."""
    text, mark = _parts(render, value, separator)
    return text.partition(mark)[2] if mark else text


@register_filter("substringAfterLast", "separator", required=1)
def substring_after_last(render: Render, value: Any, separator: Any) -> str:
    """What stands after the last separator, nothing without one."""
    text, mark = _parts(render, value, separator)
    return text.rpartition(mark)[2] if mark and mark in text else ""


@register_filter("startsWith", "value", required=1, takes_null=True)
def starts_with(render: Render, value: Any, prefix: Any) -> bool:
    """Whether the text begins with another."""
    if value is None:
        raise bad_input('filter "startsWith"', "a text", value)
    return to_java_text(render.budget, value).startswith(text_argument("value", prefix))


@register_filter("endsWith", "value", required=1, takes_null=True)
def ends_with(render: Render, value: Any, suffix: Any) -> bool:
    """Whether the text ends with another."""
    if value is None:
        raise bad_input('filter "endsWith"', "a text", value)
    return to_java_text(render.budget, value).endswith(text_argument("value", suffix))


@register_filter("slice", "fromIndex", "toIndex")
def cut_slice(_: Render, value: Any, from_index: Any = 0, to_index: Any = None) -> Any:
    """The part of a text or list between two positions, counted from 0, the second excluded."""
    if not isinstance(value, str) and not is_list(value):
        raise bad_input('filter "slice"', "a text or a list", value)
    content = value if isinstance(value, (str, list, tuple)) else list(value)
    start = 0 if from_index is None else integer_argument("fromIndex", from_index)
    end = len(content) if to_index is None else integer_argument("toIndex", to_index)
    if start < 0 or end > len(content) or start >= end:
        raise bad_argument(f"slice({start}, {end}) is outside of the {len(content)} elements of its input, or empty.")
    return content[start:end] if isinstance(content, str) else list(content[start:end])


@register_filter("slugify")
def slugify(render: Render, value: Any) -> str:
    """The text as a name for addresses: lower case, without accents, words joined by dashes."""
    text = to_java_text(render.budget, value)
    render.budget.spend_text(len(text), is_ascii=text.isascii())
    text = unicodedata.normalize("NFD", re.sub(r"\s", "-", text))
    text = _NOT_SLUG.sub("", text).replace("_", "-")
    return re.sub(r"-{2,}", "-", text).strip("-").lower()


@register_filter("escapeChar", "type", required=1)
def escape_char(render: Render, value: Any, type: Any) -> Any:
    """The text with quotes escaped for single or double quotes or for a shell; lists and maps item by item."""
    pair = _ESCAPED_QUOTES.get(text_argument("type", type).lower())
    if pair is None:
        raise bad_argument(f'The argument "type" must be "single", "double" or "shell", got "{type}".')
    return _replace_in(render, value, [pair], False, 0)


@register_filter("indent", "amount", "prefix", required=1)
def indent(render: Render, value: Any, amount: Any, prefix: Any = " ") -> str:
    """Every line but the first with a prefix in front."""
    margin, text = _prepare_indent(render, value, amount, prefix)
    return _LINE_BREAK.sub(lambda match: match[0] + margin, text)


@register_filter("nindent", "amount", "prefix", required=1)
def nindent(render: Render, value: Any, amount: Any, prefix: Any = " ") -> str:
    """A line break, then every line with a prefix in front."""
    margin, text = _prepare_indent(render, value, amount, prefix)
    found = _LINE_BREAK.search(text)
    first_break = found[0] if found is not None else "\n"
    return first_break + margin + _LINE_BREAK.sub(lambda match: match[0] + margin, text)


def _prepare_indent(render: Render, value: Any, amount: Any, prefix: Any) -> tuple[str, str]:
    text, count, unit = to_java_text(render.budget, value), integer_argument("amount", amount), text_argument("prefix", prefix)
    if count < 0:
        raise bad_argument(f'The argument "amount" must not be negative, got {count}.')
    lines = len(_LINE_BREAK.findall(text)) + 1
    render.budget.spend_text(len(text) + lines * count * len(unit), is_ascii=text.isascii() and unit.isascii())
    return unit * count, text


@register_filter("string")
def to_string(render: Render, value: Any) -> str:
    """The number or other value as a text."""
    return to_java_text(render.budget, value)


@register_filter("regexMatch", "regex", required=1, takes_null=True)
def regex_match(render: Render, value: Any, regex: Any) -> bool:
    """Whether a regular expression matches anywhere."""
    if value is None:
        return False
    return find_match(render.budget, to_java_text(render.budget, value), text_argument("regex", regex)) is not None


@register_filter("regexExtract", "regex", "group", required=1)
def regex_extract(render: Render, value: Any, regex: Any, group: Any = 0) -> Any:
    """The first match of a regular expression, or one of its groups; null without a match."""
    number = integer_argument("group", group)
    found = find_match(render.budget, to_java_text(render.budget, value), text_argument("regex", regex))
    if found is None:
        return None
    if not 0 <= number <= found.re.groups:
        raise bad_argument(f"The regular expression has {found.re.groups} groups, so there is no group {number}.")
    return found[number]


@register_filter("regexReplace", "regex", "replacement", required=2)
def regex_replace(render: Render, value: Any, regex: Any, replacement: Any) -> str:
    """The text with all matches of a regular expression replaced."""
    text = to_java_text(render.budget, value)
    return replace_matches(render.budget, text, text_argument("regex", regex), text_argument("replacement", replacement))


@register_filter("default", "default", required=1, takes_null=True, takes_undefined=True)
def use_default(render: Render, value: Any, default: Any) -> Any:
    """The argument when the input is undefined, null or empty."""
    return default if is_empty(render, value) else value


@register_filter("className")
def class_name(_: Render, value: Any) -> str:
    """The name of the Java class of the value in the original product."""
    return java_class_name(value)

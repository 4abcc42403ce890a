"""YAML text into values and values into block YAML. Keys are always texts; no tags, and aliases are counted before use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from flows.expressions.arguments import bad_value
from flows.expressions.limits import MAX_DEPTH, MAX_TEXT_CHARACTERS, Budget, limit_error
from flows.expressions.values import format_scalar, is_list, quote_json

MAX_NODES = 50_000
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?(?:[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_RESERVED_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ""})
_PLAIN = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<](?:[^\n\r\t:#]|:(?=\S)|(?<=\S)#)*(?<! )\Z")
_LOOKS_LIKE_NUMBER = re.compile(
    r"[-+]?(?:0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|\.inf|\.Inf|\.INF)\Z|\.(?:nan|NaN|NAN)\Z"
)
_QUOTED_STYLES = ("'", '"', "|", ">")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def read_yaml(budget: Budget, text: str) -> Any:
    """
    Return the value of the first document of a YAML text.

    Raises ExpressionError: bad_value ("Invalid yaml: ...") when it cannot be read, limit for more than 50 000 nodes (aliases
    counted as often as they are used) or 100 levels.
    """
    if len(text) > MAX_TEXT_CHARACTERS // 4:
        raise limit_error("A YAML text", f"{MAX_TEXT_CHARACTERS // 4} characters")
    reader = _Reader(budget)
    try:
        reader.check_events(text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise bad_value(f"Invalid yaml: {_shorten(error)}.") from error
    except RecursionError as error:
        raise limit_error("The nesting of a YAML text", f"{MAX_DEPTH} levels") from error
    return None if node is None else reader.build(node, 0)


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


class _Reader:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.count = 0

    def check_events(self, text: str) -> None:
        """Refuse depth and plain size on the event stream, where nothing nests yet."""
        depth = 0
        for events, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            self.budget.tick()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.DocumentEndEvent):
                return
            if depth > MAX_DEPTH:
                raise limit_error("The nesting of a YAML text", f"{MAX_DEPTH} levels")
            if events > 2 * MAX_NODES:
                raise limit_error("The number of nodes in a YAML text", f"{MAX_NODES}")

    def build(self, node: yaml.Node, depth: int) -> Any:
        """Return the value of a node; an anchored node that is used twice is built and counted twice."""
        self.count += 1
        self.budget.tick()
        if self.count > MAX_NODES:
            raise limit_error("The number of nodes in a YAML text", f"{MAX_NODES}")
        if depth > MAX_DEPTH:
            raise limit_error("The nesting of a YAML text", f"{MAX_DEPTH} levels")
        if isinstance(node, yaml.ScalarNode):
            return _read_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        built: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise bad_value("Invalid yaml: a key must be a text, not a list or a map.")
            if key.value in built:
                raise bad_value(f'Invalid yaml: the key "{key.value[:100]}" appears twice in one map.')
            built[key.value] = self.build(value, depth + 1)
        return built


def _read_scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in _QUOTED_STYLES:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.match(text):
        return int(text, 0) if "x" in text or "o" in text else int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def write_yaml(budget: Budget, value: Any) -> str:
    """
    Return block YAML that ends with a line break, in the style of Jackson's writer with indented lists.

    A list stands one space deeper than its key (` - x`); an item that is itself a list or map begins on the next line.
    Source: expressions, 4.3 (yaml).
    """
    writer = _Writer(budget)
    writer.write(value, 0, "")
    return "".join(writer.pieces)


class _Writer:
    """Collects lines. `lead` is what stands before a scalar on its line: nothing at the root, a space after `key:` or `-`."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.pieces: list[str] = []

    def _put(self, text: str) -> None:
        self.budget.tick()
        self.budget.spend(4 * len(text))
        self.pieces.append(text)

    def write(self, value: Any, indent: int, lead: str, depth: int = 0, *, is_map_value: bool = False) -> None:
        if depth > MAX_DEPTH:
            raise limit_error("The nesting of a value", f"{MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            self._write_map(value, indent, lead, depth)
        elif is_list(value):
            # A list under a key starts in the column of the key; the one space in front of its dashes indents it.
            self._write_list(value, indent - 2 if is_map_value else indent, lead, depth)
        else:
            self._put(lead + _write_scalar(value, indent if lead else 2) + "\n")

    def _write_map(self, mapping: Mapping[Any, Any], indent: int, lead: str, depth: int) -> None:
        entries = list(mapping.items())
        if not entries:
            self._put(lead + "{}\n")
            return
        if lead:
            self._put("\n")
        for key, value in entries:
            name = "null" if key is None else _write_text(format_scalar(key), indent + 2, is_key=True)
            self._put(" " * indent + name + ":")
            self.write(value, indent + 2, " ", depth + 1, is_map_value=True)

    def _write_list(self, items: Any, indent: int, lead: str, depth: int) -> None:
        if not items:
            self._put(lead + "[]\n")
            return
        if lead:
            self._put("\n")
        for item in items:
            self._put(" " * indent + " -")
            self.write(item, indent + 2, " ", depth + 1)


def _write_scalar(value: Any, indent: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _write_text(value, indent)
    return format_scalar(value) if isinstance(value, (bool, int, float)) else _write_text(format_scalar(value), indent)


def _write_text(text: str, indent: int, *, is_key: bool = False) -> str:
    if "\n" in text and not is_key and not _UNPRINTABLE.search(text):
        return _write_block(text, indent)
    if text.lower() in _RESERVED_WORDS or _LOOKS_LIKE_NUMBER.match(text) or not _PLAIN.match(text) or _UNPRINTABLE.search(text):
        return _quote(text)
    return text


def _quote(text: str) -> str:
    """Return the text in double quotes; what YAML readers refuse or take for a line break is escaped."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quote_json(text))


def _write_block(text: str, indent: int) -> str:
    body = text.rstrip("\n")
    ending = len(text) - len(body)
    if not body or body.startswith((" ", "\n", "\t")) or "\r" in text:
        return _quote(text)
    mark = "|-" if ending == 0 else "|" if ending == 1 else "|+"
    margin = " " * indent
    lines = [margin + line if line else "" for line in body.split("\n")] + [""] * max(ending - 1, 0)
    return mark + "\n" + "\n".join(lines)

"""Small changes to the text of a flow: only the touched lines differ, comments and quoting elsewhere stay byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from flows.language.source import Path, read_document
from flows.primitives.errors import InvalidError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_TASKS = frozenset({"inputs", "outputs", "triggers", "pluginDefaults", "variables", "labels", "sla", "checks", "quotas"})
_STEP = "  "
_AFTER_LABELS = ("inputs", "variables", "tasks", "triggers")


def find_element(source: str, name: str, *, kind: str = "task") -> Path:
    """
    Return the path of a task or trigger by its id, such as `("tasks", 0, "then", 1)`.

    Raises:
        InvalidError: the text is no YAML mapping, or has no such element.
    """
    root = _compose(source)
    for path, node in _walk(root, ()):
        is_trigger = path[:1] == ("triggers",)
        if (kind == "trigger") is not is_trigger or (path and path[0] in _NO_TASKS and not is_trigger):
            continue
        facts = {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}
        if facts.get("id") == name and "type" in facts:
            return path
    raise InvalidError(f'The text has no {kind} "{name}".', code="element-not-found")


def read_value(source: str, path: Path) -> tuple[Any, str]:
    """Return the value at a path and its text as it is written, from column 0; `(None, "")` when absent."""
    node = _find(_compose(source), path)
    if node is None:
        return None, ""
    value: Any = read_document(source).data
    for step in path:
        value = value[step]
    return value, _text_of(source, node)


def set_value(source: str, path: Path, text: str, *, is_yaml: bool = False, before: Sequence[str] = ()) -> str:
    """
    Return the source with a property set.

    Args:
        path: the property, its mapping must exist.
        text: the new value; with `is_yaml` it is written as it is, else as a text that is quoted when it must be.
        before: names of properties before which a new one is put; without them it becomes the last one.

    Raises:
        InvalidError: the mapping does not exist or is written in one line, or `text` is no YAML.
    """
    _refuse_broken(text, is_yaml)
    root = _compose(source)
    owner = _get_mapping(root, path[:-1])
    node = _find(owner, path[-1:])
    if node is None:
        return _insert_key(source, owner, str(path[-1]), text, is_yaml, before)
    indent = _column_of_keys(owner)
    start, end = node.start_mark.index, _end_of(source, node)
    written = text.rstrip("\n") if is_yaml else _write_text(text, _style_of(node))
    if "\n" in written or _is_block(node):
        hung = _hang(written, indent, is_yaml=is_yaml, is_literal="\n" in text and not is_yaml)
        return source[:start].rstrip(" \n") + hung + source[end:]
    return source[:start] + written + source[end:]


def remove_value(source: str, path: Path) -> str:
    """Return the source without a property; the same text when it is absent. Raises InvalidError for one-line mappings."""
    owner = _get_mapping(_compose(source), path[:-1])
    for index, (key, value) in enumerate(owner.value):
        if key.value != path[-1]:
            continue
        first, last = key.start_mark.line, _last_line(source, value)
        lines = source.splitlines(keepends=True)
        if lines[first][: key.start_mark.column].strip():
            if index + 1 == len(owner.value):
                raise InvalidError("This property is the only one of its entry: remove the entry.", code="edit-impossible")
            following = owner.value[index + 1][0].start_mark.index
            return source[: key.start_mark.index] + source[following:]
        return "".join(lines[:first] + lines[last + 1 :])
    return source


def insert_item(source: str, path: Path, position: int, text: str) -> str:
    """
    Return the source with one more entry in a list; a missing list is made.

    Args:
        path: the list.
        position: where the entry goes, from 0; past the end means last.
        text: YAML of the entry, lines from column 0 without the dash.
    """
    _refuse_broken(text, True)
    root = _compose(source)
    listed = _find(root, path)
    if listed is None:
        owner = _get_mapping(root, path[:-1])
        return _insert_key(source, owner, str(path[-1]), _dash(text, ""), True, ())
    if not isinstance(listed, yaml.SequenceNode) or listed.flow_style or not listed.value:
        raise InvalidError("The list is written in one line: write its entries below each other first.", code="edit-impossible")
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    indent = _dash_indent(lines, listed.value[0])
    fresh = [f"{line}\n" for line in _dash(text, indent).splitlines()]
    if position < len(listed.value):
        at = _with_comments(lines, _dash_line(lines, listed.value[position]), len(indent))
        return "".join(lines[:at] + fresh + _gap(lines, listed) + lines[at:])
    at = _last_line(source, listed.value[-1]) + 1
    return "".join(lines[:at] + _gap(lines, listed) + fresh + lines[at:])


def remove_item(source: str, path: Path) -> str:
    """Return the source without an entry of a list; comments above it stay. The last entry takes its key with it."""
    root = _compose(source)
    listed, position = _find(root, path[:-1]), int(path[-1])
    node = _get_item(listed, position)
    assert listed is not None
    if len(listed.value) == 1:
        return remove_value(source, path[:-1])
    lines = source.splitlines(keepends=True)
    first, last = _dash_line(lines, node), _last_line(source, node)
    rest = lines[last + 1 :]
    if first and not lines[first - 1].strip() and rest and not rest[0].strip():
        rest = rest[1:]
    return "".join(lines[:first] + rest)


def move_item(source: str, path: Path, by: int) -> str:
    """Return the source with an entry moved by one place (`by` is -1 or 1), its comments with it; the same text at an end."""
    listed, position = _find(_compose(source), path[:-1]), int(path[-1])
    _get_item(listed, position)
    assert listed is not None
    first, second = (position - 1, position) if by < 0 else (position, position + 1)
    if first < 0 or second >= len(listed.value):
        return source
    lines = source.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    width = len(_dash_indent(lines, listed.value[0]))
    upper, lower = (_with_comments(lines, _dash_line(lines, listed.value[each]), width) for each in (first, second))
    upper_end, lower_end = (_last_line(source, listed.value[each]) + 1 for each in (first, second))
    return "".join(lines[:upper] + lines[lower:lower_end] + lines[upper_end:lower] + lines[upper:upper_end] + lines[lower_end:])


def duplicate_item(source: str, path: Path, new_id: str) -> str:
    """Return the source with a copy of an entry behind it; every id in the copy gets `new_id` or an ending of its own."""
    listed, position = _find(_compose(source), path[:-1]), int(path[-1])
    node = _get_item(listed, position)
    lines = source.splitlines(keepends=True)
    first, last = _dash_line(lines, node), _last_line(source, node)
    width = node.start_mark.column
    body = [line[width:] if line[:width].strip() in ("", "-") else line for line in lines[first : last + 1]]
    own = next((key.start_mark.line for key, _ in _pairs(node) if key.value == "id"), -1)
    inner = re.compile(r"^(\s*(?:-\s+)*id\s*:\s*)([\"']?)([\w.-]+)\2")
    for offset, line in enumerate(body):
        if (found := inner.match(line)) is not None:
            name = new_id if first + offset == own or (offset == 0 and own < 0) else f"{found[3]}_copy"
            body[offset] = f"{found[1]}{found[2]}{name}{found[2]}{line[found.end() :]}"
    return insert_item(source, path[:-1], position + 1, "".join(body))


def list_ids(source: str) -> set[str]:
    """Return every id of the text, whatever it belongs to."""
    found: set[str] = set()
    for _, node in _walk(_compose(source), ()):
        found.update(value.value for key, value in node.value if key.value == "id" and isinstance(value, yaml.ScalarNode))
    return found


def _compose(source: str) -> Any:
    try:
        root = yaml.compose(source, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidError("The text is no YAML at the moment: mend it first.", code="yaml") from error
    if not isinstance(root, yaml.MappingNode):
        raise InvalidError("The text must be a mapping, as every flow is.", code="yaml-shape")
    return root


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _walk(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(node, yaml.MappingNode):
        yield path, node
        for key, value in node.value:
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, index))


def _find(node: Any, path: Path) -> Any:
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
            node = node.value[step]
        else:
            node = next((value for key, value in _pairs(node) if key.value == step), None)
        if node is None:
            return None
    return node


def _get_mapping(root: Any, path: Path) -> Any:
    node = _find(root, path)
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise InvalidError(
            "This part is written in one line, in brackets: write its properties below each other first.", code="edit-impossible"
        )
    return node


def _get_item(listed: Any, position: int) -> Any:
    if not isinstance(listed, yaml.SequenceNode) or listed.flow_style or not 0 <= position < len(listed.value):
        raise InvalidError("The list is written in one line, or has no such entry.", code="edit-impossible")
    return listed.value[position]


def _refuse_broken(text: str, is_yaml: bool) -> None:
    if is_yaml:
        try:
            yaml.compose(text, Loader=_LOADER)
        except (yaml.YAMLError, RecursionError) as error:
            raise InvalidError("The new value is no YAML.", code="yaml") from error


def _is_block(node: Any) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return node.style in ("|", ">")
    return not node.flow_style and bool(node.value)


def _style_of(node: Any) -> str:
    return (node.style or "") if isinstance(node, yaml.ScalarNode) else ""


def _column_of_keys(owner: Any) -> int:
    return int(owner.value[0][0].start_mark.column)


def _last_line(source: str, node: Any) -> int:
    """Return the number, from 0, of the last line of a node; blank lines behind a block text are not part of it."""
    if isinstance(node, yaml.ScalarNode):
        line = int(node.end_mark.line)
        if node.style not in ("|", ">"):
            return line
        lines = source.splitlines()
        line = min(line if node.end_mark.column else line - 1, len(lines) - 1)
        while line > node.start_mark.line and not lines[line].strip():
            line -= 1
        return line
    if node.flow_style or not node.value:
        return int(node.end_mark.line) if node.flow_style else int(node.start_mark.line)
    last = node.value[-1]
    return _last_line(source, last[1] if isinstance(node, yaml.MappingNode) else last)


def _end_of(source: str, node: Any) -> int:
    """Return the offset behind the last character of a node, its line break not included."""
    if not _is_block(node):
        return int(node.end_mark.index)
    lines = source.splitlines(keepends=True)
    last = _last_line(source, node)
    return sum(len(line) for line in lines[:last]) + len(lines[last].rstrip("\n"))


def _text_of(source: str, node: Any) -> str:
    if not _is_block(node):
        return source[node.start_mark.index : node.end_mark.index]
    text = source[node.start_mark.index : _end_of(source, node)]
    if isinstance(node, yaml.ScalarNode):
        return text
    width = node.start_mark.column
    return "\n".join(line[width:] if not line[:width].strip() else line.lstrip() for line in ("" * width + text).split("\n"))


def _write_text(text: str, style: str) -> str:
    if "\n" in text:
        return text
    if style == "'":
        doubled = text.replace("'", "''")
        return f"'{doubled}'"
    if style == '"' or not _is_plain(text):
        return json.dumps(text, ensure_ascii=False)
    return text


def _is_plain(text: str) -> bool:
    """Tell whether a text may stand without quotes: it comes back as the same text from a block line."""
    read = read_document(f"k: {text}\n")
    return not read.problems and isinstance(read.data, dict) and read.data == {"k": text} and text == text.strip()


def _hang(text: str, indent: int, *, is_yaml: bool, is_literal: bool) -> str:
    """Return what stands behind `key:`: the value in the same line, or below it and indented."""
    if "\n" not in text and not (is_yaml and re.match(r"(-\s|[\w.\"'-]+\s*:(\s|$))", text)):
        return f" {text}"
    pad = " " * indent + _STEP
    if is_literal:
        header = "|" if text.endswith("\n") else "|-"
        return f" {header}\n" + "\n".join(pad + line if line else "" for line in text.rstrip("\n").split("\n"))
    if re.match(r"[|>]", text):
        header, _, body = text.partition("\n")
        return f" {header}\n{body}"
    return "\n" + "\n".join(pad + line if line.strip() else "" for line in text.split("\n"))


def _insert_key(source: str, owner: Any, name: str, text: str, is_yaml: bool, before: Sequence[str]) -> str:
    indent = _column_of_keys(owner)
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    written = text.rstrip("\n") if is_yaml else _write_text(text, "")
    value = _hang(written, indent, is_yaml=is_yaml, is_literal="\n" in text and not is_yaml)
    fresh = " " * indent + f"{name}:{value}\n"
    follower = next((key for key, _ in owner.value[1:] if key.value in before), None)
    if follower is not None:
        at = _with_comments(lines, follower.start_mark.line, indent)
    else:
        at = _last_line(source, owner.value[-1][1]) + 1
    return "".join([*lines[:at], fresh, *lines[at:]])


def _dash(text: str, indent: str) -> str:
    rows = text.rstrip("\n").split("\n")
    return "\n".join(f"{indent}{'- ' if not index else _STEP}{row}" if row.strip() else "" for index, row in enumerate(rows))


def _dash_line(lines: Sequence[str], node: Any) -> int:
    line = int(node.start_mark.line)
    while line > 0 and not lines[line].lstrip().startswith("-"):
        line -= 1
    return line


def _dash_indent(lines: Sequence[str], node: Any) -> str:
    row = lines[_dash_line(lines, node)]
    return row[: len(row) - len(row.lstrip())]


def _with_comments(lines: Sequence[str], line: int, width: int) -> int:
    """Return the first line of the comments that stand right above a line with the same indentation."""
    while line > 0 and lines[line - 1].lstrip().startswith("#") and len(lines[line - 1]) - len(lines[line - 1].lstrip()) == width:
        line -= 1
    return line


def _gap(lines: Sequence[str], listed: Any) -> list[str]:
    """Return the blank line that the entries of a list have between them, if they have."""
    if len(listed.value) < 2:
        return []
    line = _with_comments(lines, _dash_line(lines, listed.value[1]), len(_dash_indent(lines, listed.value[0])))
    return ["\n"] if line and not lines[line - 1].strip() else []


def set_label(source: str, key: str, value: str) -> str:
    """Return the source with one label set, in the form (mapping or list) that its labels have; others stay."""
    labels = _find(_compose(source), ("labels",))
    if labels is None:
        return set_value(
            source, ("labels",), f"{_write_text(key, '')}: {_write_text(value, '')}", is_yaml=True, before=_AFTER_LABELS
        )
    if isinstance(labels, yaml.SequenceNode):
        for index, entry in enumerate(labels.value):
            if any(name.value == "key" and item.value == key for name, item in _pairs(entry)):
                return set_value(source, ("labels", index, "value"), value)
        return insert_item(source, ("labels",), 10_000, f"key: {_write_text(key, '')}\nvalue: {_write_text(value, '')}")
    return set_value(source, ("labels", key), value)

"""Stored values (inputs, outputs, variables) as rows that a page shows: the way to a value, its kind, its text, its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from flows.models.encryption import is_envelope
from flows.primitives.errors import FlowsError
from flows.storage import get_storage
from flows.storage.contract import StoredFileNotFoundError
from flows.storage.uri import Address, InvalidAddressError, parse_address
from flows.ui.painters.json_tree import paint_tree
from flows.ui.wording import write_size

HIDDEN = "••••••"
LONGEST_SHOWN = 4000
MOST_MEASURED = 100
_FILE_SCHEME = "kestra://"
_MARK_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One value. `kind` is `text`, `number`, `flag`, `empty`, `file`, `secret`, `json` or `table`; `path` is the expression that
    gives the value; `columns` and `rows` belong to a table; `tree` is a map or list that opens part by part; `file_name` and
    `file_facts` (its type and size in words) belong to a file.
    """

    name: str
    kind: str
    text: str
    path: str
    file_url: str = ""
    preview_url: str = ""
    file_name: str = ""
    file_facts: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    tree: str = ""


def plain_name(address: Address) -> str:
    """Return the file's own name, without the random part that keeps stored names apart."""
    mark, dash, rest = address.parts[-1].partition("-")
    is_marked = len(mark) == _MARK_LENGTH and all(letter in "0123456789abcdef" for letter in mark)
    return rest if dash and rest and is_marked else address.parts[-1]


class FileSizes:
    """Sizes of the files that belong to one execution; of so many at most that a page of thousands of files stays quick."""

    def __init__(self, execution_id: str, *, most: int = MOST_MEASURED) -> None:
        self._execution_id = execution_id
        self._left = most

    def describe(self, address: Address) -> str:
        """Return type and size of a file in words; no size for files of other executions, and for those beyond the limit."""
        name = plain_name(address)
        kind = name.rpartition(".")[2].upper() if "." in name else "file"
        if self._left <= 0 or address.execution_id() != self._execution_id:
            return kind
        self._left -= 1
        try:
            return f"{kind}, {write_size(get_storage().size(str(address)))}"
        except StoredFileNotFoundError:
            return f"{kind}, no longer stored"
        except FlowsError:
            return kind


def list_entries(values: Any, *, url: str, path: str = "", owner: str = "", sizes: FileSizes | None = None) -> list[Entry]:
    """
    Return the members of a map as entries, in order; anything that is no map has none.

    Args:
        url: address of the execution's page.
        path: expression that gives the map.
        owner: id of the task run that holds the map, or `flow`; with it maps and lists become trees instead of texts.
        sizes: measures the files, shared by the lists of a page.
    """
    if not isinstance(values, Mapping):
        return []
    execution_id = url.rpartition("/")[2]
    sizes = sizes or FileSizes(execution_id)
    entries = []
    for name, value in values.items():
        inner = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping) and any(_is_file(one) for one in value.values()):
            # A map of files is more useful as one row per file.
            entries += [
                _make_entry(f"{name} / {key}", one, execution_id, f"{inner}['{key}']", sizes) for key, one in value.items()
            ]
        else:
            entry = _make_entry(str(name), value, execution_id, inner, sizes)
            if owner and entry.kind == "json":
                tree = paint_tree(value, owner=owner, way=(str(name),), root=path or "outputs")
                entry = replace(entry, kind="tree", tree=tree)
            entries.append(entry)
    return entries


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_FILE_SCHEME)


def _make_file(name: str, uri: str, execution_id: str, path: str, sizes: FileSizes) -> Entry:
    try:
        address = parse_address(uri)
    except InvalidAddressError:
        return Entry(name, "text", _shorten(uri), path)
    quoted = quote(uri, safe="")
    return Entry(
        name,
        "file",
        uri,
        path,
        file_url=f"/api/v1/main/executions/{execution_id}/file?path={quoted}",
        preview_url=f"?file={quoted}",
        file_name=plain_name(address),
        file_facts=sizes.describe(address),
    )


def _make_entry(name: str, value: Any, execution_id: str, path: str, sizes: FileSizes) -> Entry:
    if is_envelope(value):
        return Entry(name, "secret", HIDDEN, path)
    if value is None or value == "" or value == [] or value == {}:
        return Entry(name, "empty", "null" if value is None else json.dumps(value), path)
    if isinstance(value, bool):
        return Entry(name, "flag", "true" if value else "false", path)
    if isinstance(value, int | float):
        return Entry(name, "number", str(value), path)
    if isinstance(value, str):
        if _is_file(value):
            return _make_file(name, value, execution_id, path, sizes)
        return Entry(name, "text", _shorten(value), path)
    if isinstance(value, list) and all(isinstance(one, Mapping) and one for one in value[:50]):
        columns = tuple(dict.fromkeys(str(key) for one in value[:50] for key in one))[:12]
        rows = tuple(tuple(_cell(one.get(column)) for column in columns) for one in value[:50])
        return Entry(name, "table", _dump(value), path, columns=columns, rows=rows)
    return Entry(name, "json", _dump(value), path)


def _cell(value: Any) -> str:
    if is_envelope(value):
        return HIDDEN
    return "" if value is None else value[:200] if isinstance(value, str) else _dump(value)[:200]


def _dump(value: Any) -> str:
    return _shorten(json.dumps(_hide(value), ensure_ascii=False, indent=2, default=str))


def _hide(value: Any) -> Any:
    if is_envelope(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: _hide(one) for key, one in value.items()}
    return [_hide(one) for one in value] if isinstance(value, (list, tuple)) else value


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"

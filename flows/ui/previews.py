"""The beginning of a file in the form in which a person can read it: text, table, tree, picture, list of an archive, bytes."""

from __future__ import annotations

import codecs
import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from flows.primitives.errors import InvalidError
from flows.ui.painters.json_tree import paint_tree
from flows.ui.wording import write_size

PREVIEW_BYTES = 1024 * 1024
LARGEST_COLUMNAR_BYTES = 200 * 1024 * 1024
ROWS_AT_ONCE = 100
MOST_ROWS = 5000
MOST_COLUMNS = 100
LONGEST_CELL = 500
HEX_BYTES = 4096
MOST_MEMBERS = 1000
ENCODINGS = ("utf-8", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15", "shift_jis", "gb18030")

IMAGES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "bmp": "image/bmp",
    "svg": "image/svg+xml",
}  # fmt: skip
SOUNDS = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac", "m4a": "audio/mp4"}
FILMS = {"mp4": "video/mp4", "webm": "video/webm", "ogv": "video/ogg"}
SHOWN_TYPES = {**IMAGES, **SOUNDS, **FILMS, "pdf": "application/pdf"}
"""Content types that a browser may get as they are. Everything else is sent as plain text or not at all."""

_ARCHIVES = frozenset({"zip", "jar", "whl", "tar", "tgz", "gz"})


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What is shown of a file. `kind` is `text`, `table`, `tree`, `markdown`, `image`, `pdf`, `audio`, `video`, `archive`, `hex`
    or `empty`; `columns` are pairs of name and type, `rows` belong to a table or an archive; `note` says what is left out.
    """

    kind: str
    text: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""
    has_more_rows: bool = False


def make_preview(name: str, stream: IO[bytes], size: int, *, encoding: str = "utf-8", most_rows: int = ROWS_AT_ONCE) -> Preview:
    """
    Return the preview of a file. Reads at most its first mebibyte, columnar files and archives that can seek excepted.

    Args:
        name: of the file; its ending decides how the content is read.
        stream: at the beginning.
        size: of the whole file in bytes.
        encoding: of texts and tables, one of `ENCODINGS`.
        most_rows: how many rows of a table are wanted.

    Raises:
        InvalidError: an unknown encoding.
    """
    if encoding not in ENCODINGS:
        raise InvalidError(f'"{encoding[:40]}" is no offered encoding; choose one of {", ".join(ENCODINGS)}.', code="encoding")
    extension = name.rpartition(".")[2].lower()
    if size == 0:
        return Preview("empty")
    for kind, types in (("image", IMAGES), ("audio", SOUNDS), ("video", FILMS)):
        if extension in types:
            return Preview(kind)
    if extension == "pdf":
        return Preview("pdf")
    if extension in _ARCHIVES:
        found = _read_archive(name.lower(), stream)
        if found is not None:
            return found
    if extension in ("parquet", "avro"):
        found = _read_columnar(extension, stream, size, most_rows)
        if found is not None:
            return found
    stream.seek(0) if stream.seekable() else None
    content = stream.read(PREVIEW_BYTES)
    return _preview_content(extension, content, size, encoding, most_rows)


def _preview_content(extension: str, content: bytes, size: int, encoding: str, most_rows: int) -> Preview:
    is_cut = size > len(content)
    note = "Only the first 1 MiB is shown." if is_cut else ""
    if encoding == "utf-8" and content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    if b"\0" in content[:HEX_BYTES] and not encoding.startswith("utf-16"):
        return Preview("hex", text=_write_hex(content[:HEX_BYTES]), note=f"The first {min(size, HEX_BYTES):,} bytes.")
    text = content.decode(encoding, "replace").removeprefix("\ufeff")
    if is_cut:
        text = text[: text.rfind("\n") + 1] or text
    readers: Mapping[str, Callable[[], Iterator[Any]]] = {
        "csv": lambda: _read_separated(text, _guess_separator(text)),
        "tsv": lambda: _read_separated(text, "\t"),
        "ndjson": lambda: _read_json_lines(text),
        "jsonl": lambda: _read_json_lines(text),
        "ion": lambda: _read_ion(text),
    }
    if extension in readers:
        try:
            return _make_table(readers[extension](), most_rows, note)
        except _UnreadableError:
            return Preview(
                "text", text=text, note=f"This is no valid {extension.upper()}, so it is shown as text. {note}".strip()
            )
    if extension == "json" and not is_cut:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return Preview("text", text=text, note="This is no valid JSON, so it is shown as text.")
        if isinstance(value, dict | list) and value:
            return Preview("tree", text=paint_tree(value, owner="", way=(), root=""))
    return Preview("markdown" if extension in ("md", "markdown") else "text", text=text, note=note)


class _UnreadableError(Exception):
    """The content is not what the ending of the name says."""


def _guess_separator(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t|", key=first.count)


def _read_separated(text: str, separator: str) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        head = next(rows, [])
        names = [name or f"column {number}" for number, name in enumerate(head[:MOST_COLUMNS], 1)]
        for row in rows:
            if row:
                yield dict(zip(names, row, strict=False))
        if names and not text.partition("\n")[2].strip():
            yield dict.fromkeys(names)
    except csv.Error as error:
        raise _UnreadableError from error


def _read_json_lines(text: str) -> Iterator[Any]:
    try:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except (ValueError, RecursionError) as error:
        raise _UnreadableError from error


def _read_ion(text: str) -> Iterator[Any]:
    # Loading the reader takes a while, and few pages need it.
    from amazon.ion import simpleion
    from amazon.ion.exceptions import IonException

    try:
        for line in text.splitlines():
            if line.strip():
                yield _plain(simpleion.loads(line))
    except (IonException, ValueError, RecursionError) as error:
        raise _UnreadableError from error


def _plain(value: Any) -> Any:
    """Return an Ion value as plain Python data."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return [_plain(one) for one in value]
    if value is None or type(value).__name__ == "IonPyNull":
        return None
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return bool(value) if type(value).__name__ == "IonPyBool" else kind(value)
    return str(value)


def _read_columnar(extension: str, stream: IO[bytes], size: int, most_rows: int) -> Preview | None:
    if size > LARGEST_COLUMNAR_BYTES:
        return None
    reader = _read_parquet if extension == "parquet" else _read_avro
    try:
        return reader(stream, most_rows)
    except Exception:  # noqa: BLE001 (readers of other people's formats raise anything; the bytes are shown then)
        return None


def _read_avro(stream: IO[bytes], most_rows: int) -> Preview:
    import fastavro

    return _make_table((row for row in fastavro.reader(stream)), most_rows, "")


def _read_parquet(stream: IO[bytes], most_rows: int) -> Preview:
    import fastparquet

    # The table of contents stands at the end, so the whole file must be there.
    held = stream if stream.seekable() else io.BytesIO(stream.read())
    file = fastparquet.ParquetFile(held)
    columns = tuple((str(name), str(kind)) for name, kind in list(file.dtypes.items())[:MOST_COLUMNS])
    frame = file.head(most_rows)
    rows = [[_write_cell(value) for value in row[:MOST_COLUMNS]] for row in frame.itertuples(index=False)]
    count = file.count()
    return Preview("table", columns=columns, rows=rows, note=f"{count:,} rows.", has_more_rows=count > len(rows))


def _make_table(rows: Iterable[Any], most_rows: int, note: str) -> Preview:
    found: list[Any] = []
    has_more = False
    for row in rows:
        if len(found) >= min(most_rows, MOST_ROWS):
            has_more = True
            break
        found.append(row if isinstance(row, Mapping) else {"value": row})
    names = list(dict.fromkeys(str(name) for row in found for name in row))[:MOST_COLUMNS]
    columns = tuple((name, _guess_type([row.get(name) for row in found])) for name in names)
    cells = [[_write_cell(row.get(name)) for name in names] for row in found]
    return Preview("table", columns=columns, rows=cells, note=note, has_more_rows=has_more)


def _guess_type(values: list[Any]) -> str:
    held = [value for value in values if value not in (None, "")]
    if not held:
        return ""
    for name, test in (("integer", _is_integer), ("number", _is_number), ("flag", _is_flag)):
        if all(test(value) for value in held):
            return name
    if all(isinstance(value, dict | list) for value in held):
        return "nested"
    return "text"


def _is_integer(value: Any) -> bool:
    text = str(value).lstrip("+-")
    return not isinstance(value, bool | float) and text.isascii() and text.isdigit()


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or str(value).lower() in ("true", "false")


def _write_cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.strip('"') if not isinstance(value, str | dict | list) else text
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _read_archive(name: str, stream: IO[bytes]) -> Preview | None:
    """Return the list of members. Nothing is unpacked. None for what is no archive after all."""
    columns = (("Name", ""), ("Size", ""), ("Changed", ""))
    try:
        if name.endswith((".zip", ".jar", ".whl")):
            held = stream if stream.seekable() else io.BytesIO(stream.read(LARGEST_COLUMNAR_BYTES))
            with zipfile.ZipFile(held) as archive:
                members = archive.infolist()
                rows = [
                    [one.filename, write_size(one.file_size), "{}-{:02}-{:02} {:02}:{:02}".format(*one.date_time[:5])]
                    for one in members[:MOST_MEMBERS]
                ]
            return Preview("archive", columns=columns, rows=rows, note=f"{len(members):,} entries.")
        with tarfile.open(fileobj=stream, mode="r|*") as packed:
            rows = []
            for number, entry in enumerate(packed):
                if number >= MOST_MEMBERS:
                    break
                rows.append([entry.name, write_size(entry.size), ""])
        more = f"The first {MOST_MEMBERS:,} entries." if len(rows) == MOST_MEMBERS else f"{len(rows):,} entries."
        return Preview("archive", columns=columns, rows=rows, note=more)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError):
        return None


def _write_hex(content: bytes) -> str:
    return "\n".join(
        f"{start:08x}  {content[start : start + 16].hex(' '):<47}  "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in content[start : start + 16])
        for start in range(0, len(content), 16)
    )

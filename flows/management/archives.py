"""
Backup archives: one gzipped tar with a manifest, every table as PostgreSQL's COPY text, and every stored file.

Keys are never part of it: whoever finds an archive cannot read the secrets in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from flows.conf import get_settings
from flows.models import Execution, Flow
from flows.primitives.errors import ConflictError, InvalidError
from flows.storage import get_storage

FORMAT = 1
MANIFEST = "manifest.json"
END = "end"
_TABLES, _FILES = "tables/", "files/"
_SCHEME = "kestra:///"
# Migrations are facts about the tables, and sessions belong to browsers of the old place.
_LEFT_OUT = frozenset({"django_migrations", "django_session"})
_LARGEST_MANIFEST = 4 * 1024 * 1024
_LARGEST_END = 1024 * 1024 * 1024
_SPOOL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds: the manifest, the rows of each table and the number and size in bytes of its files."""

    manifest: dict[str, Any]
    rows: dict[str, int]
    file_count: int
    file_bytes: int


Progress = Callable[[str, int, int], None]
"""Told what is done with how many tables or files of how many; the number of files is not known before the end."""


def write_archive(path: Path, *, with_files: bool, at: datetime, report: Progress) -> Contents:
    """
    Write everything that this installation has stored to a new file, which appears whole and checked or not at all.

    All tables are read as of one moment; files that are written later may be in it as well, which harms nothing. The last entry
    holds the digest of every other one.
    """
    draft = path.with_name(f".{path.name}.part")
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    count = size = 0
    try:
        with tarfile.open(draft, "w:gz", compresslevel=6) as archive, _steady_view():
            manifest = _describe(at)
            _add(archive, MANIFEST, io.BytesIO(json.dumps(manifest, indent=2).encode()), digests)
            for position, (table, columns) in enumerate(manifest["tables"].items(), 1):
                with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
                    rows[table] = _copy_out(table, columns, spool)
                    _add(archive, f"{_TABLES}{table}", spool, digests)
                report("tables written", position, len(manifest["tables"]))
            for stored in get_storage().list_all() if with_files else ():
                with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool, get_storage().open_read(stored.uri) as source:
                    shutil.copyfileobj(source, spool)
                    size += _add(archive, _FILES + stored.uri.removeprefix(_SCHEME), spool, digests)
                    count += 1
                report("files written", count, 0)
            _add(archive, END, io.BytesIO(json.dumps({"digests": digests}).encode()), {})
        verify_archive(draft, report=report)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return Contents(manifest, rows, count, size)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of an archive. Raises InvalidError when the file is none of ours."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            return _read_manifest(archive, path)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _unreadable(path, error) from error


def verify_archive(path: Path, *, report: Progress) -> Contents:
    """
    Read an archive to its end and compare every entry with its digest. Nothing is restored.

    Raises:
        InvalidError: the archive is damaged, ends too early, or is none of ours.
    """
    rows: dict[str, int] = {}
    count = size = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            manifest = _read_manifest(archive, path)
            seal = _Seal(path)
            for member in archive:
                content = _open_member(archive, member, seal)
                if content is None:
                    continue
                if member.name.startswith(_TABLES):
                    rows[member.name.removeprefix(_TABLES)] = sum(block.count(b"\n") for block in _read_blocks(content))
                    report("tables checked", len(rows), len(manifest["tables"]))
                elif member.name.startswith(_FILES):
                    size += sum(len(block) for block in _read_blocks(content))
                    count += 1
                    report("files checked", count, 0)
            seal.check(set(rows) == set(manifest["tables"]))
    except (tarfile.TarError, EOFError, OSError, zlib.error, KeyError) as error:
        raise _unreadable(path, error) from error
    return Contents(manifest, rows, count, size)


def check_fits(manifest: dict[str, Any], *, replaces: bool, allows_other_key: bool) -> None:
    """
    Refuse what cannot be restored here.

    Raises:
        ConflictError: other tables than this version has, another encryption key, or an installation that is not empty.
    """
    if manifest["migrations"] != _list_migrations():
        raise ConflictError(
            "The archive was written by another version of Celestra: restore it with that version, then update and migrate.",
            code="archive-version",
        )
    if manifest["encryption_key"] != _fingerprint() and not allows_other_key:
        raise ConflictError(
            "The archive's secrets were encrypted with another key: put the old keys/encryption (or CELESTRA_ENCRYPTION_KEY) "
            "here first. Or add --allow-other-key and then run `secrets rotate` with the old key.",
            code="archive-key",
        )
    if not replaces and (Flow.objects.exists() or Execution.objects.exists()):
        raise ConflictError(
            "This installation has flows or executions: restore into an empty one, or add --replace to lose what is here.",
            code="not-empty",
        )


def read_archive(path: Path, *, report: Progress) -> Contents:
    """
    Replace the rows of every table by those of the archive and write its files, in one transaction.

    Raises:
        InvalidError: the archive is damaged or ends too early; nothing has changed but files that were added.
    """
    rows: dict[str, int] = {}
    count = size = 0
    try:
        with tarfile.open(path, "r:gz") as archive, transaction.atomic():
            manifest = _read_manifest(archive, path)
            seal = _Seal(path)
            _empty_tables(manifest["tables"])
            for member in archive:
                content = _open_member(archive, member, seal)
                if content is None:
                    continue
                if member.name.startswith(_TABLES):
                    table = member.name.removeprefix(_TABLES)
                    rows[table] = _copy_in(table, manifest["tables"][table], content)
                    report("tables restored", len(rows), len(manifest["tables"]))
                elif member.name.startswith(_FILES):
                    size += get_storage().write(_SCHEME + member.name.removeprefix(_FILES), content)
                    count += 1
                    report("files restored", count, 0)
            seal.check(set(rows) == set(manifest["tables"]))
            with connection.cursor() as cursor:
                for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models(include_auto_created=True)):
                    cursor.execute(statement)
    except (tarfile.TarError, EOFError, OSError, zlib.error, KeyError) as error:
        raise _unreadable(path, error) from error
    return Contents(manifest, rows, count, size)


class _Seal:
    """What the last entry says of the others, compared with what was read. Archives of older versions say nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, _Digested] = {}
        self._named: dict[str, str] = {}
        self._has_ended = False

    def note(self, name: str, content: _Digested) -> None:
        """Remember an entry, which is read afterwards."""
        self._read[name] = content

    def end(self, content: IO[bytes]) -> None:
        """Take in the last entry."""
        self._has_ended = True
        text = content.read(_LARGEST_END)
        self._named = json.loads(text)["digests"] if text else {}

    def check(self, has_all_tables: bool) -> None:
        """Raise InvalidError unless everything was there and as it was written."""
        if not self._has_ended or not has_all_tables:
            raise InvalidError(f"{self._path} ends too early: it was not written to its end.", code="archive-damaged")
        for name, digest in self._named.items():
            found = self._read.get(name)
            if name != MANIFEST and (found is None or found.hexdigest() != digest):
                raise InvalidError(f"{self._path} is damaged: {name} is not as it was written.", code="archive-damaged")


class _Digested(io.RawIOBase):
    """A stream whose digest is computed while it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        block = self._stream.read(len(buffer))
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)

    def hexdigest(self) -> str:
        """Return the digest of what was read so far."""
        return self._digest.hexdigest()


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo, seal: _Seal) -> IO[bytes] | None:
    """Return the content of a table or file, None for other entries."""
    content = archive.extractfile(member)
    if content is None:
        return None
    if member.name == END:
        seal.end(content)
        return None
    digested = _Digested(content)
    seal.note(member.name, digested)
    stream: Any = io.BufferedReader(digested, 1024 * 1024)
    return stream if member.name.startswith((_TABLES, _FILES)) else None


def _read_blocks(content: IO[bytes]) -> Iterator[bytes]:
    while block := content.read(1024 * 1024):
        yield block


@contextmanager
def _steady_view() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Inside a transaction that has begun already (a test, a caller's) the view is as steady as that one is.
            if not connection.savepoint_ids:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


def _describe(at: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "written_at": at.isoformat(),
        "migrations": _list_migrations(),
        "encryption_key": _fingerprint(),
        "tables": {table: _list_columns(table) for table in _list_tables()},
    }


def _list_migrations() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def _fingerprint() -> str:
    return hashlib.sha256(b"celestra backup\0" + get_settings().encryption_key).hexdigest()[:16]


def _list_tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - _LEFT_OUT)


def _list_columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' ORDER BY attnum",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _copy_statement(table: str, columns: list[str], direction: str) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), names, sql.SQL(direction))


def _copy_out(table: str, columns: list[str], target: IO[bytes]) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(_copy_statement(table, columns, "TO STDOUT")) as copy:
            for block in copy:
                target.write(block)
        return int(cursor.rowcount)


def _copy_in(table: str, columns: list[str], source: IO[bytes]) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(_copy_statement(table, columns, "FROM STDIN")) as copy:
            while block := source.read(1024 * 1024):
                copy.write(block)
        return int(cursor.rowcount)


def _empty_tables(tables: dict[str, Any]) -> None:
    if set(tables) != set(_list_tables()):
        raise ConflictError("The archive holds other tables than this version has.", code="archive-version")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        # Checks that still wait would keep the tables from being emptied; those of the new rows wait for the last table.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        names = sql.SQL(", ").join(map(sql.Identifier, sorted(tables)))
        cursor.execute(sql.SQL("TRUNCATE {}").format(names))


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], digests: dict[str, str]) -> int:
    entry = tarfile.TarInfo(name)
    entry.size = content.seek(0, io.SEEK_END)
    entry.mode = 0o600
    content.seek(0)
    digest = hashlib.sha256()
    for block in _read_blocks(content):
        digest.update(block)
    digests[name] = digest.hexdigest()
    content.seek(0)
    archive.addfile(entry, content)
    return entry.size


def _read_manifest(archive: tarfile.TarFile, path: Path) -> dict[str, Any]:
    member = archive.next()
    content = archive.extractfile(member) if member is not None and member.name == MANIFEST else None
    if content is None:
        raise InvalidError(f"{path} is no backup of Celestra: it does not begin with {MANIFEST}.", code="archive-unknown")
    try:
        manifest = json.loads(content.read(_LARGEST_MANIFEST))
        if manifest["format"] == FORMAT and {"migrations", "encryption_key", "tables"} <= set(manifest):
            return dict(manifest)
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidError(f"{path} has a manifest that this version cannot read.", code="archive-unknown")


def _unreadable(path: Path, error: Exception) -> InvalidError:
    return InvalidError(f"{path} cannot be read as a backup of Celestra: {error}.", code="archive-damaged")

"""What may be done with the files of namespaces, for every interface: folders, search, versions, export and import."""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from flows.conf import get_settings
from flows.engine import files
from flows.engine.files import NamespaceFileNotFoundError, normalise_path
from flows.engine.stores import check_name
from flows.models import NamespaceFile
from flows.operations.acts import MOST_NAMED, act, act_on_many
from flows.primitives.callers import current_caller
from flows.primitives.errors import InvalidError, TooLargeError
from flows.primitives.identifiers import NameKind
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import can_see, visible
from flows.storage import get_storage

log = logging.getLogger(__name__)

MAX_ARCHIVE_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file or folder of a namespace. `path` has a leading slash, `/` for the root; a folder has size 0 and version 0."""

    path: str
    is_directory: bool
    size_bytes: int
    created_at: datetime | None
    modified_at: datetime | None
    version: int = 0

    @property
    def name(self) -> str:
        """The last part of the path, empty for the root."""
        return self.path.rpartition("/")[2]


def put_file(
    namespace: str, path: str, content: bytes | IO[bytes] | Path, *, at: datetime, actor: str = "", conflict: str = "OVERWRITE"
) -> NamespaceFile:
    """Store a new version of a file. Arguments and errors as `flows.engine.files.write_namespace_file`; the name is checked."""
    check_name(NameKind.NAMESPACE, namespace)
    with act("file.put", _choose_action(namespace, path), Resource.FILE, namespace, path, atomic=False) as doing:

        def note(row: NamespaceFile) -> None:
            doing.is_written = False
            doing.object_id, doing.after = row.path, {"version": row.version, "bytes": row.size_bytes}
            doing.write_now()

        row = files.write_namespace_file(namespace, path, content, at=at, conflict=conflict, on_stored=note)
        doing.object_id, doing.after = row.path, {"version": row.version, "bytes": row.size_bytes}
    log.info("file.put", extra={"namespace": namespace, "path": row.path, "version": row.version, "by": actor})
    return row


def _choose_action(namespace: str, path: str) -> Action:
    """Return which right a write needs; for who may both nothing is looked up."""
    caller = current_caller()
    may_create, may_update = (caller.may(action, Resource.FILE, namespace) for action in (Action.CREATE, Action.UPDATE))
    if may_create == may_update:
        return Action.UPDATE
    rows = NamespaceFile.objects.filter(namespace=namespace, path=normalise_path(path), is_current=True)
    return Action.UPDATE if rows.exists() else Action.CREATE


def open_file(namespace: str, path: str, *, version: int | None = None) -> IO[bytes]:
    """Open a file for streaming, its newest version when none is named. Raises NamespaceFileNotFoundError."""
    if not can_see(Resource.FILE, namespace):
        raise files.missing_file(namespace, path, version)
    return files.open_namespace_file(namespace, path, version=version)


def make_folder(namespace: str, path: str, *, at: datetime, actor: str = "") -> None:
    """Make a folder that stays when it is empty. Raises NamespaceFileExistsError when a file has this path."""
    check_name(NameKind.NAMESPACE, namespace)
    with act("file.make-folder", Action.CREATE, Resource.FILE, namespace, path):
        files.make_namespace_folder(namespace, path, at=at)
    log.info("file.folder", extra={"namespace": namespace, "path": path, "by": actor})


def delete_file(namespace: str, path: str, *, at: datetime, actor: str = "") -> list[str]:
    """
    Delete a file with its versions, or a folder with all that is in it, and return the paths of the deleted files.

    Raises:
        NamespaceFileNotFoundError: neither a file nor a folder has this path.
    """
    missing = _no_file_or_folder(namespace, normalise_path(path) if path.strip("/") else "/")
    with act("file.delete", Action.DELETE, Resource.FILE, namespace, path, missing=missing, atomic=False) as doing:
        _stat(namespace, path)

        def note(paths: Sequence[str]) -> None:
            doing.before = {"count": len(paths), "paths": paths[:MOST_NAMED]}
            doing.write_now()

        deleted = files.delete_namespace_file(namespace, path, on_deleted=note)
    log.info("file.deleted", extra={"namespace": namespace, "paths": deleted, "by": actor, "at": at.isoformat()})
    return deleted


def move_file(namespace: str, source: str, target: str, *, at: datetime, actor: str = "") -> list[str]:
    """Give a file or folder another path. Errors and answer as `flows.engine.files.move_namespace_file`."""
    missing = _no_file_or_folder(namespace, normalise_path(source))
    with act("file.move", Action.UPDATE, Resource.FILE, namespace, source, missing=missing) as doing:
        moved = files.move_namespace_file(namespace, source, target)
        doing.before, doing.after = {"path": source}, {"path": target, "count": len(moved)}
    log.info("file.moved", extra={"namespace": namespace, "source": source, "target": target, "by": actor, "at": at.isoformat()})
    return moved


def list_versions(namespace: str, path: str) -> list[NamespaceFile]:
    """Return all versions of a file, oldest first. Raises NamespaceFileNotFoundError."""
    found = visible(NamespaceFile).filter(namespace=namespace, path=normalise_path(path), is_directory=False).order_by("version")
    rows = list(found)
    if not rows:
        raise NamespaceFileNotFoundError(f'Namespace {namespace} has no file "{path}".')
    return rows


def search_files(namespace: str, query: str = "") -> list[str]:
    """Return the paths that hold `query`, in any letter case, sorted."""
    if not can_see(Resource.FILE, namespace):
        return []
    wanted = query.lower()
    return [path for path in files.list_namespace_files(namespace) if wanted in path.lower()]


def stat_file(namespace: str, path: str) -> FileFacts:
    """Return a file, a folder, or the root (`/` or empty), which always exists. Raises NamespaceFileNotFoundError."""
    if path.strip("/") and not can_see(Resource.FILE, namespace):
        raise _no_file_or_folder(namespace, normalise_path(path))
    return _stat(namespace, path)


def _stat(namespace: str, path: str) -> FileFacts:
    if not path.strip("/"):
        return FileFacts("/", True, 0, None, None)
    normal = normalise_path(path)
    parent = normal.rpartition("/")[0]
    for facts in _list_folder(namespace, parent):
        if facts.path == normal:
            return facts
    raise _no_file_or_folder(namespace, normal)


def _no_file_or_folder(namespace: str, path: str) -> NamespaceFileNotFoundError:
    return NamespaceFileNotFoundError(f'Namespace {namespace} has no file or folder "{path}".')


def list_folder(namespace: str, path: str = "/") -> list[FileFacts]:
    """Return what lies directly in a folder, folders first, sorted by path; empty for a folder that does not exist."""
    return _list_folder(namespace, path) if can_see(Resource.FILE, namespace) else []


def _list_folder(namespace: str, path: str) -> list[FileFacts]:
    prefix = f"{normalise_path(path)}/" if path.strip("/") else "/"
    found: dict[str, FileFacts] = {}
    rows = NamespaceFile.objects.filter(namespace=namespace, path__startswith=prefix, is_current=True)
    for row in rows.order_by("path"):
        name, _, deeper = row.path[len(prefix) :].partition("/")
        child = prefix + name
        is_directory = bool(deeper) or row.is_directory
        if is_directory and child in found:
            found[child] = _spread(found[child], row.created_at)
        elif is_directory:
            found[child] = FileFacts(child, True, 0, row.created_at, row.created_at)
        else:
            found[child] = FileFacts(child, False, row.size_bytes, row.created_at, row.created_at, row.version)
    return sorted(found.values(), key=lambda facts: (not facts.is_directory, facts.path))


def export_files(namespace: str) -> bytes:
    """Return all files of a namespace as a zip archive, paths without leading slash. Raises TooLargeError."""
    rows = list(visible(NamespaceFile).filter(namespace=namespace, is_current=True, is_directory=False).order_by("path"))
    limit = get_settings().max_file_bytes
    if sum(row.size_bytes for row in rows) > limit:
        raise TooLargeError(f"The files of namespace {namespace} take more than {limit} bytes: fetch them one by one.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in rows:
            with get_storage().open_read(row.uri) as stream, archive.open(row.path.lstrip("/"), "w") as entry:
                while chunk := stream.read(1024 * 1024):
                    entry.write(chunk)
    return buffer.getvalue()


def import_files(namespace: str, content: bytes, *, at: datetime, actor: str = "") -> list[str]:
    """
    Unpack a zip archive at the root of a namespace and return the paths of its files.

    Raises:
        InvalidError: no zip archive, or one with a path that leaves the root; nothing is stored then.
        TooLargeError: more than 10 000 entries, or more bytes than one file may have.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError) as error:
        raise InvalidError("The upload is no zip archive.", code="archive") from error
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _check_archive(entries)
        paths = [normalise_path(entry.filename) for entry in entries]
        with act_on_many("file.import", Action.CREATE, Resource.FILE, object_id=namespace) as doing:
            for entry, path in zip(entries, paths, strict=True):
                put_file(namespace, path, _read_entry(archive, entry), at=at, actor=actor)
            doing.namespace, doing.after = namespace, {"count": len(paths), "paths": paths[:MOST_NAMED]}
    return paths


def list_local_files(folder: Path, *, ignored: Iterable[str] = ()) -> Iterator[tuple[str, Path]]:
    """Yield the path inside the folder, with a leading slash, and the path on this host; links are left out, order is sorted."""
    patterns = list(ignored)
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        inside = f"/{path.relative_to(folder).as_posix()}"
        if not any(_is_ignored(pattern, inside) for pattern in patterns):
            yield inside, path


def _is_ignored(pattern: str, path: str) -> bool:
    if pattern.endswith("/"):
        return files.matches_path(f"{pattern}**", path)
    return files.matches_path(pattern, path) or files.matches_path(f"{pattern}/**", path)


def _spread(facts: FileFacts, at: datetime) -> FileFacts:
    created, modified = facts.created_at or at, facts.modified_at or at
    return FileFacts(facts.path, True, 0, min(created, at), max(modified, at))


def _check_archive(entries: list[zipfile.ZipInfo]) -> None:
    limit = get_settings().max_file_bytes
    if len(entries) > MAX_ARCHIVE_ENTRIES:
        raise TooLargeError(f"The archive has {len(entries)} files; at most {MAX_ARCHIVE_ENTRIES} are allowed.")
    if sum(entry.file_size for entry in entries) > limit:
        raise TooLargeError(f"The files of the archive take more than {limit} bytes.")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        # The size in the directory may lie; the archive module stops at it.
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise InvalidError(f'The archive is damaged or encrypted at "{entry.filename}".', code="archive") from error

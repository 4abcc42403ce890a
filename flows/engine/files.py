"""Files of namespaces: the index row that names the current version, and its bytes in storage. Rights are checked by callers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from django.db import IntegrityError, transaction

from flows.models.file import NamespaceFile
from flows.models.key_values import choose_namespaces
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.storage import StoredFileNotFoundError, get_storage
from flows.storage.uri import InvalidAddressError, namespace_file_version_address, parse_path

CONFLICTS = ("OVERWRITE", "ERROR", "SKIP")
MAX_PATH_LENGTH = 1000
# Two writers who make the first version of a file at once: one of them has to look again.
MAX_TRIES = 5


class NamespaceFileNotFoundError(NotFoundError):
    """The namespace has no such file or folder."""

    code = "namespace-file-not-found"


class NamespaceFileExistsError(ConflictError):
    """The file exists, or a file stands where a folder is needed, or the other way round."""

    code = "namespace-file-exists"


def normalise_path(path: str) -> str:
    """
    Return the path of a namespace file with one leading slash and none at the end.

    Raises:
        InvalidAddressError: `..`, a backslash, a control character and the like, or longer than 1000 characters.
    """
    normal = "/" + "/".join(parse_path(path))
    if len(normal) > MAX_PATH_LENGTH:
        raise InvalidAddressError(f"The path has {len(normal)} characters; at most {MAX_PATH_LENGTH} are allowed.")
    return normal


def get_namespace_file(namespace: str, path: str, *, version: int | None = None) -> NamespaceFile:
    """Return the row of a file, its newest version when none is named. Raises NamespaceFileNotFoundError."""
    row = find_namespace_file(namespace, path, version=version)
    if row is None:
        raise missing_file(namespace, path, version)
    return row


def missing_file(namespace: str, path: str, version: int | None = None) -> NamespaceFileNotFoundError:
    """Return the error about a file that does not exist, or that is none of the caller's business."""
    of_version = "" if version is None else f" in version {version}"
    return NamespaceFileNotFoundError(f'Namespace {namespace} has no file "{path}"{of_version}.')


def find_namespace_file(namespace: str, path: str, *, version: int | None = None) -> NamespaceFile | None:
    """Return the row of a file, its newest version when none is named, or None."""
    rows = NamespaceFile.objects.filter(namespace=namespace, path=normalise_path(path), is_directory=False)
    return (rows.filter(is_current=True) if version is None else rows.filter(version=version)).first()


def open_namespace_file(namespace: str, path: str, *, version: int | None = None) -> IO[bytes]:
    """Open a file for streaming; the caller closes it. Raises NamespaceFileNotFoundError."""
    for _ in range(MAX_TRIES):
        row = get_namespace_file(namespace, path, version=version)
        # A purge or a delete may take the bytes away between the two reads.
        with suppress(StoredFileNotFoundError):
            return get_storage().open_read(row.uri)
    raise NamespaceFileNotFoundError(
        f'The content of file "{path}" of namespace {namespace} is missing in storage: upload it again.'
    )


def read_namespace_file(namespace: str, path: str, *, version: int | None = None) -> bytes:
    """Return the content of a file. Raises NamespaceFileNotFoundError."""
    with open_namespace_file(namespace, path, version=version) as stream:
        return stream.read()


def list_namespace_files(namespace: str) -> list[str]:
    """Return the paths of all files of a namespace, with a leading slash, sorted; folders are left out."""
    rows = NamespaceFile.objects.filter(namespace=namespace, is_current=True, is_directory=False)
    return sorted(rows.values_list("path", flat=True))


def write_namespace_file(
    namespace: str,
    path: str,
    content: bytes | IO[bytes] | Path,
    *,
    at: datetime,
    conflict: str = "OVERWRITE",
    on_stored: Callable[[NamespaceFile], None] | None = None,
) -> NamespaceFile:
    """
    Store a new version of a file and return its row; the older versions stay.

    Args:
        namespace: owner of the file.
        path: where it stands; a leading slash may be missing.
        content: bytes, a stream that is read to its end, or a file of this host.
        at: aware UTC moment of the write.
        conflict: what to do when the file exists: `OVERWRITE` makes a new version, `SKIP` returns the row that is there,
            `ERROR` refuses.
        on_stored: called with the new row in its transaction; again when that has to be repeated.

    Raises:
        NamespaceFileExistsError: the file exists and `conflict` is ERROR; or a folder has this path, or a file that of a parent.
        InvalidError: an unknown conflict mode or a bad path.

    Source: flow language, 16.2.
    """
    mode = conflict.upper()
    if mode not in CONFLICTS:
        raise InvalidError(f'A conflict is met with {", ".join(CONFLICTS)}; got "{conflict}".', code="conflict-mode")
    normal = normalise_path(path)
    existing = find_namespace_file(namespace, normal)
    if existing is not None and mode == "SKIP":
        return existing
    if existing is not None and mode == "ERROR":
        raise NamespaceFileExistsError(f'Namespace {namespace} has a file "{normal}" already: choose another path or OVERWRITE.')
    _check_free_path(namespace, normal)
    uri = str(namespace_file_version_address(namespace, normal))
    size = get_storage().write(uri, content)
    try:
        return _add_version(namespace, normal, uri=uri, size=size, at=at, is_new=mode == "ERROR", on_stored=on_stored)
    except BaseException:
        get_storage().delete(uri)
        raise


def make_namespace_folder(namespace: str, path: str, *, at: datetime) -> None:
    """Keep an empty folder; nothing happens when it exists. Raises NamespaceFileExistsError when a file has this path."""
    normal = normalise_path(path)
    _check_free_path(namespace, normal, may_be_folder=True)
    NamespaceFile.objects.get_or_create(
        namespace=namespace,
        path=normal,
        version=1,
        defaults={"is_directory": True, "uri": "", "size_bytes": 0, "created_at": at, "is_current": True},
    )


def delete_namespace_file(namespace: str, path: str, *, on_deleted: Callable[[list[str]], None] | None = None) -> list[str]:
    """
    Delete a file with all its versions, or a folder with all that is in it; return the paths of the deleted files.

    `on_deleted` is called with them in the transaction that takes the rows away.
    """
    normal = normalise_path(path)
    rows = list(_select_tree(namespace, normal))
    deleted = sorted({row.path for row in rows if not row.is_directory and row.is_current})
    with transaction.atomic():
        NamespaceFile.objects.filter(id__in=[row.id for row in rows]).delete()
        if on_deleted is not None:
            on_deleted(deleted)
    # Rows first: who still holds one finds no bytes, which is a clean error; bytes without a row are only waste.
    for row in rows:
        if not row.is_directory:
            get_storage().delete(row.uri)
    return deleted


def move_namespace_file(namespace: str, source: str, target: str) -> list[str]:
    """
    Give a file or a folder another path, with all versions, and return the new paths of the moved files.

    Raises:
        NamespaceFileNotFoundError: nothing has the path `source`.
        NamespaceFileExistsError: something has the path `target`, or `target` lies in `source`.
    """
    old, new = normalise_path(source), normalise_path(target)
    if new == old or new.startswith(f"{old}/"):
        raise NamespaceFileExistsError(f'"{old}" cannot move to "{new}": that is the same place or inside it.')
    with transaction.atomic():
        rows = list(_select_tree(namespace, old).select_for_update())
        if not rows:
            raise NamespaceFileNotFoundError(f'Namespace {namespace} has no file or folder "{old}".')
        if _select_tree(namespace, new).exists():
            raise NamespaceFileExistsError(f'Namespace {namespace} has a file or folder "{new}" already: delete it first.')
        _check_free_path(namespace, new)
        for row in rows:
            row.path = normalise_path(new + row.path[len(old) :])
        NamespaceFile.objects.bulk_update(rows, ["path"])
    return sorted({row.path for row in rows if not row.is_directory and row.is_current})


def purge_namespace_files(
    *,
    namespaces: Collection[str] | None = None,
    namespace_pattern: str | None = None,
    include_child_namespaces: bool = True,
    file_pattern: str | None = None,
    behavior: Mapping[str, Any] | None = None,
) -> int:
    """
    Delete old versions of files and return how many; the newest version of a file always stays.

    Args:
        namespaces, namespace_pattern, include_child_namespaces: which namespaces; all when none are named.
        file_pattern: glob of paths, `**` crosses folders.
        behavior: `{type: version, keepAmount: 1}` keeps that many, `{type: version, before: moment}` deletes what is older.

    Source: core tasks, 6.4, PurgeFiles.
    """
    behavior = behavior or {"type": "version", "keepAmount": 1}
    chosen = choose_namespaces(namespaces, namespace_pattern, include_child_namespaces)
    before = _parse_moment(behavior["before"]) if behavior.get("before") else None
    keep = max(1, int(behavior.get("keepAmount") or 1))
    doomed: list[NamespaceFile] = []
    position: dict[tuple[str, str], int] = {}
    for row in NamespaceFile.objects.filter(is_directory=False).order_by("namespace", "path", "-version").iterator():
        place = (row.namespace, row.path)
        position[place] = position.get(place, 0) + 1
        if row.is_current or not chosen(row.namespace) or (file_pattern and not matches_path(file_pattern, row.path)):
            continue
        if row.created_at < before if before else position[place] > keep:
            doomed.append(row)
    NamespaceFile.objects.filter(id__in=[row.id for row in doomed]).delete()
    for row in doomed:
        get_storage().delete(row.uri)
    return len(doomed)


def matches_path(pattern: str, path: str) -> bool:
    """Tell whether a path with a leading slash matches a glob; a glob that begins with a letter or digit matches at any depth."""
    return _compile_pattern(pattern).fullmatch(path) is not None


@lru_cache(maxsize=128)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    if pattern[:1].isalnum() or pattern.startswith("_"):
        pattern = f"**/{pattern}"
    parts = re.split(r"(\*\*|\*|\?)", pattern if pattern.startswith(("/", "**")) else f"/{pattern}")
    meaning = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts))


def _parse_moment(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidError(f'"before" must be a moment such as 2031-05-04T10:00:00Z; got "{value}".', code="moment") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _select_tree(namespace: str, path: str) -> Any:
    rows = NamespaceFile.objects.filter(namespace=namespace)
    return rows.filter(path=path) | rows.filter(path__startswith=f"{path}/")


def _parents(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) != "":
        yield path


def _check_free_path(namespace: str, path: str, *, may_be_folder: bool = False) -> None:
    rows = NamespaceFile.objects.filter(namespace=namespace, is_current=True)
    blocking = rows.filter(path__in=list(_parents(path)), is_directory=False).values_list("path", flat=True).first()
    if blocking:
        raise NamespaceFileExistsError(f'Namespace {namespace} has a file "{blocking}", so nothing can lie in it as in a folder.')
    if may_be_folder:
        if rows.filter(path=path, is_directory=False).exists():
            raise NamespaceFileExistsError(f'Namespace {namespace} has a file "{path}", so it cannot be a folder.')
    elif rows.filter(path=path, is_directory=True).exists() or rows.filter(path__startswith=f"{path}/").exists():
        raise NamespaceFileExistsError(f'Namespace {namespace} has a folder "{path}", so it cannot be a file.')


def _add_version(
    namespace: str,
    path: str,
    *,
    uri: str,
    size: int,
    at: datetime,
    is_new: bool,
    on_stored: Callable[[NamespaceFile], None] | None,
) -> NamespaceFile:
    for attempt in range(1, MAX_TRIES + 1):
        try:
            with transaction.atomic():
                rows = NamespaceFile.objects.filter(namespace=namespace, path=path)
                newest = rows.select_for_update().order_by("-version").first()
                if newest is not None and is_new:
                    raise NamespaceFileExistsError(f'Namespace {namespace} has a file "{path}" already.')
                rows.filter(is_current=True).update(is_current=False)
                row = NamespaceFile.objects.create(
                    namespace=namespace,
                    path=path,
                    version=newest.version + 1 if newest else 1,
                    uri=uri,
                    size_bytes=size,
                    created_at=at,
                )
                if on_stored is not None:
                    on_stored(row)
                return row
        except IntegrityError:
            if attempt == MAX_TRIES:
                raise
    raise AssertionError("unreachable")

"""Storage, key-value pairs and namespace files as one task run may use them: the plugin contract's protocols on real parts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.db.models import Q
from django.utils import timezone

from flows.engine import files
from flows.models import Flow, KeyValue, Namespace
from flows.models.key_values import delete_key_value, list_keys, purge_key_values, read_key_value, write_key_value
from flows.plugin_api import rows as row_files
from flows.primitives.errors import InvalidError, NotFoundError
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.storage import get_storage
from flows.storage.uri import (
    Address,
    ForeignFileError,
    InvalidAddressError,
    check_may_read,
    execution_folder,
    namespace_files_folder,
    task_file_address,
    trigger_file_address,
    unique_file_name,
)

NAMESPACE_FILE_SCHEME = "nsfile://"
# Rows up to this size never touch the disk before they are stored.
SPOOL_BYTES = 1024 * 1024


class RunStorage:
    """
    Internal storage with the rights of one execution. Addresses are `kestra:///...`, or `nsfile:///path` and
    `nsfile://other.namespace/path` for files of namespaces.

    Args:
        task_id, task_run_id: owner of the files that are put.
        related_execution_ids: executions that this one came from; their files may be read.
        trigger_id: given instead of a task for what a trigger stores for the execution that it starts.
    """

    def __init__(
        self,
        namespace: str,
        flow_id: str,
        execution_id: str,
        task_id: str = "",
        task_run_id: str = "",
        related_execution_ids: Iterable[str] = (),
        *,
        trigger_id: str | None = None,
    ) -> None:
        self._namespace = namespace
        self._flow_id = flow_id
        self._execution_id = execution_id
        self._task_id = task_id
        self._task_run_id = task_run_id
        self._trigger_id = trigger_id
        self._related = frozenset(related_execution_ids)

    def open(self, uri: str) -> AbstractContextManager[IO[bytes]]:
        """Open a stored file for reading. Raises NotFoundError, ForbiddenError or InvalidAddressError."""
        return get_storage().open_read(self._locate(uri))

    def put(self, source: Path | IO[bytes] | bytes, name: str) -> str:
        """Store a file under a name of its own and return its address."""
        uri = str(self._new_address(name))
        get_storage().write(uri, source)
        return uri

    def exists(self, uri: str) -> bool:
        """Tell whether the file exists. Raises ForbiddenError for a file of somebody else, whether it exists or not."""
        try:
            return get_storage().exists(self._locate(uri))
        except NotFoundError:
            return False

    def size(self, uri: str) -> int:
        """Return the size in bytes."""
        return get_storage().size(self._locate(uri))

    def delete(self, uri: str) -> bool:
        """Delete a file; False when there was none. A namespace file goes with all its versions."""
        if uri.startswith(NAMESPACE_FILE_SCHEME):
            namespace, path = self._split_namespace_file(uri)
            return bool(files.delete_namespace_file(namespace, path))
        address = self._check(uri)
        folder = namespace_files_folder(self._namespace)
        if not address.is_below(folder):
            return get_storage().delete(str(address))
        path = "/".join(address.parts[len(folder.parts) :])
        if files.find_namespace_file(self._namespace, path) is None and get_storage().exists(str(address)):
            raise ForeignFileError(
                f'"{uri}" is one version of a namespace file: delete the file by its path, as nsfile:///{path}.'
            )
        return bool(files.delete_namespace_file(self._namespace, path))

    def delete_execution_files(self) -> list[str]:
        """Delete every file of the execution and return the addresses, sorted, may be empty."""
        return get_storage().delete_prefix(str(execution_folder(self._namespace, self._flow_id, self._execution_id)))

    def read_rows(self, uri: str) -> Iterator[Any]:
        """Yield the values of a row file; the file is closed when the last one was taken."""
        with self.open(uri) as stream:
            yield from row_files.read_rows(stream, name=uri)

    def write_rows(self, rows: Iterable[Any], name: str = "rows.ion") -> tuple[str, int]:
        """Write a row file and return its address and the number of rows; nothing is stored when `rows` raises."""
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            count = row_files.write_rows(spool, rows)
            spool.seek(0)
            return self.put(spool, name), count

    def _new_address(self, name: str) -> Address:
        unique = unique_file_name(name)
        where = (self._namespace, self._flow_id, self._execution_id)
        if self._trigger_id is not None:
            return trigger_file_address(*where, trigger_id=self._trigger_id, name=unique)
        return task_file_address(*where, task_id=self._task_id, task_run_id=self._task_run_id, name=unique)

    def _check(self, uri: str) -> Address:
        return check_may_read(
            uri,
            namespace=self._namespace,
            flow_id=self._flow_id,
            execution_id=self._execution_id,
            related_execution_ids=self._related,
        )

    def _locate(self, uri: str) -> str:
        """Return the address of the bytes: that of the current version for a file of a namespace."""
        if uri.startswith(NAMESPACE_FILE_SCHEME):
            namespace, path = self._split_namespace_file(uri)
            return files.get_namespace_file(namespace, path).uri
        if uri.startswith("file://"):
            raise InvalidAddressError(
                f'"{uri}" lies on the worker\'s own disk, which flows may not read: hand the file over as an input, or '
                "upload it to the namespace and use nsfile:///."
            )
        address = self._check(uri)
        folder = namespace_files_folder(self._namespace)
        if address.is_below(folder):
            row = files.find_namespace_file(self._namespace, "/".join(address.parts[len(folder.parts) :]))
            if row is not None:
                return row.uri
        return str(address)

    def _split_namespace_file(self, uri: str) -> tuple[str, str]:
        namespace, _, path = uri.removeprefix(NAMESPACE_FILE_SCHEME).partition("/")
        if namespace:
            check_name(NameKind.NAMESPACE, namespace)
        return namespace or self._namespace, path


class RunKeyValues:
    """The key-value store with the rights of a flow: any namespace that exists. `at` gives the aware UTC moment of the call."""

    def __init__(self, namespace: str, at: Callable[[], datetime]) -> None:
        self._namespace = namespace
        self._at = at

    def get(self, key: str, *, namespace: str | None = None, inherit: bool = False) -> Any:
        """Return the value as expressions see it. Raises NotFoundError when it is missing or expired."""
        return read_key_value(namespace or self._namespace, key, at=self._at(), inherit=inherit)

    def set(
        self,
        key: str,
        value: Any,
        *,
        namespace: str | None = None,
        kind: str | None = None,
        ttl: timedelta | None = None,
        overwrite: bool = True,
        description: str | None = None,
    ) -> None:
        """Store a value. Raises InvalidError for a bad key or value, NotFoundError for a foreign namespace that nobody uses."""
        check_name(NameKind.KEY, key)
        if namespace and namespace != self._namespace:
            check_name(NameKind.NAMESPACE, namespace)
            check_namespace_exists(namespace)
        write_key_value(
            namespace or self._namespace,
            key,
            value,
            at=self._at(),
            kind=kind,
            ttl=ttl,
            overwrite=overwrite,
            description=description,
        )

    def delete(self, key: str, *, namespace: str | None = None) -> bool:
        """Delete a key; False when it was missing or expired."""
        return delete_key_value(namespace or self._namespace, key, at=self._at())

    def keys(self, *, prefix: str = "", namespace: str | None = None) -> list[str]:
        """Return the keys that are not expired, sorted."""
        return list_keys(namespace or self._namespace, at=self._at(), prefix=prefix)

    def purge(self, **options: Any) -> int:
        """Delete pairs and return how many; options as `purge_key_values`."""
        return purge_key_values(at=self._at(), **options)


class RunNamespaceFiles:
    """The files of namespaces, by path with a leading slash; a flow may use those of any namespace."""

    def __init__(self, namespace: str, at: Callable[[], datetime] = timezone.now) -> None:
        self._namespace = namespace
        self._at = at

    def read(self, path: str, *, namespace: str | None = None) -> bytes:
        """Return the content of the newest version. Raises NotFoundError."""
        return files.read_namespace_file(namespace or self._namespace, path)

    def write(self, path: str, content: bytes, *, namespace: str | None = None, conflict: str = "OVERWRITE") -> str:
        """Store a new version and return its address; `conflict` is OVERWRITE, ERROR or SKIP."""
        if namespace:
            check_name(NameKind.NAMESPACE, namespace)
        return files.write_namespace_file(namespace or self._namespace, path, content, at=self._at(), conflict=conflict).uri

    def delete(self, path: str, *, namespace: str | None = None) -> bool:
        """Delete a file or a folder; False when there was none."""
        return bool(files.delete_namespace_file(namespace or self._namespace, path))

    def list(self, *, namespace: str | None = None) -> list[str]:
        """Return the paths of all files, with a leading slash, sorted."""
        return files.list_namespace_files(namespace or self._namespace)

    def purge(self, **options: Any) -> int:
        """Delete old versions and return how many; options as `purge_namespace_files`."""
        return files.purge_namespace_files(**options)


def check_name(kind: NameKind, name: str) -> None:
    """Raise InvalidError when the text may not name a thing of this kind."""
    fault = find_name_fault(kind, name)
    if fault is not None:
        raise InvalidError(f'The {kind} "{name[:100]}" {fault}.', code=f"{kind.replace(' ', '-')}-name")


def check_namespace_exists(namespace: str) -> None:
    """Raise NotFoundError when the namespace owns no flow, no key and no description, and no child of it owns a flow."""
    of_flows = Q(namespace=namespace) | Q(namespace__startswith=f"{namespace}.")
    if (
        Flow.objects.filter(of_flows, deleted=False).exists()
        or KeyValue.objects.filter(namespace=namespace).exists()
        or Namespace.objects.filter(id=namespace).exists()
    ):
        return
    raise NotFoundError(
        f"Namespace {namespace} does not exist: it has no flow, no key and no description.", code="namespace-not-found"
    )

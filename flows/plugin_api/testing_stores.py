"""The stores of `FakeContext`: execution files in a folder, key-values and namespace files in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from flows.plugin_api import rows
from flows.primitives.durations import format_duration, parse_duration
from flows.primitives.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

_SCHEME = "kestra://"


class FakeStorage:
    """Files of one task run below a folder; addresses outside the flow's namespace are refused."""

    def __init__(self, root: Path, task_prefix: str, execution_prefix: str) -> None:
        self._root = root
        self._task_prefix = task_prefix
        self._execution_prefix = execution_prefix
        self._count = 0

    def _path(self, uri: str) -> Path:
        path = uri.removeprefix(_SCHEME)
        if not uri.startswith(_SCHEME) or ".." in PurePosixPath(path).parts:
            raise ForbiddenError(f'"{uri}" is no address that this task may read. Expected kestra:///...', code="storage-address")
        return self._root / path.lstrip("/")

    def _stored(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.is_file():
            raise NotFoundError(f'There is no stored file "{uri}".', code="unknown-file")
        return path

    def open(self, uri: str) -> AbstractContextManager[IO[bytes]]:
        return self._stored(uri).open("rb")

    def put(self, source: Path | IO[bytes] | bytes, name: str) -> str:
        self._count += 1
        uri = f"{_SCHEME}{self._task_prefix}/{self._count:08d}-{PurePosixPath(name).name}"
        path = self._path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        elif isinstance(source, Path):
            shutil.copyfile(source, path)
        else:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target)
        return uri

    def exists(self, uri: str) -> bool:
        return self._path(uri).is_file()

    def size(self, uri: str) -> int:
        return self._stored(uri).stat().st_size

    def delete(self, uri: str) -> bool:
        path = self._path(uri)
        existed = path.is_file()
        path.unlink(missing_ok=True)
        return existed

    def delete_execution_files(self) -> list[str]:
        folder = self._path(_SCHEME + self._execution_prefix)
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        for path in found:
            path.unlink()
        return [f"{_SCHEME}/{path.relative_to(self._root).as_posix()}" for path in found]

    def read_rows(self, uri: str) -> Iterator[Any]:
        with self.open(uri) as stream:
            yield from rows.read_rows(stream, name=uri)

    def write_rows(self, values: Iterable[Any], name: str = "rows.ion") -> tuple[str, int]:
        uri = self.put(b"", name)
        with self._path(uri).open("wb") as stream:
            return uri, rows.write_rows(stream, values)


@dataclass(frozen=True, slots=True)
class _Stored:
    value: Any
    expires_at: datetime | None
    written_at: datetime
    description: str | None


class FakeKeyValues:
    """Key-values by namespace. `kind` converts like production; expired keys count as missing."""

    def __init__(self, own_namespace: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._own = own_namespace
        self._now = now
        self._values: dict[tuple[str, str], list[_Stored]] = {}

    def _live(self, namespace: str, key: str) -> _Stored | None:
        versions = self._values.get((namespace, key))
        if not versions or ((end := versions[-1].expires_at) is not None and end <= self._now()):
            return None
        return versions[-1]

    def get(self, key: str, *, namespace: str | None = None, inherit: bool = False) -> Any:
        place = namespace or self._own()
        while True:
            found = self._live(place, key)
            if found is not None:
                return found.value
            if not inherit or "." not in place:
                raise NotFoundError(f'Namespace "{namespace or self._own()}" has no key "{key}".', code="unknown-key")
            place = place.rpartition(".")[0]

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
        place = namespace or self._own()
        if not overwrite and self._live(place, key) is not None:
            raise ConflictError(
                f'Namespace "{place}" already has a key "{key}" and overwriting was not asked for.', code="key-exists"
            )
        stored = _Stored(_convert(key, value, kind), self._now() + ttl if ttl else None, self._now(), description)
        self._values.setdefault((place, key), []).append(stored)

    def delete(self, key: str, *, namespace: str | None = None) -> bool:
        place = namespace or self._own()
        existed = self._live(place, key) is not None
        self._values.pop((place, key), None)
        return existed

    def keys(self, *, prefix: str = "", namespace: str | None = None) -> list[str]:
        place = namespace or self._own()
        return sorted(k for owner, k in self._values if owner == place and k.startswith(prefix) and self._live(owner, k))

    def purge(self, **options: Any) -> int:
        """Remove keys or old versions; options as the properties of kv.PurgeKV in snake_case, `behavior` as a dict."""
        behavior = options.get("behavior") or {"type": "key", "expiredOnly": True}
        removed = 0
        for namespace, key in list(self._values):
            if not is_chosen_namespace(namespace, options) or not fnmatchcase(key, options.get("key_pattern") or "*"):
                continue
            removed += self._purge_key((namespace, key), behavior)
        return removed

    def _purge_key(self, at: tuple[str, str], behavior: dict[str, Any]) -> int:
        versions = self._values[at]
        if behavior["type"] == "key":
            if behavior.get("expiredOnly", True) and self._live(*at) is not None:
                return 0
            return len(self._values.pop(at))
        keep = kept_versions([stored.written_at for stored in versions], behavior)
        removed = len(versions) - len(keep)
        self._values[at] = [versions[index] for index in keep]
        return removed


def is_chosen_namespace(namespace: str, options: dict[str, Any]) -> bool:
    """Tell whether purge options (`namespaces`, `namespace_pattern`, `include_child_namespaces`) choose a namespace."""
    if pattern := options.get("namespace_pattern"):
        return fnmatchcase(namespace, pattern)
    chosen = options.get("namespaces")
    if not chosen:
        return True
    children = options.get("include_child_namespaces", True)
    return any(namespace == name or (children and namespace.startswith(f"{name}.")) for name in chosen)


def kept_versions(written_at: list[datetime], behavior: dict[str, Any]) -> list[int]:
    """Return the indexes of the versions that a purge keeps, oldest first; the newest always stays."""
    last = len(written_at) - 1
    if before := behavior.get("before"):
        return [i for i, at in enumerate(written_at) if at >= before or i == last]
    amount = max(1, int(behavior.get("keepAmount") or 1))
    return list(range(max(0, len(written_at) - amount), len(written_at)))


def _convert(key: str, value: Any, kind: str | None) -> Any:
    if kind is None:
        return value
    try:
        if kind == "NUMBER":
            number = float(value)
            return int(number) if number.is_integer() else number
        if kind == "BOOLEAN":
            return str(value).lower() == "true"
        if kind == "DURATION":
            return format_duration(parse_duration(value))
        if kind in {"DATETIME", "DATE"} and isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.date() if kind == "DATE" else moment
        if kind == "STRING":
            return str(value)
    except ValueError:
        raise InvalidError(f'The value of key "{key}" is no {kind}: "{value}".', code="key-value-type") from None
    return value


class FakeNamespaceFiles:
    """Files of namespaces by path; every write adds a version. `folders` keeps the folders that were made on the way."""

    def __init__(self, own_namespace: Callable[[], str]) -> None:
        self._own = own_namespace
        self._files: dict[tuple[str, str], list[bytes]] = {}
        self.folders: set[tuple[str, str]] = set()

    def _at(self, path: str, namespace: str | None) -> tuple[str, str]:
        if ".." in PurePosixPath(path).parts:
            raise ForbiddenError(f'The path "{path}" leaves the namespace.', code="file-path")
        return namespace or self._own(), f"/{path.lstrip('/')}"

    def read(self, path: str, *, namespace: str | None = None) -> bytes:
        at = self._at(path, namespace)
        if at not in self._files:
            raise NotFoundError(f'Namespace "{at[0]}" has no file "{at[1]}".', code="unknown-file")
        return self._files[at][-1]

    def write(self, path: str, content: bytes, *, namespace: str | None = None, conflict: str = "OVERWRITE") -> str:
        at = self._at(path, namespace)
        if at in self._files and conflict == "ERROR":
            raise ConflictError(f'Namespace "{at[0]}" already has a file "{at[1]}".', code="file-exists")
        if at not in self._files or conflict == "OVERWRITE":
            self._files.setdefault(at, []).append(content)
            self.folders |= {(at[0], str(folder)) for folder in PurePosixPath(at[1]).parents if str(folder) != "/"}
        return f"{_SCHEME}/{at[0].replace('.', '/')}/_files{at[1]}"

    def delete(self, path: str, *, namespace: str | None = None) -> bool:
        at = self._at(path, namespace)
        if at in self.folders:
            for file in [f for f in self._files if f[0] == at[0] and f[1].startswith(f"{at[1]}/")]:
                del self._files[file]
        self.folders.discard(at)
        return self._files.pop(at, None) is not None

    def list(self, *, namespace: str | None = None) -> list[str]:
        place = namespace or self._own()
        return sorted(path for owner, path in self._files if owner == place)

    def purge(self, **options: Any) -> int:
        """Remove old versions; options as the properties of namespace.PurgeFiles in snake_case, `behavior` as a dict."""
        keep = max(1, int((options.get("behavior") or {}).get("keepAmount") or 1))
        removed = 0
        for (namespace, path), versions in self._files.items():
            if is_chosen_namespace(namespace, options) and fnmatchcase(path, options.get("file_pattern") or "*"):
                removed += max(0, len(versions) - keep)
                del versions[:-keep]
        return removed

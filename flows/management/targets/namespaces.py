"""The namespaces that commands work on, with their files and secrets: of this database, or of another installation."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Protocol

from django.utils import timezone

from flows.management.presenters import FILE, NAMESPACE, SECRET, Json, narrow, present_file, present_namespace, present_secret
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.targets.server import Query, Server, Upload
from flows.operations import namespace_files as files
from flows.operations import namespaces as operations
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.queries.criteria import SortError
from flows.queries.pages import Window, slice_page


class Namespaces(Protocol):
    """What commands do with namespaces and secrets. `settings` holds `description` and `variables`, as far as they change."""

    def search(self, query: str, *, existing_only: bool, window: Window) -> list[Json]:
        """Return one page of namespaces, parents of used ones included."""

    def get(self, namespace: str) -> Json:
        """Return a namespace. Raises NotFoundError."""

    def save(self, namespace: str, settings: Json, *, is_new: bool, dry_run: bool) -> Json:
        """Describe a namespace for the first time, or change it. Raises ConflictError, NotFoundError, InvalidError."""

    def delete(self, namespace: str) -> None:
        """Delete a namespace with what it owns. Raises NotFoundError, ConflictError."""

    def list_secrets(self, namespace: str | None) -> list[Json]:
        """Return the stored secrets of one or all namespaces, without their values."""

    def list_inherited_secrets(self, namespace: str) -> dict[str, list[str]]:
        """Return the names of the secrets that flows of a namespace may use, by owner; the empty owner is the environment."""

    def set_secret(self, namespace: str, key: str, value: str, *, description: str | None, dry_run: bool) -> None:
        """Store a secret. Raises InvalidError."""

    def delete_secret(self, namespace: str, key: str, *, dry_run: bool) -> None:
        """Delete a secret. Raises NotFoundError."""


class NamespaceFiles(Protocol):
    """What commands do with the files of namespaces. Paths begin with a slash."""

    def list_folder(self, namespace: str, path: str) -> list[Json]:
        """Return what lies directly in a folder. Raises NotFoundError."""

    def search(self, namespace: str, query: str = "") -> list[str]:
        """Return the paths of the files that hold a text, sorted."""

    def exists(self, namespace: str, path: str) -> bool:
        """Tell whether a file or folder has this path."""

    def open(self, namespace: str, path: str, *, revision: int | None = None) -> IO[bytes]:
        """Open a file for reading. Raises NotFoundError."""

    def put(self, namespace: str, path: str, source: Path) -> None:
        """Store a file under a path. Raises InvalidError."""

    def delete(self, namespace: str, path: str) -> None:
        """Delete a file or folder. Raises NotFoundError."""

    def move(self, namespace: str, source: str, target: str) -> None:
        """Give a file or folder another path. Raises NotFoundError, ConflictError."""

    def export(self, namespace: str, target: IO[bytes]) -> None:
        """Write all files as a zip."""


class LocalNamespaces:
    """The namespaces of this database."""

    def search(self, query: str, *, existing_only: bool, window: Window) -> list[Json]:
        found = operations.list_namespaces(query=query, existing_only=existing_only)
        for name, direction in reversed(window.sort):
            if name != "id":
                raise SortError(f'Namespaces can be sorted by "id" only; got "{name}".')
            found = sorted(found, key=lambda info: info.id, reverse=direction == "desc")
        return [present_namespace(info) for info in slice_page(found, window).results]

    def get(self, namespace: str) -> Json:
        return present_namespace(operations.get_namespace(namespace))

    def save(self, namespace: str, settings: Json, *, is_new: bool, dry_run: bool) -> Json:
        change = operations.create_namespace if is_new else operations.update_namespace
        with undone_if(dry_run):
            return present_namespace(change(namespace, **settings, at=timezone.now(), actor=ACTOR))

    def delete(self, namespace: str) -> None:
        operations.delete_namespace(namespace, at=timezone.now(), actor=ACTOR)

    def list_secrets(self, namespace: str | None) -> list[Json]:
        return [present_secret(row) for row in operations.list_secrets(namespace)]

    def list_inherited_secrets(self, namespace: str) -> dict[str, list[str]]:
        return operations.list_inherited_secrets(namespace)

    def set_secret(self, namespace: str, key: str, value: str, *, description: str | None, dry_run: bool) -> None:
        with undone_if(dry_run):
            operations.set_secret(namespace, key, value, description=description, at=timezone.now(), actor=ACTOR)

    def delete_secret(self, namespace: str, key: str, *, dry_run: bool) -> None:
        with undone_if(dry_run):
            operations.delete_secret(namespace, key, at=timezone.now(), actor=ACTOR)


class LocalNamespaceFiles:
    """The files of this installation."""

    def list_folder(self, namespace: str, path: str) -> list[Json]:
        files.stat_file(namespace, path)
        return [present_file(facts) for facts in files.list_folder(namespace, path)]

    def search(self, namespace: str, query: str = "") -> list[str]:
        return files.search_files(namespace, query)

    def exists(self, namespace: str, path: str) -> bool:
        try:
            files.stat_file(namespace, path)
        except NotFoundError:
            return False
        return True

    def open(self, namespace: str, path: str, *, revision: int | None = None) -> IO[bytes]:
        return files.open_file(namespace, path, version=revision)

    def put(self, namespace: str, path: str, source: Path) -> None:
        files.put_file(namespace, path, source, at=timezone.now(), actor=ACTOR)

    def delete(self, namespace: str, path: str) -> None:
        files.delete_file(namespace, path, at=timezone.now(), actor=ACTOR)

    def move(self, namespace: str, source: str, target: str) -> None:
        files.move_file(namespace, source, target, at=timezone.now(), actor=ACTOR)

    def export(self, namespace: str, target: IO[bytes]) -> None:
        target.write(files.export_files(namespace))


class RemoteNamespaces:
    """The namespaces of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def search(self, query: str, *, existing_only: bool, window: Window) -> list[Json]:
        wanted: list[tuple[str, Any]] = [("page", window.page), ("size", window.size), ("existing", existing_only)]
        wanted += [("q", query)] if query else []
        wanted += [("sort", f"{name}:{direction}") for name, direction in window.sort]
        rows = self._server.get("namespaces", "search", query=wanted)["results"]
        return [narrow(row, NAMESPACE, drop_empty=True) for row in rows]

    def get(self, namespace: str) -> Json:
        return narrow(self._server.get("namespaces", namespace), NAMESPACE, drop_empty=True)

    def save(self, namespace: str, settings: Json, *, is_new: bool, dry_run: bool) -> Json:
        if dry_run:
            return self._try_save(namespace, settings, is_new=is_new)
        body = {"id": namespace, **settings}
        answer = (
            self._server.send("POST", "namespaces", body=body)
            if is_new
            else self._server.send("PUT", "namespaces", namespace, body=body)
        )
        return narrow(answer, NAMESPACE, drop_empty=True)

    def _try_save(self, namespace: str, settings: Json, *, is_new: bool) -> Json:
        try:
            before = self.get(namespace)
        except NotFoundError:
            if not is_new:
                raise
            before = {"id": namespace, "deleted": False}
        if is_new and (before.get("description") or before.get("variables")):
            raise ConflictError(f"Namespace {namespace} is described already: update it instead.", code="namespace-exists")
        return narrow({**before, **settings}, NAMESPACE, drop_empty=True)

    def delete(self, namespace: str) -> None:
        self._server.send("DELETE", "namespaces", namespace)

    def list_secrets(self, namespace: str | None) -> list[Json]:
        parts = ("secrets",) if namespace is None else ("namespaces", namespace, "secrets")
        return [narrow(row, SECRET, drop_empty=True) for row in self._server.list_all(*parts)]

    def list_inherited_secrets(self, namespace: str) -> dict[str, list[str]]:
        return dict(self._server.get("namespaces", namespace, "inherited-secrets"))

    def set_secret(self, namespace: str, key: str, value: str, *, description: str | None, dry_run: bool) -> None:
        body = {"key": key, "value": value} | ({} if description is None else {"description": description})
        if not dry_run:
            self._server.send("PUT", "namespaces", namespace, "secrets", body=body)

    def delete_secret(self, namespace: str, key: str, *, dry_run: bool) -> None:
        if not dry_run:
            self._server.send("DELETE", "namespaces", namespace, "secrets", key)
        elif not any(row["key"] == key for row in self.list_secrets(namespace)):
            raise NotFoundError(f'Namespace {namespace} has no secret "{key}".', code="secret-not-found")


class RemoteNamespaceFiles:
    """The files of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def list_folder(self, namespace: str, path: str) -> list[Json]:
        query: Query = [("path", path)]
        self._server.get("namespaces", namespace, "files", "stats", query=query)
        found = self._server.get("namespaces", namespace, "files", "directory", query=query)
        return [narrow(facts, FILE) for facts in found]

    def search(self, namespace: str, query: str = "") -> list[str]:
        return list(self._server.get("namespaces", namespace, "files", "search", query=[("q", query)]))

    def exists(self, namespace: str, path: str) -> bool:
        try:
            self._server.get("namespaces", namespace, "files", "stats", query=[("path", path)])
        except NotFoundError:
            return False
        return True

    def open(self, namespace: str, path: str, *, revision: int | None = None) -> IO[bytes]:
        query: list[tuple[str, Any]] = [("path", path)]
        if revision is not None:
            query.append(("revision", revision))
        stream: IO[bytes] = self._server.open("namespaces", namespace, "files", query=query)
        return stream

    def put(self, namespace: str, path: str, source: Path) -> None:
        if path.lower().endswith(".zip"):
            raise InvalidError(
                f"{path}: the API unpacks archives instead of keeping them. Give the file another ending, or upload a folder.",
                code="archive-upload",
            )
        with source.open("rb") as stream:
            upload = {"fileContent": Upload(source.name, stream)}
            self._server.send_form("namespaces", namespace, "files", query=[("path", path)], files=upload)

    def delete(self, namespace: str, path: str) -> None:
        self._server.send("DELETE", "namespaces", namespace, "files", query=[("path", path)])

    def move(self, namespace: str, source: str, target: str) -> None:
        self._server.send("PUT", "namespaces", namespace, "files", query=[("from", source), ("to", target)])

    def export(self, namespace: str, target: IO[bytes]) -> None:
        with closing(self._server.open("namespaces", namespace, "files", "export")) as stream:
            shutil.copyfileobj(stream, target)

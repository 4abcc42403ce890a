"""A storage in front of another one: writes and deletions stay in front, what is behind is only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from flows.storage.contract import Storage, StoredFile


class OverlayStorage:
    """
    Shows the files of `behind` under those of `front`, and never changes `behind`.

    Which files were deleted is known in this object only: it serves one process, for as long as that process works.
    """

    def __init__(self, front: Storage, behind: Storage) -> None:
        self._front = front
        self._behind = behind
        self._deleted: set[str] = set()

    def _holder_of(self, uri: str) -> Storage:
        return self._front if uri in self._deleted or self._front.exists(uri) else self._behind

    def open_read(self, uri: str) -> IO[bytes]:
        """Open a file for streaming; the caller closes it. Raises StoredFileNotFoundError."""
        return self._holder_of(uri).open_read(uri)

    def write(self, uri: str, source: bytes | IO[bytes] | Path) -> int:
        """Store the source in front and return its size in bytes."""
        size = self._front.write(uri, source)
        self._deleted.discard(uri)
        return size

    def exists(self, uri: str) -> bool:
        """Tell whether a file lies at the address."""
        return self._holder_of(uri).exists(uri)

    def stat(self, uri: str) -> StoredFile:
        """Return size and moment of one file. Raises StoredFileNotFoundError."""
        return self._holder_of(uri).stat(uri)

    def size(self, uri: str) -> int:
        """Return the size in bytes. Raises StoredFileNotFoundError."""
        return self._holder_of(uri).size(uri)

    def delete(self, uri: str) -> bool:
        """Hide one file; False when there was none."""
        existed = self.exists(uri)
        self._front.delete(uri)
        self._deleted.add(uri)
        return existed

    def delete_prefix(self, prefix: str) -> list[str]:
        """Hide every file below a folder and return their addresses."""
        uris = [stored.uri for stored in self.list(prefix)]
        for uri in uris:
            self.delete(uri)
        return uris

    def move(self, source: str, target: str) -> None:
        """Give a file another address, replacing what was there. Raises StoredFileNotFoundError."""
        with self.open_read(source) as content:
            self.write(target, content)
        self.delete(source)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the files below a folder at every depth, sorted by address."""
        yield from self._merge(self._behind.list(prefix), self._front.list(prefix))

    def list_all(self) -> Iterator[StoredFile]:
        """Yield every file, sorted by address."""
        yield from self._merge(self._behind.list_all(), self._front.list_all())

    def _merge(self, behind: Iterator[StoredFile], front: Iterator[StoredFile]) -> Iterator[StoredFile]:
        found = {stored.uri: stored for stored in behind if stored.uri not in self._deleted}
        found.update((stored.uri, stored) for stored in front)
        for uri in sorted(found):
            yield found[uri]

"""What every storage backend can do. Addresses are `kestra:///...` texts; who may read which one is decided in `uri.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from flows.primitives.errors import FlowsError, NotFoundError


class StoredFileNotFoundError(NotFoundError):
    """No file lies at the address."""

    code = "file-not-found"


class StorageUnavailableError(FlowsError):
    """The storage behind the addresses does not answer, is full or is not configured."""

    code = "storage-unavailable"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored file: its address, its size in bytes and the aware UTC moment of its last write."""

    uri: str
    size_bytes: int
    modified_at: datetime


class Storage(Protocol):
    """
    A place for files, by address.

    Every method raises `InvalidAddressError` for a malformed address and `StorageUnavailableError` when the place itself
    fails. A file appears whole or not at all, also to readers that look while it is written. Folders exist only through the
    files in them. All methods are safe to call from several threads and processes at once.
    """

    def open_read(self, uri: str) -> IO[bytes]:
        """Open a file for streaming; the caller closes it. Raises StoredFileNotFoundError."""

    def write(self, uri: str, source: bytes | IO[bytes] | Path) -> int:
        """Store the source, replacing what was there, and return its size in bytes. A stream is read to its end, not closed."""

    def exists(self, uri: str) -> bool:
        """Tell whether a file lies at the address; a folder does not count."""

    def stat(self, uri: str) -> StoredFile:
        """Return size and moment of one file. Raises StoredFileNotFoundError."""

    def size(self, uri: str) -> int:
        """Return the size in bytes. Raises StoredFileNotFoundError."""

    def delete(self, uri: str) -> bool:
        """Delete one file; False when there was none."""

    def delete_prefix(self, prefix: str) -> list[str]:
        """Delete every file below a folder and return the addresses of the deleted files, may be empty."""

    def move(self, source: str, target: str) -> None:
        """Give a file another address, replacing what was there. Raises StoredFileNotFoundError."""

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the files below a folder at every depth, sorted by address; nothing when the folder does not exist."""

    def list_all(self) -> Iterator[StoredFile]:
        """Yield every file of the storage: for backups and purges, as no address names all of them."""

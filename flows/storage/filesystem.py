"""Files in a folder of this host. Every path is walked name by name from the root's descriptor, so no link leads out of it."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.primitives.errors import FlowsError
from flows.storage.contract import StorageUnavailableError, StoredFile, StoredFileNotFoundError
from flows.storage.uri import Address, InvalidAddressError, parse_address

# No address begins with a dot (see `_relative`), so drafts never show up in listings.
DRAFTS_FOLDER = ".drafts"
COPY_BYTES = 1024 * 1024
# A folder may vanish between its creation and the arrival of the file, when somebody deletes the last file in it.
MAX_TRIES = 20

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that somebody put there must not block the opening.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class FolderStorage:
    """
    Storage below one folder, which is made on first use. The folder itself may be a link; below it links are never followed.

    A write goes to a draft that is flushed to disk and then renamed, so it survives a crash whole or not at all.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def open_read(self, uri: str) -> IO[bytes]:
        address = _relative(uri)
        with self._failures(uri), self._parent(address) as folder:
            return os.fdopen(self._open_file(address, folder), "rb")

    def write(self, uri: str, source: bytes | IO[bytes] | Path) -> int:
        if isinstance(source, Path):
            with source.open("rb") as stream:
                return self.write(uri, stream)
        address = _relative(uri)
        draft = secrets.token_hex(16)
        with self._failures(uri), self._open_root() as root, self._open_folder(root, (DRAFTS_FOLDER,), create=True) as drafts:
            try:
                size = _write_draft(drafts, draft, source)
                self._publish(root, drafts, draft, address)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=drafts)
                raise
        return size

    def exists(self, uri: str) -> bool:
        try:
            self.stat(uri)
        except StoredFileNotFoundError:
            return False
        return True

    def stat(self, uri: str) -> StoredFile:
        address = _relative(uri)
        with self._failures(uri), self._parent(address) as folder:
            facts = os.stat(address.parts[-1], dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                raise _not_found(uri)
        return _describe(address, facts)

    def size(self, uri: str) -> int:
        return self.stat(uri).size_bytes

    def delete(self, uri: str) -> bool:
        address = _relative(uri)
        try:
            with self._failures(uri), self._parent(address) as folder:
                os.unlink(address.parts[-1], dir_fd=folder)
        except StoredFileNotFoundError:
            return False
        self._prune(address)
        return True

    def delete_prefix(self, prefix: str) -> list[str]:
        deleted = []
        for file in list(self.list(prefix)):
            if self.delete(file.uri):
                deleted.append(file.uri)
        return deleted

    def move(self, source: str, target: str) -> None:
        old, new = _relative(source), _relative(target)
        with self._failures(source), self._open_root() as root, self._open_folder(root, old.parts[:-1]) as folder:
            os.close(self._open_file(old, folder))
            self._publish(root, folder, old.parts[-1], new)
        self._prune(old)

    @contextmanager
    def _failures(self, uri: str) -> Iterator[None]:
        try:
            yield
        except FlowsError:
            raise
        except IsADirectoryError as error:
            raise InvalidAddressError(f'"{uri}" is a folder: name a file in it.') from error
        except OSError as error:
            if error.errno in _MISSING:
                raise _not_found(uri) from error
            raise StorageUnavailableError(
                f'The storage cannot use "{uri}" ({os.strerror(error.errno or 0)}): check the space, the owner and the '
                "permissions of its folder on the server."
            ) from error

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _open_folder(self, root: int, names: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        current = os.dup(root)
        try:
            for name in names:
                if create:
                    _make_folder(current, name)
                following = os.open(name, _FOLDER_FLAGS, dir_fd=current)
                os.close(current)
                current = following
            yield current
        finally:
            os.close(current)

    @contextmanager
    def _folder(self, address: Address) -> Iterator[int]:
        with self._open_root() as root, self._open_folder(root, address.parts) as folder:
            yield folder

    @contextmanager
    def _parent(self, address: Address) -> Iterator[int]:
        with self._open_root() as root, self._open_folder(root, address.parts[:-1]) as folder:
            yield folder

    def _open_file(self, address: Address, folder: int) -> int:
        descriptor = os.open(address.parts[-1], _READ_FLAGS, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _not_found(str(address))
        return descriptor

    def _publish(self, root: int, source_folder: int, source_name: str, address: Address) -> None:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with self._open_folder(root, address.parts[:-1], create=True) as folder:
                    os.rename(source_name, address.parts[-1], src_dir_fd=source_folder, dst_dir_fd=folder)
                    os.fsync(folder)
                return
            except FileNotFoundError:
                if attempt == MAX_TRIES:
                    raise
            except NotADirectoryError as error:
                raise InvalidAddressError(f'"{address}" cannot be written: a part of its path is a file already.') from error
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise InvalidAddressError(f'"{address}" cannot be written: a part of its path is a link.') from error
                raise

    def _prune(self, address: Address) -> None:
        """Remove the folders that became empty. A writer who needs one of them makes it again."""
        for depth in range(len(address.parts) - 1, 0, -1):
            try:
                with self._open_root() as root, self._open_folder(root, address.parts[: depth - 1]) as folder:
                    os.rmdir(address.parts[depth - 1], dir_fd=folder)
            except OSError:
                return

    def list(self, prefix: str) -> Iterator[StoredFile]:
        address = _relative(prefix)
        with suppress(StoredFileNotFoundError), self._failures(prefix), self._folder(address) as folder:
            yield from _walk(folder, address)

    def list_all(self) -> Iterator[StoredFile]:
        with self._failures("kestra:///"), self._open_root() as root:
            yield from _walk(root, Address(()))


def _relative(uri: str) -> Address:
    address = parse_address(uri)
    if address.parts[0].startswith("."):
        raise InvalidAddressError(f'"{address}" is no stored file: the first name must not begin with a dot.')
    return address


def _make_folder(parent: int, name: str) -> None:
    try:
        os.mkdir(name, mode=0o700, dir_fd=parent)
    except FileExistsError:
        return
    # The new folder must survive a crash as the file in it does.
    os.fsync(parent)


def _write_draft(folder: int, name: str, source: bytes | IO[bytes]) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        if isinstance(source, bytes | bytearray | memoryview):
            file.write(source)
        else:
            shutil.copyfileobj(source, file, COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())
        return file.seek(0, io.SEEK_END)


def _walk(folder: int, address: Address) -> Iterator[StoredFile]:
    for name in sorted(os.listdir(folder)):
        if not address.parts and name.startswith("."):
            continue
        child = Address((*address.parts, name))
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode):
                yield _describe(child, facts)
                continue
            if not stat.S_ISDIR(facts.st_mode):
                continue
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
        except OSError as error:
            # Somebody deleted or replaced it after the listing.
            if error.errno in _MISSING:
                continue
            raise
        try:
            yield from _walk(descriptor, child)
        finally:
            os.close(descriptor)


def _describe(address: Address, facts: os.stat_result) -> StoredFile:
    return StoredFile(str(address), facts.st_size, datetime.fromtimestamp(facts.st_mtime, tz=UTC))


def _not_found(uri: str) -> StoredFileNotFoundError:
    return StoredFileNotFoundError(f'No file is stored as "{uri}": it was deleted, purged or never written.')

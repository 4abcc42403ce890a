"""The working directory on its way into a container and back, as tar streams that nobody has to hold in memory."""

from __future__ import annotations

import collections
import os
import queue
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.working_files import open_beneath

_PIECE_BYTES = 1 << 20
_PIECES_AHEAD = 8


class TransferStoppedError(Exception):
    """The run has to stop while files are on their way."""


def pack_folder(root: Path, find_stop_cause: Callable[[], str]) -> Iterator[bytes]:
    """
    Yield the content of `root` as a tar stream.

    Every user may use the files, because the container's one may be any and nobody else is in there. Symbolic links travel as
    links. Raises TransferStoppedError when the run has to stop.
    """
    pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES_AHEAD)
    is_over = threading.Event()
    packer = threading.Thread(target=_pack, args=(root, pieces, is_over), name="container-files", daemon=True)
    packer.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            if find_stop_cause():
                raise TransferStoppedError
            yield piece
    finally:
        is_over.set()


class _Pieces:
    """The writing end of the queue, as a file that `tarfile` writes to."""

    def __init__(self, pieces: queue.Queue[bytes | BaseException | None], is_over: threading.Event) -> None:
        self._pieces, self._is_over = pieces, is_over

    def write(self, piece: bytes) -> int:
        self.put(bytes(piece))
        return len(piece)

    def put(self, piece: bytes | BaseException | None) -> None:
        while not self._is_over.is_set():
            try:
                return self._pieces.put(piece, timeout=1)
            except queue.Full:
                continue
        raise TransferStoppedError


def _pack(root: Path, pieces: queue.Queue[bytes | BaseException | None], is_over: threading.Event) -> None:
    sink = _Pieces(pieces, is_over)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], sink), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE_BYTES) as archive:
            archive.add(root, arcname=".", filter=_open_to_all)
        sink.put(None)
    except TransferStoppedError:
        return
    except BaseException as error:  # noqa: BLE001 - raised again where the stream is read
        try:
            sink.put(error)
        except TransferStoppedError:
            return


def _open_to_all(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isfile() or member.isdir() or member.issym()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= 0o777 if member.isdir() or member.mode & 0o100 else 0o666
    return member


def unpack_folder(stream: Iterable[bytes], root: Path, context: RunContext, find_stop_cause: Callable[[], str]) -> None:
    """
    Write the tar stream of a container's working directory over `root`: what is new or changed.

    The stream comes from a program that nobody trusts: no path and no link may leave `root`, no link on the way is followed, and
    rights that only root can give are dropped. What is left out is counted in the log. Stops quietly when the run has to stop.

    Source: security, S-20 and S-21.
    """
    left_out = 0
    with tarfile.open(fileobj=cast(IO[bytes], _StreamReader(stream)), mode="r|", bufsize=_PIECE_BYTES) as archive:
        for member in archive:
            if find_stop_cause():
                return
            name = _clean(member.name)
            if name and not _unpack(archive, member, root, name):
                left_out += 1
    # The stream ends a little after the archive in it; read to its end, it frees its connection.
    collections.deque(stream, maxlen=0)
    if left_out:
        context.log.debug(f"{left_out} links or special files of the container's working directory were not copied back.")


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, name: str) -> bool:
    """Write one entry; False when it is of a kind, or leads to a place, that is not taken."""
    if not _is_inside(root, name):
        return False
    path = root / name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        source = archive.extractfile(member)
        if source is not None and not _is_same(path, member):
            _write(source, root, name, member.mode)
    elif member.islnk():
        target = _clean(member.linkname)
        if not target or not _is_inside(root, target) or not (root / target).is_file():
            return False
        with open_beneath(root, target, write=False) as source:
            _write(source, root, name, member.mode)
    elif member.issym():
        target = os.path.normpath(PurePosixPath(name).parent / member.linkname)
        if target.startswith(("/", "..")) or path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.linkname)
    else:
        return False
    return True


class _StreamReader:
    """Pieces of bytes as a file that `tarfile` reads."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = iter(stream)
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._stream, None)) is not None:
            self._rest += piece
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


def _clean(name: str) -> str | None:
    """Return the path below the folder, None for the folder itself. Engines begin it with `./`, `/` or nothing."""
    parts = [part for part in PurePosixPath(name.lstrip("/")).parts if part != "."]
    return "/".join(parts) or None


def _is_inside(root: Path, name: str) -> bool:
    """Tell whether a path stays below `root` and passes no link that is there already."""
    parts = PurePosixPath(name).parts
    if ".." in parts or "\0" in name:
        return False
    path = root
    for part in parts:
        path = path / part
        if path.is_symlink():
            return False
    return True


def _is_same(path: Path, member: tarfile.TarInfo) -> bool:
    """Tell whether a file is as it was sent: same size, same moment to the microsecond. Whole seconds prove nothing."""
    try:
        present = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return present.st_size == member.size and abs(present.st_mtime - member.mtime) < 1e-6 and member.mtime % 1 > 0


def _write(source: IO[bytes], root: Path, name: str, mode: int) -> None:
    try:
        with open_beneath(root, name, write=True) as target:
            shutil.copyfileobj(source, target, _PIECE_BYTES)
            os.fchmod(target.fileno(), 0o600 | (mode & 0o755))
    except OSError as error:
        raise TaskFailure(f'The file "{name}" could not be copied out of the container: {error.strerror}.') from error

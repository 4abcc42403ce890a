"""The folder backend: whole files, no way out of the root, many writers at once."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.primitives.errors import FlowsError
from flows.storage import StorageUnavailableError, StoredFileNotFoundError, open_storage
from flows.storage.filesystem import FolderStorage
from flows.storage.uri import InvalidAddressError
from tests.storage.test_uri import HOSTILE_PATHS

ONE = "kestra:///company/team/one.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def storage(root: Path) -> FolderStorage:
    return FolderStorage(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary.txt").write_bytes(b"canary")
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _read(storage: FolderStorage, uri: str) -> bytes:
    with storage.open_read(uri) as stream:
        return stream.read()


@pytest.mark.parametrize("source", [b"hello", io.BytesIO(b"hello")], ids=["bytes", "stream"])
def test_what_was_written_is_read_back(storage: FolderStorage, source: bytes | io.BytesIO) -> None:
    if isinstance(source, io.BytesIO):
        source.seek(0)

    assert storage.write(ONE, source) == 5
    assert _read(storage, ONE) == b"hello"
    assert storage.size(ONE) == 5


def test_a_file_of_this_host_is_stored_by_its_path(storage: FolderStorage, outside: Path) -> None:
    assert storage.write(ONE, outside / "canary.txt") == 6
    assert _read(storage, ONE) == b"canary"


def test_a_missing_source_is_not_taken_for_a_missing_stored_file(storage: FolderStorage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.write(ONE, tmp_path / "nothing")


def test_a_second_write_replaces_the_first_for_later_readers_only(storage: FolderStorage) -> None:
    storage.write(ONE, b"first")
    with storage.open_read(ONE) as stream:
        storage.write(ONE, b"second")

        assert stream.read() == b"first"
    assert _read(storage, ONE) == b"second"


def test_a_stream_that_breaks_leaves_the_old_file_and_no_draft(storage: FolderStorage, root: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionError("the sender is gone")

    storage.write(ONE, b"old")

    with pytest.raises(StorageUnavailableError):
        storage.write(ONE, Broken())
    assert _read(storage, ONE) == b"old"
    assert _names(root / ".drafts") == []


@pytest.mark.parametrize("action", ["open_read", "stat", "size"])
def test_a_missing_file_is_named(storage: FolderStorage, action: str) -> None:
    with pytest.raises(StoredFileNotFoundError, match=r"No file is stored as \"kestra:///company/team/one.txt\""):
        getattr(storage, action)(ONE)


def test_deleting_says_whether_there_was_a_file_and_removes_empty_folders(storage: FolderStorage, root: Path) -> None:
    storage.write(ONE, b"x")

    assert storage.delete(ONE)
    assert not storage.delete(ONE)
    assert not storage.exists(ONE)
    assert not (root / "company").exists()


def test_listing_is_sorted_deep_and_by_whole_names(storage: FolderStorage) -> None:
    for uri in ("kestra:///a/z.txt", "kestra:///a/b/c.txt", "kestra:///ab/x.txt"):
        storage.write(uri, b"12")

    assert [file.uri for file in storage.list("kestra:///a")] == ["kestra:///a/b/c.txt", "kestra:///a/z.txt"]
    assert list(storage.list("kestra:///nothing")) == []


def test_deleting_a_folder_returns_what_was_deleted(storage: FolderStorage) -> None:
    storage.write("kestra:///a/b/c.txt", b"x")
    storage.write("kestra:///ab/x.txt", b"x")

    assert storage.delete_prefix("kestra:///a") == ["kestra:///a/b/c.txt"]
    assert storage.exists("kestra:///ab/x.txt")


def test_a_moved_file_has_only_its_new_address(storage: FolderStorage, root: Path) -> None:
    storage.write(ONE, b"x")

    storage.move(ONE, "kestra:///other/two.txt")

    assert _read(storage, "kestra:///other/two.txt") == b"x"
    assert not (root / "company").exists()


def test_moving_a_missing_file_fails(storage: FolderStorage) -> None:
    with pytest.raises(StoredFileNotFoundError):
        storage.move(ONE, "kestra:///other/two.txt")


def test_a_folder_is_no_file(storage: FolderStorage) -> None:
    storage.write("kestra:///a/b/c.txt", b"x")

    assert not storage.exists("kestra:///a/b")
    for call in (lambda: storage.write("kestra:///a/b", b"x"), lambda: storage.write("kestra:///a/b/c.txt/d", b"x")):
        with pytest.raises(InvalidAddressError):
            call()


def test_the_longest_legal_names_are_stored(storage: FolderStorage) -> None:
    uri = "kestra:///" + "/".join(["n" * 255] * 5)

    storage.write(uri, b"x")

    assert [file.uri for file in storage.list("kestra:///" + "n" * 255)] == [uri]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
@pytest.mark.parametrize("action", ["open_read", "write", "delete", "list", "delete_prefix", "move_from", "move_to"])
def test_a_hostile_address_reaches_no_file(storage: FolderStorage, outside: Path, tmp_path: Path, action: str, path: str) -> None:
    uri = f"kestra:///company/{path}" if path.strip("/") else f"kestra://{path}"
    storage.write(ONE, b"x")
    calls = {
        "open_read": lambda: storage.open_read(uri),
        "write": lambda: storage.write(uri, b"evil"),
        "delete": lambda: storage.delete(uri),
        "list": lambda: list(storage.list(uri)),
        "delete_prefix": lambda: storage.delete_prefix(uri),
        "move_from": lambda: storage.move(uri, "kestra:///loot"),
        "move_to": lambda: storage.move(ONE, uri),
    }

    with pytest.raises(InvalidAddressError):
        calls[action]()
    assert _names(tmp_path) == ["outside", "storage"]
    assert (outside / "canary.txt").read_bytes() == b"canary"


def test_drafts_have_no_address(storage: FolderStorage) -> None:
    with pytest.raises(InvalidAddressError):
        storage.write("kestra:///.drafts/x", b"x")


@pytest.mark.parametrize("target", ["canary.txt", "."], ids=["file", "folder"])
def test_a_link_that_leaves_the_root_is_not_followed(storage: FolderStorage, root: Path, outside: Path, target: str) -> None:
    storage.write("kestra:///a/real.txt", b"x")
    (root / "a" / "link").symlink_to(outside / target)

    for uri in ("kestra:///a/link", "kestra:///a/link/canary.txt"):
        with pytest.raises(StoredFileNotFoundError):
            storage.open_read(uri)
        assert not storage.exists(uri)
    assert [file.uri for file in storage.list("kestra:///a")] == ["kestra:///a/real.txt"]
    with pytest.raises(InvalidAddressError):
        storage.write("kestra:///a/link/new.txt", b"evil")
    assert storage.delete_prefix("kestra:///a/link") == []
    assert _names(outside) == ["canary.txt"]


def test_writing_over_a_link_replaces_the_link_and_not_its_target(storage: FolderStorage, root: Path, outside: Path) -> None:
    storage.write("kestra:///a/real.txt", b"x")
    (root / "a" / "soft").symlink_to(outside / "canary.txt")
    (root / "a" / "hard").hardlink_to(outside / "canary.txt")

    storage.write("kestra:///a/soft", b"new")
    storage.write("kestra:///a/hard", b"new")

    assert (outside / "canary.txt").read_bytes() == b"canary"
    assert _read(storage, "kestra:///a/soft") == b"new"


def test_a_pipe_does_not_block_a_reader(storage: FolderStorage, root: Path) -> None:
    storage.write("kestra:///a/real.txt", b"x")
    os.mkfifo(root / "a" / "pipe")

    with pytest.raises(StoredFileNotFoundError):
        storage.open_read("kestra:///a/pipe")


def test_a_folder_swapped_for_a_link_during_use_never_leads_out(storage: FolderStorage, root: Path, outside: Path) -> None:
    """A thread swaps a folder for a link as fast as it can; no read may see the outside, no write may land there."""
    folder, kept = root / "a" / "b", root / "a" / "kept"
    storage.write("kestra:///a/b/canary.txt", b"inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            folder.rename(kept)
            folder.symlink_to(outside)
            folder.unlink()
            kept.rename(folder)

    seen: set[bytes] = set()
    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        for number in range(400):
            for call in (lambda: seen.add(_read(storage, "kestra:///a/b/canary.txt")), lambda: storage.write(ONE, b"x")):
                try:
                    call()
                except FlowsError:
                    continue
            if swapping.done():
                break
            if number % 20 == 0:
                _try_write(storage, "kestra:///a/b/new.txt")
        stop.set()
        swapping.exception()

    assert seen <= {b"inside"}
    assert _names(outside) == ["canary.txt"]


def _try_write(storage: FolderStorage, uri: str) -> None:
    try:
        storage.write(uri, b"new")
    except FlowsError:
        return


def test_readers_see_one_whole_version_while_many_write(storage: FolderStorage) -> None:
    contents = {bytes([letter]) * 200_000 for letter in b"abcdefgh"}

    def write(content: bytes) -> None:
        for _ in range(5):
            storage.write(ONE, content)

    storage.write(ONE, b"a" * 200_000)
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, content) for content in contents]
        seen = {_read(storage, ONE) for _ in range(40)}
        for writer in writers:
            writer.result()

    assert seen <= contents


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(storage: FolderStorage) -> None:
    def work(number: int) -> bool:
        uri = f"kestra:///a/b/{number}.txt"
        for _ in range(25):
            storage.write(uri, b"x")
            storage.delete(uri)
        storage.write(uri, b"x")
        return storage.exists(uri)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


@pytest.fixture
def unwritable(root: Path) -> Iterator[Path]:
    root.write_bytes(b"a file where the folder should be")
    yield root


def test_a_storage_that_cannot_be_used_is_reported_as_such(storage: FolderStorage, unwritable: Path) -> None:
    with pytest.raises(FlowsError):
        storage.write(ONE, b"x")


def test_an_unknown_backend_names_the_supported_ones() -> None:
    with pytest.raises(StorageUnavailableError, match="Supported: file://"):
        open_storage("s3://bucket")


def test_a_folder_of_another_host_is_refused() -> None:
    with pytest.raises(StorageUnavailableError, match="must name a folder of this host"):
        open_storage("file://nas/share")

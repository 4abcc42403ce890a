"""A storage in front of another one: everything is seen, and only the front changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.storage import StoredFileNotFoundError
from flows.storage.filesystem import FolderStorage
from flows.storage.overlay import OverlayStorage

OLD, NEW = "kestra:///company/old.txt", "kestra:///company/new.txt"


@pytest.fixture
def behind(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path / "behind")
    storage.write(OLD, b"old")
    return storage


@pytest.fixture
def overlay(behind: FolderStorage, tmp_path: Path) -> OverlayStorage:
    return OverlayStorage(FolderStorage(tmp_path / "front"), behind)


def read(storage: OverlayStorage | FolderStorage, uri: str) -> bytes:
    with storage.open_read(uri) as stream:
        return stream.read()


def test_what_is_behind_is_read_and_what_is_written_stays_in_front(overlay: OverlayStorage, behind: FolderStorage) -> None:
    overlay.write(NEW, b"new")
    overlay.write(OLD, b"changed")

    assert (read(overlay, OLD), read(overlay, NEW), read(behind, OLD)) == (b"changed", b"new", b"old")
    assert [stored.uri for stored in overlay.list("kestra:///company")] == [NEW, OLD]
    assert [stored.uri for stored in behind.list_all()] == [OLD]


def test_a_deleted_file_is_hidden_until_it_is_written_again(overlay: OverlayStorage, behind: FolderStorage) -> None:
    assert overlay.delete_prefix("kestra:///company") == [OLD]

    assert (overlay.exists(OLD), behind.exists(OLD), list(overlay.list_all())) == (False, True, [])
    with pytest.raises(StoredFileNotFoundError):
        overlay.open_read(OLD)
    assert overlay.write(OLD, b"again") == overlay.size(OLD) == 5


def test_a_move_leaves_the_file_behind_where_it_is(overlay: OverlayStorage, behind: FolderStorage) -> None:
    overlay.move(OLD, NEW)

    assert (overlay.exists(OLD), read(overlay, NEW), overlay.stat(NEW).size_bytes) == (False, b"old", 3)
    assert (behind.exists(OLD), behind.exists(NEW)) == (True, False)

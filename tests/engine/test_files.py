"""Namespace files: versions, conflicts, moves, purges; and what one task run may do with storage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from flows.engine import files
from flows.engine.stores import RunKeyValues, RunNamespaceFiles, RunStorage
from flows.models import NamespaceFile
from flows.primitives.errors import ForbiddenError, InvalidError, NotFoundError
from flows.storage import get_storage
from flows.storage.uri import InvalidAddressError
from tests.storage.test_uri import HOSTILE_PATHS

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def _write(path: str, content: bytes = b"x", **options: str) -> NamespaceFile:
    return files.write_namespace_file("files.test", path, content, at=AT, **options)  # type: ignore[arg-type]


def test_every_write_makes_a_version_and_the_newest_is_read() -> None:
    _write("/sql/q.sql", b"one")
    _write("sql/q.sql", b"two")

    assert files.read_namespace_file("files.test", "/sql/q.sql") == b"two"
    assert files.read_namespace_file("files.test", "/sql/q.sql", version=1) == b"one"
    assert files.list_namespace_files("files.test") == ["/sql/q.sql"]


def test_an_existing_file_can_be_kept_or_refused() -> None:
    _write("/a.txt", b"one")

    assert _write("/a.txt", b"two", conflict="SKIP").version == 1
    with pytest.raises(files.NamespaceFileExistsError):
        _write("/a.txt", b"two", conflict="ERROR")
    with pytest.raises(InvalidError, match="OVERWRITE, ERROR, SKIP"):
        _write("/a.txt", b"two", conflict="MERGE")
    assert files.read_namespace_file("files.test", "/a.txt") == b"one"


def test_a_file_cannot_be_a_folder_as_well() -> None:
    _write("/a/b.txt")

    for path in ("/a", "/a/b.txt/c"):
        with pytest.raises(files.NamespaceFileExistsError):
            _write(path)
    with pytest.raises(files.NamespaceFileExistsError):
        files.make_namespace_folder("files.test", "/a/b.txt", at=AT)


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_names_no_namespace_file(path: str) -> None:
    for call in (
        lambda: _write(path),
        lambda: files.read_namespace_file("files.test", path),
        lambda: files.delete_namespace_file("files.test", path),
        lambda: files.move_namespace_file("files.test", "/a", path),
    ):
        with pytest.raises(InvalidAddressError):
            call()


def test_deleting_a_folder_deletes_its_files_with_all_versions_and_bytes() -> None:
    rows = [_write("/a/b.txt"), _write("/a/b.txt"), _write("/a/c/d.txt")]
    _write("/ab.txt")

    assert files.delete_namespace_file("files.test", "/a") == ["/a/b.txt", "/a/c/d.txt"]
    assert not any(get_storage().exists(row.uri) for row in rows)
    assert files.list_namespace_files("files.test") == ["/ab.txt"]


def test_a_moved_folder_keeps_its_versions() -> None:
    _write("/a/b.txt", b"one")
    _write("/a/b.txt", b"two")

    assert files.move_namespace_file("files.test", "/a", "/x/y") == ["/x/y/b.txt"]
    assert files.read_namespace_file("files.test", "/x/y/b.txt", version=1) == b"one"
    with pytest.raises(files.NamespaceFileNotFoundError):
        files.read_namespace_file("files.test", "/a/b.txt")


@pytest.mark.parametrize(("source", "target"), [("/a", "/a/b"), ("/a", "/a"), ("/a", "/other.txt")])
def test_a_move_onto_something_or_into_itself_is_refused(source: str, target: str) -> None:
    _write("/a/b.txt")
    _write("/other.txt")

    with pytest.raises(files.NamespaceFileExistsError):
        files.move_namespace_file("files.test", source, target)


def test_moving_nothing_fails() -> None:
    with pytest.raises(files.NamespaceFileNotFoundError):
        files.move_namespace_file("files.test", "/nothing", "/b")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 2),
        ({"behavior": {"type": "version", "keepAmount": 2}}, 1),
        ({"behavior": {"type": "version", "before": "2031-05-04T10:00:00Z"}}, 0),
        ({"behavior": {"type": "version", "before": "2031-05-04T10:00:01Z"}}, 2),
        ({"file_pattern": "/b*"}, 0),
        ({"file_pattern": "a.txt"}, 2),
        ({"namespaces": ["other"]}, 0),
        ({"namespace_pattern": "files.*"}, 2),
    ],
)
def test_a_purge_takes_old_versions_only(options: dict[str, object], count: int) -> None:
    for content in (b"1", b"2", b"3"):
        _write("/a.txt", content)

    assert files.purge_namespace_files(**options) == count  # type: ignore[arg-type]
    assert files.read_namespace_file("files.test", "/a.txt") == b"3"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.txt", "/d/a.txt", True),
        ("*.txt", "/a.txt", True),
        ("*.txt", "/d/a.txt", False),
        ("/**.txt", "/d/a.txt", True),
        ("**/a.txt", "/d/e/a.txt", True),
        ("/d/?.txt", "/d/a.txt", True),
        ("/d+", "/dd", False),
    ],
)
def test_globs_match_as_documented(pattern: str, path: str, matches: bool) -> None:
    assert files.matches_path(pattern, path) is matches


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_file_at_once_make_one_version_each() -> None:
    def write(number: int) -> int:
        try:
            return _write("/shared.txt", str(number).encode()).version
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        versions = sorted(pool.map(write, range(4)))

    assert versions == [1, 2, 3, 4]
    assert NamespaceFile.objects.filter(path="/shared.txt", is_current=True).count() == 1


def _storage(execution_id: str = "own", **options: object) -> RunStorage:
    return RunStorage("files.test", "daily", execution_id, "load", "run1", **options)  # type: ignore[arg-type]


def test_a_task_reads_back_what_it_stored_under_a_name_of_its_own() -> None:
    storage = _storage()

    first, second = storage.put(b"one", "a/b.txt"), storage.put(b"two", "b.txt")

    assert first != second
    assert first.startswith("kestra:///files/test/daily/executions/own/tasks/load/run1/")
    with storage.open(first) as stream:
        assert stream.read() == b"one"
    assert storage.size(second) == 3


def test_a_trigger_stores_for_the_execution_that_it_starts() -> None:
    assert "/executions/own/trigger/on-file/" in _storage(trigger_id="on_file").put(b"x", "in.csv")


def test_the_file_of_another_execution_is_out_of_reach_unless_this_one_came_from_it() -> None:
    uri = _storage("other").put(b"x", "a.txt")

    for call in (_storage().open, _storage().exists, _storage().size, _storage().delete):
        with pytest.raises(ForbiddenError):
            call(uri)
    assert _storage(related_execution_ids=["other"]).exists(uri)


def test_rows_are_written_and_read_one_by_one() -> None:
    storage = _storage()

    uri, count = storage.write_rows(iter([{"a": 1}, {"a": 2}]))

    assert (count, list(storage.read_rows(uri))) == (2, [{"a": 1}, {"a": 2}])
    assert uri.endswith("-rows.ion")


def test_rows_that_break_store_nothing() -> None:
    def rows() -> object:
        yield 1
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        _storage("fresh").write_rows(rows())  # type: ignore[arg-type]
    assert _storage("fresh").delete_execution_files() == []


def test_all_files_of_an_execution_are_deleted_at_once() -> None:
    storage = _storage("gone")
    uris = [storage.put(b"x", "a.txt"), storage.put(b"x", "b.txt")]
    other = _storage("gone2").put(b"x", "a.txt")

    assert storage.delete_execution_files() == sorted(uris)
    assert _storage("gone2").exists(other)


def test_a_namespace_file_has_three_spellings() -> None:
    row = _write("/sql/q.sql", b"select")

    for uri in ("nsfile:///sql/q.sql", "nsfile://files.test/sql/q.sql", "kestra:///files/test/_files/sql/q.sql", row.uri):
        with _storage().open(uri) as stream:
            assert stream.read() == b"select"


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "nsfile:///../x", "nsfile://Bad Name/x", "http://host/x", "kestra:///a/../b", ""]
)
def test_no_other_address_is_opened(uri: str) -> None:
    with pytest.raises(InvalidError):
        _storage().open(uri)


def test_deleting_a_namespace_file_by_address_keeps_the_index_right() -> None:
    row = _write("/a.txt")

    with pytest.raises(ForbiddenError, match="one version of a namespace file"):
        _storage().delete(row.uri)
    assert _storage().delete("kestra:///files/test/_files/a.txt")
    assert not _storage().delete("nsfile:///a.txt")


def test_a_flow_writes_keys_of_its_own_namespace_and_of_others_that_exist() -> None:
    keys = RunKeyValues("files.test", lambda: AT)
    keys.set("k", {"a": 1}, ttl=timedelta(hours=1))

    assert keys.get("k") == {"a": 1}
    assert keys.keys() == ["k"]
    with pytest.raises(NotFoundError, match=r"Namespace nobody\.home does not exist"):
        keys.set("k", 1, namespace="nobody.home")
    with pytest.raises(InvalidError):
        keys.set("bad key", 1)
    assert keys.delete("k")


def test_a_flow_writes_and_reads_files_of_namespaces() -> None:
    mine = RunNamespaceFiles("files.test", lambda: AT)

    mine.write("/a.txt", b"x")
    mine.write("/b.txt", b"y", namespace="files.other")

    assert mine.list() == ["/a.txt"]
    assert mine.read("b.txt", namespace="files.other") == b"y"
    assert mine.delete("/a.txt")

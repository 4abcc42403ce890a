"""The tasks for namespace files."""

from __future__ import annotations

import pytest

from flows.plugin_api.tasks import TaskFailure
from flows.primitives.errors import ConflictError
from plugins.core.namespace import DeleteFiles, DownloadFiles, PurgeFiles, UploadFiles


def test_upload_takes_matching_files_of_the_working_directory(context):
    (context.workdir / "sub").mkdir()
    (context.workdir / "a.sql").write_text("one")
    (context.workdir / "sub" / "b.sql").write_text("two")
    (context.workdir / "c.txt").write_text("three")

    files = context.run(UploadFiles(), {"files": ["**.sql"], "destination": "/queries/"})["files"]

    assert sorted(files) == ["/queries/a.sql", "/queries/sub/b.sql"]
    assert context.namespace_files.read("/queries/sub/b.sql") == b"two"


def test_upload_takes_a_map_and_passes_over_missing_sources(context):
    uri = context.storage.put(b"x", "f")

    context.run(UploadFiles(), {"namespace": "other", "filesMap": {"a.txt": uri, "b.txt": "kestra:///company/nothing"}})

    assert context.namespace_files.list(namespace="other") == ["/a.txt"]


def test_upload_takes_the_map_as_json_text(context):
    uri = context.storage.put(b"x", "f")

    context.run(UploadFiles(), {"filesMap": f'{{"a.txt": "{uri}"}}'})

    assert context.namespace_files.list() == ["/a.txt"]


def test_upload_without_files_fails(context):
    with pytest.raises(TaskFailure):
        context.run(UploadFiles(), {})


@pytest.mark.parametrize(("conflict", "content"), [("SKIP", b"old"), ("OVERWRITE", b"new")])
def test_upload_skips_or_replaces_a_present_file(context, conflict, content):
    context.namespace_files.write("/a.txt", b"old")
    uri = context.storage.put(b"new", "f")

    context.run(UploadFiles(), {"filesMap": {"a.txt": uri}, "conflict": conflict})

    assert context.namespace_files.read("/a.txt") == content


def test_upload_with_conflict_error_fails_on_the_second_run(context):
    properties = {"filesMap": {"a.txt": context.storage.put(b"x", "f")}, "conflict": "ERROR"}
    context.run(UploadFiles(), properties)

    with pytest.raises(ConflictError):
        context.run(UploadFiles(), properties)


@pytest.fixture
def filled(context):
    for path in ("/a.txt", "/sub/a.txt", "/sub/deep/b.txt", "/c.sql"):
        context.namespace_files.write(path, path.encode())
    return context


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", ["a.txt", "sub/a.txt"]),
        ("*.txt", ["a.txt"]),
        ("**.txt", ["a.txt", "sub/a.txt", "sub/deep/b.txt"]),
        ("/sub/*.txt", ["sub/a.txt"]),
        (["c.sql", "/a.{txt,csv}"], ["a.txt", "c.sql"]),
        ("none", []),
    ],
)
def test_download_copies_the_files_that_match(filled, pattern, found):
    files = filled.run(DownloadFiles(), {"namespace": "company.team", "files": pattern})["files"]

    assert sorted(files) == found
    assert filled.metrics.value_of("downloaded") == len(found)
    for path, uri in files.items():
        with filled.storage.open(uri) as stream:
            assert stream.read() == f"/{path}".encode()


def test_download_puts_the_destination_before_the_paths(filled):
    files = filled.run(DownloadFiles(), {"namespace": "company.team", "files": "c.sql", "destination": "in/"})["files"]

    assert list(files) == ["in/c.sql"]


def test_a_pattern_that_cannot_be_read_fails_the_task(filled):
    with pytest.raises(TaskFailure, match="pattern"):
        filled.run(DownloadFiles(), {"namespace": "company.team", "files": "[a"})


def test_delete_removes_the_files_that_match(filled):
    filled.run(DeleteFiles(), {"namespace": "company.team", "files": "**.txt"})

    assert filled.namespace_files.list() == ["/c.sql"]
    assert filled.metrics.value_of("deleted") == 3


@pytest.mark.parametrize(("parents", "left"), [(False, {"/sub", "/sub/deep"}), (True, {"/sub"})])
def test_delete_removes_folders_that_became_empty_when_told_so(filled, parents, left):
    filled.run(DeleteFiles(), {"namespace": "company.team", "files": "b.txt", "deleteParentFolder": parents})

    assert {folder for _, folder in filled.namespace_files.folders} == left


def test_purge_keeps_the_newest_versions(context):
    for content in (b"1", b"2", b"3"):
        context.namespace_files.write("/a.txt", content)

    assert context.run(PurgeFiles(), {"filePattern": "/a*", "behavior": {"type": "version", "keepAmount": 2}}) == {"size": 1}
    assert context.run(PurgeFiles(), {"namespaces": ["company"]}) == {"size": 1}
    assert context.namespace_files.read("/a.txt") == b"3"

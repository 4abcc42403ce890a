"""Java-style globs, and the paths that a script's files may have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.plugin_api.globs import PatternError, compile_glob, compile_namespace_pattern, compile_workdir_pattern
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing import FakeContext
from flows.plugin_api.working_files import collect_files, write_input_files, write_namespace_files


@pytest.fixture
def context() -> Iterator[FakeContext]:
    with FakeContext() as made:
        yield made


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", {"a.txt"}),
        ("*.txt", {"a.txt"}),
        ("**/*.txt", {"in/b.txt", "in/deep/c.txt"}),
        ("**.txt", {"a.txt", "in/b.txt", "in/deep/c.txt"}),
        ("in/*", {"in/b.txt"}),
        ("{a,x}.txt", {"a.txt"}),
        ("[!b].txt", {"a.txt"}),
        ("regex:.*/b\\.txt", {"in/b.txt"}),
        ("glob:**/c.txt", {"in/deep/c.txt"}),
    ],
)
def test_output_patterns_mean_paths_below_the_working_directory(pattern: str, found: set[str]) -> None:
    compiled = compile_workdir_pattern(pattern, "/tmp/w[1]")
    names = ["a.txt", "in/b.txt", "in/deep/c.txt"]

    assert {name for name in names if compiled.fullmatch(f"/tmp/w[1]/{name}")} == found


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", {"/a.txt", "/in/a.txt"}),
        ("*.txt", {"/a.txt"}),
        ("**/*.txt", {"/a.txt", "/in/a.txt"}),
        ("/in/**", {"/in/a.txt"}),
        ("in/**", {"/in/a.txt"}),
    ],
)
def test_namespace_patterns_may_match_at_any_level(pattern: str, found: set[str]) -> None:
    compiled = compile_namespace_pattern(pattern)

    assert {name for name in ("/a.txt", "/in/a.txt") if compiled.fullmatch(name)} == found


@pytest.mark.parametrize("pattern", ["[a", "{a,b", "regex:("])
def test_an_unreadable_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_glob(pattern) if not pattern.startswith("regex") else compile_workdir_pattern(pattern, "/w")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\0b", "", "link/x", "link"])
def test_no_file_is_written_outside(context: FakeContext, name: str) -> None:
    outside = context.folder / "outside"
    outside.mkdir()
    (context.workdir / "link").symlink_to(outside)

    with pytest.raises(TaskFailure):
        write_input_files(context, context.workdir, {name: "content"})

    assert list(outside.iterdir()) == []


def test_input_files_are_text_or_copies_of_stored_files(context: FakeContext) -> None:
    uri = context.storage.put(b"\x00stored", "data.bin")

    write_input_files(context, context.workdir, {"in/a.txt": "häh", "data.bin": uri})

    assert (context.workdir / "in/a.txt").read_bytes() == "häh".encode()
    assert (context.workdir / "data.bin").read_bytes() == b"\x00stored"


def test_links_out_of_the_folder_are_not_collected(context: FakeContext) -> None:
    secret = context.folder / "secret"
    secret.write_text("canary")
    (context.workdir / "a.txt").write_text("mine")
    (context.workdir / "inner.txt").symlink_to("a.txt")
    (context.workdir / "outer.txt").symlink_to(secret)
    (context.workdir / "folder").symlink_to(context.folder)
    os.mkfifo(context.workdir / "pipe.txt")

    found = collect_files(context, context.workdir, ["**.txt", "folder/*"])

    assert sorted(found) == ["a.txt", "inner.txt"]
    assert "link out of the working directory" in context.log.messages("WARN")[0]


@pytest.mark.parametrize(("if_exists", "content"), [("OVERWRITE", b"new"), ("IGNORE", b"old"), ("WARN", b"old")])
def test_namespace_files_meet_files_that_exist(context: FakeContext, if_exists: str, content: bytes) -> None:
    context.namespace_files.write("/a.txt", b"new")
    context.namespace_files.write("/b.py", b"other")
    (context.workdir / "a.txt").write_bytes(b"old")

    write_namespace_files(
        context, context.workdir, namespaces=["company.team"], include=[], exclude=["*.py"], if_exists=if_exists
    )

    assert {p.name: p.read_bytes() for p in Path(context.workdir).iterdir()} == {"a.txt": content}
    assert len(context.log.messages("WARN")) == (if_exists == "WARN")

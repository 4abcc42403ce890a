"""Addresses of stored files: what is refused, how they are built, and who may read which."""

from __future__ import annotations

import pytest

from flows.storage.uri import (
    Address,
    ForeignFileError,
    InvalidAddressError,
    cache_address,
    check_may_read,
    clean_file_name,
    execution_folder,
    input_file_address,
    may_read,
    namespace_file_address,
    namespace_files_folder,
    parse_address,
    parse_path,
    slugify,
    task_file_address,
    trigger_file_address,
    unique_file_name,
)

HOSTILE_PATHS = [
    "..", ".", "/..", "/.", "../x", "./x", "x/..", "x/.", "a/../b", "a/./b", "../../etc/passwd", "/../../../../etc/passwd",
    "a/../../b", "a/b/../../../c", "....", "...", "a/.../b", ". .", ".. ", " ..", "a/.. /b", "a/ ../b", ". ./x",
    "..\\x", "a\\..\\b", "\\etc\\passwd", "a\\b", "C:\\windows", "\\\\host\\share", "a/..\\b", "..\\/x", "a\\",
    "%2e%2e/x", "%2E%2E/x", "a/%2e%2e/b", "..%2fx", "..%2Fx", "a%2fb", "%2e/x", "%252e%252e/x", "a%255cb", "..%5cx", "%5c..%5c",
    "%25252e%25252e/x", "a%00b", "%00", "x.txt%00.png", ".%2e/x", "%2e./x",
    "a\x00b", "\x00", "x.txt\x00.png", "a\nb", "a\rb", "a\tb", "\x7f", "a\x1b[2Jb", "a/\x01/b", "a\x85b", "\ud800", "a/\udfff",
    "", "/", "//", "///", "n" * 256, "a/" + "n" * 256 + "/b", "é" * 128, "a/" * 300 + "b", "x/" * 700 + "y",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_path(path)


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_a_hostile_address_is_refused(path: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_address(f"kestra:///company/{path}" if path.strip("/") else f"kestra://{path}")


@pytest.mark.parametrize(
    "text",
    ["", "x", "/a/b", "file:///etc/passwd", "kestra://host/a", "kestra:/a/b", "kestra:a", "KESTRA:///a", "http://h/a", "nsfile:///a",
     " kestra:///a", "kestra://../a", "s3://bucket/key"],
)  # fmt: skip
def test_only_addresses_of_our_scheme_without_host_are_read(text: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("kestra:///a/b.txt", ("a", "b.txt")),
        ("kestra:////a//b/", ("a", "b")),
        ("kestra:///a/..b/b..c/...d", ("a", "..b", "b..c", "...d")),
        ("kestra:///a/with blank/100%.csv", ("a", "with blank", "100%.csv")),
        ("kestra:///a/e\u0301.txt", ("a", "\u00e9.txt")),
    ],
)
def test_names_are_kept_and_normalised(text: str, parts: tuple[str, ...]) -> None:
    assert parse_address(text) == Address(parts)


def test_an_address_reads_back_as_itself() -> None:
    address = task_file_address("company.team", "My_Flow", "4QzX", task_id="My Task", task_run_id="7abc", name="data.csv")

    assert str(address) == "kestra:///company/team/my-flow/executions/4QzX/tasks/my-task/7abc/data.csv"
    assert parse_address(str(address)) == address


def test_every_kind_of_file_has_the_place_of_the_language_reference() -> None:
    trigger = trigger_file_address("a.b", "f", "x1", trigger_id="On_File", name="in.csv")
    given = input_file_address("a.b", "f", "x1", input_id="my.file", name="../in.csv")
    cache = cache_address("a.b", "f", task_id="work")

    assert str(trigger) == "kestra:///a/b/f/executions/x1/trigger/on-file/in.csv"
    assert str(given) == "kestra:///a/b/f/executions/x1/inputs/myfile/in.csv"
    assert str(cache) == "kestra:///a/b/f/work/cache/cache.zip"
    assert str(namespace_file_address("a.b", "/sql/q.sql")) == "kestra:///a/b/_files/sql/q.sql"


def test_an_iteration_value_has_a_cache_of_its_own() -> None:
    one, other = (cache_address("a", "f", task_id="t", value=value) for value in ("../1", "2"))

    assert one != other
    assert one.parts[:4] == ("a", "f", "t", "cache")


@pytest.mark.parametrize(("identifier", "slug"), [("My_Flow", "my-flow"), ("a.b-c", "ab-c"), ("x  y", "x-y"), ("ÄB", "b")])
def test_ids_become_slugs(identifier: str, slug: str) -> None:
    assert slugify(identifier) == slug


def test_an_id_without_any_usable_letter_still_has_a_slug() -> None:
    assert slugify("...") != slugify("....")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a/b/c.txt", "c.txt"),
        ("..\\x.txt", "x.txt"),
        ("..", "file"),
        ("a\x00b", "a-b"),
        ("Zürich 1.csv", "Zürich 1.csv"),
        ("a:b?", "a-b-"),
        ("a%20b.csv", "a%20b.csv"),
        ("a%2Fb%20c.csv", "a-2Fb-20c.csv"),
    ],
)
def test_file_names_are_cleaned(name: str, cleaned: str) -> None:
    assert clean_file_name(name) == cleaned


def test_a_long_file_name_keeps_its_ending() -> None:
    cleaned = clean_file_name("ü" * 500 + ".parquet")

    assert cleaned.endswith(".parquet")
    assert len(cleaned.encode()) <= 180


def test_two_files_of_one_name_never_meet() -> None:
    assert unique_file_name("a.txt") != unique_file_name("a.txt")


@pytest.mark.parametrize(
    ("one", "other"),
    [("a..b", "a.b"), ("a.", "a"), ("a.b.", "a.b"), ("a._files", "a")],
)
def test_namespaces_with_odd_names_do_not_share_a_folder(one: str, other: str) -> None:
    assert execution_folder(one, "f", "x").parts != execution_folder(other, "f", "x").parts
    assert not execution_folder(one, "f", "x").is_below(namespace_files_folder(other))


def _may_read(uri: str, *related: str) -> bool:
    address = parse_address(uri)
    return may_read(address, namespace="company.team", flow_id="daily", execution_id="own", related_execution_ids=related)


@pytest.mark.parametrize(
    "uri",
    [
        "kestra:///company/team/daily/executions/own/tasks/t/r/f.txt",
        "kestra:///company/team/daily/executions/own/inputs/i/f.txt",
        "kestra:///company/team/_files/sql/q.sql",
    ],
)
def test_a_task_reads_files_of_its_execution_and_namespace(uri: str) -> None:
    assert _may_read(uri)


def test_a_task_reads_files_of_the_executions_it_came_from() -> None:
    uri = "kestra:///other/parent/executions/caller/tasks/t/r/f.txt"

    assert _may_read(uri, "caller")
    assert not _may_read(uri, "somebody")


@pytest.mark.parametrize(
    "uri",
    [
        "kestra:///company/team/daily/executions/foreign/tasks/t/r/f.txt",
        "kestra:///company/team/daily/executions/own2/tasks/t/r/f.txt",
        "kestra:///company/other/daily/executions/own/tasks/t/r/f.txt",
        "kestra:///company/team/daily/executions/foreign/tasks/executions/own/tasks/t/f.txt",
        "kestra:///company/_files/sql/q.sql",
        "kestra:///company/team/child/_files/q.sql",
        "kestra:///company/team/daily/task/cache/cache.zip",
        "kestra:///company/team/daily/executions/own",
        "kestra:///company/team/_files",
        "kestra:///_messages/x",
        "kestra:///x",
    ],
)
def test_files_of_others_are_out_of_reach(uri: str) -> None:
    assert not _may_read(uri)


def test_a_refusal_names_the_execution_and_the_file() -> None:
    uri = "kestra:///other/flow/executions/x/tasks/t/r/f.txt"

    with pytest.raises(ForeignFileError, match=r'Execution own of flow a/f may not read "kestra:///other'):
        check_may_read(uri, namespace="a", flow_id="f", execution_id="own")

"""The tasks that join, cut, filter, measure and delete stored files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.plugin_api.fields import PropertyError
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing_platform import FakeExecution
from flows.primitives.errors import NotFoundError
from plugins.core.storage.files import Delete, LocalFiles, PurgeCurrentExecutionFiles, PurgeStorage, Size, Write
from plugins.core.storage.items import DeduplicateItems, FilterItems
from plugins.core.storage.lines import Concat, Reverse, Split


def read(context, uri: str) -> bytes:
    with context.storage.open(uri) as stream:
        return stream.read()


def test_concat_writes_the_separator_behind_every_file(context):
    files = [context.storage.put(b"a", "a.txt"), context.storage.put(b"b", "b.txt")]

    uri = context.run(Concat(), {"files": files, "separator": ";", "extension": ".csv"})["uri"]

    assert read(context, uri) == b"a;b;"
    assert uri.endswith(".csv")


def test_concat_takes_a_list_from_an_expression_or_json_text(make_context):
    context = make_context()
    uri = context.storage.put(b"a", "a.txt")
    context._variables["outputs"] = {"files": [uri]}

    by_expression = context.run(Concat(), {"files": "{{ outputs.files }}"})["uri"]
    by_text = context.run(Concat(), {"files": f'["{uri}"]'})["uri"]

    assert read(context, by_expression) == read(context, by_text) == b"a"
    assert by_text.endswith(".tmp")


def test_concat_of_a_missing_file_fails(context):
    with pytest.raises(NotFoundError):
        context.run(Concat(), {"files": ["kestra:///company/team/nothing"]})


@pytest.mark.parametrize(
    ("content", "properties", "parts"),
    [
        (b"1\n2\n3\n", {"partitions": 4}, [b"1\n", b"2\n", b"3\n"]),
        (b"1\n2\n3", {"partitions": 2}, [b"1\n3\n", b"2\n"]),
        (b"1\n2\n3\n4\n5\n", {"rows": 2}, [b"1\n2\n", b"3\n4\n", b"5\n"]),
        (b"1\r\n2\r3\n", {"rows": 2, "separator": "|"}, [b"1|2|", b"3|"]),
        (b"12345\n1\n2\n", {"bytes": "4"}, [b"12345\n", b"1\n2\n"]),
        (b"1\n2\n", {"bytes": "10MB", "partitions": 2, "rows": 1}, [b"1\n2\n"]),
        (b"1\n2\n3\n", {"partitions": 2, "rows": 1}, [b"1\n3\n", b"2\n"]),
        (b"a:1\nb:2\na:3\nnone\n", {"regexPattern": r"^(\w):"}, [b"a:1\na:3\n", b"b:2\n"]),
        (b"", {"rows": 1}, []),
    ],
)
def test_split_cuts_as_its_properties_say(context, content, properties, parts):
    uri = context.storage.put(content, "in.txt")

    uris = context.run(Split(), {"from": uri, **properties})["uris"]

    assert [read(context, part) for part in uris] == parts
    assert all(part.endswith(".txt") for part in uris)


@pytest.mark.parametrize(
    "properties", [{}, {"bytes": "much"}, {"partitions": 501}, {"regexPattern": "("}, {"regexPattern": "nogroup"}]
)
def test_split_refuses_what_says_no_way_of_cutting(context, properties):
    uri = context.storage.put(b"1\n", "in.txt")

    with pytest.raises(TaskFailure):
        context.run(Split(), {"from": uri, **properties})


def test_split_refuses_a_file_that_is_no_text(context):
    uri = context.storage.put(b"\xff\xfe\x00", "in.bin")

    with pytest.raises(TaskFailure, match="no utf-8 text"):
        context.run(Split(), {"from": uri, "rows": 1})


def test_split_stops_a_pattern_that_takes_for_ever(context):
    uri = context.storage.put(b"a" * 5000 + b"!\n", "in.txt")

    with pytest.raises(TaskFailure, match="takes too long"):
        context.run(Split(), {"from": uri, "regexPattern": r"^((a|aa)+)+$"})


@pytest.mark.parametrize(
    ("content", "properties", "expected"),
    [
        (b"1\n2\n3", {}, b"3\n2\n1\n"),
        ("é\nü\n".encode("latin-1"), {"charset": "ISO-8859-1", "separator": ";"}, "ü;é;".encode("latin-1")),
        (b"", {}, b""),
    ],
)
def test_reverse_turns_the_lines_round(context, content, properties, expected):
    uri = context.storage.put(content, "in.txt")

    assert read(context, context.run(Reverse(), {"from": uri, **properties})["uri"]) == expected


def test_reverse_refuses_an_unknown_charset(context):
    uri = context.storage.put(b"1\n", "in.txt")

    with pytest.raises(TaskFailure, match="klingon"):
        context.run(Reverse(), {"from": uri, "charset": "klingon"})


ROWS = [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 1, "v": "c"}, {"id": 3, "v": None}]


def test_deduplicate_keeps_the_last_row_of_each_key_in_file_order(context):
    uri, _ = context.storage.write_rows(ROWS)

    output = context.run(DeduplicateItems(), {"from": uri, "expr": "{{ id }}"})

    assert list(context.storage.read_rows(output.pop("uri"))) == [ROWS[1], ROWS[2], ROWS[3]]
    assert output == {"numKeys": 3, "processedItemsTotal": 4, "droppedItemsTotal": 1}


@pytest.mark.parametrize(("kind", "kept"), [("INCLUDE", [1, 3]), ("EXCLUDE", [2])])
def test_filter_keeps_or_drops_where_the_condition_holds(context, kind, kept):
    uri, _ = context.storage.write_rows([{"id": 1}, {"id": 2}, {"id": 3}])

    output = context.run(FilterItems(), {"from": uri, "filterCondition": " {{ id != 2 }} ", "filterType": kind})

    assert [row["id"] for row in context.storage.read_rows(output["uri"])] == kept
    assert (output["processedItemsTotal"], output["droppedItemsTotal"]) == (3, 3 - len(kept))


@pytest.mark.parametrize("condition", ["{{ v }}", "{{ nothing.here }}"])
@pytest.mark.parametrize("kind", ["INCLUDE", "EXCLUDE"])
@pytest.mark.parametrize(("behavior", "count"), [("INCLUDE", 1), ("EXCLUDE", 0)])
def test_filter_treats_errors_and_nulls_as_told_whatever_the_filter_type(context, condition, kind, behavior, count):
    uri, _ = context.storage.write_rows([{"v": None}])

    output = context.run(
        FilterItems(), {"from": uri, "filterCondition": condition, "filterType": kind, "errorOrNullBehavior": behavior}
    )

    assert len(list(context.storage.read_rows(output["uri"]))) == count


@pytest.mark.parametrize("condition", ["{{ v }}", "{{ nothing.here }}"])
def test_filter_fails_for_errors_and_nulls_by_default(context, condition):
    uri, _ = context.storage.write_rows([{"v": None}])

    with pytest.raises(TaskFailure, match="row 1"):
        context.run(FilterItems(), {"from": uri, "filterCondition": condition})


def test_rows_that_are_no_maps_are_refused(context):
    uri, _ = context.storage.write_rows([1])

    with pytest.raises(TaskFailure, match="Row 1 is no map"):
        context.run(FilterItems(), {"from": uri, "filterCondition": "true"})


def test_size_gives_the_bytes(context):
    assert context.run(Size(), {"uri": context.storage.put("é".encode(), "f")}) == {"size": 2}


def test_a_text_that_is_no_address_is_refused(context):
    with pytest.raises(PropertyError, match="kestra:///"):
        context.run(Size(), {"uri": "somewhere"})


def test_delete_tells_whether_the_file_was_there(context):
    uri = context.storage.put(b"x", "f")

    assert context.run(Delete(), {"uri": uri}) == {"uri": uri, "deleted": True}
    assert context.run(Delete(), {"uri": uri}) == {"uri": uri, "deleted": False}
    with pytest.raises(TaskFailure):
        context.run(Delete(), {"uri": uri, "errorOnMissing": True})


@pytest.mark.parametrize(("extension", "end"), [(".txt", ".txt"), ("csv", ".csv"), (None, ".tmp")])
def test_write_stores_the_rendered_text(context, extension, end):
    uri = context.run(Write(), {"content": "run {{ flow.id }}", "extension": extension})["uri"]

    assert read(context, uri) == b"run flow"
    assert uri.endswith(end)


def test_local_files_writes_inputs_and_keeps_outputs(context):
    stored = context.storage.put(b"stored", "f")

    uris = context.run(
        LocalFiles(), {"inputs": {"a.txt": "x {{ flow.id }}", "sub/b.txt": stored}, "outputs": ["*.txt", "sub/*"]}
    )["uris"]

    assert {path: read(context, uri) for path, uri in uris.items()} == {"a.txt": b"x flow", "sub/b.txt": b"stored"}


@pytest.mark.parametrize("name", ["../up.txt", "/abs.txt", "a/../../b", "./x"])
def test_local_files_does_not_write_outside_the_directory(context, name):
    with pytest.raises((PropertyError, TaskFailure)):
        context.run(LocalFiles(), {"inputs": {name: "x"}})


def test_local_files_does_not_follow_links_out_of_the_directory(context):
    (context.workdir / "link.txt").symlink_to("/etc/hostname")

    assert context.run(LocalFiles(), {"outputs": ["*.txt"]}) == {"uris": {}}


def test_purge_of_the_current_execution_deletes_its_files(context):
    uri = context.storage.put(b"x", "f")

    assert context.run(PurgeCurrentExecutionFiles(), {}) == {"uris": [uri]}
    assert not context.storage.exists(uri)


def test_purge_storage_deletes_nothing_unless_told_so(context):
    context.platform.execution_folders = {"gone": 3, "kept": 1}
    context.platform.executions = [FakeExecution("kept", "n", "f", "SUCCESS", datetime(2031, 5, 4, tzinfo=UTC))]

    dry = context.run(PurgeStorage(), {"endDate": "2031-05-01T00:00:00Z"})
    real = context.run(PurgeStorage(), {"endDate": "2031-05-01T00:00:00Z", "dryRun": False})

    assert dry == {"scannedCount": 2, "purgedCount": 1, "deletedFilesCount": 0}
    assert real == {"scannedCount": 2, "purgedCount": 1, "deletedFilesCount": 3}
    assert context.platform.execution_folders == {"kept": 1}
    assert context.metrics.value_of("deleted.files") == 3


def test_purge_storage_of_a_flow_needs_its_namespace(context):
    with pytest.raises(TaskFailure):
        context.run(PurgeStorage(), {"flowId": "f", "endDate": "2031-05-01T00:00:00Z"})

"""Reading YAML: scalar types, places, limits, and hostile documents that must be refused at once."""

from __future__ import annotations

import time

import pytest

from flows.language.source import read_document, split_documents


def codes(text: str) -> list[str]:
    return [problem.code for problem in read_document(text).problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2031-05-04", "2031-05-04"),
        ("2031-05-04T10:00:00Z", "2031-05-04T10:00:00Z"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-7", -7),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 60, "9" * 60),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("Null", None),
        ('"no"', "no"),
        ("'12'", "12"),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
        ("٣", "٣"),
    ],
)
def test_a_plain_word_has_the_type_of_yaml_1_2(written: str, value: object) -> None:
    document = read_document(f"a: {written}\n")

    assert {"a": value} == document.data
    assert type(value) is type(document.data["a"])


def test_a_number_remembers_how_it_was_written() -> None:
    document = read_document("version: 1.10\nlist: [012, 7]\n")

    assert document.find_text(document.data, "version") == "1.10"
    assert document.find_text(document.data["list"], 0) == "012"
    assert document.find_text(document.data["list"], 1) is None


def test_keys_are_texts() -> None:
    assert read_document("true: 1\n1: 2\n~: 3\n").data == {"true": 1, "1": 2, "~": 3}


def test_every_key_and_value_has_a_place() -> None:
    document = read_document("a:\n  - b: x\n    c:   y\n")

    place = document.find_place(("a", 0, "c"))
    assert (place.line, place.column, place.path) == (3, 10, "a[0].c")
    key = document.find_place(("a", 0, "c"), of_key=True)
    assert (key.line, key.column) == (3, 5)


def test_a_path_that_does_not_exist_has_the_place_of_its_parent() -> None:
    place = read_document("a:\n  b: 1\n").find_place(("a", "missing", 3))

    assert (place.line, place.column, place.path) == (2, 3, "a.missing[3]")


def test_merge_keys_give_what_is_not_set_and_keep_places() -> None:
    document = read_document("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist:\n  <<: [*b, {z: 4}]\n")

    assert document.data["use"] == {"x": 1, "y": 3}
    assert document.data["list"] == {"x": 1, "y": 2, "z": 4}
    assert document.find_place(("use", "x")).line == 1


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read_document("'<<': z\n").data == {"<<": "z"}


def test_duplicate_keys_are_all_reported_with_their_place() -> None:
    problems = read_document("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n").problems

    assert [(p.code, p.place.line) for p in problems] == [("duplicate-key", 4), ("duplicate-key", 5)]
    assert "Duplicate field 'c'" in problems[0].message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: !!python/object:os.system x", "yaml-tag"),
        ("a: !custom {b: 1}", "yaml-tag"),
        ("a: &x [*x]", "recursive-alias"),
        ("a: &x {b: *x}", "recursive-alias"),
        ("a: *nobody", "unknown-alias"),
        ("a: {{ inputs.x }}", "yaml-key"),
        ("? [a]\n: b", "yaml-key"),
        ("a: [1", "yaml-syntax"),
        ("a:\n\t- b", "yaml-syntax"),
        ("a: b: c", "yaml-syntax"),
        ("a: 'x", "yaml-syntax"),
        ("a: \x01", "yaml-syntax"),
        ("a: \ud800", "yaml-syntax"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("a: {<<: 3}", "yaml-merge"),
        ("%YAML 9.9\n---\na: 1", "yaml-syntax"),
    ],
)
def test_a_broken_document_is_refused_with_its_reason(text: str, code: str) -> None:
    problems = read_document(text).problems

    assert code in [problem.code for problem in problems]
    assert all(problem.place is not None for problem in problems)


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
HOSTILE = {
    "nine levels of aliases": (BOMB, "too-many-nodes"),
    "merged bombs": (
        "a0: &a0 {" + ",".join(f"k{i}: 1" for i in range(500)) + "}\n" + "\n".join(f"m{i}: {{<<: *a0}}" for i in range(200)),
        "too-many-nodes",
    ),
    "brackets": ("[" * 20_000, "document-too-deep"),
    "braces": ("{a: " * 20_000, "document-too-deep"),
    "dashes": ("- " * 400_000, "document-too-deep"),
    "a long text many times": ("a: &a " + "x" * 900_000 + "\nb: [*a, *a, *a, *a, *a]", "document-too-large"),
    "ten mebibytes": ("a: " + "x" * 10 * 1024 * 1024, "document-too-large"),
    "many keys": ("\n".join(f"k{i}: 1" for i in range(90_000)), "too-many-nodes"),
    "a million keys": ("\n".join(f"k{i}: 1" for i in range(1_000_000)), "document-too-large"),
    "escapes without end": ('"' + "\\x41" * 200_000, "yaml-syntax"),
    "deep by alias": ("a: &a " + "[" * 60 + "]" * 60 + "\nb: " + "[" * 60 + "*a" + "]" * 60, "document-too-deep"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_within_a_second(name: str) -> None:
    text, code = HOSTILE[name]

    started = time.process_time()
    document = read_document(text)

    assert [code] == [problem.code for problem in document.problems]
    assert document.data is None
    assert time.process_time() - started < 1


def test_aliases_below_the_limits_are_expanded() -> None:
    document = read_document("a: &a {b: [1, 2]}\nc: *a\nd: [*a]\n")

    assert document.problems == []
    assert document.data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}]}


def test_bulk_text_is_cut_at_its_separators() -> None:
    text = "# first\n---\nid: a\n--- # second\nid: b\nscript: |\n  ---\n---\n# nothing\n"

    assert split_documents(text) == ["id: a\n", "id: b\nscript: |\n  ---\n"]


def test_an_empty_text_has_no_data_and_no_problem() -> None:
    assert (read_document("").data, codes("# only a comment\n")) == (None, [])

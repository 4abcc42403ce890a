"""Row files and Ion text: what is written is read back, foreign Ion is read, faults are located."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.plugin_api.ion import IonError, read_ion
from flows.plugin_api.rows import RowError, read_rows, write_row, write_rows
from flows.primitives.errors import TooLargeError


def read(text: str | bytes, **options):
    return list(read_rows(io.BytesIO(text.encode() if isinstance(text, str) else text), name="x.ion", **options))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"a": 1, "b": "é\n", "c": None, "d": True}, '{"a": 1, "b": "é\\n", "c": null, "d": true}'),
        ([1, [2]], "[1, [2]]"),
        (1.5, "1.5e0"),
        (1e300, "1e+300"),
        (Decimal("1.50"), "1.50"),
        (Decimal("10"), "10."),
        (math.inf, "+inf"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))), "2024-01-01T00:00:00.000005+02:00"),
        (date(2024, 1, 1), "2024-01-01"),
        (b"abc", "{{YWJj}}"),
    ],
)
def test_a_value_is_written_on_one_line_and_read_back(value, line):
    written = write_row(value)

    assert written.decode() == f"{line}\n"
    assert read(written) == [value]


def test_durations_and_unknown_values_become_text():
    assert read(write_row({"wait": timedelta(seconds=5), "z": 1j})) == [{"wait": "PT5S", "z": "1j"}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
ion_scalars = st.floats(allow_nan=False) | st.binary() | st.decimals(allow_nan=False, allow_infinity=False, places=3)


@given(json_values)
def test_what_json_can_say_is_written_as_json(value):
    assert json.loads(write_row(value)) == value


@given(st.lists(json_values | ion_scalars, max_size=6))
def test_rows_are_read_back_as_they_were_written(values):
    stream = io.BytesIO()
    count = write_rows(stream, values)
    stream.seek(0)

    assert count == len(values)
    assert list(read_rows(stream)) == values


@given(st.text())
def test_any_text_gives_values_or_a_located_error(text):
    try:
        list(read_ion(text))
    except IonError as error:
        assert 0 <= error.offset <= len(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{a:1,'b c':\"s\",}", [{"a": 1, "b c": "s"}]),
        ("2.5d1 0xFF 1_000 -0b101", [Decimal("25"), 255, 1000, -5]),
        ("2024T 2024-02T 2024-02-03T", [date(2024, 1, 1), date(2024, 2, 1), date(2024, 2, 3)]),
        ("2024-01-02T03:04-00:00", [datetime(2024, 1, 2, 3, 4, tzinfo=UTC)]),
        ("null.int foo::bar::1 'sym' (+ 1 x)", [None, 1, "sym", ["+", 1, "x"]]),
        ("'''a''' '''b\\\n''' \"\\u00e9\\x41\"", ["ab", "éA"]),
        ('{{ "clob" }} {{YWJj}}', [b"clob", b"abc"]),
        ("$ion_1_0 1 // comment\n/* more */ 2", [1, 2]),
    ],
)
def test_foreign_ion_text_is_read(text, values):
    assert list(read_ion(text)) == values


def test_values_that_span_lines_are_read():
    assert read("{a: 1,\n b: 2}\n{a: 3}\n") == [{"a": 1, "b": 2}, {"a": 3}]


def test_blank_lines_are_passed_over():
    assert read("1\n\n  \r\n2") == [1, 2]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1\n{a:}\n", "line 2, column 4"),
        ("{a: 1,\n b}\n", "line 2, column 3"),
        (b"1\n\xff\n", "line 2, byte 1"),
        ("2024-13-45\n", "line 1"),
    ],
)
def test_a_broken_line_is_named_with_its_place(text, place):
    with pytest.raises(RowError, match=rf"x\.ion, {place}"):
        read(text)


def test_binary_ion_is_refused_with_a_reason():
    with pytest.raises(RowError, match="binary Ion"):
        read(b"\xe0\x01\x00\xea\x21\x01")


def test_a_line_that_is_too_long_is_refused():
    with pytest.raises(TooLargeError, match="Line 2"):
        read('1\n"aaaaaaaaaaaaaaaaaaaa"\n', max_line_bytes=10)


@pytest.mark.parametrize("text", ["[" * 5000, "{a:" * 5000, "(" * 5000 + ")" * 5000, "a::" * 5000 + "1"])
def test_deep_nesting_is_refused(text):
    with pytest.raises(RowError):
        read(text)


def test_a_row_that_is_nested_too_deeply_is_not_written():
    value: list = []
    for _ in range(200):
        value = [value]

    with pytest.raises(RowError):
        write_row(value)


def test_rows_are_read_one_at_a_time():
    stream = io.BytesIO(b"1\n2\nbroken{\n")
    rows = read_rows(stream)

    assert (next(rows), next(rows)) == (1, 2)

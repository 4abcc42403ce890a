"""Typed values: deduced types, conversions, and what cannot be stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from flows.primitives.typed_values import Kind, ValueTypeError, deduce_kind, from_stored, parse_kind, parse_value_text, to_stored


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", Kind.STRING),
        ("PT1H", Kind.DURATION),
        ("PARIS", Kind.STRING),
        ("P", Kind.STRING),
        (True, Kind.BOOLEAN),
        (1, Kind.NUMBER),
        (1.5, Kind.NUMBER),
        (Decimal("1.50"), Kind.NUMBER),
        (datetime(2031, 5, 4, tzinfo=UTC), Kind.DATETIME),
        (date(2031, 5, 4), Kind.DATE),
        (timedelta(hours=1), Kind.DURATION),
        ({"a": 1}, Kind.JSON),
        ([1], Kind.JSON),
        (None, Kind.JSON),
    ],
)
def test_the_type_of_a_value_is_deduced(value: Any, kind: Kind) -> None:
    assert deduce_kind(value) is kind


@pytest.mark.parametrize(
    ("text", "kind", "stored"),
    [
        ('"hello"', Kind.STRING, "hello"),
        ("42", Kind.NUMBER, 42),
        ("-1.5e3", Kind.NUMBER, -1500.0),
        ("true", Kind.BOOLEAN, True),
        ('{"a": [1, null]}', Kind.JSON, {"a": [1, None]}),
        ("2031-05-04", Kind.DATE, "2031-05-04"),
        ("2031-05-04T10:00:00Z", Kind.DATETIME, "2031-05-04T10:00:00Z"),
        (" PT90M ", Kind.DURATION, "PT1H30M"),
        ('"PT1H"', Kind.DURATION, "PT1H"),
    ],
)
def test_the_body_of_a_request_is_read(text: str, kind: Kind, stored: Any) -> None:
    assert parse_value_text(text) == (kind, stored)


@pytest.mark.parametrize("text", ["", "hello", "{", "NaN", "Infinity", "1e999", '"\\u0000"', '"\\ud800"', "[" * 5000])
def test_a_body_that_holds_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueTypeError):
        parse_value_text(text)


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        ("12", Kind.NUMBER, 12),
        ("1.5", Kind.NUMBER, 1.5),
        ("TRUE", Kind.BOOLEAN, True),
        ("yes", Kind.BOOLEAN, False),
        (12, Kind.STRING, "12"),
        ({"a": 1}, Kind.STRING, '{"a": 1}'),
        ("2031-05-04", Kind.DATETIME, "2031-05-04T00:00:00Z"),
        (datetime(2031, 5, 4, 1, tzinfo=UTC), Kind.DATE, "2031-05-04"),
        (90, Kind.DURATION, "PT1M30S"),
        ('{"a": 1}', Kind.JSON, {"a": 1}),
        ({1: date(2031, 5, 4), "d": Decimal("2")}, Kind.JSON, {"1": "2031-05-04", "d": 2}),
    ],
)
def test_a_value_is_converted_to_the_type_that_was_asked_for(value: Any, kind: Kind, stored: Any) -> None:
    assert to_stored(value, kind) == stored


@pytest.mark.parametrize(
    ("value", "kind"),
    [("abc", Kind.NUMBER), (True, Kind.NUMBER), ("x", Kind.DATE), ("x", Kind.DATETIME), (3, Kind.DATETIME), ("x", Kind.DURATION),
     ([], Kind.DURATION), ("{", Kind.JSON), (object(), Kind.JSON), (float("nan"), Kind.NUMBER), ("x" * 2_000_000, Kind.STRING)],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_refused(value: Any, kind: Kind) -> None:
    with pytest.raises(ValueTypeError):
        to_stored(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2031, 5, 4, 10, 30, 1, tzinfo=UTC), Kind.DATETIME),
        (date(2031, 5, 4), Kind.DATE),
        (timedelta(seconds=90.5), Kind.DURATION),
        ("text", Kind.STRING),
        ([1, {"a": None}], Kind.JSON),
    ],
)
def test_what_was_stored_comes_back_with_its_type(value: Any, kind: Kind) -> None:
    assert from_stored(to_stored(value, kind), kind) == value


def test_an_unknown_type_names_the_known_ones() -> None:
    assert parse_kind("date") is Kind.DATE
    with pytest.raises(ValueTypeError, match="STRING, NUMBER, BOOLEAN"):
        parse_kind("blob")

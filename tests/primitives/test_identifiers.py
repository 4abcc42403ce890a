"""Names: patterns, limits, and characters that would deceive the eye."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.primitives.identifiers import NameKind, find_label_fault, find_name_fault, is_system_label


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (NameKind.FLOW, "my_flow.v2-a"),
        (NameKind.FLOW, "9lives"),
        (NameKind.NAMESPACE, "company.team-1"),
        (NameKind.TASK, "t5-t1_x"),
        (NameKind.INPUT, "nested.more.int"),
    ],
)
def test_a_plain_name_is_allowed(kind: NameKind, name: str) -> None:
    assert find_name_fault(kind, name) is None


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (NameKind.FLOW, "", "empty"),
        (NameKind.FLOW, "my#flow", "may only hold"),
        (NameKind.FLOW, "-a", "begin with"),
        (NameKind.FLOW, "a" * 101, "100"),
        (NameKind.NAMESPACE, "Company", "lower-case"),
        (NameKind.TASK, "a.b", "dots"),
        (NameKind.TASK, "a\n", "may only hold"),
        (NameKind.TASK, "раураl", "may only hold"),
        (NameKind.TASK, "a\u202eb", "may only hold"),
        (NameKind.TASK, "１", "may only hold"),
    ],
)
def test_a_refusal_says_why(kind: NameKind, name: str, words: str) -> None:
    assert words in (find_name_fault(kind, name) or "")


@given(st.sampled_from(list(NameKind)), st.text(max_size=30))
def test_no_two_allowed_names_are_equal_after_normalisation(kind: NameKind, name: str) -> None:
    if find_name_fault(kind, name) is None:
        assert unicodedata.normalize("NFKC", name) == name and name.isascii()


@pytest.mark.parametrize("value", ["", "x" * 1025, "a\u202eb", "a\u200bb", "a\x00"])
def test_a_label_value_that_cannot_be_seen_is_refused(value: str) -> None:
    assert find_label_fault("key", value) is not None


@pytest.mark.parametrize("key", ["", " ", " a", "ｓystem.x", "a\u200b", "k" * 256])
def test_a_label_key_that_looks_like_another_is_refused(key: str) -> None:
    assert find_label_fault(key, "v") is not None


def test_system_labels_are_recognised_in_disguise() -> None:
    assert is_system_label("system.x") and is_system_label("ｓystem.x") and is_system_label(" System.x")
    assert not is_system_label("systematic")

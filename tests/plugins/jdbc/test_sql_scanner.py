"""SQL text is split and bound outside quotes and comments only."""

from __future__ import annotations

import pytest

from plugins.jdbc.scanner import bind_marks, bind_parameters, split_statements


@pytest.mark.parametrize(
    "hidden",
    ["'a;:p'", "'it''s;:p'", '"a;:p"', "-- ;:p\n1", "/* ; /* :p */ ; */ 1", "$$;:p$$", "$tag$;:p $$ $tag$", r"e'\';:p'"],
)
def test_quotes_and_comments_hide_semicolons_and_parameters(hidden: str) -> None:
    sql = f"select {hidden}"

    assert [s.text for s in split_statements(sql)] == [sql]
    assert bind_parameters(sql, {"p": 1}) == (sql, None)


def test_statements_are_split_and_empty_ones_left_out() -> None:
    statements = split_statements("-- first\nselect 1;; /* nothing */ ;\ninsert into t values (2);")

    assert [(s.text, s.verb) for s in statements] == [("select 1", "select"), ("insert into t values (2)", "insert")]


def test_the_body_of_an_atomic_function_stays_whole() -> None:
    body = "create function f() returns int begin atomic select case when true then 1 end; select 2; end"

    assert [s.text for s in split_statements(f"{body}; select 1")] == [body, "select 1"]


def test_a_parameter_is_bound_and_a_cast_is_not() -> None:
    assert bind_parameters("select :a::int, b::text, '5%'", {"a": 1}) == ("select %(a)s::int, b::text, '5%%'", {"a": 1})


def test_a_list_is_expanded_for_in_and_kept_for_any() -> None:
    text, values = bind_parameters("x in (:ids) and y = any(:ids)", {"ids": [1, 2]})

    assert text == "x in (%(ids__0)s, %(ids__1)s) and y = any(%(ids)s)"
    assert values == {"ids__0": 1, "ids__1": 2, "ids": [1, 2]}


def test_an_empty_list_matches_nothing() -> None:
    assert bind_parameters("x in (:ids)", {"ids": []}) == ("x in (NULL)", {})


def test_an_unknown_name_stays_as_written() -> None:
    assert bind_parameters("select a[1:n]", {"m": 1}) == ("select a[1:n]", None)


def test_question_marks_are_placeholders_outside_quotes() -> None:
    assert bind_marks("insert into t values (?, '?', a ?? 'x', 5 % 2)") == ("insert into t values (%s, '?', a ? 'x', 5 %% 2)", 1)

"""Whatever the template and the values: a result, or an ExpressionError. Nothing else may come out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.expressions import ExpressionError, StaticEnvironment, check_syntax, list_filters, list_functions, list_tests, render

FILTERS = [signature.name for signature in list_filters()]
# http and randomPort act outside of this process.
FUNCTIONS = [signature.name for signature in list_functions() if signature.name not in ("http", "randomPort")]
TESTS = [signature.name for signature in list_tests()]
OPERATOR_WORDS = "+ - * / % ~ == != < > <= >= and or contains in ?? ??? .. equals"
OPERATORS = OPERATOR_WORDS.split()
LEXER_WORDS = """
    {{ }} {% %} {# #} {{- -}} if else elseif endif for in endfor set = block endblock macro endmacro filter endfilter
    raw endraw verbatim endverbatim ' " #{ } \\ ( ) [ ] { , : ? . | is not a m l loop 1 2.5 5L null true é .. ~ ??
"""
WORDS = [*LEXER_WORDS.split(), " ", "\n", "\0"]
ARGUMENT_NAMES = [
    "format",
    "timeZone",
    "existingFormat",
    "locale",
    "amount",
    "unit",
    "type",
    "regexp",
    "limit",
    "separator",
    "size",
]
VARIABLES: dict[str, Any] = {
    "a": "text",
    "m": {"k": 1, "n": None, "d": {"e": [1, "x"]}},
    "l": [3, "b", None, [1]],
    "i": -7,
    "f": 2.5,
    "n": None,
    "b": True,
    "t": datetime(2024, 3, 5, 14, 7, 9, 123456, tzinfo=UTC),
    "d": date(2024, 2, 29),
    "p": timedelta(hours=1),
    "c": Decimal("1.50"),
    "odd": "\ud800\0é(*[",
    "big": 10**30,
    "inf": float("inf"),
    "e": "",
    "s": {1, 2},
    "o": object(),
    "flow": {"id": "f", "namespace": "n"},
    "outputs": {"t": {"v": {"value": 1}}},
    "taskrun": {"value": "v", "iteration": 1},
    "task": {"id": "t"},
    "parents": [{"taskrun": {}}, 5],
}
ENVIRONMENT = StaticEnvironment(secrets={"a": "s"}, kv={"n": {"a": 1}}, files={"a": "f"}, error_logs=[], namespace="n")

texts = st.text(st.characters(exclude_categories=["Cs"]))
literals = st.one_of(
    st.sampled_from(list(VARIABLES)),
    st.integers(min_value=0, max_value=2**63 - 1).map(str),
    st.integers(min_value=0, max_value=40).map(str),
    st.floats(min_value=0, max_value=1e6).map(lambda number: f"{number:.3f}"),
    st.text(max_size=12).map(lambda text: "'" + text.replace("\\", "").replace("'", "\\'") + "'"),
    st.sampled_from(
        [
            "null",
            "true",
            "''",
            "'yyyy-MM-dd'",
            "'DAYS'",
            "'INT'",
            "'(a+)+$'",
            "'.[0]'",
            "'2024-01-31'",
            "'$1'",
            "'UTC'",
            "{}",
            "[]",
        ]
    ),
)
names = st.sampled_from(ARGUMENT_NAMES)


def combine(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(FILTERS), arguments).map(lambda p: f"({p[0]} | {p[1]}({p[2]}))"),
        st.tuples(inner, st.sampled_from(FILTERS), names, inner).map(lambda p: f"({p[0]} | {p[1]}({p[2]}={p[3]}))"),
        st.tuples(inner, st.sampled_from(TESTS)).map(lambda p: f"({p[0]} is {p[1]})"),
        st.tuples(st.sampled_from(FUNCTIONS), arguments).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})[{p[1]}]"),
        st.tuples(inner, st.sampled_from(["size", "substring", "replace", "get", "split"]), arguments).map(
            lambda p: f"({p[0]}).{p[1]}({p[2]})"
        ),
        st.tuples(st.sampled_from(["not ", "-", "+"]), inner).map("".join),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"{{{p[0]}: {p[1]}}}"),
    )


expressions = st.recursive(literals, combine, max_leaves=12)
statements = st.one_of(
    expressions.map(lambda e: f"{{{{ {e} }}}}"),
    st.tuples(expressions, expressions).map(lambda p: f"{{% for x in {p[0]} %}}{{{{ x }}}}{{{{ {p[1]} }}}}{{% endfor %}}"),
    st.tuples(expressions, expressions).map(lambda p: f"{{% if {p[0]} %}}{{% set a = {p[1]} %}}{{% endif %}}{{{{ a }}}}"),
    st.tuples(expressions, expressions).map(lambda p: f"{{% macro q(x={p[0]}) %}}{{{{ x }}}}{{% endmacro %}}{{{{ q({p[1]}) }}}}"),
)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def render_or_refuse(template: str, **options: Any) -> Any:
    try:
        return render(template, VARIABLES, environment=ENVIRONMENT, **options)
    except ExpressionError as error:
        assert error.code.startswith("expression-")
        return None


@given(st.lists(statements, min_size=1, max_size=3).map("".join))
@settings(relaxed, max_examples=500)
def test_a_well_formed_template_gives_a_text_or_an_expression_error(template: str) -> None:
    result = render_or_refuse(template)

    assert result is None or result.encode() is not None


@given(expressions.map(lambda e: f"{{{{ {e} }}}}"))
@settings(relaxed, max_examples=200)
def test_a_typed_template_gives_a_value_or_an_expression_error(template: str) -> None:
    render_or_refuse(template, typed=True)
    render_or_refuse({template: [template]}, typed=True)


@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
@settings(relaxed, max_examples=500)
def test_any_mixture_of_words_gives_a_text_or_an_expression_error(template: str) -> None:
    render_or_refuse(template)


@given(st.text(max_size=60).map(lambda text: "{{" + text))
@settings(relaxed, max_examples=200)
def test_any_text_can_be_checked_and_rendered(template: str) -> None:
    problems = check_syntax(template)

    render_or_refuse(template)
    assert all(problem.place is not None and problem.place.line >= 1 for problem in problems)


@given(st.text(max_size=80).filter(lambda text: "{" not in text))
@settings(relaxed)
def test_a_text_without_braces_is_returned_as_it_is(text: str) -> None:
    assert render(text, {}) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(-(2**31), 2**31 - 1),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
@settings(relaxed)
def test_a_typed_variable_comes_back_unchanged(value: Any) -> None:
    assert render("{{ value }}", {"value": value}, typed=True) == value


@given(
    st.recursive(
        st.booleans() | texts | st.integers(-(2**63), 2**63),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
@settings(relaxed)
def test_json_that_is_written_is_read_back_equal(value: Any) -> None:
    assert render("{{ fromJson(value | toJson) == value }}", {"value": value}) == "true"


@given(
    st.recursive(
        st.none() | st.booleans() | texts | st.integers(-(10**6), 10**6) | st.floats(-10, 10),
        lambda s: st.lists(s, max_size=4) | st.dictionaries(texts, s, max_size=4),
        max_leaves=12,
    )
)
@settings(relaxed, max_examples=300)
def test_yaml_and_ion_that_are_written_are_read_back_equal(value: Any) -> None:
    assert render("{{ yaml(value | yaml) }}", {"value": value}, typed=True) == value
    assert render("{{ fromIon(value | toIon) }}", {"value": value}, typed=True) == value

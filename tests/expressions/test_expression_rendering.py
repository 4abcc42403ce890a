"""Rendering as callers use it: lazy variables, typed and deep results, recursion, references, checks, errors."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from flows.expressions import (
    ExpressionError,
    Kind,
    StaticEnvironment,
    check_syntax,
    compile_template,
    is_truthy,
    list_filters,
    list_functions,
    list_tests,
    render,
)
from flows.primitives.problems import Severity


class LazyOutputs(Mapping[str, Any]):
    """Loads one entry at a time and refuses to be listed."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self.entries = entries
        self.loaded: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.loaded.append(key)
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all entries were listed")

    def __len__(self) -> int:
        raise AssertionError("the entries were counted")


def kind_of(template: Any, variables: Mapping[str, Any] | None = None, **options: Any) -> Kind:
    with pytest.raises(ExpressionError) as caught:
        render(template, variables or {}, **options)
    return caught.value.kind


@pytest.mark.parametrize(
    "template",
    [
        "{{ outputs.a.value }}",
        "{{ outputs['a'].value }}",
        "{{ outputs[name].value }}",
        "{{ outputs.zz.value ?? outputs.a.value }}",
        "{{ outputs.zz is defined ? 1 : outputs.a.value }}",
        "{{ outputs.zz.value | default(outputs.a.value) }}",
        "{{ outputs contains 'a' ? outputs.a.value : 0 }}",
    ],
)
def test_looking_up_one_key_loads_only_that_key(template: str) -> None:
    outputs = LazyOutputs({"a": {"value": "one"}, "b": {"value": "two"}})

    rendered = render(template, {"outputs": outputs, "name": "a"})

    assert rendered == "one"
    assert "b" not in outputs.loaded


def test_the_variables_themselves_may_be_lazy() -> None:
    variables = LazyOutputs({"a": 1})

    assert render("{{ a }}{% for i in 1..2 %}{{ a + i }}{% endfor %}", variables) == "123"


def test_rendering_never_changes_the_variables() -> None:
    variables = {"l": [3, 1], "m": {"k": [1]}, "n": 1}

    render("{% set n = 2 %}{% set l = l + 4 %}{{ l | sort }}{{ l | reverse }}{{ m | merge({'k': 2}) }}", variables)

    assert variables == {"l": [3, 1], "m": {"k": [1]}, "n": 1}


def test_a_typed_result_has_plain_numbers() -> None:
    values = render("{{ [1, 2.5, '3' | number('LONG'), {'k': 4}] }}", {}, typed=True)

    assert values == [1, 2.5, 3, {"k": 4}]
    assert {type(value) for value in (values[0], values[2], values[3]["k"])} == {int}
    assert type(render("{{ '1.5' | number }}", {}, typed=True)) is float


def test_white_space_around_a_typed_expression_does_not_count() -> None:
    assert render("\n  {{ [1] }}\n", {}, typed=True) == [1]


def test_a_typed_template_of_texts_is_joined() -> None:
    assert render("Hello {{ name }}!", {"name": "Ann"}, typed=True) == "Hello Ann!"


@pytest.mark.parametrize("template", ["n={{ 5 }}", "{{ 1 }}{{ 2 }}", "{{ 1 }} rows", "{{ null }}{{ 'a' }}", "{{ [] }}{{ [] }}"])
def test_a_typed_value_beside_other_output_is_refused(template: str) -> None:
    assert kind_of(template, typed=True) == Kind.BAD_OPERAND


def test_a_typed_template_may_choose_its_value_with_tags() -> None:
    template = "{% if n > 1 %}{{ [n] }}{% else %}{{ n }}{% endif %}"

    assert render(template, {"n": 2}, typed=True) == [2]
    assert render(template, {"n": 1}, typed=True) == 1


def test_a_typed_date_stays_a_date() -> None:
    moment = datetime(2024, 3, 5, tzinfo=UTC)

    assert render({"at": "{{ moment }}"}, {"moment": moment}, typed=True) == {"at": moment}


def test_when_two_rendered_keys_become_equal_the_first_wins() -> None:
    assert render({"{{ a }}": 1, "{{ b }}": 2, 5: None}, {"a": "k", "b": "k"}) == {"k": 1, 5: None}


def test_a_tuple_is_rendered_to_a_list() -> None:
    assert render(("{{ a }}", 1, None), {"a": "x"}) == ["x", 1, None]


def test_a_recursive_render_leaves_the_body_of_raw_alone() -> None:
    variables = {"a": "{% raw %}{{ b }}{% endraw %} {{ b }}", "b": "B"}

    assert render("{{ a }}", variables, recursive=True) == "{{ b }} B"
    assert render("{{ render(a) }}", variables) == "{{ b }} B"


def test_render_is_not_available_where_everything_is_rendered_recursively() -> None:
    environment = StaticEnvironment(recursive=True)

    assert render("{{ a }}", {"a": "{{ b }}", "b": 1}, environment=environment) == "1"
    assert kind_of("{{ render(a) }}", {"a": "x"}, environment=environment) == Kind.UNKNOWN_FUNCTION


def test_text_of_a_variable_keeps_its_raw_tags() -> None:
    assert render("{{ a }}", {"a": "{% raw %}x{% endraw %}"}) == "{% raw %}x{% endraw %}"


def test_render_sees_the_global_variables_only() -> None:
    assert kind_of("{% set x = 1 %}{{ render('{{ x }}') }}") == Kind.UNDEFINED_VARIABLE


def test_a_set_in_a_branch_is_seen_after_it() -> None:
    assert render("{% if true %}{% set y = 3 %}{% endif %}{{ y }}", {}) == "3"


def test_a_set_in_a_loop_of_a_new_name_ends_with_the_loop() -> None:
    assert kind_of("{% for i in 1..2 %}{% set y = i %}{% endfor %}{{ y }}") == Kind.UNDEFINED_VARIABLE


def test_a_set_in_a_loop_hides_a_global_variable_for_the_rest_of_the_template() -> None:
    variables = {"n": 10}

    assert render("{% for i in 1..3 %}{% set n = n + i %}{% endfor %}{{ n }}", variables) == "16"
    assert variables == {"n": 10}


def test_nested_loops_shadow_the_loop_variable_of_the_outer_one() -> None:
    template = "{% for a in 1..2 %}{% for b in 1..3 %}{{ loop.length }}{% endfor %}{{ loop.length }} {% endfor %}"

    assert render(template, {}) == "3332 3332 "


def test_a_macro_sees_only_its_arguments() -> None:
    template = "{% macro m(x, y='d') %}{{ x }}{{ y }}{{ z ?? '-' }}{% endmacro %}{{ m(1) }} {{ m(y=2) }}"

    assert render(template, {"z": "global"}) == "1d- 2-"


def test_a_macro_may_be_called_before_it_is_written() -> None:
    assert render("{{ m(1) }}{% macro m(x) %}<{{ x }}>{% endmacro %}", {}) == "<1>"


@pytest.mark.parametrize("call", ["m(1, 2)", "m(z=1)"])
def test_a_macro_refuses_arguments_that_it_does_not_have(call: str) -> None:
    assert kind_of("{% macro m(x) %}{% endmacro %}{{ " + call + " }}") == Kind.BAD_ARGUMENT


def test_values_print_as_documented() -> None:
    variables = {
        "moment": datetime(2024, 3, 5, 14, 7, 9, 120000, tzinfo=UTC),
        "day": date(2024, 3, 5),
        "length": timedelta(hours=26, seconds=1.5),
        "amount": Decimal("1E+3"),
        "big": 12345678.0,
        "set": {1},
    }

    rendered = render("{{ moment }} {{ day }} {{ length }} {{ amount }} {{ big }} {{ set }} {{ [moment, amount] }}", variables)

    assert rendered == '2024-03-05T14:07:09.120Z 2024-03-05 PT26H1.5S 1000 1.2345678E7 [1] ["2024-03-05T14:07:09.120Z",1000]'


def test_half_a_surrogate_pair_prints_as_a_question_mark() -> None:
    assert render("{{ x }}é", {"x": "a\ud800"}) == "a?é"


def test_an_error_names_the_template_and_the_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("a\nb {{ 'x' | abs }}", {})

    assert caught.value.line == 2
    assert str(caught.value).endswith("(a\nb {{ 'x' | abs }}:2)")
    assert caught.value.code == "expression-bad-input"


def test_an_error_inside_a_rendered_text_names_that_text() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("\n\n{{ render(a) }}", {"a": "{{ 1 / 0 }}"})

    assert caught.value.line == 1
    assert "({{ 1 / 0 }}:1)" in str(caught.value)


def test_an_error_survives_the_way_to_another_process() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("{{ missing }}", {})

    copy = pickle.loads(pickle.dumps(caught.value))

    assert (copy.kind, copy.line, str(copy)) == (Kind.UNDEFINED_VARIABLE, 1, str(caught.value))


def test_errors_of_the_variables_themselves_are_passed_on() -> None:
    class Broken(LazyOutputs):
        def __getitem__(self, key: str) -> Any:
            raise ConnectionError("the database is away")

    with pytest.raises(ConnectionError):
        render("{{ outputs.a ?? 'd' }}", {"outputs": Broken({})})


def test_a_template_is_compiled_once() -> None:
    assert compile_template("{{ once }}") is compile_template("{{ once }}")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", set()),
        ("{{ a.b }} {{ c ?? d[e] }}", {"a", "c", "d", "e"}),
        ("{% for x in rows %}{{ f(y) | g(z) }}{% endfor %}", {"rows", "y", "z"}),
        ('{{ "in #{text}" }}', {"text"}),
    ],
)
def test_references_are_the_root_names(text: str, names: set[str]) -> None:
    assert compile_template(text).references == names


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("{{ vars.x }}", set()),
        ("{{ outputs.a.value }} {{ outputs['b-c'].uri }} {{ outputs.a }}", {"a", "b-c"}),
        ("{{ currentEachOutput(outputs.make).value }}", {"make"}),
        ("{{ outputs[name] }}", None),
        ("{{ outputs | jq('.x') }}", None),
        ("{{ render(vars.x) }}", None),
        ("{{ outputs.a }}{{ printContext() }}", None),
    ],
)
def test_output_references_are_known_unless_the_use_is_dynamic(text: str, tasks: set[str] | None) -> None:
    assert compile_template(text).output_references == tasks


@pytest.mark.parametrize("value", [None, "", "false", "0", "-0", False, 0])
def test_a_condition_does_not_hold_for(value: Any) -> None:
    assert not is_truthy(value)


@pytest.mark.parametrize("value", ["False", " ", "no", "[]", "0.0", 0.0, True, 1, [], {}, "true"])
def test_a_condition_holds_for(value: Any) -> None:
    assert is_truthy(value)


def test_a_syntax_error_is_a_problem_with_its_place() -> None:
    (problem,) = check_syntax("first\n{{ a | }}")

    assert (problem.code, problem.severity, problem.place.line, problem.place.column) == (
        "expression-syntax",
        Severity.ERROR,
        2,
        8,
    )


def test_unknown_names_are_warnings() -> None:
    problems = check_syntax("{{ 'a' | nope }}\n{{ nope() }}{% filter nope %}{% endfilter %}{{ 1 is nope }}")

    assert [(problem.code, problem.place.line) for problem in problems] == [
        ("expression-unknown-filter", 1),
        ("expression-unknown-function", 2),
        ("expression-unknown-filter", 2),
        ("expression-unknown-test", 2),
    ]
    assert {problem.severity for problem in problems} == {Severity.WARNING}


def test_a_correct_template_has_no_problems() -> None:
    assert check_syntax("{% macro m() %}{% endmacro %}{{ m() }} {{ now() | date('yyyy') }} { text }") == []


def test_every_builtin_is_listed_with_its_arguments() -> None:
    counts = (len(list_functions()), len(list_filters()), len(list_tests()))
    date_filter = next(signature for signature in list_filters() if signature.name == "date")

    assert counts == (47, 60, 8)
    assert date_filter.arguments == ("format", "timeZone", "existingFormat", "locale")
    assert all(signature.summary.endswith(".") for signature in (*list_functions(), *list_filters(), *list_tests()))


@pytest.mark.parametrize(
    "call",
    ["secret('a')", "kv('a')", "read('a')", "fileSize('a')", "fileExists('a')", "errorLogs()", "http('https://example.org')"],
)
def test_what_an_environment_does_not_have_is_named_in_the_error(call: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render("{{ " + call + " }}", {})

    assert caught.value.kind == Kind.UNAVAILABLE
    assert "not available where this expression is rendered" in str(caught.value)


def test_a_secret_is_registered_for_masking() -> None:
    environment = StaticEnvironment(secrets={"KEY": "hush", "DB": '{"user": "ann"}'})

    render("{{ secret('KEY') }} {{ secret('DB', subkey='user') }}", {}, environment=environment)

    assert environment.masked == ["hush", "ann"]


def test_templates_render_in_several_threads_at_once() -> None:
    template = compile_template("{% set s = 0 %}{% for i in 1..50 %}{% set s = s + i * n %}{% endfor %}{{ s }}")
    results: dict[int, str] = {}

    def work(number: int) -> None:
        results[number] = template.render({"n": number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == {number: str(1275 * number) for number in range(8)}

"""Inputs of an execution: what callers may send for each of the types, what is stored, and what is refused in which words."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from flows.language.inputs import ResolvedInputs, resolve_inputs, to_variables
from flows.language.outputs import OutputError, resolve_outputs
from flows.language.parse import parse_flow
from flows.plugin_api.registry import Registry
from flows.primitives.errors import FlowsError

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)


class Renderer:
    """Knows a few templates by heart; everything else is a literal."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.seen: list[Mapping[str, Any]] = []

    def __call__(self, value: Any, variables: Mapping[str, Any] | None = None, *, typed: bool = False) -> Any:
        if not isinstance(value, str) or not value.startswith("{{"):
            return value
        self.seen.append(variables or {})
        answer = self._answers[value.strip("{} ")]
        if isinstance(answer, Exception):
            raise answer
        return answer((variables or {}).get("inputs", {})) if callable(answer) else answer


class Upload(io.BytesIO):
    """A file as a request brings it."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name
        self.size = len(content)


@pytest.fixture
def resolve(registry: Registry) -> Any:
    def run(declared: str, supplied: Mapping[str, Any], **answers: Any) -> ResolvedInputs:
        flow = parse_flow(
            f"id: f\nnamespace: a\ntasks: [{{id: x, type: io.kestra.plugin.core.log.Log, message: m}}]\ninputs: {declared}\n",
            registry,
        )
        assert flow.flow is not None, flow.problems
        return resolve_inputs(
            flow.flow.inputs,
            supplied,
            render=Renderer(**answers),
            store_file=lambda input_id, source: f"kestra:///stored/{input_id}/{getattr(source, 'name', source)}",
            encrypt=lambda text: {"type": "encrypted", "value": text[::-1]},
            at=AT,
        )

    return run


@pytest.mark.parametrize(
    ("declared", "supplied", "stored"),
    [
        ("STRING", "x", "x"),
        ("STRING", 5, "5"),
        ("STRING", True, "true"),
        ("STRING", "", ""),
        ("INT", "42", 42),
        ("INT", -7, -7),
        ("FLOAT", "42.42", 42.42),
        ("FLOAT", 3, 3.0),
        ("BOOL", "TRUE", True),
        ("BOOLEAN", "yes", False),
        ("BOOL", False, False),
        ("DATETIME", "2019-10-06T18:27:49Z", "2019-10-06T18:27:49Z"),
        ("DATETIME", "2019-10-06T18:27:49.5+02:00", "2019-10-06T16:27:49.500Z"),
        ("DATE", "2019-10-06", "2019-10-06"),
        ("TIME", "18:27", "18:27:00"),
        ("DURATION", "PT5m6s", "PT5M6S"),
        ("DURATION", 90, "PT1M30S"),
        ("JSON", '{"a": [1, null]}', {"a": [1, None]}),
        ("JSON", {"a": 1}, {"a": 1}),
        ("YAML", "a: no\nb: [1]\n", {"a": "no", "b": [1]}),
        ("ION", "{a: 1}", {"a": 1}),
        ("URI", "https://www.example.com/a?b=c", "https://www.example.com/a?b=c"),
        ("EMAIL", "a@b", "a@b"),
        ("EMAIL", "", ""),
        ("SECRET", "abc", {"type": "encrypted", "value": "cba"}),
        ("SELECT, values: [A, 2]", "2", "2"),
        ("SELECT, values: [{label: One, value: 1}]", "1", "1"),
        ("SELECT, values: [A], allowCustomValue: true", "B", "B"),
        ("ENUM, values: [A]", "A", "A"),
        ("MULTISELECT, values: [A, B]", '["B"]', ["B"]),
        ("MULTISELECT, values: [1, 2], itemType: INT", ["2"], [2]),
        ("ARRAY, itemType: INT", "[1, 2]", [1, 2]),
        ("ARRAY, itemType: DATE", ["2019-10-06"], ["2019-10-06"]),
        ("OBJECT, properties: [{id: n, type: INT}]", '{"n": "3"}', {"n": 3}),
        ("TABLE, columns: [{id: n, type: INT}]", [{"n": "3"}], [{"n": 3}]),
        ("FILE", "kestra:///a/b.txt", "kestra:///a/b.txt"),
        ("FILE", "nsfile:///b.txt", "kestra:///stored/i/nsfile:///b.txt"),
        ("FILE", Upload("data.csv", b"x"), "kestra:///stored/i/data.csv"),
    ],
)
def test_a_value_is_stored_in_the_form_of_its_type(declared: str, supplied: Any, stored: Any, resolve: Any) -> None:
    result = resolve(f"[{{id: i, type: {declared}}}]", {"i": supplied})

    assert ([], {"i": stored}) == (result.problems, result.values)
    assert type(stored) is type(result.values["i"])


@pytest.mark.parametrize(
    ("declared", "supplied", "words"),
    [
        ("INT", "4.2", "it must be an integer"),
        ("INT", True, "it must be an integer"),
        ("INT", str(2**63), "it must be an integer"),
        ("INT, min: 10", "9", "it must be more than `10`"),
        ("INT, max: 20", 21, "it must be less than `20`"),
        ("FLOAT", "nan", "it must be a number"),
        ("FLOAT", "1_0", "it must be a number"),
        ("FLOAT, max: 0.5", "0.51", "it must be less than `0.5`"),
        (r"STRING, validator: 'A\d+'", "A1b", r"it must match the pattern `A\d+`"),
        ("STRING, validator: '(a+)+$'", "a" * 40 + "b", "pattern"),
        ("DATETIME", "2019-10-06", "it must be a date and time"),
        ("DATETIME", "2019-13-06T18:27:49Z", "it must be a date and time that exists"),
        ("DATE", "06.10.2019", "it must be a date"),
        ("DATE", "2019-02-30", "it must be a date that exists"),
        ("DATE, after: 2023-01-01", "2022-01-01", "it must be after `2023-01-01`"),
        ("DATE, before: 2023-12-31", "2024-01-01", "it must be before `2023-12-31`"),
        ("DATETIME, after: '2023-01-01T00:00:00Z'", "2022-12-31T23:59:59Z", "it must be after"),
        ("TIME", "25:00", "it must be a time"),
        ("TIME, before: '11:59:59'", "12:00:00", "it must be before `11:59:59`"),
        ("DURATION", "1h", "it must be a duration"),
        ("DURATION, min: PT10S", "PT1S", "it must be more than `PT10S`"),
        ("JSON", "{a", "it must be JSON"),
        ("JSON", "NaN", "it must be JSON"),
        ("JSON", "[" * 100_000, "it must be JSON"),
        ("YAML", "a: [", "it must be YAML"),
        ("URI", "www.example.com", "it must be an address"),
        ("EMAIL", "nobody", "it must be an e-mail address"),
        ("SELECT, values: [A, B]", "C", "it must match the values `[A, B]`"),
        ("SELECT, values: [A, B], required: false", "C", "it must match the values"),
        ("MULTISELECT, values: [A]", '["A", "C"]', "it must match the values `[A]`"),
        ("MULTISELECT, values: [A]", "A", "it must be a list"),
        ("ARRAY, itemType: INT", '["s1"]', "Unable to parse array element as `INT` on `s1`"),
        ("OBJECT, properties: [{id: n, type: INT}]", "{}", "it must have a value for `n`"),
        ("OBJECT, properties: [{id: n, type: INT}]", '{"n": "x"}', "`n`: it must be an integer"),
        ("TABLE, columns: [{id: n, type: INT}], rows: {max: 1}", [{"n": 1}, {"n": 2}], "at most `1` rows"),
        ("FILE", "just text", "it must be a file"),
        ("FILE, allowedFileExtensions: [.csv]", Upload("a.txt", b"x"), "its name must end with `.csv`"),
        ("STRING", None, "missing required input"),
    ],
)
def test_a_refused_value_is_named_with_the_reason(declared: str, supplied: Any, words: str, resolve: Any) -> None:
    result = resolve(f"[{{id: i, type: {declared}}}]", {"i": supplied})

    assert [problem.input_id for problem in result.problems] == ["i"]
    assert result.problems[0].message.startswith("Invalid input for `i`, ")
    assert words in result.problems[0].message and "but received `" in result.problems[0].message
    assert result.values == {}


def test_a_secret_is_never_repeated(resolve: Any) -> None:
    result = resolve("[{id: i, type: SECRET, validator: 'A+'}]", {"i": "hidden"})

    assert "hidden" not in str(result.problems)


def test_all_refusals_come_at_once_in_the_order_of_the_flow(resolve: Any) -> None:
    result = resolve("[{id: a, type: INT}, {id: b, type: DATE}, {id: c, type: STRING}]", {"a": "x", "b": "y", "c": "z"})

    assert ([problem.input_id for problem in result.problems], result.values) == (["a", "b"], {"c": "z"})


def test_an_optional_input_without_value_is_null(resolve: Any) -> None:
    assert resolve("[{id: i, type: INT, required: false}]", {}).values == {"i": None}


def test_unknown_inputs_are_passed_over(resolve: Any) -> None:
    assert resolve("[{id: i, type: STRING}]", {"i": "x", "j": "y"}).values == {"i": "x"}


def test_dots_make_levels_and_levels_may_be_sent(resolve: Any) -> None:
    declared = "[{id: n.a, type: INT}, {id: n.b.c, type: INT}]"

    flat, nested = resolve(declared, {"n.a": "1", "n.b.c": "2"}), resolve(declared, {"n": {"a": 1, "b": {"c": 2}}})

    assert {"n": {"a": 1, "b": {"c": 2}}} == flat.values == nested.values


def test_a_default_is_rendered_and_marked(resolve: Any) -> None:
    result = resolve("[{id: i, type: INT, defaults: '{{ five }}'}, {id: j, type: STRING, defaults: ''}]", {}, five=5)

    assert (result.values, result.states[0].is_default) == ({"i": 5, "j": ""}, True)


def test_a_default_that_cannot_be_rendered_is_a_refusal(resolve: Any) -> None:
    result = resolve("[{id: i, type: INT, defaults: '{{ broken }}'}]", {}, broken=FlowsError("no such thing"))

    assert "no such thing" in result.problems[0].message


def test_a_default_may_use_the_inputs_it_depends_on(resolve: Any) -> None:
    declared = "[{id: late, type: DATE, defaults: '{{ next }}', dependsOn: {inputs: [day]}}, {id: day, type: DATE}]"

    result = resolve(declared, {"day": "2031-05-04"}, next=lambda inputs: inputs["day"] + timedelta(days=1))

    assert result.values == {"late": "2031-05-05", "day": "2031-05-04"}


def test_an_input_whose_condition_is_false_does_not_exist(resolve: Any) -> None:
    declared = (
        "[{id: target, type: SELECT, values: [local, cloud]},"
        " {id: region, type: SELECT, values: [eu, us], dependsOn: {inputs: [target], condition: '{{ is_cloud }}'}},"
        " {id: zone, type: STRING, dependsOn: {inputs: [region]}}]"
    )

    def is_cloud(inputs: Mapping[str, Any]) -> bool:
        return inputs["target"] == "cloud"

    local = resolve(declared, {"target": "local", "region": "eu"}, is_cloud=is_cloud)
    cloud = resolve(declared, {"target": "cloud", "region": "eu", "zone": "a"}, is_cloud=is_cloud)

    assert (local.values, local.problems, local.states[2].enabled) == ({"target": "local"}, [], False)
    assert cloud.values == {"target": "cloud", "region": "eu", "zone": "a"}


@pytest.mark.parametrize("answer", ["true", 1, "yes", None])
def test_only_a_boolean_true_enables_an_input(answer: Any, resolve: Any) -> None:
    result = resolve("[{id: i, type: INT, dependsOn: {condition: '{{ c }}'}}]", {"i": 1}, c=answer)

    assert result.values == {}


def test_a_broken_condition_is_a_refusal(resolve: Any) -> None:
    result = resolve("[{id: i, type: INT, dependsOn: {condition: '{{ c }}'}}]", {"i": 1}, c=ValueError("odd"))

    assert ([problem.input_id for problem in result.problems], result.states[0].enabled) == (["i"], False)


def test_the_fields_of_a_form_nest_and_follow_its_condition(resolve: Any) -> None:
    declared = "[{id: f, type: FORM, inputs: [{id: x, type: INT}], dependsOn: {condition: '{{ c }}'}}]"

    assert resolve(declared, {"f.x": "1"}, c=True).values == {"f": {"x": 1}}
    assert resolve(declared, {"f.x": "1"}, c=False).values == {}


def test_an_expression_gives_the_choices(resolve: Any) -> None:
    declared = "[{id: i, type: SELECT, expression: '{{ names }}'}]"

    assert resolve(declared, {"i": "b"}, names=["a", None, "b"]).values == {"i": "b"}
    assert "[a]" in resolve(declared, {"i": "b"}, names=["a"]).problems[0].message
    assert "must give a list" in resolve(declared, {"i": "b"}, names="a").problems[0].message


def test_the_first_choice_can_be_the_default(resolve: Any) -> None:
    assert resolve("[{id: i, type: SELECT, values: [a, b], autoSelectFirst: true}]", {}).values == {"i": "a"}


def test_a_missing_encryption_key_refuses_a_secret(registry: Registry) -> None:
    flow = parse_flow(
        "id: f\nnamespace: a\ntasks: [{id: x, type: io.kestra.plugin.core.log.Log, message: m}]\n"
        "inputs: [{id: s, type: SECRET}]\n",
        registry,
    ).flow
    assert flow is not None

    def encrypt(_text: str) -> Any:
        raise FlowsError("no encryption key is configured")

    result = resolve_inputs(flow.inputs, {"s": "abc"}, render=Renderer(), store_file=lambda *_: "", encrypt=encrypt, at=AT)

    assert "no encryption key" in result.problems[0].message


def test_expressions_see_dates_durations_and_clear_secrets(registry: Registry) -> None:
    flow = parse_flow(
        "id: f\nnamespace: a\ntasks: [{id: x, type: io.kestra.plugin.core.log.Log, message: m}]\n"
        "inputs: [{id: n.d, type: DATE}, {id: t, type: TIME}, {id: m, type: DATETIME}, {id: l, type: DURATION},"
        " {id: s, type: SECRET}, {id: a, type: ARRAY, itemType: DATE}, {id: o, type: STRING}]\n",
        registry,
    ).flow
    assert flow is not None
    stored = {
        "n": {"d": "2031-05-04"}, "t": "10:00:00", "m": "2031-05-04T10:00:00Z", "l": "PT1M", "s": {"value": "cba"},
        "a": ["2031-05-04"], "o": None, "gone": 1,
    }  # fmt: skip

    seen = to_variables(flow.inputs, stored, lambda envelope: envelope["value"][::-1])

    assert {
        "n": {"d": date(2031, 5, 4)}, "t": time(10), "m": AT, "l": timedelta(minutes=1), "s": "abc",
        "a": [date(2031, 5, 4)], "o": None, "gone": 1,
    } == seen  # fmt: skip
    assert stored["n"] == {"d": "2031-05-04"}


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("{id: o, type: INT, value: '42'}", 42),
        ("{id: o, value: {a: ['{{ x }}']}}", {"a": ["{{ x }}"]}),
        ("{id: o, type: JSON, value: '{{ x }}'}", {"b": 1}),
        ("{id: o, type: ARRAY, itemType: INT, value: '[1, 2]'}", [1, 2]),
        ("{id: o, type: STRING, value: 5}", "5"),
        ("{id: o, type: INT, required: false, value: '{{ none }}'}", None),
        ("{id: o, type: SECRET, value: abc}", "cba"),
        ("{id: o, type: FILE, value: 'kestra:///x'}", "kestra:///x"),
    ],
)
def test_an_output_has_its_type(declared: str, value: Any, registry: Registry) -> None:
    flow = parse_flow(
        f"id: f\nnamespace: a\ntasks: [{{id: x, type: io.kestra.plugin.core.log.Log, message: m}}]\noutputs: [{declared}]\n",
        registry,
    ).flow
    assert flow is not None

    found = resolve_outputs(flow.outputs, render=Renderer(x={"b": 1}, none=None), encrypt=lambda text: text[::-1])

    assert {"o": value} == found


def test_every_bad_output_is_named(registry: Registry) -> None:
    flow = parse_flow(
        "id: f\nnamespace: a\ntasks: [{id: x, type: io.kestra.plugin.core.log.Log, message: m}]\n"
        "outputs: [{id: a, type: INT, value: x}, {id: b, type: STRING, value: '{{ no }}'}, {id: c, type: STRING, value: x}]\n",
        registry,
    ).flow
    assert flow is not None

    with pytest.raises(OutputError) as caught:
        resolve_outputs(flow.outputs, render=Renderer(no=FlowsError("missing")), encrypt=str)

    assert [problem.message[:10] for problem in caught.value.problems] == ['Output "a"', 'Output "b"']


@pytest.mark.parametrize(
    ("declared", "supplied"),
    [
        ("STRING", "a\x00b"),
        ("STRING", "a\ud800"),
        ("JSON", {"a": float("inf")}),
        ("JSON", {"a\x00": 1}),
        ("JSON", {"a": object()}),
    ],
)
def test_what_cannot_be_stored_is_refused(declared: str, supplied: Any, resolve: Any) -> None:
    assert [problem.input_id for problem in resolve(f"[{{id: i, type: {declared}}}]", {"i": supplied}).problems] == ["i"]


def test_a_long_chain_of_dependencies_is_resolved(resolve: Any) -> None:
    count = 2000
    items = [f"{{id: i{n}, type: INT, dependsOn: {{inputs: [i{n + 1}]}}}}" for n in range(count)]

    result = resolve(f"[{', '.join([*items, f'{{id: i{count}, type: INT}}'])}]", {f"i{n}": n for n in range(count + 1)})

    assert result.problems == [] and result.values["i0"] == 0

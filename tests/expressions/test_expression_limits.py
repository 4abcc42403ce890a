"""Heavy and hostile templates end within their limits, with an error of the language."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from flows.expressions import ExpressionError, Kind, render
from flows.expressions.limits import MAX_OUTPUT_CHARACTERS

DOUBLED_LIST = "{% set l = ['x'] %}{% for i in 1..60 %}{% set l = [l, l] %}{% endfor %}"
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)
)
VARIABLES = {"big": "a" * 1_000_000, "itself": "{{ render(itself) }}", "aliases": ALIASES, "brackets": "[" * 100_000}

BOMBS = {
    "text doubled with ~": "{% set s = 'aaaaaaaa' %}{% for i in 1..100 %}{% set s = s ~ s %}{% endfor %}",
    "text doubled with +": "{% set s = 'aaaaaaaa' %}{% for i in 1..100 %}{% set s = s + s %}{% endfor %}",
    "text doubled by interpolation": "{% set s = 'ab' %}{% for i in 1..60 %}{% set s = \"#{s}#{s}\" %}{% endfor %}",
    "texts built again and again": "{% for i in 1..100000 %}{% set x = big ~ i %}{% endfor %}",
    "large text printed again and again": "{% for i in 1..5 %}{{ big }}{% endfor %}",
    "nested loops": "{% for a in 1..900 %}{% for b in 1..900 %}x{% endfor %}{% endfor %}",
    "huge range": "{{ range(1, 1000000000000) }}",
    "range over all integers": "{{ range(0 - 9223372036854775807, 9223372036854775807) }}",
    "huge range operator": "{{ 1..99999999 }}",
    "list doubled with +": "{% set l = [1] %}{% for i in 1..60 %}{% set l = l + l %}{% endfor %}",
    "list doubled with merge": "{% set l = [1] %}{% for i in 1..60 %}{% set l = l | merge(l) %}{% endfor %}",
    "list doubled and flattened": "{% set l = [1] %}{% for i in 1..60 %}{% set l = [l, l] | flatten %}{% endfor %}",
    "shared list printed": DOUBLED_LIST + "{{ l }}",
    "shared list in Java form": DOUBLED_LIST + "{{ l ~ '' }}",
    "shared list as YAML": DOUBLED_LIST + "{{ l | yaml }}",
    "shared list as Ion": DOUBLED_LIST + "{{ l | toIon }}",
    "shared list rendered": DOUBLED_LIST + "{{ render(l) }}",
    "shared list replaced": DOUBLED_LIST + "{{ l | replace({'x': 'y'}) }}",
    "shared lists compared": DOUBLED_LIST + DOUBLED_LIST.replace(" l ", " m ").replace("[l, l]", "[m, m]") + "{{ l == m }}",
    "list without its own items": "{% set l = 1..100000 %}{{ l - l }}",
    "distinct lists": "{% set l = 1..90000 %}{{ l | chunk(1) | distinct }}",
    "indent": "{{ 'a\n' | indent(999999999) }}",
    "nindent": "{{ 'a' | nindent(99999999, 'xxxxxxxxxx') }}",
    "chained replacements": "{{ 'aaaaaaaa' | replace({'a': b, 'b': c, 'c': d}) }}".replace("b,", "'" + "b" * 400 + "',")
    .replace("c,", "'" + "c" * 400 + "',")
    .replace("d}", "'" + "d" * 400 + "'}"),
    "long separator": "{{ (1..90000) | join(big) }}",
    "escapes of escapes": "{% set s = '\\\\' %}{% for i in 1..60 %}{% set s = s | toJson %}{% endfor %}",
    "backtracking expression": "{{ ('a' ~ big ~ '!') | regexMatch('^(a|aa)+$') }}",
    "counted repeats": "{{ 'a' | regexMatch('((((a{1000}){1000}){1000}){1000})') }}",
    "growing replacement": "{{ big | regexReplace('a', 'bbbbbbbbbbbbbbbbbbbbbbbbb') }}",
    "many slow expressions": "{% for i in 1..100000 %}{{ ('a' ~ big ~ '!') | regexMatch('^(a|aa)+$') }}{% endfor %}",
    "macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macro that calls itself twice": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "block that prints itself": "{% block b %}{{ block('b') }}{% endblock %}",
    "text that renders itself": "{{ render(itself) }}",
    "digests in a loop": "{% for i in 1..100000 %}{% set x = big | sha512 %}{% endfor %}",
    "sorting in a loop": "{% set l = 1..100000 %}{% for i in 1..100000 %}{% set x = l | sort %}{% endfor %}",
    "searching in a loop": "{% set l = 1..100000 %}{% for i in 1..100000 %}{% set x = l contains -1 %}{% endfor %}",
    "decimal with a huge exponent": "{{ '1e999999999' | number('BIGDECIMAL') }}",
    "decimal formatted": "{{ '1e999999' | number('BIGDECIMAL') | numberFormat('0') }}",
    "integer squared": "{% set d = '99999999999' | number('BIGINTEGER') %}{% for i in 1..60 %}{% set d = d * d %}{% endfor %}",
    "long number pattern": "{{ 1 | numberFormat(big) }}",
    "long date pattern": "{{ now(big) }}",
    "jq that never ends": "{{ {} | jq('def f: f; f') }}",
    "jq with a huge range": "{{ {} | jq('[range(1e12)] | length') }}",
    "jq with a huge text": "{{ {} | jq('\"x\" * 1e9 | length') }}",
    "jq in a loop": "{% for i in 1..1000 %}{{ {} | jq('[range(3e6)] | length') }}{% endfor %}",
    "deep JSON": "{{ fromJson(brackets) }}",
    "deep YAML": "{{ yaml(brackets) }}",
    "deep Ion": "{{ fromIon(brackets) }}",
    "YAML aliases": "{{ yaml(aliases) }}",
}

DEEP_TEXTS = {
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "lists": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "signs": "{{ " + "-" * 5000 + "1 }}",
    "sums": "{{ " + "+".join(["1"] * 5000) + " }}",
    "alternatives": "{{ " + "true ? 1 : " * 5000 + "1 }}",
    "filters": "{{ 'a'" + " | upper" * 5000 + " }}",
    "paths": "{{ a" + ".b" * 5000 + " }}",
    "positions": "{{ a" + "[0]" * 5000 + " }}",
    "conditions": "{% if true %}" * 5000 + "{% endif %}" * 5000,
    "interpolations": '{{ "' + '#{"' * 50 + '"}' * 50 + '" }}',
    "prints": "{{ a }}" * 100_000,
    "characters": "{{ 1 }}" + "x" * 2_000_000,
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS)
def test_a_resource_bomb_ends_in_time_with_an_error_of_the_language(template: str) -> None:
    started = time.thread_time()

    with pytest.raises(ExpressionError) as caught:
        render(template, VARIABLES)

    assert caught.value.kind in (Kind.LIMIT, Kind.RECURSION)
    assert time.thread_time() - started < 5


@pytest.mark.parametrize("template", DEEP_TEXTS.values(), ids=DEEP_TEXTS)
def test_a_template_that_is_too_deep_or_large_is_refused_before_it_runs(template: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(template, {})

    assert caught.value.kind in (Kind.SYNTAX, Kind.LIMIT)


@pytest.mark.parametrize("name", ["text doubled with ~", "shared list printed", "list doubled with +", "growing replacement"])
def test_a_bomb_stays_within_its_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            render(BOMBS[name], VARIABLES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 * 1024 * 1024


def test_a_long_chain_of_concatenations_is_no_bomb() -> None:
    template = "{{ " + " ~ ".join(["'x'"] * 3000) + " }}"

    assert render(template, {}) == "x" * 3000


def test_output_up_to_one_mebibyte_is_printed() -> None:
    text = "x" * MAX_OUTPUT_CHARACTERS

    assert render("{{ text }}", {"text": text}) == text


def test_the_texts_of_one_map_share_their_time() -> None:
    slow = "{% for i in 1..100000 %}{% set x = big | sha512 %}{% endfor %}"
    started = time.thread_time()

    with pytest.raises(ExpressionError):
        render({f"key{i}": slow for i in range(20)}, VARIABLES)

    assert time.thread_time() - started < 5


def test_calls_of_the_environment_in_a_loop_are_counted() -> None:
    class Counting:
        zone, locale, recursive, calls = "UTC", "en", False, 0

        def kv(self, key: str, namespace: str | None, error_on_missing: bool) -> str:
            self.calls += 1
            return "v"

    environment = Counting()

    with pytest.raises(ExpressionError):
        render("{% for i in 1..90000 %}{% set x = kv('a') %}{% endfor %}", {}, environment=environment)

    assert environment.calls < 2000

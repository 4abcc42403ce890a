"""Filters, functions and operators beyond the vectors: Java patterns, zones, formats, numbers, regular expressions."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.expressions import ExpressionError, Kind, StaticEnvironment, render
from flows.expressions.jq_process import _HELPERS

MOMENT = datetime(2024, 3, 5, 14, 7, 9, 123456, tzinfo=UTC)
VARIABLES: dict[str, Any] = {
    "t": MOMENT,
    "s": "text",
    "i": 5,
    "l": [3, 1, 2],
    "m": {"a": 1, "b": {"c": [1, 2]}},
    "rows": [{"name": "x", "v": [1, {"k": 2}]}, {"name": "y: z"}],
}


def check(expression: str, expected: str) -> None:
    assert render("{{ " + expression + " }}", VARIABLES) == expected


def check_error(expression: str, kind: Kind) -> None:
    with pytest.raises(ExpressionError) as caught:
        render("{{ " + expression + " }}", VARIABLES)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("-5 | abs", "5"),
        ("not i in l", "false"),
        ("1 - -1", "2"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("-7.5 % 2", "-1.5"),
        ("1.0 / 0", "Infinity"),
        ("2 * 3.0", "6.0"),
        ("12345678 * 1.0", "1.2345678E7"),
        ("'1.10' | number('BIGDECIMAL') + 1", "2.10"),
        ("1 + null ~ 'x'", "1x"),
        ("l + 4 + [5]", "[3,1,2,4,5]"),
        ("t == t", "true"),
        ("t < '2025' | date ?? 1", ""),
        ("[1, [2]] == [1.0, [2]]", "true"),
        ("{'a': 1} == {'a': 1.0}", "true"),
        ("true == 1", "false"),
        ("null == false", "false"),
        ("m.b.c[0] + m['b']['c'][1]", "3"),
        ("loopOutputs([{'item': 1, 'outputs': {'n': 5}}, {'outputs': {'n': 6}}], 'n')", "[5,6]"),
        ("loopOutputs([], 'n')", "[]"),
        ("l['1']", "1"),
        ("(i > 3 ? 'a' : 'b') ~ 'c'", "ac"),
        ("{'a': 1}.a + [1, 2][1]", "3"),
        ("s.substring(1, 3) ~ s.indexOf('t')", "ex0"),
        ("m.containsKey('a')", "true"),
        ("m.keySet()", '["a","b"]'),
        ("s.contains('ex') and l.contains(3.0)", "true"),
        ("'\\d' ~ 'a\\'b'", "\\da'b"),
        ('"a#b #{s | upper} #{"in #{i}"}"', "a#b TEXT in 5"),
    ],
)
def test_an_operator_gives(expression: str, expected: str) -> None:
    if expression.startswith("t < "):
        check_error(expression, Kind.BAD_VALUE)
    else:
        check(expression, expected)


@pytest.mark.parametrize(
    "expression", ["a.or", "a.0", "1e3", "[1,]", "f(a=1, 2)", "a..", "99999999999999999999", "'open", "true and"]
)
def test_this_is_no_expression(expression: str) -> None:
    check_error(expression, Kind.SYNTAX)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("9223372036854775807 + 1", Kind.BAD_OPERAND),
        ("1 < 'a'", Kind.BAD_OPERAND),
        ("t < 1", Kind.BAD_OPERAND),
        ("null + 1", Kind.BAD_OPERAND),
        ("true + 1", Kind.BAD_OPERAND),
        ("s.length(1)", Kind.BAD_ARGUMENT),
        ("s.substring(9)", Kind.BAD_ARGUMENT),
        ("s.getClass()", Kind.UNKNOWN_FUNCTION),
        ("['b', 1] | sort", Kind.BAD_INPUT),
        ("m | first", Kind.BAD_INPUT),
        ("'%zz' | urldecode", Kind.BAD_VALUE),
        ("s | slice(-1)", Kind.BAD_ARGUMENT),
        ("s | abbreviate('a')", Kind.BAD_ARGUMENT),
        ("'1_0' | number", Kind.BAD_VALUE),
        ("'12.5' | number('INT')", Kind.BAD_VALUE),
        ("s | regexMatch('(')", Kind.BAD_ARGUMENT),
        ("s | regexReplace('e', '$3')", Kind.BAD_ARGUMENT),
        ("5 | numberFormat('0#')", Kind.BAD_ARGUMENT),
        ("max('a')", Kind.BAD_ARGUMENT),
        ("dayOfWeek(null)", Kind.BAD_ARGUMENT),
        ("isDayWeekInMonth('2024-01-01', 'MONDAY', 'FIFTH')", Kind.BAD_ARGUMENT),
        ("'2024-02-30' | date", Kind.BAD_VALUE),
        ("'9999-12-31' | dateAdd(1, 'YEARS')", Kind.BAD_VALUE),
        ("1.5 | date", Kind.BAD_INPUT),
        ("decrypt('AAAA', 'x')", Kind.BAD_ARGUMENT),
        ("decrypt('MTIzNDU2Nzg5MDEyMzQ1Ng==', 'eHh4')", Kind.BAD_VALUE),
        ("nanoId(2000)", Kind.BAD_ARGUMENT),
        ("parent()", Kind.BAD_ARGUMENT),
        ("parentOutput()", Kind.BAD_ARGUMENT),
        ("iterationOutput()", Kind.BAD_ARGUMENT),
        ("loopOutputs(m, 'n')", Kind.BAD_ARGUMENT),
        ("loopOutputs([{'outputs': {}}], 'n')", Kind.BAD_ARGUMENT),
        ("yaml('a: 1\na: 2')", Kind.BAD_VALUE),
        ("l | jq('.[')", Kind.BAD_ARGUMENT),
        ("l | jq('.a')", Kind.BAD_VALUE),
        ("l | jq('error(\"x\")')", Kind.BAD_VALUE),
        ("l | jq('import \"a\" as a; 1')", Kind.FORBIDDEN),
    ],
)
def test_a_wrong_use_fails_with_its_kind(expression: str, kind: Kind) -> None:
    check_error(expression, kind)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rows | yaml", ' -\n  name: x\n  v:\n   - 1\n   -\n    k: 2\n -\n  name: "y: z"\n'),
        ("[[1, 2], [], {}] | yaml", " -\n   - 1\n   - 2\n - []\n - {}\n"),
        ("{'y': 'yes', 'd': '2024-01-01', 'x': '12', 'e': '', 'p': ' x', 'c': 'a #b', 'u': 'http://x:8'} | yaml",
         '"y": "yes"\nd: 2024-01-01\nx: "12"\ne: ""\np: " x"\nc: "a #b"\nu: http://x:8\n'),
        ("yaml('on: yes\nb: true\nc: ~\nd: 2024-01-01\ne: \"12\"\n5: 0x10')",
         '{"on":"yes","b":true,"d":"2024-01-01","e":"12","5":16}'),
        ("fromIon(\"{a: [true, null.int, 2.5, 1e0], 'c d': '''x''' '''y''', t: 2024-01-01T00:00:00Z, n: note::-5}\")",
         '{"a":[true,null,2.5,1.0],"c d":"xy","t":"2024-01-01T00:00:00Z","n":-5}'),
        ("{'a': 1.0, 'null': [null, 'é']} | toIon", "{a:1.0e0,'null':[null,\"é\"]}"),
        ("m | jq('.b.c[]')", "[1,2]"),
        ("m | jq('.b.c | map(. + 1) | add')", "[5]"),
        ("m | jq('env')", "[{}]"),
        ("[1, null, {'a': null}] | toJson", "[1,null,{}]"),
    ],
)  # fmt: skip
def test_a_format_is_written_or_read_as(expression: str, expected: str) -> None:
    check(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1234.5 | numberFormat(\"#,##0.00 'EUR'\")", "1,234.50 EUR"),
        ("-5 | numberFormat('#;(#)')", "(5)"),
        ("0.5 | numberFormat('#.##')", "0.5"),
        ("0.5 | numberFormat('#.00')", ".50"),
        ("12345 | numberFormat('0.###E0')", "1.234E4"),
        ("2.675 | numberFormat('0.00')", "2.67"),
        ("'12L' | number | className", "java.lang.Long"),
        ("'1.23456789012345678901' | number | className", "java.math.BigDecimal"),
        ("'99999999999999999999' | number | className", "java.math.BigInteger"),
        ("'1.123456789' | number | className", "java.lang.Double"),
        ("i | className", "java.lang.Integer"),
        ("(i + 1) | className", "java.lang.Long"),
    ],
)
def test_a_number_is_written_or_read_as(expression: str, expected: str) -> None:
    check(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'a1b2' | replace({'(?<x>[a-z])': '${x}-'}, regexp=true)", "a-1b-2"),
        ("'a.b' | replace({'\\Q.\\E': '!'}, regexp=true)", "a!b"),
        ("'ab' | regexReplace('a', '\\$1')", "$1b"),
        ("'a' | regexReplace('(a)', '$12')", "a2"),
        ("'aXbX' | split('X', -1)", '["a","b",""]'),
        ("'abc' | split('')", '["a","b","c"]'),
        ("',,' | split(',')", "[]"),
        ("'' | split(',')", '[""]'),
        ("'٣' | regexMatch('\\d')", "false"),
        ("'x]' | regexExtract('[^]x]+') ?? 'none'", "none"),
        ("'aab' | regexExtract('a++b')", "aab"),
        ("'k=v' | regexExtract('(\\w)=(\\w)', 2)", "v"),
        ("'ABC' | regexMatch('^\\p{Upper}+$')", "true"),
        ("'b' | regexMatch('[a-z&&[^b]]')", "false"),
    ],
)
def test_a_java_regular_expression_gives(expression: str, expected: str) -> None:
    check(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("t | date(\"G u yy YYYY MMMMM D Q QQQ w e EEEEE h K k A n N VV z O OOOO X x Z ZZZZZ\", timeZone='Europe/Paris')",
         "AD 2024 24 2024 M 65 1 Q1 10 2 T 3 3 15 54429123 123456000 54429123456000 "
         "Europe/Paris CET GMT+1 GMT+01:00 +01 +01 +0100 +01:00"),
        ("t | date('iso_zoned_date_time')", "2024-03-05T14:07:09.123456Z[UTC]"),
        ("t | date('iso_date_time', timeZone='+02:00')", "2024-03-05T16:07:09.123456+02:00"),
        ("t | date('EEEE d MMMM', locale='de-DE')", "Dienstag 5 März"),
        ("t | date(\"[yyyy] 'o''clock' HH\")", "2024 o'clock 14"),
        ("'2024-01-01T10:00+01:00[Europe/Paris]' | date", "2024-01-01T09:00:00.000000Z"),
        ("'2024-03-31T02:30:00' | date(timeZone='Europe/Paris')", "2024-03-31T03:30:00.000000+02:00"),
        ("'2024-03-30T12:00:00+01:00[Europe/Paris]' | dateAdd(1, 'DAYS', timeZone='Europe/Paris')",
         "2024-03-31T12:00:00.000000+02:00"),
        ("'2024-03-30T12:00:00+01:00[Europe/Paris]' | dateAdd(24, 'HOURS', timeZone='Europe/Paris')",
         "2024-03-31T13:00:00.000000+02:00"),
        ("'2024-01-31' | dateAdd('1', 'MONTHS', 'iso_local_date')", "2024-02-29"),
        ("'20240305' | date('iso_local_date', existingFormat='yyyyMMdd')", "2024-03-05"),
        ("'5 mars 2024' | date('iso_local_date', existingFormat='d MMMM yyyy', locale='fr')", "2024-03-05"),
        ("'03/05/24 2:07 PM' | date('iso_sec', existingFormat='MM/dd/yy h:mm a')", "2024-03-05T14:07:00Z"),
        ("'2024-065' | date('iso_local_date', existingFormat='yyyy-DDD')", "2024-03-05"),
        ("'Tue, 5 Mar 2024 14:07:09 GMT' | date(existingFormat='rfc_1123_date_time')", "2024-03-05T14:07:09.000000Z"),
        ("'2024-03-05 14:07:09+0100' | date('iso_sec', existingFormat='yyyy-MM-dd HH:mm:ssZ')", "2024-03-05T13:07:09Z"),
        ("isLastWorkingDay('2024-06-28')", "true"),
        ("isPublicHoliday('2024-12-25', 'DE')", "true"),
        ("hourOfDay('2024-01-01T23:30:00-05:00')", "23"),
    ],
)  # fmt: skip
def test_a_date_is_written_or_read_as(expression: str, expected: str) -> None:
    check(expression, expected)


def test_now_is_the_moment_of_the_environment_in_its_zone() -> None:
    environment = StaticEnvironment(now=MOMENT, zone="Asia/Tokyo", locale="fr")

    rendered = render("{{ now() }} {{ now('EEEE') }} {{ 1234.5 | numberFormat }}", {}, environment=environment)

    assert rendered == "2024-03-05T23:07:09.123456+09:00 mardi 1\u202f234,5"


def test_a_jq_helper_is_replaced_after_it_was_ended() -> None:
    check("{} | jq('1 + 1')", "[2]")
    helper = _HELPERS._helper
    assert helper is not None
    helper.process.kill()
    helper.process.wait()

    check("{} | jq('1 + 1')", "[2]")


def test_a_forked_process_uses_a_jq_helper_of_its_own() -> None:
    check("{} | jq('1 + 1')", "[2]")
    child = os.fork()
    if child == 0:
        try:
            check("{} | jq('2 + 2')", "[4]")
            _HELPERS.close()
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0
    check("{} | jq('3 + 3')", "[6]")

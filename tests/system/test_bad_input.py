"""Ten kinds of bad input on a running system: each error names the object, the place and a way out, and nothing is lost."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

API = "/api/v1/main"
ENDED = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"})
DAILY = """\
id: daily
namespace: {namespace}
inputs:
  - id: count
    type: INT
  - id: day
    type: DATE
    defaults: 2031-05-04
tasks:
  - id: greet
    type: io.kestra.plugin.core.log.Log
    message: "{{{{ inputs.count }}}} on {{{{ inputs.day }}}}"
"""


class Desk:
    """One namespace of the running system, as somebody at the command line of curl uses it."""

    def __init__(self, system: SystemProcess, namespace: str) -> None:
        self.system = system
        self.namespace = namespace

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return self.system.call(method, API + path, body, headers)

    def save(self, text: str) -> tuple[int, Any]:
        return self.call("POST", "/flows", text)

    def start(self, flow_id: str, **inputs: Any) -> tuple[int, Any]:
        return self.call("POST", f"/executions/{self.namespace}/{flow_id}", inputs)

    def run(self, flow_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run a flow to its end and return the execution and its error lines."""
        _, started = self.start(flow_id)

        def look() -> dict[str, Any]:
            execution: dict[str, Any] = self.call("GET", f"/executions/{started['id']}")[1]
            assert execution["state"]["current"] in ENDED
            return execution

        execution = eventually(look, within=30)
        lines = eventually(lambda: self.call("GET", f"/logs/{started['id']}?minLevel=ERROR")[1], within=5)
        return execution, lines

    @property
    def executions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/executions/search?namespace={self.namespace}&size=100")[1]["results"]
        return found

    @property
    def flows(self) -> list[str]:
        return [flow["id"] for flow in self.call("GET", f"/flows/{self.namespace}")[1]]


@pytest.fixture
def desk(running_system: SystemProcess) -> Iterator[Desk]:
    """A namespace that holds the flow "daily"; at the end that flow must still be there and run."""
    desk = Desk(running_system, f"badinput.n{uuid4().hex[:8]}")
    status, answer = desk.save(DAILY.format(namespace=desk.namespace))
    assert status == 200, answer
    yield desk
    before = len(desk.executions)
    status, answer = desk.start("daily", count=3)
    assert status == 200, answer
    eventually(lambda: desk.call("GET", f"/executions/{answer['id']}")[1]["state"]["current"] == "SUCCESS", within=30)
    assert len(desk.executions) == before + 1


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        (["  - id: a", "   type: x"], (5, 4), ["list that begins in line 4", "same number of spaces"]),
        (["\t- id: a"], (4, 1), ["a tab stands", "Indent with spaces"]),
        (
            ["  - id: a", '    message: "hi', "    type: x"],
            (5, 14),
            ['the quote " that opens here is never closed', 'Write another "'],
        ),
        (["  - id: a", "    message: one: two"], (5, 17), ['": "', "in quotes"]),
        (["  - id: a", "    message: @home"], (5, 14), ['cannot begin with "@"', "quotes"]),
    ],
    ids=["indentation", "tab", "open quote", "second colon", "reserved character"],
)
def test_broken_yaml_is_refused_with_line_column_and_repair(
    desk: Desk, lines: list[str], place: tuple[int, int], words: list[str]
) -> None:
    text = "\n".join(["id: broken", f"namespace: {desk.namespace}", "tasks:", *lines, ""])

    status, answer = desk.save(text)

    fault = answer["_embedded"]["errors"][0]
    assert (status, fault["code"], (fault["line"], fault["column"])) == (422, "yaml-syntax", place)
    assert all(word in answer["message"] for word in words), answer["message"]
    assert desk.flows == ["daily"]


def test_an_unknown_type_is_refused_with_task_line_and_the_nearest_type(desk: Desk) -> None:
    task = "  - id: greet\n    type: io.kestra.plugin.core.log.Lgo\n    message: hi\n"
    text = f"id: wrong\nnamespace: {desk.namespace}\ntasks:\n{task}"

    status, answer = desk.save(text)

    fault = answer["_embedded"]["errors"][0]
    assert (status, fault["path"], fault["line"], fault["column"]) == (422, "tasks[0].type", 5, 11)
    assert f'Flow "{desk.namespace}/wrong"' in answer["message"] and 'Task "greet"' in answer["message"]
    assert 'Did you mean "io.kestra.plugin.core.log.Log"?' in answer["message"]
    assert desk.flows == ["daily"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"count": "many"}, ["`count`", "must be an integer", "`many`"]),
        ({}, ["`count`", "missing required input", "Give a value for `count`, or a default in the flow."]),
        ({"count": 1, "day": "yesterday"}, ["`day`", "such as `2031-05-04`", "`yesterday`"]),
        ({"count": 1, "day": "2031-02-30"}, ["`day`", "a date that exists", "`2031-02-30`"]),
    ],
    ids=["wrong type", "missing", "no date", "no such day"],
)
def test_an_input_that_does_not_fit_starts_nothing_and_is_named(desk: Desk, inputs: dict[str, Any], words: list[str]) -> None:
    status, answer = desk.start("daily", **inputs)

    assert (status, answer["code"]) == (422, "input-invalid")
    assert all(word in answer["message"] for word in [*words, f'Flow "{desk.namespace}/daily" was not started.'])
    assert desk.executions == []


def test_every_wrong_input_is_named_at_once(desk: Desk) -> None:
    status, answer = desk.start("daily", count="many", day="yesterday")

    assert status == 422
    assert [fault["message"].split(",")[0] for fault in answer["_embedded"]["errors"]] == [
        "Invalid input for `count`",
        "Invalid input for `day`",
    ]


@pytest.mark.parametrize("start", [True, False], ids=["started", "read"])
def test_an_unknown_flow_is_named_with_its_namespace(desk: Desk, start: bool) -> None:
    method, kind = ("POST", "executions") if start else ("GET", "flows")

    status, answer = desk.call(method, f"/{kind}/{desk.namespace}/daliy")

    assert (status, answer["code"]) == (404, "flow-not-found")
    assert f'namespace "{desk.namespace}" has no flow "daliy"' in answer["message"] and "Check the spelling" in answer["message"]
    assert desk.executions == []


@pytest.mark.parametrize("name", ["admin@celestra.local", "nobody@celestra.local"], ids=["known user", "unknown user"])
def test_a_bad_password_says_what_to_check_and_not_which_half_is_wrong(desk: Desk, name: str) -> None:
    header = "Basic " + base64.b64encode(f"{name}:guess-{uuid4().hex}".encode()).decode()

    status, answer = desk.call("POST", f"/executions/{desk.namespace}/daily", {"count": 1}, Authorization=header)

    assert (status, answer["code"]) == (401, "authentication-failed")
    assert answer["message"].startswith("The user name or the password is wrong.") and "changepassword" in answer["message"]
    assert desk.executions == []


def test_a_call_without_any_user_says_how_to_sign_in(desk: Desk) -> None:
    status, answer = desk.call("GET", f"/flows/{desk.namespace}/daily", Authorization="")

    assert (status, answer["code"]) == (401, "not-authenticated")
    assert "HTTP Basic" in answer["message"] and "/ui/login" in answer["message"]


def test_an_oversized_body_names_both_sizes_and_the_way_for_large_data(desk: Desk) -> None:
    size = 10 * 1024 * 1024 + 1

    status, answer = desk.save("x" * size)

    assert (status, answer["code"]) == (413, "too-large")
    assert f"{size:,} bytes" in answer["message"] and f"{size - 1:,}" in answer["message"] and "FILE" in answer["message"]
    assert desk.flows == ["daily"]


def test_an_oversized_input_starts_nothing(desk: Desk) -> None:
    status, answer = desk.start("daily", count=1, day="x" * (10 * 1024 * 1024))

    assert (status, answer["code"]) == (413, "too-large")
    assert "FILE" in answer["message"]
    assert desk.executions == []


def test_a_body_that_is_no_json_is_placed(desk: Desk) -> None:
    status, answer = desk.call(
        "POST", f"/executions/{desk.namespace}/daily", '{"count": }', **{"Content-Type": "application/json"}
    )

    assert (status, answer["code"]) == (422, "json")
    assert "line 1, column 11" in answer["message"]
    assert desk.executions == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("hi {{ inputs.nobody }}", ["Unable to find `nobody`", "{{ inputs.nobody }}", "at line 1"]),
        ("one\ntwo {{ 'x' | uper }}", ["[uper]", "{{ 'x' | uper }}", ":2)"]),
        ("{{ 1 / 0 }}", ["cannot be divided by zero", "{{ 1 / 0 }}"]),
        ("{{ secret('NOPE') }}", ["'NOPE'", "secret('NOPE')"]),
    ],
    ids=["unknown name", "unknown filter", "division", "unknown secret"],
)
def test_a_template_error_fails_the_execution_and_names_task_property_and_expression(
    desk: Desk, message: str, words: list[str]
) -> None:
    block = "\n".join(f"      {line}" for line in message.split("\n"))
    text = f"id: broken\nnamespace: {desk.namespace}\ntasks:\n  - id: greet\n    type: io.kestra.plugin.core.log.Log\n"
    desk.save(f"{text}    message: |-\n{block}\n")

    execution, lines = desk.run("broken")

    assert execution["state"]["current"] == "FAILED"
    assert [line["taskId"] for line in lines] == ["greet"]
    assert all(word in lines[0]["message"] for word in ['Property "message" cannot be rendered', *words]), lines[0]["message"]


@pytest.mark.parametrize(
    ("kind", "sql", "words"),
    [
        (
            "Query",
            ["select amount", "from missing_table"],
            ["line 2, column 6", '"missing_table" does not exist', "Line 2: from missing_table"],
        ),
        (
            "Queries",
            ["select 1;", "selct 2;"],
            ["Statement 2 of 2", "line 2, column 1", 'at or near "selct"', "Line 2: selct 2"],
        ),
        ("Query", ["select 1 / 0"], ["division by zero", "Statement: select 1 / 0"]),
    ],
    ids=["missing table", "second statement", "no place"],
)
def test_failing_sql_fails_the_execution_and_names_task_statement_and_position(
    desk: Desk, kind: str, sql: list[str], words: list[str]
) -> None:
    block = "\n".join(f"      {line}" for line in sql)
    text = f"id: report\nnamespace: {desk.namespace}\ntasks:\n  - id: count\n    type: io.kestra.plugin.jdbc.postgresql.{kind}\n"
    desk.save(f"{text}    url: \"{{{{ secret('EXAMPLES_DATABASE_URL') }}}}\"\n    sql: |\n{block}\n")

    execution, lines = desk.run("report")

    assert execution["state"]["current"] == "FAILED"
    assert [line["taskId"] for line in lines] == ["count"]
    assert all(word in lines[0]["message"] for word in words), lines[0]["message"]

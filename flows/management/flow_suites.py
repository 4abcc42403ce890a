"""Unit tests of flows in YAML: each case runs a flow with fixtures on a stage of its own and asserts what came of it."""

from __future__ import annotations

import argparse
import io
import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.engine.stand_ins import Chooser, StandIn
from flows.language.source import read_document
from flows.management.documents import read_documents
from flows.management.flow_plays import Play, Played, play_flow, read_stand_ins
from flows.management.terminal import Exit, Terminal, UsageError
from flows.operations.executions import eval_expression
from flows.primitives.errors import FlowsError
from flows.primitives.states import ENDED_WELL, State

COLUMNS = ("suite", "case", "status", "seconds", "message")
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_FILE = re.compile(r"\s*\{\{\s*files(?:\.([\w.-]+)|\[\s*['\"](.+?)['\"]\s*\])\s*\}\}\s*")
_SUITE_KEYS = frozenset({"id", "description", "namespace", "flowId", "testCases", "disabled"})
_CASE_KEYS = frozenset({"id", "type", "description", "disabled", "fixtures", "assertions", "state"})
_FIXTURE_KEYS = frozenset({"inputs", "files", "tasks"})
_TASK_KEYS = frozenset({"id", "description", "state", "outputs"})
_ASSERTION_KEYS = frozenset({"value", "description", "taskId", "errorMessage"})


@dataclass(frozen=True, slots=True)
class FixtureFile:
    """A file that a case gives to an input: its name and its text."""

    name: str
    text: str


class OpenFixture(io.BytesIO):
    """A fixture's file, open for reading as an upload would be."""

    def __init__(self, file: FixtureFile) -> None:
        super().__init__(file.text.encode())
        self.name = file.name


@dataclass(frozen=True, slots=True)
class Case:
    """One test case; `expected` is the state that the execution must end in, None for SUCCESS or WARNING."""

    suite: str
    id: str
    flow: tuple[str, str]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)
    assertions: tuple[Mapping[str, Any], ...] = ()
    expected: State | None = None
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a case went: passed, failed or skipped, and what was wrong."""

    case: Case
    status: str
    seconds: float = 0.0
    message: str = ""


def run_suites(terminal: Terminal, options: argparse.Namespace) -> int:
    """Run every case of every suite, with the flows in the paths before stored ones; status 1 when a case fails."""
    sources, cases = _read(options.flow)
    if not cases:
        raise UsageError(f"No test case was found in {', '.join(options.flow)}: a suite is a YAML file with testCases.")
    shared = read_stand_ins(options)
    results = []
    for case in cases:
        results.append(_run(terminal, case, sources, shared, options))
        terminal.say(f"{case.suite}/{case.id} {results[-1].status}")
    rows = [
        {
            "suite": each.case.suite,
            "case": each.case.id,
            "status": each.status,
            "seconds": round(each.seconds, 2),
            "message": each.message,
        }
        for each in results
    ]
    terminal.show_rows(COLUMNS, rows)
    if options.junit:
        _write_junit(Path(options.junit), results)
    return Exit.FAILED if any(each.status == FAILED for each in results) else Exit.DONE


def _run(terminal: Terminal, case: Case, sources: list[str], shared: Chooser, options: argparse.Namespace) -> Result:
    if case.is_disabled:
        return Result(case, SKIPPED)
    begin = time.monotonic()
    play = Play(
        sources,
        case.flow,
        {key: _open(value) for key, value in case.inputs.items()},
        choose=lambda task_id: case.stand_ins.get(task_id) or shared(task_id),
        timeout=options.timeout,
    )
    try:
        with play_flow(_Silent(terminal), play, with_logs=False) as played:
            faults = list(_find_faults(case, played))
    except FlowsError as error:
        faults = [error.message]
    seconds = time.monotonic() - begin
    return Result(case, FAILED if faults else PASSED, seconds, "; ".join(faults))


class _Silent(Terminal):
    """A terminal on which the course of a case is not shown."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(io.StringIO(), io.StringIO(), output=terminal.output)


def _open(value: Any) -> Any:
    return OpenFixture(value) if isinstance(value, FixtureFile) else value


def _find_faults(case: Case, played: Played) -> Iterator[str]:
    if played.fault:
        yield played.fault
        return
    state = State(played.execution.state)
    if state != case.expected if case.expected is not None else state not in ENDED_WELL:
        yield f"The execution ended {state}; {case.expected or 'SUCCESS'} was expected. {played.execution.error or ''}".strip()
    for assertion in case.assertions:
        value = _evaluate(played.execution.id, str(assertion["value"]))
        for name in _CHECKS:
            if name in assertion and not check_value(name, value, assertion[name]):
                shown = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
                fault = f"{assertion['value']} is {shown}; {name} {json.dumps(assertion[name], default=str)} was expected."
                yield _name(assertion, fault)


def _name(assertion: Mapping[str, Any], fault: str) -> str:
    said = assertion.get("errorMessage") or assertion.get("description")
    return f"{said} ({fault})" if said else fault


def _evaluate(execution_id: str, expression: str) -> str | None:
    """Return the text that an expression gives, None when it finds nothing."""
    try:
        return eval_expression(execution_id, expression)
    except FlowsError:
        return None


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_equal(value: Any, expected: Any) -> bool:
    if value is None:
        return expected is None
    if isinstance(expected, str):
        return bool(value == expected)
    try:
        return bool(json.loads(value) == expected)
    except (TypeError, ValueError):
        return bool(value == str(expected))


def _compare(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a check that compares as numbers when both are, else as texts, which suits dates."""

    def check(value: Any, expected: Any) -> bool:
        numbers = _as_number(value), _as_number(expected)
        if None not in numbers:
            return holds(*numbers)
        return value is not None and holds(str(value), str(expected))

    return check


def _is_absent(value: Any) -> bool:
    return value in (None, "", "null")


_CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "equalTo": _is_equal,
    "notEqualTo": lambda value, expected: not _is_equal(value, expected),
    "isNull": lambda value, expected: _is_absent(value) is bool(expected),
    "isNotNull": lambda value, expected: _is_absent(value) is not bool(expected),
    "startsWith": lambda value, expected: value is not None and str(value).startswith(str(expected)),
    "endsWith": lambda value, expected: value is not None and str(value).endswith(str(expected)),
    "contains": lambda value, expected: value is not None and str(expected) in str(value),
    "in": lambda value, expected: isinstance(expected, list) and any(_is_equal(value, each) for each in expected),
    "notIn": lambda value, expected: isinstance(expected, list) and not any(_is_equal(value, each) for each in expected),
    "greaterThan": _compare(lambda value, expected: value > expected),
    "greaterThanOrEqualTo": _compare(lambda value, expected: value >= expected),
    "lessThan": _compare(lambda value, expected: value < expected),
    "lessThanOrEqualTo": _compare(lambda value, expected: value <= expected),
}


def check_value(word: str, value: str | None, expected: Any) -> bool:
    """Tell whether a value is as an assertion says: `word` is one of its keys, None a value that was not found."""
    return _CHECKS[word](value, expected)


def _read(paths: list[str]) -> tuple[list[str], list[Case]]:
    sources, cases = [], []
    for document in read_documents(paths):
        found = read_document(document.text)
        if found.problems and found.data is None:
            raise UsageError(f"{document.label}: {found.problems[0]}")
        if isinstance(found.data, dict) and "testCases" in found.data:
            cases += _read_suite(found.data, document.label)
        else:
            sources.append(document.text)
    return sources, cases


def _read_suite(data: Mapping[str, Any], label: str) -> list[Case]:
    _refuse_others(data, _SUITE_KEYS, label)
    names = [data.get(key) for key in ("id", "namespace", "flowId")]
    if not all(isinstance(name, str) and name for name in names) or not isinstance(data["testCases"], list):
        raise UsageError(f"{label}: a suite has the texts id, namespace and flowId, and the list testCases.")
    is_disabled = bool(data.get("disabled"))
    flow = (str(data["namespace"]), str(data["flowId"]))
    return [_read_case(item, str(data["id"]), flow, label, is_disabled=is_disabled) for item in data["testCases"]]


def _read_case(data: Any, suite: str, flow: tuple[str, str], label: str, *, is_disabled: bool) -> Case:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise UsageError(f"{label}: every test case is an object with an id.")
    where = f'{label}: case "{data["id"]}"'
    _refuse_others(data, _CASE_KEYS, where)
    fixtures = data.get("fixtures") or {}
    _refuse_others(fixtures, _FIXTURE_KEYS, f"{where}, fixtures")
    return Case(
        suite,
        data["id"],
        flow,
        _read_inputs(fixtures, where),
        dict(_read_task(item, where) for item in fixtures.get("tasks") or ()),
        tuple(_read_assertion(item, where) for item in data.get("assertions") or ()),
        _read_state(data.get("state"), where),
        is_disabled or bool(data.get("disabled")),
    )


def _read_inputs(fixtures: Mapping[str, Any], where: str) -> dict[str, Any]:
    files, inputs = fixtures.get("files") or {}, {}
    for key, value in (fixtures.get("inputs") or {}).items():
        named = _FILE.fullmatch(value) if isinstance(value, str) else None
        if named is None:
            inputs[str(key)] = value
            continue
        name = named[1] or named[2]
        if name not in files:
            raise UsageError(f'{where}: the fixtures have no file "{name}".')
        inputs[str(key)] = FixtureFile(name, str(files[name]))
    return inputs


def _read_task(item: Any, where: str) -> tuple[str, StandIn]:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise UsageError(f"{where}: every task of the fixtures is an object with an id.")
    _refuse_others(item, _TASK_KEYS, f'{where}, task "{item["id"]}"')
    outputs = item.get("outputs") or {}
    if not isinstance(outputs, dict):
        raise UsageError(f'{where}: the outputs of task "{item["id"]}" must be an object.')
    return item["id"], StandIn(outputs, _read_state(item.get("state"), where) or State.SUCCESS)


def _read_state(word: Any, where: str) -> State | None:
    if word is None:
        return None
    try:
        return State(str(word).upper())
    except ValueError:
        raise UsageError(f'{where}: "{word}" is no state; SUCCESS, WARNING and FAILED are some.') from None


def _read_assertion(item: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(item, dict) or "value" not in item:
        raise UsageError(f"{where}: every assertion is an object with a value, which is an expression.")
    _refuse_others(item, _ASSERTION_KEYS | set(_CHECKS), f"{where}, assertion")
    if not set(item) & set(_CHECKS):
        raise UsageError(f"{where}: an assertion compares its value with one of {', '.join(_CHECKS)}.")
    return item


def _refuse_others(data: Any, known: frozenset[str] | set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise UsageError(f"{where}: an object was expected.")
    unknown = sorted(set(map(str, data)) - known)
    if unknown:
        raise UsageError(f'{where}: "{unknown[0]}" is not known here; {", ".join(sorted(known))} are.')


def _write_junit(path: Path, results: list[Result]) -> None:
    root = ET.Element("testsuites")
    for suite in dict.fromkeys(each.case.suite for each in results):
        members = [each for each in results if each.case.suite == suite]
        attributes = {
            "name": suite,
            "tests": str(len(members)),
            "failures": str(sum(each.status == FAILED for each in members)),
            "skipped": str(sum(each.status == SKIPPED for each in members)),
            "errors": "0",
            "time": f"{sum(each.seconds for each in members):.3f}",
        }
        node = ET.SubElement(root, "testsuite", attributes)
        for each in members:
            case = ET.SubElement(
                node, "testcase", name=each.case.id, classname=f"{suite}.{each.case.flow[1]}", time=f"{each.seconds:.3f}"
            )
            if each.status == FAILED:
                ET.SubElement(case, "failure", message=each.message).text = each.message
            elif each.status == SKIPPED:
                ET.SubElement(case, "skipped")
    try:
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f'"{path}" cannot be written ({error.strerror}).') from error

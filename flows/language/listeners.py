"""The old `listeners` of a flow as tasks that run after the execution, their conditions folded into `when`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.language.flow import Task
from flows.language.plugins import read_conditions
from flows.language.reading import Reading
from flows.language.source import Path
from flows.language.tasks import read_tasks

_ONE_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}|\{%).)*)\}\}\s*", re.DOTALL)


def read_listeners(reading: Reading, value: Any, path: Path) -> tuple[Task, ...]:
    """
    Return the tasks of all listeners in order, each with a `when` that holds the conditions of its listener.

    Conditions that cannot be written as an expression are reported, because leaving them out would run the tasks more often
    than the flow says.

    Source: flow language, 8.4.
    """
    tasks: list[Task] = []
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, Mapping):
            continue
        here = (*path, index)
        tests = []
        for number, condition in enumerate(read_conditions(reading, item.get("conditions"), (*here, "conditions"))):
            test = _write_test(condition)
            if test is None:
                reading.report(
                    "listener-condition",
                    f"The condition {condition['type']} of a listener has no counterpart as an expression.",
                    (*here, "conditions", number),
                    hint='Move the tasks to "afterExecution" and write the condition as "when".',
                )
            else:
                tests.append(test)
        for task in read_tasks(reading, item.get("tasks"), (*here, "tasks"), "the listener", needed=True):
            when = _join(tests, task.when)
            if when is None:
                reading.report(
                    "listener-condition",
                    f'The "when" of task "{task.id}" cannot be joined with the conditions of its listener.',
                    (*here, "tasks"),
                    hint='Move the task to "afterExecution".',
                )
            tasks.append(replace(task, when=when or None))
    return tuple(tasks)


def _join(tests: Sequence[str], when: str | None) -> str | None:
    """Return all tests as one template, empty when there are none, or None when `when` is more than one expression."""
    if not tests:
        return when or ""
    parts = list(tests)
    if when is not None:
        match = _ONE_EXPRESSION.fullmatch(when)
        if match is None:
            return None
        parts.append(match[1].strip())
    return "{{ " + " and ".join(f"({part})" for part in parts) + " }}"


def _write_test(condition: Mapping[str, Any]) -> str | None:
    """Return a condition as an expression without its braces, or None when there is none."""
    name = str(condition["type"]).rsplit(".", 1)[-1]
    if name == "ExecutionStatus":
        wanted, refused = condition.get("in"), condition.get("notIn")
        parts = []
        if isinstance(wanted, list):
            parts.append(f"{_write_list(wanted)} contains execution.state")
        if isinstance(refused, list):
            parts.append(f"not ({_write_list(refused)} contains execution.state)")
        return " and ".join(parts) or "true"
    if name == "Expression" and isinstance(condition.get("expression"), str):
        match = _ONE_EXPRESSION.fullmatch(condition["expression"])
        return match[1].strip() if match else None
    if name == "ExecutionFlow":
        return f"flow.namespace == {_quote(condition.get('namespace'))} and flow.id == {_quote(condition.get('flowId'))}"
    if name == "ExecutionNamespace":
        return f"flow.namespace == {_quote(condition.get('namespace'))}"
    inner = condition.get("conditions")
    if name in {"Not", "Or"} and isinstance(inner, list):
        tests = [_write_test(item) for item in inner]
        if all(test is not None for test in tests):
            joined = f" {'and' if name == 'Not' else 'or'} ".join(f"({test})" for test in tests)
            return f"not ({joined})" if name == "Not" else joined
    return None


def _write_list(words: Sequence[Any]) -> str:
    return "[" + ", ".join(_quote(word) for word in words) + "]"


def _quote(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"

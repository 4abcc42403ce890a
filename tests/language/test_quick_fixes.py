"""Quick fixes: each makes its problem go away and touches nothing else."""

from __future__ import annotations

import pytest

from flows.language.parse import parse_flow
from flows.language.quick_fixes import Fix, between, find_fix
from flows.plugin_api.registry import get_registry

HEAD = "id: f\nnamespace: n\ntasks:\n"


def apply(source: str, fix: Fix) -> str:
    """Return the text after a fix."""
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    first, last = starts[fix.line - 1] + fix.column - 1, starts[fix.end_line - 1] + fix.end_column - 1
    return source[:first] + fix.text + source[last:]


@pytest.mark.parametrize(
    ("task", "mended"),
    [
        ("- id: a\n  type: io.kestra.plugin.core.log.Log\n  mesage: x\n", "  message: x\n"),
        ('- id: a\n  type: "io.kestra.plugin.core.log.Lgo"\n  message: x\n', '  type: "io.kestra.plugin.core.log.Log"\n'),
        ("- id: a\n  type: io.kestra.core.tasks.log.Log\n  message: x\n", "  type: io.kestra.plugin.core.log.Log\n"),
        ("- id: a\n  type: io.kestra.plugin.core.log.Log\n  message: x\n  logLevel: INFOO\n", "  logLevel: INFO\n"),
        (
            "- id: a\n  type: io.kestra.plugin.scripts.shell.Commands\n  commands: [ls]\n"
            "  taskRunner: {type: io.kestra.plugin.core.runner.Proces}\n",
            "  taskRunner: {type: io.kestra.plugin.core.runner.Process}\n",
        ),
        (
            "- {id: a, type: io.kestra.plugin.core.log.Log, message: x}\ninputs:\n- {id: i, type: STRNG}\n",
            "- {id: i, type: STRING}\n",
        ),
        ("- id: a\n  type: io.kestra.plugin.core.log.Log # why\n", '  message: ""\n'),
        ("- id: a\n  type: io.kestra.plugin.core.log.Log\n  message: {{ inputs.x }}\n", '  message: "{{ inputs.x }}"\n'),
    ],
)
def test_a_fix_makes_its_problem_go_away(task: str, mended: str) -> None:
    source = HEAD + task
    problems = parse_flow(source, get_registry()).problems

    fixes = [fix for problem in problems if (fix := find_fix(problem, source, get_registry())) is not None]

    assert mended in apply(source, fixes[-1])
    after = parse_flow(apply(source, fixes[-1]), get_registry()).problems
    assert {problem.code for problem in after} & {problem.code for problem in problems} == set()


def test_what_needs_thought_has_no_fix() -> None:
    source = HEAD + "- id: a\n  type: no.such.Thing\n"

    assert [find_fix(problem, source, get_registry()) for problem in parse_flow(source, get_registry()).problems] == [None]


def test_the_change_between_two_texts_is_the_smallest_stretch() -> None:
    assert between("a\nbcd\ne", "a\nbXd\ne", "") == Fix("", 2, 2, 2, 3, "X")
    assert between("same", "same", "") == Fix("", 1, 5, 1, 5, "")

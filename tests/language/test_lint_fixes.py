"""What `lint` mends by itself, and what it leaves alone."""

from __future__ import annotations

import pytest

from flows.language.lint_fixes import fix_flow
from flows.plugin_api.registry import get_registry

FLOW = """\
id: daily
namespace: company.team
variables:
  left: 1
  kept: 2
tasks:
  - id: say
    type: io.kestra.core.tasks.log.Log # kept
    message: "{{ vars.kept }}"
"""


def test_old_names_and_unused_variables_are_mended_and_comments_stay() -> None:
    mended, solved = fix_flow(FLOW, get_registry())

    assert mended == FLOW.replace("  left: 1\n", "").replace("io.kestra.core.tasks", "io.kestra.plugin.core")
    assert {problem.code for problem in solved} == {"old-type", "unused-variable"}
    assert fix_flow(mended, get_registry()) == (mended, [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("id: daily  \nnamespace: a.b\ntasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: x}]", True),
        (
            "id: daily\nnamespace: a.b\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: |\n      x  \n",
            False,
        ),
        ("id: [broken  \n", False),
    ],
    ids=["at line ends", "inside a block text", "in what cannot be read"],
)
def test_blanks_go_only_where_they_mean_nothing(before: str, after: bool) -> None:
    mended, _ = fix_flow(before, get_registry())

    assert (mended != before) is after
    assert "  \n" not in mended if after else mended == before

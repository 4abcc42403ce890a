"""Triggers that watch the result of a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.testing import FakeContext
from flows.plugin_api.triggers import PollResult
from plugins.scripts import triggers
from plugins.scripts.properties import ScriptOutput
from plugins.scripts.triggers import is_match


@pytest.fixture
def context() -> Iterator[FakeContext]:
    with FakeContext() as made:
        yield made


def poll(context: FakeContext, raw: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> PollResult:
    trigger = triggers.ShellCommandsTrigger()  # type: ignore[attr-defined]
    return trigger.poll(context, load_properties(trigger.Props, raw, context.render), state or {})


def test_a_matching_exit_code_fires_also_when_the_script_failed(context: FakeContext) -> None:
    result = poll(context, {"commands": ["exit 3"], "exitCondition": "EXIT 3"})

    assert result.variables is not None
    assert (result.variables["exitCode"], result.variables["condition"], result.state) == (3, "EXIT 3", {"matched": True})


@pytest.mark.parametrize(("edge", "fires"), [(True, False), (False, True)])
def test_edge_fires_only_when_the_match_begins(context: FakeContext, edge: bool, fires: bool) -> None:
    result = poll(context, {"commands": ["true"], "exitCondition": "exit 0", "edge": edge}, {"matched": True})

    assert (result.variables is not None) == fires


def test_no_match_resets_the_state(context: FakeContext) -> None:
    result = poll(context, {"commands": ["true"], "exitCondition": "exit 1"}, {"matched": True})

    assert (result.variables, result.state) == (None, {"matched": False})


def test_sent_values_and_logs_of_a_failure_are_searched(context: FakeContext) -> None:
    sent = poll(context, {"commands": ['echo \'::{"outputs": {"state": "ready-7"}}::\''], "exitCondition": r"ready-\d"})
    logged = poll(context, {"commands": ["echo broken disk", "exit 1"], "exitCondition": "broken (disk|fan)"})
    quiet = poll(context, {"commands": ["echo broken disk"], "exitCondition": "broken"})

    assert sent.variables is not None and sent.variables["vars"] == {"state": "ready-7"}
    assert (logged.variables is not None, quiet.variables) == (True, None)


def test_what_is_no_regular_expression_is_plain_text() -> None:
    assert is_match("a[", ScriptOutput(exit_code=0, vars={"x": "ba[c"}), "")

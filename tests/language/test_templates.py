"""Templates as text: what is read, what is refused, and how they are put in place."""

from __future__ import annotations

import pytest

from flows.language.flow import PluginDefault
from flows.language.parse import parse_flow
from flows.language.templates import find_double_task_id, list_template_tasks, parse_template, put_templates_in_place
from flows.plugin_api.registry import Registry
from flows.primitives.problems import Severity

CORE = "io.kestra.plugin.core"
HEAD = "id: greeting\nnamespace: company.team\n"
SAY = f"tasks:\n  - id: say\n    type: {CORE}.log.Log\n    message: hello\n"
FLOW = f"""\
id: caller
namespace: company.team
tasks:
  - id: outer
    type: {CORE}.flow.Sequential
    tasks:
      - {{id: greet, type: {CORE}.flow.Template, namespace: company.team, templateId: greeting}}
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- a list", "wrong-type"),
        ("", "wrong-type"),
        (HEAD, "empty"),
        (f"namespace: a.b\n{SAY}", "required"),
        (f"id: a b\nnamespace: a.b\n{SAY}", "invalid-id"),
        (f"{HEAD}{SAY}triggers: []\n", "unknown-property"),
        (HEAD + SAY.replace("log.Log", "log.Lag"), "unknown-task-type"),
        (f"{HEAD}{SAY}errors:\n  - {{id: say, type: {CORE}.log.Log, message: oh}}\n", "duplicate-task"),
    ],
)
def test_a_text_that_is_no_template_is_refused(registry: Registry, text: str, code: str) -> None:
    template, problems = parse_template(text, registry)

    assert template is None
    assert code in {problem.code for problem in problems if problem.severity is Severity.ERROR}


def test_plugin_defaults_of_the_flow_apply_to_the_tasks(registry: Registry) -> None:
    defaults = [PluginDefault(f"{CORE}.log.Log", {"level": "WARN"})]

    template, _ = parse_template(HEAD + SAY, registry, defaults=defaults)

    assert template is not None
    assert template.branches["tasks"][0].properties["level"] == "WARN"
    assert "level" not in template.raw["tasks"][0]


def test_the_tasks_stand_below_the_task_that_names_the_template_at_any_depth(registry: Registry) -> None:
    flow = parse_flow(FLOW, registry).flow
    template, _ = parse_template(HEAD + SAY, registry)
    assert flow is not None and template is not None

    whole = put_templates_in_place(flow, {"greet": template.branches})

    assert [task.id for task in list_template_tasks(flow)] == ["greet"]
    assert [task.id for task in whole.all_tasks()] == ["outer", "greet", "say"]
    assert [task.id for task in flow.all_tasks()] == ["outer", "greet"]


def test_ids_that_are_taken_are_found_before_a_template_is_put_in_place(registry: Registry) -> None:
    template, _ = parse_template(HEAD + SAY, registry)
    assert template is not None

    assert find_double_task_id(template, {"say", "other"}) == "say"
    assert find_double_task_id(template, {"other"}) is None

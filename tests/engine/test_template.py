"""Templates in executions: put in place when the execution begins, and the same for its whole life."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.conf import get_settings
from flows.engine.catalog import forget_flows
from flows.models import Execution, LogEntry
from flows.operations.executions import replay_execution, restart_execution, resume_execution
from flows.operations.flow_checks import check_document
from flows.operations.templates import delete_template, save_template
from tests.engine.whole_runs import LOG, RETURN, list_states, run, save, start, task_run, work_on

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
TEMPLATE = "io.kestra.plugin.core.flow.Template"
CALLER = f"""
id: caller
tasks:
  - id: before
    type: {RETURN}
    format: x
  - id: greet
    type: {TEMPLATE}
    namespace: company.team
    templateId: greeting
    args:
      who: "{{{{ outputs.before.value }}}}"
  - id: after
    type: {RETURN}
    format: "{{{{ outputs.say.value }}}} {{{{ outputs.greet.args.who }}}}"
"""
PAUSING = """
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
"""

pytestmark = pytest.mark.django_db


def _save_greeting(word: str = "hello", more: str = "", template_id: str = "greeting", task_id: str = "say") -> None:
    save_template(
        f"id: {template_id}\nnamespace: company.team\ntasks:\n  - id: {task_id}\n    type: {RETURN}\n"
        f"    format: '{word} {{{{ parent.outputs.args.who ?? \"\" }}}}'\n{more}",
        at=AT,
    )


def test_the_tasks_of_a_template_run_in_its_place_with_its_arguments() -> None:
    _save_greeting()
    save(CALLER)

    execution = run("caller")

    assert list_states(execution) == dict.fromkeys(("before", "greet", "say", "after"), "SUCCESS")
    assert task_run(execution, "say").parent_id == task_run(execution, "greet").id
    assert task_run(execution, "greet").outputs == {"args": {"who": "x"}}
    assert task_run(execution, "after").outputs == {"value": "hello x x"}


def test_an_execution_keeps_the_revision_with_which_it_began() -> None:
    _save_greeting(more=PAUSING + f"  - {{id: last, type: {RETURN}, format: old}}\n")
    save(CALLER)
    execution = work_on(start("caller"))
    assert execution.state == "PAUSED"

    _save_greeting("goodbye")
    delete_template("company.team", "greeting", at=AT)
    forget_flows()
    resume_execution(execution.id, at=datetime.now(UTC))
    execution = work_on(execution.id)

    assert execution.state == "SUCCESS"
    assert task_run(execution, "last").outputs == {"value": "old"}


def test_the_next_execution_takes_the_newest_revision() -> None:
    _save_greeting()
    save(CALLER)
    run("caller")
    _save_greeting("goodbye")

    execution = run("caller")

    assert task_run(execution, "say").outputs == {"value": "goodbye x"}


def test_a_missing_template_fails_its_task_and_a_restart_looks_again() -> None:
    save(CALLER)
    execution = run("caller")
    assert list_states(execution) == {"before": "SUCCESS", "greet": "FAILED"}
    assert LogEntry.objects.filter(execution_id=execution.id, message__contains='no template "greeting"').exists()

    _save_greeting()
    restart_execution(execution.id, at=datetime.now(UTC))
    execution = work_on(execution.id)

    assert execution.state == "SUCCESS"
    assert task_run(execution, "after").outputs == {"value": "hello x x"}


def test_a_replay_from_a_task_keeps_the_template_that_its_task_runs_came_from() -> None:
    _save_greeting()
    save(CALLER)
    first = run("caller")
    _save_greeting("goodbye", task_id="other")

    copied = replay_execution(first.id, task_run_id=task_run(first, "after").id, at=datetime.now(UTC))
    execution = work_on(copied.id)

    assert execution.state == "SUCCESS"
    assert task_run(execution, "after").outputs == {"value": "hello x x"}


def test_a_task_id_that_is_taken_already_is_refused_by_name() -> None:
    _save_greeting(task_id="before")
    save(CALLER)

    execution = run("caller")

    assert list_states(execution) == {"before": "SUCCESS", "greet": "FAILED"}
    assert LogEntry.objects.filter(execution_id=execution.id, message__contains='has a task "before"').exists()


def test_templates_may_take_in_templates_but_not_themselves() -> None:
    inner = f"  - {{id: inner, type: {TEMPLATE}, namespace: company.team, templateId: %s}}\n"
    _save_greeting(more=inner % "second")
    _save_greeting("second", template_id="second", task_id="say2")
    save(CALLER)
    nested = run("caller")
    _save_greeting(more=inner % "greeting")

    circle = run("caller")

    assert task_run(nested, "say2").outputs == {"value": "second "}
    assert list_states(circle)["inner"] == "FAILED"
    assert LogEntry.objects.filter(execution_id=circle.id, message__contains="takes itself in").exists()


def test_errors_of_a_template_run_when_one_of_its_tasks_fails() -> None:
    save_template(
        "id: greeting\nnamespace: company.team\ntasks:\n  - {id: bad, type: io.kestra.plugin.core.execution.Fail}\n"
        f"errors:\n  - {{id: told, type: {LOG}, message: oh}}\n",
        at=AT,
    )
    save(CALLER)

    execution = run("caller")

    assert list_states(execution) == {"before": "SUCCESS", "greet": "FAILED", "bad": "FAILED", "told": "SUCCESS"}


def test_the_iterations_of_a_loop_in_a_template_run_the_tasks_of_the_same_revision() -> None:
    save_template(
        "id: greeting\nnamespace: company.team\ntasks:\n  - id: each\n    type: io.kestra.plugin.core.flow.Loop\n"
        f"    values: [a]\n    tasks:\n      - {{id: say, type: {RETURN}, format: '{{{{ item.value }}}}'}}\n",
        at=AT,
    )
    save(CALLER.replace("outputs.say.value", "tasks.each.state"))
    caller = work_on(start("caller"))
    delete_template("company.team", "greeting", at=AT)

    iteration = work_on(Execution.objects.get(caller_execution_id=caller.id).id)

    assert task_run(iteration, "say").outputs == {"value": "a"}
    assert Execution.objects.get(id=caller.id).state == "SUCCESS"


def test_a_flow_with_a_template_is_refused_while_templates_are_switched_off(settings: pytest.FixtureRequest) -> None:
    source = f"namespace: company.team\n{CALLER}"
    settings.CELESTRA = {**settings.CELESTRA, "templates_enabled": False}  # type: ignore[attr-defined]

    assert not get_settings().templates_enabled
    assert [problem.code for problem in check_document(source).problems if problem.severity == "ERROR"] == ["templates-disabled"]

"""Log, Fetch, PurgeLogs, Return, Echo, OutputValues, TemplatedTask and Publish."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.plugin_api.fields import PropertyError, PropertyTemplateError
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from plugins.core.debug import Echo, Return
from plugins.core.log import Fetch, Log, PurgeLogs
from plugins.core.metric import Publish
from plugins.core.output import OutputValues
from plugins.core.templating import TemplatedTask


def log_row(task: str, level: str = "INFO", *, execution: str = "execution1", minute: int = 0, namespace: str = "company.team"):
    at = datetime(2031, 5, 4, 10, minute, tzinfo=UTC)
    return {
        "namespace": namespace, "flowId": "flow", "taskId": task, "executionId": execution, "level": level, "timestamp": at,
        "message": f"{task} {level}",
    }  # fmt: skip


def test_log_writes_one_line_per_element_of_a_list(context):
    context.run(Log(), {"message": ["one {{ flow.id }}", 2], "level": "WARN"})

    assert context.log.messages("WARN") == ["one flow", "2"]


def test_log_at_level_error_does_not_fail_the_task(context):
    assert context.run(Log(), {"message": "bad", "level": "ERROR"}) is None

    assert context.log.messages("ERROR") == ["bad"]


def test_log_level_may_be_an_expression_in_any_case(make_context):
    context = make_context(variables={"inputs": {"level": "debug"}})

    context.run(Log(), {"message": "x", "level": "{{ inputs.level }}"})

    assert context.log.messages("DEBUG") == ["x"]


def test_log_refuses_an_unknown_level(context):
    with pytest.raises(PropertyError, match=r'"level".*"LOUD"'):
        context.run(Log(), {"message": "x", "level": "LOUD"})


def test_fetch_stores_the_entries_from_a_level_on(context):
    context.platform.logs = [log_row("a", "DEBUG"), log_row("a", "INFO"), log_row("b", "ERROR"), log_row("c", execution="other")]

    output = context.run(Fetch(), {})

    assert output["size"] == 2
    assert [row["message"] for row in context.storage.read_rows(output["uri"])] == ["a INFO", "b ERROR"]


def test_fetch_by_tasks_puts_them_in_the_order_of_the_list(context):
    context.platform.logs = [log_row("a"), log_row("b", minute=1), log_row("a", minute=2)]

    output = context.run(Fetch(), {"tasksId": ["b", "a"]})

    assert [row["taskId"] for row in context.storage.read_rows(output["uri"])] == ["b", "a", "a"]


def test_fetch_reads_the_log_of_another_execution(context):
    context.platform.logs = [log_row("a"), log_row("c", execution="other")]

    output = context.run(Fetch(), {"executionId": "other", "namespace": "company.team", "flowId": "flow"})

    assert output["size"] == 1


@pytest.mark.parametrize("ids", [{"namespace": "n"}, {"flowId": "f", "executionId": "e"}, {"namespace": "n", "flowId": "f"}])
def test_fetch_refuses_a_wrong_combination_of_ids(context, ids):
    with pytest.raises(TaskFailure):
        context.run(Fetch(), ids)


def test_purge_logs_deletes_exactly_the_levels_of_the_namespace_before_a_date(context):
    context.platform.logs = [
        log_row("a", "DEBUG"), log_row("b", "INFO"), log_row("c", "DEBUG", minute=30), log_row("d", "DEBUG", namespace="other"),
    ]  # fmt: skip

    output = context.run(PurgeLogs(), {"namespace": "company", "logLevels": ["DEBUG"], "endDate": "2031-05-04T10:10:00Z"})

    assert output == {"count": 1}
    assert [row["taskId"] for row in context.platform.logs] == ["b", "c", "d"]


def test_purge_logs_needs_an_end(context):
    with pytest.raises(PropertyError, match="endDate"):
        context.run(PurgeLogs(), {})


def test_return_gives_text_and_logs_it_at_debug(context):
    output = context.run(Return(), {"format": "{{ 1 + 1 }}"})

    assert output == {"value": "2"}
    assert context.log.messages("DEBUG") == ["2"]
    assert context.metrics.value_of("length") == 1
    assert context.metrics.entries[1].type == "timer"


def test_return_without_format_gives_null(context):
    assert context.run(Return(), {}) == {"value": None}


def test_return_with_a_missing_variable_fails(context):
    with pytest.raises(PropertyTemplateError, match='"format" cannot be rendered'):
        context.run(Return(), {"format": "{{ nothing.here }}"})


def test_echo_logs_at_its_level(context):
    context.run(Echo(), {"format": "hi", "level": "ERROR"})

    assert context.log.messages("ERROR") == ["hi"]


def test_output_values_keep_types_and_render_texts_at_any_depth(context):
    output = context.run(OutputValues(), {"values": {"n": 1, "t": "{{ 1 + 1 }}", "deep": {"list": ["{{ flow.id }}", True]}}})

    assert output == {"values": {"n": 1, "t": "2", "deep": {"list": ["flow", True]}}}


def test_output_values_may_be_one_expression_that_gives_a_map(make_context):
    context = make_context(variables={"inputs": {"facts": {"a": 1}}})

    assert context.run(OutputValues(), {"values": "{{ inputs.facts }}"}) == {"values": {"a": 1}}


def test_templated_task_runs_the_task_that_the_text_names(make_context):
    context = make_context(variables={"inputs": {"kind": "Return"}})
    spec = "id: any\ntype: io.kestra.core.tasks.debugs.{{ inputs.kind }}\nformat: made\nretry: {type: constant}\n"

    assert context.run(TemplatedTask(), {"spec": spec}) == {"value": "made"}


@pytest.mark.parametrize(
    "spec",
    [
        "type: io.kestra.plugin.core.flow.If\ncondition: true",
        "type: io.kestra.plugin.core.templating.TemplatedTask\nspec: x",
        "type: io.kestra.plugin.core.execution.Labels\nlabels: {a: b}",
        "type: io.kestra.plugin.core.trigger.Schedule\ncron: '* * * * *'",
        "type: unknown.Type",
        "- a list",
        "a: [",
    ],
)
def test_templated_task_refuses_what_no_worker_runs(context, spec):
    with pytest.raises(TaskFailure):
        context.run(TemplatedTask(), {"spec": spec})


def test_killing_a_templated_task_kills_its_inner_task(context, monkeypatch):
    killed = []
    monkeypatch.setattr(RunnableTask, "kill", lambda self: killed.append(type(self).__name__))
    task = TemplatedTask()

    task.kill()
    context.run(task, {"spec": "type: io.kestra.plugin.core.debug.Return"})

    assert killed == ["Return"]


def test_publish_records_every_kind_of_metric(make_context):
    context = make_context(variables={"inputs": {"rows": 12}})
    metrics = [
        {"type": "counter", "name": "rows", "value": "{{ inputs.rows }}", "tags": {"table": "t"}},
        {"type": "timer", "name": "load", "value": "PT1.5S"},
        {"type": "timer", "name": "save", "value": 2},
        {"type": "gauge", "name": "level", "value": 0.5},
    ]

    context.run(Publish(), {"metrics": metrics})

    assert [(m.type, m.name, m.value) for m in context.metrics.entries] == [
        ("counter", "rows", 12), ("timer", "load", 1.5), ("timer", "save", 2), ("gauge", "level", 0.5),
    ]  # fmt: skip
    assert context.metrics.entries[0].tags == {"table": "t"}


@pytest.mark.parametrize(
    "metric", [{"type": "counter", "value": "many"}, {"type": "gauge", "value": "PT1S"}, {"type": "timer", "value": True}]
)
def test_publish_with_a_wrong_value_fails_and_records_nothing(context, metric):
    with pytest.raises(TaskFailure, match="m"):
        context.run(Publish(), {"metrics": [{"type": "counter", "name": "ok", "value": 1}, {"name": "m", **metric}]})

    assert context.metrics.entries == []

"""Fail, Exit, Labels, SetVariables, UnsetVariables, Count, Resume, Kill, PurgeExecutions, Assert, Toggle and PurgeFlows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.plugin_api.fields import PropertyError
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing_platform import FakeExecution
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from plugins.core.execution.check import Assert
from plugins.core.execution.others import Count, Kill, PurgeExecutions, Resume
from plugins.core.execution.own import Exit, Fail, Labels, SetVariables, UnsetVariables
from plugins.core.flow.purge import PurgeFlows
from plugins.core.trigger.toggle import Toggle

MAY = datetime(2031, 5, 1, tzinfo=UTC)


def execution(name: str, state: str = "SUCCESS", *, namespace: str = "company.team", flow: str = "load", **more) -> FakeExecution:
    return FakeExecution(name, namespace, flow, state, MAY, **more)


def test_fail_without_condition_always_fails(context):
    with pytest.raises(TaskFailure, match="Task failure"):
        context.run(Fail(), {})


@pytest.mark.parametrize("condition", ["{{ 1 == 1 }}", "yes", "False", " ", True, "[]"])
def test_fail_fails_when_its_condition_holds(context, condition):
    with pytest.raises(TaskFailure, match="no rows in flow"):
        context.run(Fail(), {"condition": condition, "errorMessage": "no rows in {{ flow.id }}"})


@pytest.mark.parametrize("condition", ["{{ 1 == 2 }}", "false", "", "0", "-0", False, 0])
def test_fail_passes_when_its_condition_does_not_hold(context, condition):
    assert context.run(Fail(), {"condition": condition}) is None


@pytest.mark.parametrize(
    ("written", "state"), [(None, "SUCCESS"), ("WARNING", "WARNING"), ("CANCELED", "CANCELLED"), ("failed", "FAILED")]
)
def test_exit_asks_for_the_end_state(context, written, state):
    context.run(Exit(), {"state": written})

    assert context.exit_state == state


@pytest.mark.parametrize(
    "labels",
    [
        {"a": "{{ flow.id }}", "n": 1, "b": True},
        [{"key": "a", "value": "flow"}, {"key": "n", "value": 1}, {"key": "b", "value": True}],
        '{"a": "flow", "n": 1, "b": true}',
        "{{ inputs.labels }}",
    ],
)
def test_labels_as_map_list_and_text_give_the_same(make_context, labels):
    context = make_context(variables={"inputs": {"labels": {"a": "flow", "n": 1, "b": True}}})
    context.labels.update({"a": "old", "kept": "yes"})

    context.run(Labels(), {"labels": labels})

    assert context.labels == {"a": "flow", "n": "1", "b": "true", "kept": "yes"}


def test_labels_writes_maps_and_lists_as_json(context):
    context.run(Labels(), {"labels": {"a": ["list"], "b": {"x": 1}}})

    assert context.labels == {"a": '["list"]', "b": '{"x":1}'}


@pytest.mark.parametrize("labels", [{"system.x": "y"}, {"a": None}, [{"key": "a"}]])
def test_labels_refuses_system_labels_and_missing_values(context, labels):
    with pytest.raises(TaskFailure):
        context.run(Labels(), {"labels": labels})

    assert context.labels == {}


def test_set_variables_merges_level_by_level(make_context):
    context = make_context(variables={"vars": {"a": {"x": 1, "y": 2}}})

    context.run(SetVariables(), {"variables": {"a": {"y": "{{ 1 + 2 }}"}, "b": [1]}})

    assert context.vars == {"a": {"x": 1, "y": "3"}, "b": [1]}


def test_set_variables_without_overwrite_refuses_a_present_key(make_context):
    context = make_context(variables={"vars": {"a": 1}})

    with pytest.raises(TaskFailure, match="a exist already"):
        context.run(SetVariables(), {"variables": {"a": 2, "b": 3}, "overwrite": False})

    assert context.vars == {"a": 1}


def test_unset_variables_removes_dotted_paths(make_context):
    context = make_context(variables={"vars": {"a": {"x": 1, "y": 2}, "b": 3}})

    context.run(UnsetVariables(), {"variables": ["a.x", "b"]})

    assert context.vars == {"a": {"y": 2}}


def test_unset_variables_refuses_a_missing_key_unless_told_to_ignore_it(make_context):
    context = make_context(variables={"vars": {"a": 1}})

    with pytest.raises(TaskFailure, match=r"nope\.x"):
        context.run(UnsetVariables(), {"variables": ["a", "nope.x"]})
    context.run(UnsetVariables(), {"variables": ["a", "nope.x"], "ignoreMissing": True})

    assert context.vars == {}


def test_count_of_a_flow_that_never_ran_gives_a_row_of_zero(context):
    flows = [{"namespace": "company.team", "flowId": "never"}]

    output = context.run(Count(), {"flows": flows, "startDate": "2031-01-01T00:00:00Z", "expression": "{{ count == 0 }}"})

    assert output == {"results": [{"namespace": "company.team", "flowId": "never", "count": 0}], "total": 0}


def test_count_of_a_namespace_that_never_ran_gives_no_row(context):
    output = context.run(Count(), {"namespaces": ["nobody"], "startDate": "2031-01-01", "expression": "{{ count == 0 }}"})

    assert output == {"results": [], "total": 0}


def test_count_sums_the_rows_that_the_expression_keeps(context):
    context.platform.executions = [execution("1"), execution("2"), execution("3", flow="other"), execution("4", "FAILED")]
    flows = [{"namespace": "company.team", "flowId": name} for name in ("load", "other")]

    output = context.run(
        Count(), {"flows": flows, "states": ["SUCCESS"], "startDate": "2031-05-01T00:00:00Z", "expression": "{{ count > 1 }}"}
    )

    assert output == {"results": [{"namespace": "company.team", "flowId": "load", "count": 2}], "total": 2}


def test_count_looks_only_between_its_dates(context):
    context.platform.executions = [execution("1")]
    flows = [{"namespace": "company.team", "flowId": "load"}]
    dates = {"startDate": "2031-04-01T00:00:00Z", "endDate": "2031-04-30T00:00:00+02:00"}

    assert context.run(Count(), {"flows": flows, **dates, "expression": "true"})["total"] == 0


def test_count_needs_flows_or_namespaces(context):
    with pytest.raises(TaskFailure):
        context.run(Count(), {"startDate": "2031-01-01T00:00:00Z", "expression": "true"})


def test_resume_hands_the_inputs_to_the_paused_execution(context):
    context.platform.executions = [execution("e", "PAUSED", resume_inputs=("reason",))]

    context.run(Resume(), {"executionId": "e", "inputs": {"reason": "{{ flow.id }}"}})

    assert context.platform.find_execution("e").resumed_with == {"reason": "flow"}


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"executionId": "unknown"}, NotFoundError),
        ({"executionId": "running"}, ConflictError),
        ({"executionId": "asking"}, InvalidError),
        ({"executionId": "asking", "namespace": "n"}, TaskFailure),
        ({}, NotFoundError),
    ],
)
def test_resume_fails_for_unknown_or_running_executions_and_missing_inputs(context, properties, error):
    context.platform.executions = [execution("running", "RUNNING"), execution("asking", "PAUSED", resume_inputs=("reason",))]

    with pytest.raises(error):
        context.run(Resume(), properties)


@pytest.mark.parametrize(("propagate", "child_state"), [(True, "KILLED"), (False, "RUNNING")])
def test_kill_takes_subflows_along_when_told_so(context, propagate, child_state):
    context.platform.executions = [execution("e", "RUNNING"), execution("child", "RUNNING", parent_id="e")]

    context.run(Kill(), {"executionId": "e", "propagateKill": propagate})

    assert [e.state for e in context.platform.executions] == ["KILLED", child_state]


def test_purge_executions_leaves_running_ones_and_gives_four_counts(context):
    context.platform.executions = [
        execution("done", file_count=2, metric_count=3),
        execution("running", "RUNNING"),
        execution("elsewhere", namespace="other"),
    ]
    context.platform.logs = [{"executionId": "done"}, {"executionId": "running"}]
    context.kv.set("key", 1)
    context.namespace_files.write("/f", b"x")

    output = context.run(PurgeExecutions(), {"namespace": "company", "endDate": "2031-06-01T00:00:00Z"})

    assert output == {"executionsCount": 1, "logsCount": 1, "storagesCount": 2, "metricsCount": 3}
    assert [e.id for e in context.platform.executions] == ["running", "elsewhere"]
    assert (context.kv.keys(), context.namespace_files.list()) == (["key"], ["/f"])


def test_purge_executions_can_keep_each_part(context):
    context.platform.executions = [execution("done", file_count=2, metric_count=3)]
    context.platform.logs = [{"executionId": "done"}]
    keep = {"purgeExecution": False, "purgeLog": False, "purgeMetric": False, "purgeStorage": False}

    output = context.run(PurgeExecutions(), {**keep, "endDate": "2031-06-01T00:00:00Z", "states": ["SUCCESS"]})

    assert set(output.values()) == {0}
    assert len(context.platform.executions) == 1


def test_assert_checks_all_conditions_and_logs_each_that_fails(context):
    with pytest.raises(TaskFailure, match="wrong"):
        context.run(Assert(), {"conditions": ["{{ 1 == 1 }}", "{{ 1 == 2 }}", "{{ nothing.here }}"], "errorMessage": "wrong"})

    assert len(context.log.messages("ERROR")) == 2
    assert (context.metrics.value_of("failed"), context.metrics.value_of("success")) == (2, 1)


def test_assert_passes_when_all_conditions_hold(context):
    assert context.run(Assert(), {"conditions": ["{{ 1 == 1 }}", True]}) is None

    assert context.metrics.value_of("failed") == 0


def test_toggle_disables_when_not_told_otherwise(context):
    context.platform.triggers = {("company.team", "flow", "nightly"): True}

    context.run(Toggle(), {"trigger": "nightly"})

    assert context.platform.triggers == {("company.team", "flow", "nightly"): False}


def test_toggle_enables_a_trigger_of_another_flow(context):
    context.platform.triggers = {("other", "load", "t"): False}

    context.run(Toggle(), {"trigger": "t", "namespace": "other", "flowId": "load", "enabled": "{{ 1 == 1 }}"})

    assert context.platform.triggers == {("other", "load", "t"): True}


def test_toggle_of_an_unknown_trigger_fails(context):
    with pytest.raises(NotFoundError):
        context.run(Toggle(), {"trigger": "nightly"})


def test_purge_flows_keeps_the_newest_revisions_of_the_matching_flows(context):
    context.platform.revisions = {("company.a", "load"): [1, 2, 3], ("company.a", "other"): [1, 2], ("x", "load"): [1, 2]}

    output = context.run(
        PurgeFlows(), {"namespaces": ["company"], "flowPattern": "lo*", "behavior": {"type": "version", "keepAmount": 2}}
    )

    assert output == {"size": 1}
    assert context.platform.revisions[("company.a", "load")] == [2, 3]


@pytest.mark.parametrize(
    "properties",
    [{"namespaces": ["a"], "namespacePattern": "b*"}, {"behavior": {"keepAmount": 1, "before": "2031-01-01T00:00:00Z"}}],
)
def test_purge_flows_refuses_two_ways_of_saying_the_same(context, properties):
    with pytest.raises(TaskFailure):
        context.run(PurgeFlows(), properties)


def test_purge_flows_refuses_to_keep_nothing(context):
    with pytest.raises(PropertyError, match="keepAmount"):
        context.run(PurgeFlows(), {"behavior": {"keepAmount": 0}})

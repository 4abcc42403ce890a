"""Flows and executions that use every part of the language: the client's strict readers must take all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kestrapy import KestraClient
from kestrapy.models.execution_kind import ExecutionKind
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.query import eq, where

from tests.sdk.conftest import TENANT, SaveFlow

RICH = """\
description: Everything that a flow may hold
labels: {team: data, "level": "1"}
variables: {text: a, number: 1, map: {deep: [1, 2]}}
inputs:
  - {id: text, type: STRING, defaults: x, displayName: A text, description: Some text, validator: "^[a-z]+$"}
  - {id: choice, type: SELECT, values: [a, b], defaults: a, allowCustomValue: true}
  - {id: whole, type: INT, defaults: 3, min: 1, max: 9}
  - {id: asked, type: STRING, required: false, dependsOn: {inputs: [choice], condition: "{{ inputs.choice == 'b' }}"}}
  - {id: file, type: FILE, required: false, allowedFileExtensions: [".txt"]}
  - {id: list, type: ARRAY, itemType: STRING, defaults: [a]}
outputs:
  - {id: said, type: STRING, value: "{{ outputs.say.value }}", description: What was said}
concurrency: {limit: 5, behavior: QUEUE}
retry: {type: constant, interval: PT1S, maxAttempts: 2, behavior: RETRY_FAILED_TASK}
sla:
  - {id: quick, type: MAX_DURATION, duration: PT1H, behavior: FAIL, labels: {late: "yes"}}
pluginDefaults:
  - {type: io.kestra.plugin.core.log.Log, forced: false, values: {level: WARN}}
tasks:
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.text }}", timeout: PT10S, description: Says it}
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1, 2]
    tasks:
      - {id: item, type: io.kestra.plugin.core.log.Log, message: "{{ taskrun.value }}"}
  - id: either
    type: io.kestra.plugin.core.flow.If
    condition: "{{ inputs.whole > 2 }}"
    then:
      - {id: more, type: io.kestra.plugin.core.log.Log, message: more}
    else:
      - {id: less, type: io.kestra.plugin.core.log.Log, message: less}
  - id: switch
    type: io.kestra.plugin.core.flow.Switch
    value: "{{ inputs.choice }}"
    cases:
      a:
        - {id: first, type: io.kestra.plugin.core.log.Log, message: a}
  - {id: skipped, type: io.kestra.plugin.core.log.Log, message: never, runIf: "{{ false }}"}
  - id: tries
    type: io.kestra.plugin.core.execution.Fail
    allowFailure: true
    retry: {type: constant, interval: PT0.1S, maxAttempts: 2}
errors:
  - {id: sorry, type: io.kestra.plugin.core.log.Log, message: sorry}
finally:
  - {id: last, type: io.kestra.plugin.core.log.Log, message: last}
afterExecution:
  - {id: after, type: io.kestra.plugin.core.log.Log, message: after}
triggers:
  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 1 1 1 *", inputs: {text: night}, stopAfter: [FAILED]}
  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-long-enough-key, disabled: true}
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - {type: io.kestra.plugin.core.condition.ExecutionStatus, in: [FAILED]}
      - {type: io.kestra.plugin.core.condition.ExecutionFlow, namespace: nobody, flowId: none}
"""
CALLER = """\
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.LoopUntil
    condition: "{{ outputs.count.value == '1' }}"
    checkFrequency: {interval: PT0.1S, maxIterations: 5}
    tasks:
      - {id: count, type: io.kestra.plugin.core.debug.Return, format: "1"}
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: NAMESPACE, flowId: daily, wait: true}
      - {id: other, type: io.kestra.plugin.core.debug.Return, format: other}
"""

WaitFor = Callable[..., Any]


def test_a_flow_that_uses_everything_is_read_in_every_form(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    flows, executions = client.flows, client.executions
    save_flow(RICH)
    read = flows.flow(namespace, "daily", TENANT, source=True)
    found = flows.search_flows(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace)))
    checks = flows.validate_flows(TENANT, read.source)

    assert [one.id for one in read.inputs] == ["text", "choice", "whole", "asked", "file", "list"]
    assert read.inputs[2].defaults.actual_instance == "3"
    assert ([one.id for one in read.triggers], read.concurrency.limit) == (["nightly", "hook", "after"], 5)
    assert [one.id for one in found.results] == [one.id for one in flows.list_flows_by_namespace(namespace, TENANT)] == ["daily"]
    assert checks[0].constraints is None
    assert flows.list_flow_revisions(namespace, "daily", TENANT)[0].sla[0].id == "quick"
    assert executions.flow_from_execution(TENANT, namespace, "daily").tasks[0].id == "say"
    assert len(flows.generate_flow_graph(namespace, "daily", TENANT).nodes) > 10


def test_executions_that_use_everything_are_read_at_every_moment(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    executions = client.executions
    save_flow(RICH)
    save_flow(CALLER.replace("NAMESPACE", namespace), "caller")
    made = executions.create_execution(TENANT, namespace, "caller", kind=ExecutionKind.TEST, revision=1)
    seen = {frame.state.current.value for frame in executions.follow_execution(made.id, TENANT)}
    ended = executions.execution(made.id, TENANT)
    called_id = client.outputs.task_run_outputs(
        made.id, next(run.id for run in ended.task_run_list if run.task_id == "call"), TENANT
    )["executionId"]
    called = wait_for(called_id, "WARNING")
    related = {frame.execution_id for frame in executions.follow_dependencies_execution(made.id, TENANT)}
    runs = {run.task_id: run for run in called.task_run_list}
    later = executions.create_execution(TENANT, namespace, "daily", schedule_date="2099-01-01T00:00:00Z")
    executions.delete_executions_by_ids(TENANT, [later.id], include_non_terminated=True)

    assert ended.state.current.value in seen and {made.id, called_id} <= related
    assert called.trigger.variables["executionId"] == made.id
    assert (runs["skipped"].state.current.value, len(runs["tries"].attempts)) == ("SKIPPED", 2)
    assert sorted(run.value for run in called.task_run_list if run.task_id == "item") == ["1", "2"]
    assert later.state.current.value == "CREATED"
    assert len(executions.execution_flow_graph(called_id, TENANT).nodes) > 10
    assert executions.flow_from_execution_by_id(called_id, TENANT).id == "daily"

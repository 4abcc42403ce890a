"""Executions through the official client: every kind of input, every action, files, logs, outputs and streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import BadRequestException, ConflictException, NotFoundException, UnprocessableEntityException
from kestrapy.models.execution_controller_set_labels_by_ids_request import ExecutionControllerSetLabelsByIdsRequest
from kestrapy.models.execution_controller_state_request import ExecutionControllerStateRequest
from kestrapy.models.execution_repository_interface_flow_filter import ExecutionRepositoryInterfaceFlowFilter
from kestrapy.models.label import Label
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.models.state_type import StateType
from kestrapy.query import and_, eq, in_, where

from tests.sdk.conftest import TENANT, SaveFlow
from tests.support import eventually

INPUTS = """\
inputs:
  - {id: text, type: STRING}
  - {id: choice, type: SELECT, values: [red, blue]}
  - {id: whole, type: INT}
  - {id: broken, type: FLOAT}
  - {id: yes, type: BOOL}
  - {id: moment, type: DATETIME}
  - {id: day, type: DATE}
  - {id: hour, type: TIME}
  - {id: length, type: DURATION}
  - {id: file, type: FILE}
  - {id: raw, type: FILE}
  - {id: json, type: JSON}
  - {id: yaml, type: YAML}
  - {id: uri, type: URI}
  - {id: mail, type: EMAIL}
  - {id: list, type: ARRAY, itemType: INT}
  - {id: several, type: MULTISELECT, values: [a, b, c]}
  - {id: nested.inner, type: STRING}
  - {id: ion, type: ION}
  - {id: old-flag, type: BOOLEAN}
  - {id: old-choice, type: ENUM, values: [red, blue]}
  - {id: object, type: OBJECT, properties: [{id: name, type: STRING}]}
  - {id: table, type: TABLE, columns: [{id: name, type: STRING}]}
  - id: form
    type: FORM
    inputs:
      - {id: street, type: STRING}
  - {id: hidden, type: SECRET}
tasks:
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.text }} {{ read(inputs.file) }}"}
  - {id: log, type: io.kestra.plugin.core.log.Log, message: "said {{ outputs.say.value }}", level: WARN}
outputs:
  - {id: said, type: STRING, value: "{{ outputs.say.value }}"}
"""
VALUES: dict[str, Any] = {
    "text": "hello",
    "choice": "red",
    "whole": 42,
    "broken": 1.5,
    "yes": True,
    "moment": "2025-01-02T03:04:05Z",
    "day": "2025-01-02",
    "hour": "03:04:05",
    "length": "PT5M",
    "file": ("note.txt", b"world", "text/plain"),
    "raw": b"bytes",
    "json": {"a": [1]},
    "yaml": "a: 1",
    "uri": "https://example.org/x",
    "mail": "ann@example.org",
    "list": [1, 2],
    "several": ["a", "c"],
    "nested.inner": "deep",
    "ion": "{a: 1}",
    "old-flag": False,
    "old-choice": "blue",
    "object": {"name": "ann"},
    "table": [{"name": "ann"}, {"name": "bob"}],
    "form.street": "Long Road 1",
    "hidden": "a-very-secret-value",
}
QUICK = "tasks:\n  - {id: say, type: io.kestra.plugin.core.debug.Return, format: done}\n"
SLOW = "tasks:\n  - {id: wait, type: io.kestra.plugin.core.flow.Sleep, duration: PT60S}\n"
FAILING = """\
tasks:
  - {id: fail, type: io.kestra.plugin.core.execution.Fail, condition: "{{ inputs.bad }}"}
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: done}
inputs:
  - {id: bad, type: BOOL, defaults: "true"}
  - {id: note, type: FILE, required: false}
"""
PAUSED = """\
tasks:
  - id: ask
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - {id: reason, type: STRING}
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs.ask.onResume.reason }}"}
"""

WaitFor = Callable[..., Any]


def state_of(execution: Any) -> str:
    """Return the state of an execution as text."""
    return str(execution.state.current.value)


def test_every_kind_of_input_goes_in_and_comes_back(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(INPUTS)
    made = client.executions.create_execution(TENANT, namespace, "daily", labels=["who:ann", "url:a:b"], wait=True, inputs=VALUES)
    inputs = made.inputs

    assert state_of(made) == "SUCCESS"
    assert {"who": "ann", "url": "a:b"}.items() <= {label.key: label.value for label in made.labels}.items()
    assert (inputs["text"], inputs["whole"], inputs["broken"], inputs["yes"]) == ("hello", 42, 1.5, True)
    assert (inputs["day"], inputs["hour"], inputs["length"]) == ("2025-01-02", "03:04:05", "PT5M")
    assert (inputs["json"], inputs["yaml"], inputs["list"], inputs["several"]) == ({"a": [1]}, {"a": 1}, [1, 2], ["a", "c"])
    assert inputs["file"].startswith("kestra:///") and inputs["file"].endswith("note.txt")
    assert (inputs["nested"], inputs["form"]) == ({"inner": "deep"}, {"street": "Long Road 1"})
    assert (inputs["old-flag"], inputs["old-choice"]) == (False, "blue")
    assert (inputs["object"], inputs["table"]) == ({"name": "ann"}, [{"name": "ann"}, {"name": "bob"}])
    assert "a-very-secret-value" not in str(inputs)
    assert client.outputs.execution_outputs(made.id, TENANT) == {"said": "hello world"}


def test_what_an_execution_leaves_behind_is_read(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(INPUTS)
    made = client.executions.create_execution(TENANT, namespace, "daily", wait=True, inputs=VALUES)
    runs = {run.task_id: run for run in client.executions.execution(made.id, TENANT).task_run_list}
    lines = client.logs.list_logs_from_execution(made.id, TENANT, min_level="WARN")
    path = made.inputs["file"]

    assert client.outputs.task_run_outputs(made.id, runs["say"].id, TENANT) == {"value": "hello world"}
    assert {item.task_id for item in client.outputs.task_outputs_information(made.id, TENANT)} >= {"say"}
    assert [line.message for line in lines] == ["said hello world"]
    assert "WARN said hello world" in client.logs.download_logs_from_execution(made.id, TENANT)
    assert client.executions.download_file_from_execution(made.id, path, TENANT) == b"world"
    assert client.executions.file_metadatas_from_execution(made.id, path, TENANT).size == 5
    assert client.executions.preview_file_from_execution(made.id, path, TENANT)["content"] == "world"
    assert client.executions.eval_expression(made.id, TENANT, "{{ outputs.say.value }}")["result"] == "hello world"
    assert (
        client.executions.eval_task_run_expression(made.id, runs["say"].id, TENANT, "{{ taskrun.id }}").result == runs["say"].id
    )
    assert len(client.executions.execution_flow_graph(made.id, TENANT).nodes) > 2
    assert client.executions.flow_from_execution_by_id(made.id, TENANT).id == "daily"
    assert client.metrics.execution_metrics(made.id, TENANT)["total"] >= 0


def test_wrong_inputs_are_told_before_and_at_the_start(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(INPUTS)
    wrong = {**VALUES, "whole": "many"}
    checked = client.executions.validate_new_execution_inputs(namespace, "daily", TENANT, inputs=wrong)
    faulty = [item["input"]["id"] for item in checked["inputs"] if item.get("errors")]

    assert faulty == ["whole"]
    with pytest.raises(UnprocessableEntityException) as raised:
        client.executions.create_execution(TENANT, namespace, "daily", inputs=wrong)
    assert "whole" in raised.value.body
    with pytest.raises(NotFoundException):
        client.executions.create_execution(TENANT, namespace, "unknown")


def test_a_running_execution_is_killed(client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor) -> None:
    save_flow(SLOW)
    made = client.executions.create_execution(TENANT, namespace, "daily")
    wait_for(made.id, "RUNNING")
    answered = client.executions.kill_execution(made.id, TENANT)

    assert state_of(answered) in ("KILLING", "KILLED")
    assert state_of(wait_for(made.id, "KILLED")) == "KILLED"
    with pytest.raises(ConflictException):
        client.executions.kill_execution(made.id, TENANT, is_on_kill_cascade=False)


def test_a_failed_execution_is_restarted_and_replayed(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(FAILING)
    failed = client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    again = client.executions.restart_execution(failed.id, TENANT)
    wait_for(failed.id, "FAILED")
    replay = client.executions.replay_execution(failed.id, TENANT)
    better = client.executions.replay_execution_with_inputs(failed.id, TENANT, inputs={"bad": False, "note": ("a.txt", b"new")})

    assert state_of(failed) == "FAILED"
    assert (again.id, replay.original_id, better.original_id) == (failed.id, failed.id, failed.id)
    assert replay.id not in (failed.id, better.id)
    assert state_of(wait_for(better.id, "SUCCESS", "FAILED")) == "SUCCESS"
    assert client.executions.download_file_from_execution(better.id, better.inputs["note"], TENANT) == b"new"
    assert state_of(wait_for(replay.id, "SUCCESS", "FAILED")) == "FAILED"


def test_the_state_of_a_task_run_is_changed_and_the_execution_goes_on(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(FAILING)
    failed = client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    run = client.executions.execution(failed.id, TENANT).task_run_list[0]
    client.executions.update_task_run_state(
        failed.id, TENANT, ExecutionControllerStateRequest(taskRunId=run.id, state=StateType.SUCCESS)
    )
    ended = wait_for(failed.id, "SUCCESS")
    changed = client.executions.update_execution_status(failed.id, StateType.CANCELLED, TENANT)

    assert [task.task_id for task in ended.task_run_list] == ["fail", "say"]
    assert state_of(changed) == "CANCELLED"


def test_a_paused_execution_is_resumed_with_inputs(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(PAUSED)
    made = client.executions.create_execution(TENANT, namespace, "daily")
    wait_for(made.id, "PAUSED")
    checked = client.executions.validate_resume_execution_inputs(made.id, TENANT, inputs={"reason": "because"})
    client.executions.resume_execution(made.id, TENANT, inputs={"reason": "because"})
    ended = wait_for(made.id, "SUCCESS")
    say = next(run for run in ended.task_run_list if run.task_id == "say")

    assert [item["input"]["id"] for item in checked["inputs"]] == ["reason"]
    assert client.outputs.task_run_outputs(made.id, say.id, TENANT) == {"value": "because"}
    with pytest.raises(ConflictException):
        client.executions.resume_execution(made.id, TENANT)


def test_a_running_execution_is_paused_by_hand(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(SLOW)
    made = client.executions.create_execution(TENANT, namespace, "daily")
    wait_for(made.id, "RUNNING")
    paused = client.executions.pause_execution(made.id, TENANT)
    client.executions.kill_execution(made.id, TENANT)

    assert paused.id == made.id
    assert state_of(wait_for(made.id, "KILLED")) == "KILLED"


def test_labels_are_added_to_an_ended_execution(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(QUICK)
    made = client.executions.create_execution(TENANT, namespace, "daily", labels=["old:kept"], wait=True)
    client.executions.set_labels_on_terminated_execution(made.id, TENANT, [Label(key="new", value="added")])
    request = ExecutionControllerSetLabelsByIdsRequest(executionsId=[made.id], executionLabels=[Label(key="more", value="yes")])
    bulk = client.executions.set_labels_on_terminated_executions_by_ids(TENANT, request)
    found = client.executions.search_executions(
        TENANT, filters=[{"field": "labels", "operation": "EQUALS", "value": {"more": "yes"}}]
    )
    labels = {label.key: label.value for label in client.executions.execution(made.id, TENANT).labels}

    assert {"old": "kept", "new": "added", "more": "yes"}.items() <= labels.items()
    assert bulk["count"] == 1 and found["total"] == 1


def test_executions_are_found_counted_and_deleted_in_bulk(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(QUICK)
    made = [client.executions.create_execution(TENANT, namespace, "daily", wait=True).id for _ in range(3)]
    mine = where(and_(eq(QueryFilterField.NAMESPACE, namespace), in_(QueryFilterField.STATE, ["SUCCESS", "WARNING"])))
    found = client.executions.search_executions(TENANT, page=1, size=2, sort=["state.startDate:desc"], filters=mine)
    by_flow = client.executions.search_executions_by_flow_id(TENANT, namespace, "daily", size=1)
    latest = client.executions.latest_executions(
        TENANT, [ExecutionRepositoryInterfaceFlowFilter(namespace=namespace, id="daily")]
    )
    table = client.executions.export_executions_by_query_to_csv(TENANT, filters=mine)
    values = client.executions.find_distinct_execution_field_values(TENANT, "FLOW_ID", filters=mine)
    one = client.executions.delete_executions_by_ids(TENANT, made[:1])
    rest = client.executions.delete_executions_by_query(TENANT, filters=mine)

    assert ([row["id"] for row in found["results"]], found["total"]) == ([made[2], made[1]], 3)
    assert (by_flow["total"], latest[0].id, values) == (3, made[2], ["daily"])
    assert table.count(namespace) == 3
    assert (one.count, rest["count"]) == (1, 2)
    with pytest.raises(NotFoundException):
        client.executions.execution(made[1], TENANT)


def test_a_bulk_action_with_an_unknown_id_touches_nothing(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(QUICK)
    made = client.executions.create_execution(TENANT, namespace, "daily", wait=True)

    with pytest.raises(BadRequestException) as raised:
        client.executions.replay_executions_by_ids(TENANT, [made.id, "0000000000000000000000"])
    assert '"invalids"' in raised.value.body
    assert client.executions.search_executions(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace)))["total"] == 1


def test_bulk_actions_by_query_act_on_what_they_can(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(SLOW, "slow")
    save_flow(PAUSED, "paused")
    slow = client.executions.create_execution(TENANT, namespace, "slow")
    paused = client.executions.create_execution(TENANT, namespace, "paused")
    wait_for(slow.id, "RUNNING")
    wait_for(paused.id, "PAUSED")
    killed = client.executions.kill_executions_by_query(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace)))

    assert killed["count"] == killed["totalItems"] == 2 and killed["operationId"]
    assert [state_of(wait_for(one.id, "KILLED")) for one in (slow, paused)] == ["KILLED", "KILLED"]


def test_an_execution_is_followed_to_its_end(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow("tasks:\n  - {id: wait, type: io.kestra.plugin.core.flow.Sleep, duration: PT1S}\n")
    made = client.executions.create_execution(TENANT, namespace, "daily")
    seen = [state_of(frame) for frame in client.executions.follow_execution(made.id, TENANT)]
    after = [state_of(frame) for frame in client.executions.follow_execution(made.id, TENANT)]
    related = [frame.execution_id for frame in client.executions.follow_dependencies_execution(made.id, TENANT)]

    assert seen[-1] == "SUCCESS" and len(seen) > 1
    assert set(after) == {"SUCCESS"} and set(related) == {made.id}


def test_log_lines_are_followed_searched_and_deleted(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow("tasks:\n  - {id: log, type: io.kestra.plugin.core.log.Log, message: [first, second]}\n")
    made = client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    stream = client.logs.follow_logs_from_execution(made.id, TENANT, min_level="INFO")
    followed = [next(line.message for line in stream if line.message) for _ in range(2)]
    stream.close()
    found = client.logs.search_logs(
        TENANT, size=5, filters=where(eq(QueryFilterField.NAMESPACE, namespace)), sort=["timestamp:asc"]
    )
    client.logs.delete_logs_from_execution(made.id, TENANT)

    assert followed == ["first", "second"]
    assert {"first", "second"} <= {line.message for line in found.results}
    assert eventually(lambda: client.logs.list_logs_from_execution(made.id, TENANT) == [])


def test_a_webhook_starts_an_execution(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(QUICK + "triggers:\n  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-long-enough-key}\n")
    started = client.executions.trigger_execution_by_get_webhook(TENANT, namespace, "daily", "a-long-enough-key")

    assert (started.namespace, started.flow_id) == (namespace, "daily")
    with pytest.raises(NotFoundException):
        client.executions.trigger_execution_by_get_webhook(TENANT, namespace, "daily", "another-key")


def test_a_webhook_with_a_path_takes_every_method(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    executions = client.executions
    save_flow(QUICK + "triggers:\n  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-long-enough-key}\n")
    for call in (
        executions.trigger_execution_by_get_webhook_with_path,
        executions.trigger_execution_by_post_webhook_with_path,
        executions.trigger_execution_by_put_webhook_with_path,
    ):
        with pytest.raises(NotFoundException):
            call(TENANT, namespace, "daily", "a-long-enough-key", "orders/new")

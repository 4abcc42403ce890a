"""Actions on many executions through the official client: named by id and found by a query, and their single counterparts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import BadRequestException, ConflictException, NotFoundException, UnprocessableEntityException
from kestrapy.models.label import Label
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.models.state_type import StateType
from kestrapy.query import and_, eq, where

from tests.sdk.conftest import TENANT, SaveFlow

QUICK = "tasks:\n  - {id: say, type: io.kestra.plugin.core.debug.Return, format: done}\n"
FAILING = "tasks:\n  - {id: fail, type: io.kestra.plugin.core.execution.Fail}\n"
SLOW = "tasks:\n  - {id: wait, type: io.kestra.plugin.core.flow.Sleep, duration: PT60S}\n"
PAUSED = "tasks:\n  - {id: ask, type: io.kestra.plugin.core.flow.Pause}\n" + QUICK.removeprefix("tasks:\n")
ONE_AT_A_TIME = "concurrency: {limit: 1, behavior: QUEUE}\n"

WaitFor = Callable[..., Any]


def of_flow(namespace: str, flow_id: str) -> Any:
    """Return the filters for the executions of a flow."""
    return where(and_(eq(QueryFilterField.NAMESPACE, namespace), eq(QueryFilterField.FLOW_ID, flow_id)))


def test_failed_executions_are_restarted_replayed_labelled_and_given_another_end(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    executions = client.executions
    save_flow(FAILING)
    mine = of_flow(namespace, "daily")
    first, second = (executions.create_execution(TENANT, namespace, "daily", wait=True).id for _ in range(2))
    restarted = executions.restart_executions_by_ids(TENANT, [first])
    wait_for(first, "FAILED")
    restarted_all = executions.restart_executions_by_query(TENANT, filters=mine)
    for one in (first, second):
        wait_for(one, "FAILED")
    labelled = executions.set_labels_on_terminated_executions_by_query(TENANT, [Label(key="seen", value="yes")], filters=mine)
    warned = executions.update_executions_status_by_ids(TENANT, StateType.WARNING, [first])
    cancelled = executions.update_executions_status_by_query(
        TENANT, StateType.CANCELLED, filters=where(eq(QueryFilterField.ID, second))
    )
    read = executions.execution(first, TENANT)
    ended = executions.execution(second, TENANT).state.current.value
    replayed = executions.replay_executions_by_query(TENANT, filters=mine, latest_revision=True)
    executions.delete_execution(second, TENANT, delete_logs=True, delete_metrics=True, delete_storage=False)

    assert (restarted["count"], restarted_all["count"], labelled["count"], replayed["count"]) == (1, 2, 2, 2)
    assert (warned["count"], cancelled["count"]) == (1, 1)
    assert (read.state.current.value, ended) == ("WARNING", "CANCELLED")
    assert ("seen", "yes") in [(label.key, label.value) for label in read.labels]
    assert len(read.task_run_list[0].attempts) == 3
    with pytest.raises(NotFoundException):
        executions.execution(second, TENANT)


def test_running_executions_are_paused_resumed_and_killed(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    executions = client.executions
    save_flow(SLOW)
    mine = of_flow(namespace, "daily")
    first, second = (executions.create_execution(TENANT, namespace, "daily").id for _ in range(2))
    for one in (first, second):
        wait_for(one, "RUNNING")
    paused = executions.pause_executions_by_ids(TENANT, [first])
    paused_all = executions.pause_executions_by_query(TENANT, filters=mine)
    states = [executions.execution(one, TENANT).state.current.value for one in (first, second)]
    resumed = executions.resume_executions_by_ids(TENANT, [first])
    resumed_all = executions.resume_executions_by_query(TENANT, filters=mine)
    killed = executions.kill_executions_by_ids(TENANT, [first, second])

    assert (paused["count"], paused_all["count"], states) == (1, 1, ["PAUSED", "PAUSED"])
    assert (resumed["count"], resumed_all["count"], killed["count"]) == (1, 1, 2)
    for one in (first, second):
        wait_for(one, "KILLED")
    with pytest.raises(BadRequestException):
        executions.pause_executions_by_ids(TENANT, [first])


def test_queued_executions_leave_the_queue(client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor) -> None:
    executions = client.executions
    save_flow(ONE_AT_A_TIME + SLOW)
    mine = of_flow(namespace, "daily")
    first, *queued = (executions.create_execution(TENANT, namespace, "daily").id for _ in range(7))
    for one in queued:
        wait_for(one, "QUEUED")
    limits = client.flows.search_concurrency_limits(TENANT)
    running = {limit.flow_id: limit for limit in limits.results if limit.namespace == namespace}["daily"]
    counted = client.flows.update_concurrency_limit(namespace, "daily", TENANT, running)
    freed = executions.unqueue_execution(queued[0], TENANT)
    ended = executions.unqueue_execution(queued[1], TENANT, state=StateType.CANCELLED)
    by_ids = executions.unqueue_executions_by_ids(TENANT, StateType.FAILED, [queued[2]])
    forced = executions.force_run_execution(queued[3], TENANT)
    forced_by_ids = executions.force_run_by_ids(TENANT, [queued[4]])
    by_query = executions.unqueue_executions_by_query(TENANT, new_state=StateType.CANCELLED, filters=mine)
    states = [executions.execution(one, TENANT).state.current.value for one in queued]
    executions.kill_executions_by_query(TENANT, filters=mine)

    assert running.running == counted.running == 1
    assert (freed.id, ended.state.current.value, forced.id) == (queued[0], "CANCELLED", queued[3])
    assert (by_ids["count"], forced_by_ids["count"], by_query["count"]) == (1, 1, 1)
    assert states == ["RUNNING", "CANCELLED", "FAILED", "RUNNING", "RUNNING", "CANCELLED"]
    with pytest.raises(UnprocessableEntityException):
        executions.unqueue_execution(queued[1], TENANT)
    wait_for(first, "KILLED")


def test_paused_executions_are_forced_to_go_on(
    client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor
) -> None:
    save_flow(PAUSED)
    made = client.executions.create_execution(TENANT, namespace, "daily")
    wait_for(made.id, "PAUSED")
    forced = client.executions.force_run_executions_by_query(TENANT, filters=of_flow(namespace, "daily"))

    assert forced["count"] == 1
    assert wait_for(made.id, "SUCCESS").id == made.id


def test_an_execution_stops_at_breakpoints(client: KestraClient, namespace: str, save_flow: SaveFlow, wait_for: WaitFor) -> None:
    save_flow(
        "tasks:\n" + "".join(f"  - {{id: {name}, type: io.kestra.plugin.core.debug.Return, format: x}}\n" for name in "abc")
    )
    made = client.executions.create_execution(TENANT, namespace, "daily", breakpoints="b")
    stopped = wait_for(made.id, "BREAKPOINT")
    client.executions.resume_execution_from_breakpoint(made.id, TENANT, breakpoints="c")
    again = wait_for(made.id, "BREAKPOINT")
    client.executions.resume_execution_from_breakpoint(made.id, TENANT)
    replay = client.executions.replay_execution(made.id, TENANT, breakpoints="c", revision=1)

    assert [run.task_id for run in stopped.task_run_list if run.state.current.value == "SUCCESS"] == ["a"]
    assert [run.task_id for run in again.task_run_list if run.state.current.value == "SUCCESS"] == ["a", "b"]
    assert wait_for(made.id, "SUCCESS").id == made.id
    assert wait_for(replay.id, "BREAKPOINT").original_id == made.id
    with pytest.raises(ConflictException):
        client.executions.resume_execution_from_breakpoint(made.id, TENANT)


def test_what_can_be_started_is_listed(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow("inputs:\n  - {id: who, type: STRING, defaults: ann}\n" + QUICK)
    save_flow("labels: {team: data}\n" + SLOW, "slow")
    client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    form = client.executions.flow_from_execution(TENANT, namespace, "daily", revision=1)
    flows = client.executions.list_executable_flows_by_namespace(namespace, TENANT)
    average = client.executions.execution_average_duration(namespace, "daily", TENANT)

    assert namespace in client.executions.list_executable_namespaces(TENANT)
    assert ([flow.id for flow in flows], form.inputs[0].id) == (["daily", "slow"], "who")
    assert [task.id for task in form.tasks] == ["say"]
    assert average


def test_streams_are_read_as_they_come(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(QUICK)
    made = client.executions.create_execution(TENANT, namespace, "daily", wait=True)
    raw = client.executions.follow_execution_raw(made.id, TENANT)
    related = client.executions.follow_dependencies_execution_raw(made.id, TENANT, destination_only=True, expand_all=False)

    assert raw.headers["Content-Type"].startswith("text/event-stream")
    assert "id: end" in raw.text and made.id in raw.text
    assert "id: end" in related.text and made.id in related.text

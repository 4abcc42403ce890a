"""Flow triggers on real rows: who starts after whom, once, with which variables."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from flows.engine.rows import NewExecution, insert_execution
from flows.models import Execution, Flow, FlowTriggerWindow, TaskRun
from flows.operations.flow_triggers import fire_flow_triggers, purge_windows

from .trigger_flows import FLOW, NAMESPACE, START, end, executions, save

pytestmark = pytest.mark.django_db


def listen(**properties: Any) -> dict[str, Any]:
    return {"id": "after", "type": FLOW, **properties}


def on(*flow_ids: str) -> list[dict[str, str]]:
    return [{"namespace": NAMESPACE, "flowId": flow_id} for flow_id in flow_ids]


def ended(flow_id: str, final: str = "SUCCESS", **more: Any) -> Execution:
    execution_id = insert_execution(
        NewExecution(namespace=NAMESPACE, flow_id=flow_id, flow_revision=1, at=START, labels=[("system.correlationId", "chain")])
    )
    return end(Execution.objects.get(pk=execution_id), final, at=START + timedelta(seconds=1), **more)


def test_saving_marks_the_flows_that_listen() -> None:
    save("after-a", listen())
    save("plain")
    assert set(Flow.objects.filter(listens=True).values_list("flow_id", flat=True)) == {"after-a"}

    save("after-a")

    assert not Flow.objects.filter(listens=True).exists()


def test_the_end_of_one_flow_starts_the_other_with_its_facts() -> None:
    save(
        "after-a",
        listen(dependsOn=on("a"), inputs={"rows": "{{ trigger.outputs.rows }}"}),
        inputs=[{"id": "rows", "type": "INT"}],
    )
    upstream = ended("a", outputs={"rows": 12})

    started = fire_flow_triggers(upstream, at=START)
    (execution,) = executions("after-a")

    assert started == [execution.pk]
    assert execution.inputs == {"rows": 12}
    assert execution.trigger["variables"]["executionId"] == upstream.pk
    assert execution.trigger["variables"]["outputs"] == {"rows": 12, "a": {"rows": 12}}
    assert {"key": "system.correlationId", "value": "chain"} in execution.labels
    assert execution.depth == 1


def test_inputs_may_read_the_outputs_of_upstream_tasks() -> None:
    save(
        "after-a",
        listen(dependsOn=on("a"), inputs={"text": "{{ outputs.only.value }}"}),
        inputs=[{"id": "text", "type": "STRING"}],
    )
    upstream = ended("a")
    TaskRun.objects.create(
        id="t1", execution=upstream, task_id="only", state="SUCCESS", created_at=START, outputs={"value": "from a"}
    )

    fire_flow_triggers(upstream, at=START)

    assert executions("after-a")[0].inputs == {"text": "from a"}
    assert executions("after-a")[0].trigger["variables"]["lastTaskId"] == "only"


def test_an_event_told_twice_starts_once() -> None:
    save("after-a", listen(dependsOn=on("a")))
    upstream = ended("a")

    assert len(fire_flow_triggers(upstream, at=START)) == 1
    assert fire_flow_triggers(upstream, at=START) == []


def test_an_event_told_twice_counts_once_for_windows() -> None:
    save("after-both", listen(dependsOn=on("a", "b")))
    first, second = ended("a"), ended("b")

    fire_flow_triggers(first, at=START)
    assert len(fire_flow_triggers(second, at=START)) == 1
    fire_flow_triggers(second, at=START)

    assert fire_flow_triggers(ended("a"), at=START) == []


def test_the_window_is_stored_between_events_and_purged_when_it_is_over() -> None:
    save("after-both", listen(dependsOn=on("a", "b")))
    fire_flow_triggers(ended("a"), at=START)
    assert FlowTriggerWindow.objects.count() == 1

    assert purge_windows(at=START) == 0
    assert purge_windows(at=START + timedelta(days=2)) == 1


def test_an_edited_trigger_forgets_windows_it_does_not_have_any_more() -> None:
    save("after-both", listen(preconditions={"id": "old", "flows": on("a", "b")}))
    fire_flow_triggers(ended("a"), at=START)

    save("after-both", listen(preconditions={"id": "new", "flows": on("a", "b")}))

    assert not FlowTriggerWindow.objects.exists()


def test_disabled_flows_and_triggers_do_not_listen() -> None:
    save("off", listen(), disabled=True)
    save("quiet", listen(disabled=True))

    assert fire_flow_triggers(ended("a"), at=START) == []


def test_inputs_that_fail_create_a_failed_execution() -> None:
    save("after-a", listen(inputs={"rows": "{{ trigger.outputs.none }}"}), inputs=[{"id": "rows", "type": "INT"}])

    fire_flow_triggers(ended("a"), at=START)

    assert [execution.state for execution in executions("after-a")] == ["FAILED"]


@pytest.mark.django_db(transaction=True)
def test_two_ends_at_the_same_time_complete_a_window_once() -> None:
    save("after-both", listen(dependsOn=on("a", "b")))
    events = [ended("a"), ended("b")]
    barrier = threading.Barrier(2)
    started: list[str] = []

    def tell(event: Execution) -> None:
        try:
            barrier.wait(timeout=10)
            started.extend(fire_flow_triggers(event, at=START))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell, args=(event,)) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(started) == 1
    assert len(executions("after-both")) == 1

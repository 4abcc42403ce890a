"""What the random flows found: each case in the smallest flow that shows it."""

from __future__ import annotations

import pytest

from flows.models import Execution, TaskRun
from tests.support import driving

pytestmark = pytest.mark.django_db(transaction=True)

CORE = driving.CORE


def test_the_finally_of_a_loop_until_runs_once_after_the_last_iteration() -> None:
    condition = "{{ outputs.again.iterationCount >= 3 }}"
    kept = {"id": "note", "type": f"{CORE}.kv.Set", "key": "runs", "value": "{{ kv('runs', errorOnMissing=false) }}x"}
    again = driving.flowable("again", "LoopUntil", [driving.log("a")], condition=condition, **{"finally": [kept]})
    driving.save(again, {"id": "read", "type": f"{CORE}.debug.Return", "format": "{{ kv('runs') }}"})
    execution_id = driving.start()
    driving.visit(execution_id)
    while driving.state_of(execution_id) == "RUNNING":
        driving.pass_time(execution_id)
        driving.visit(execution_id)

    assert driving.state_of(execution_id) == "SUCCESS"
    assert driving.run_of(execution_id, "read").outputs["value"] == "x"


def test_a_task_in_the_finally_of_a_for_each_is_seen_without_a_value() -> None:
    last = {"id": "last", "type": f"{CORE}.debug.Return", "format": "end"}
    read = {"id": "read", "type": f"{CORE}.debug.Return", "format": "{{ outputs.last.value }}"}
    driving.save(driving.flowable("each", "ForEach", [driving.log("a")], values=["1"], **{"finally": [last]}), read)
    execution_id = driving.start()

    driving.visit(execution_id)

    assert driving.run_of(execution_id, "read").outputs["value"] == "end"


def test_tasks_of_a_loop_are_retried_by_the_policy_around_the_loop() -> None:
    retry = {"type": "constant", "interval": "PT1S", "maxAttempts": 2}
    loop = driving.flowable("loop", "Loop", [driving.fail("a")], values=["1"])
    driving.save(driving.flowable("outer", "Sequential", [loop], retry=retry))
    driving.visit(driving.start())
    iteration = Execution.objects.get(kind="LOOP")

    driving.visit(iteration.id)

    assert driving.states_of(iteration.id) == {"a": "RETRYING"}


def test_a_lost_visit_after_the_end_does_not_put_the_count_of_live_tasks_wrong() -> None:
    driving.save(driving.log("a"), afterExecution=[driving.heavy("h")])
    execution_id = driving.start()
    driving.visit(execution_id)
    Execution.objects.filter(id=execution_id).update(visit_until="2020-01-01T00:00:00Z")
    driving.visit(execution_id)

    driving.work(execution_id)

    assert TaskRun.objects.get(execution_id=execution_id, task_id="h").state == "SUCCESS"
    assert Execution.objects.get(id=execution_id).progress.get("live", 0) == 0

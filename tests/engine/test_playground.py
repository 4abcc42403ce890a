"""The playground: one task or the flow up to it, on a text that need not be saved, apart from history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from flows.models import Execution
from flows.operations.executions import start_execution
from flows.operations.playground import KEPT_RUNS, list_playground_runs, start_playground
from flows.primitives.errors import InvalidError, NotFoundError
from flows.queries.criteria import Criteria
from flows.queries.executions import filter_executions
from tests.support.driving import CORE, NAMESPACE, flowable, log, run_of, run_to_end, save, start, states_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("in_process_worker")]


def echo(task_id: str, text: str) -> dict[str, Any]:
    return {"id": task_id, "type": f"{CORE}.debug.Return", "format": text}


TASKS = (
    echo("first", "one {{ execution.id }}"),
    flowable("group", "Sequential", [echo("second", "two of {{ outputs.first.value }}"), log("noise")]),
    flowable("each", "ForEach", [echo("item", "{{ taskrun.value }}")], values=["a", "b"]),
    echo("third", "three after {{ outputs.second.value }} {{ outputs.item.a.value }}"),
    log("fourth"),
)


def play(*tasks: dict[str, Any], task: str, **more: Any) -> str:
    text = yaml.safe_dump({"id": "driven", "namespace": NAMESPACE, "tasks": list(tasks)}, sort_keys=False)
    return start_playground(text, task_id=task, at=datetime.now(UTC), **more).id


def test_a_task_alone_runs_with_the_outputs_of_the_last_good_run() -> None:
    save(*TASKS)
    earlier = start()
    run_to_end(earlier)

    played = play(*TASKS, task="third")

    assert run_to_end(played) == "SUCCESS"
    assert run_of(played, "third").outputs == {"value": f"three after two of one {earlier} a"}
    assert "fourth" not in states_of(played)


def test_the_text_of_the_editor_is_run_and_not_the_saved_one() -> None:
    save(*TASKS)
    run_to_end(start())

    played = play(*TASKS[:-2], echo("third", "changed {{ outputs.first.value | length }}"), task="third")
    run_to_end(played)

    assert run_of(played, "third").outputs == {"value": "changed 26"}


def test_up_to_a_task_runs_everything_before_it_anew_and_nothing_behind() -> None:
    save(*TASKS)

    played = play(*TASKS, task="second", up_to=True)

    assert run_to_end(played) == "SUCCESS"
    assert states_of(played) == {"first": "SUCCESS", "group": "SUCCESS", "second": "SUCCESS"}
    assert run_of(played, "second").outputs == {"value": f"two of one {played}"}


def test_a_task_in_a_loop_runs_with_its_loop() -> None:
    save(*TASKS)

    played = play(*TASKS, task="item")
    run_to_end(played)

    assert states_of(played)["each"] == "SUCCESS"
    assert "third" not in states_of(played)


def test_a_result_of_the_playground_serves_the_next_run() -> None:
    save(*TASKS)
    run_to_end(play(*TASKS, task="first"))

    played = play(*TASKS, task="second")

    assert run_to_end(played) == "SUCCESS"


def test_inputs_of_the_newest_run_are_used_again() -> None:
    inputs = [{"id": "name", "type": "STRING"}]
    save(echo("hello", "{{ inputs.name }}"), inputs=inputs)
    run_to_end(start_execution(namespace=NAMESPACE, flow_id="driven", inputs={"name": "Ada"}, at=datetime.now(UTC)).id)
    text = yaml.safe_dump(
        {"id": "driven", "namespace": NAMESPACE, "inputs": inputs, "tasks": [echo("hello", "hi {{ inputs.name }}")]}
    )

    played = start_playground(text, task_id="hello", at=datetime.now(UTC)).id
    run_to_end(played)

    assert run_of(played, "hello").outputs == {"value": "hi Ada"}


def test_playground_runs_stay_out_of_history_and_only_the_newest_are_kept() -> None:
    save(*TASKS)
    for _ in range(KEPT_RUNS + 3):
        run_to_end(play(*TASKS, task="first"))

    listed = filter_executions(Criteria(), at=datetime.now(UTC))

    assert list(listed) == []
    assert Execution.objects.filter(kind="PLAYGROUND").count() <= KEPT_RUNS + 1
    assert len(list_playground_runs(NAMESPACE, "driven")) == KEPT_RUNS


def test_what_cannot_run_is_told() -> None:
    with pytest.raises(InvalidError, match="Save the flow once"):
        play(*TASKS, task="first")
    save(*TASKS)

    with pytest.raises(NotFoundError):
        play(*TASKS, task="nobody")
    with pytest.raises(InvalidError):
        play({"id": "x", "type": "no.such.Type"}, task="x")

"""Worker groups and selectors: which queue a task's message goes to, and what happens when no worker serves it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from flows.conf import get_settings
from flows.engine import dispatch, presence
from flows.engine.catalog import forget_flows
from flows.engine.presence import Presence, combine_tags, list_workers
from flows.engine.recovery import resend_unsent
from flows.engine.visits import visit_scope
from flows.models import Execution, LogEntry, TaskRun
from tests.engine.whole_runs import list_states, save, start, task_run, visit, work_on
from tests.support import eventually

SCRIPT = "io.kestra.plugin.scripts.shell.Script"
QUEUES = ("default", "gpu", "eu", "eu+gpu", "other")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def broker(broker_url: str) -> Iterator[redis.Redis]:
    """The broker without messages and workers."""
    client = redis.Redis.from_url(str(get_settings().redis_url))
    client.flushdb()
    presence.forget_workers()
    forget_flows()
    yield client
    presence.forget_workers()
    client.close()


def _work(routing: str, *, more: str = "", flow: str = "") -> Execution:
    """Save a flow with one heavy task, look at an execution of it and return its row; the start's own message is taken away."""
    save(f"id: works\n{flow}tasks:\n  - {{id: work, type: {SCRIPT}, script: 'true'{', ' if routing else ''}{routing}}}\n{more}")
    return visit(start("works"))


def _list_messages(broker: redis.Redis) -> dict[str, list[str]]:
    """Return by queue the ids of the tasks that a message asks for; messages about whole executions are left out."""
    found: dict[str, list[str]] = {}
    for queue in QUEUES:
        bodies = [json.loads(base64.b64decode(json.loads(raw)["body"])) for raw in broker.lrange(queue, 0, -1)]
        names = [arguments["task_id"] for _, arguments, _ in bodies if "task_id" in arguments]
        if names:
            found[queue] = names
    return found


def _serve(*queues: str) -> Presence:
    """Let a worker report that it serves these queues."""
    worker = Presence("worker@test", queues=list(queues), concurrency=1)
    worker.start()
    eventually(lambda: [each.queues for each in list_workers() or []] == [tuple(queues)])
    presence.forget_workers()
    return worker


def test_a_task_with_a_group_is_asked_for_in_the_queue_of_the_group(broker: redis.Redis) -> None:
    execution = _work("workerGroup: {key: gpu}")

    assert _list_messages(broker) == {"gpu": ["work"]}
    assert work_on(execution.id).state == "SUCCESS"


def test_the_group_of_the_flow_is_for_tasks_without_their_own(broker: redis.Redis) -> None:
    _work("", flow="workerGroup: {key: eu}\n")
    _work("workerGroup: {key: gpu}", flow="workerGroup: {key: eu}\n")

    assert _list_messages(broker) == {"eu": ["work"], "gpu": ["work"]}


def test_the_key_of_a_group_may_be_an_expression(broker: redis.Redis) -> None:
    _work("workerGroup: {key: '{{ vars.where }}'}", flow="variables: {where: eu}\n")

    assert _list_messages(broker) == {"eu": ["work"]}


def test_a_rendered_key_that_names_no_group_fails_the_task(broker: redis.Redis) -> None:
    execution = _work("workerGroup: {key: '{{ vars.where }}'}", flow="variables: {where: 'a b'}\n")

    assert list_states(execution) == {"work": "FAILED"}
    assert _list_messages(broker) == {}


def test_a_chain_ends_before_a_task_of_another_group(broker: redis.Redis) -> None:
    execution = _work("", more=f"  - {{id: next, type: {SCRIPT}, script: 'true', workerGroup: {{key: gpu}}}}\n")
    assert _list_messages(broker) == {"default": ["work"]}

    assert work_on(execution.id).state == "SUCCESS"

    assert _list_messages(broker) == {"default": ["work"], "gpu": ["next"]}


def test_selected_tags_become_a_queue_each_or_together(broker: redis.Redis) -> None:
    _work("workerSelector: {tags: [gpu, eu], match: ANY, fallback: WAIT}")
    _work("workerSelector: {tags: [gpu, eu], match: ALL, fallback: WAIT}")

    assert _list_messages(broker) == {"eu": ["work"], "gpu": ["work"], "eu+gpu": ["work"]}


@pytest.mark.parametrize(("fallback", "state"), [("FAIL", "FAILED"), ("CANCEL", "CANCELLED")])
def test_without_a_worker_of_the_group_the_fallback_ends_the_task(broker: redis.Redis, fallback: str, state: str) -> None:
    execution = _work(f"workerGroup: {{key: gpu, fallback: {fallback}}}")

    assert (execution.state, list_states(execution)) == (state, {"work": state})
    assert LogEntry.objects.filter(execution_id=execution.id, message__contains='worker group "gpu"').exists()
    assert _list_messages(broker) == {}


def test_a_group_that_may_be_ignored_falls_back_to_the_default_queue(broker: redis.Redis) -> None:
    _work("workerGroup: {key: gpu, fallback: IGNORE}")

    assert _list_messages(broker) == {"default": ["work"]}


def test_a_worker_that_serves_the_queue_keeps_the_fallback_away(broker: redis.Redis) -> None:
    worker = _serve("default", "gpu")

    execution = _work("workerGroup: {key: gpu, fallback: FAIL}")

    assert _list_messages(broker) == {"gpu": ["work"]}
    worker.stop()
    assert list_workers() == []
    assert list_states(execution) == {"work": "CREATED"}


def test_a_message_that_is_sent_again_goes_to_the_same_queue(broker: redis.Redis) -> None:
    execution = _work("workerGroup: {key: gpu}")
    broker.flushdb()

    for scope, task_id, queues in visit_scope(execution.id, TaskRun.objects.get(id=task_run(execution, "work").id).scope):
        dispatch.send_run(execution.id, scope, task_id, queues)

    assert _list_messages(broker) == {"gpu": ["work"]}


def test_a_worker_with_several_tags_also_serves_their_combinations() -> None:
    assert combine_tags(["default", "gpu", "eu"]) == ["eu+gpu"]
    assert combine_tags(["default", "gpu"]) == []
    assert len(combine_tags([f"t{number}" for number in range(5)])) == 26
    assert combine_tags([f"t{number}" for number in range(6)]) == []


def test_a_task_that_waits_for_its_group_gets_no_more_messages_until_a_worker_is_there(broker: redis.Redis) -> None:
    _work("workerGroup: {key: gpu}")
    TaskRun.objects.update(dispatched_at=None, created_at=datetime.now(UTC) - timedelta(hours=1))
    broker.flushdb()
    resend_unsent(datetime.now(UTC))
    assert _list_messages(broker) == {}

    worker = _serve("gpu")
    resend_unsent(datetime.now(UTC) + timedelta(hours=1))

    assert _list_messages(broker) == {"gpu": ["work"]}
    worker.stop()


def test_a_lost_message_of_a_group_that_a_worker_serves_is_sent_again_after_five_seconds(broker: redis.Redis) -> None:
    """The process that made the work died between its commit and the publication; other groups have a backlog of their own."""
    _work("workerGroup: {key: gpu}")
    _work("workerGroup: {key: eu}")
    broker.delete("gpu")
    worker = _serve("gpu", "eu")
    now = datetime.now(UTC)

    early, late = (resend_unsent(now + timedelta(seconds=seconds)) for seconds in (4, 7))

    assert (early, late) == (0, 1)
    assert _list_messages(broker) == {"gpu": ["work"], "eu": ["work"]}
    worker.stop()

"""Webhooks and Flow triggers have rows as well: what they heard last, what they started, and a switch."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from flows.engine.rows import NewExecution, insert_execution
from flows.models import Execution, FlowTriggerWindow, TriggerState, WebhookEvent
from flows.operations.flow_triggers import fire_flow_triggers, purge_windows
from flows.operations.flows import delete_flow
from flows.operations.schedules import on_execution_ended
from flows.operations.trigger_locks import lock_named_trigger
from flows.operations.trigger_rows import add_missing_rows, note_event
from flows.operations.triggers import restart_trigger, set_trigger_disabled
from flows.operations.webhooks import WebhookRefusedError, flush_due_webhooks, start_from_webhook
from flows.primitives.errors import ConflictError
from flows.queries.criteria import Criteria
from flows.queries.triggers import filter_triggers
from flows.triggers.webhook import RequestFacts
from tests.support import eventually

from .trigger_flows import BATCH, FLOW, NAMESPACE, START, WEBHOOK, end, executions, save, schedule, state

pytestmark = pytest.mark.django_db

KEY = "4wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9"


def hook(**more: Any) -> dict[str, Any]:
    return {"id": "hook", "type": WEBHOOK, "key": KEY, **more}


def listen(*flow_ids: str, **more: Any) -> dict[str, Any]:
    entries = [{"namespace": NAMESPACE, "flowId": flow_id} for flow_id in flow_ids]
    return {"id": "after", "type": FLOW, "dependsOn": entries, **more}


def call(flow_id: str = "called", **more: Any) -> Any:
    return start_from_webhook(namespace=NAMESPACE, flow_id=flow_id, key=KEY, facts=RequestFacts(body=b"{}", **more), at=START)


def tell(flow_id: str, seconds: int = 1) -> None:
    """Let an execution of a flow end, and tell it."""
    at = START + timedelta(seconds=seconds)
    execution_id = insert_execution(NewExecution(namespace=NAMESPACE, flow_id=flow_id, flow_revision=1, at=at))
    fire_flow_triggers(end(Execution.objects.get(pk=execution_id), at=at), at=at)


def test_every_trigger_of_a_flow_has_a_row_that_goes_with_it() -> None:
    save("called", hook(), listen("a"), schedule())
    families = dict(TriggerState.objects.values_list("trigger_id", "family"))

    save("called", hook(disabled=True))
    left = list(TriggerState.objects.values_list("trigger_id", "source_disabled"))
    delete_flow(namespace=NAMESPACE, flow_id="called", at=START, actor="alice@example.org")

    assert families == {"hook": "webhook", "after": "flow", "every": "schedule"}
    assert left == [("hook", True)]
    assert not TriggerState.objects.exists()


def test_clients_of_the_api_see_those_with_a_state_alone() -> None:
    save("called", hook(), listen("a"), schedule())

    asked = filter_triggers(Criteria(), at=START), filter_triggers(Criteria(), at=START, with_events=True)

    assert [sorted(rows.values_list("trigger_id", flat=True)) for rows in asked] == [["every"], ["after", "every", "hook"]]


def test_a_call_is_kept_with_what_it_started() -> None:
    save("called", hook())

    started = call().execution_id

    row = state("called", "hook")
    assert (row.last_triggered_at, row.evaluation["executionId"], row.evaluation["result"]) == (START, started, "STARTED")


def test_calls_that_start_nothing_say_why() -> None:
    save("picky", hook(when="{{ trigger.body.wanted ?? false }}"))
    save("strict", hook(allowedMethods=["PUT"]))

    call("picky")
    with pytest.raises(WebhookRefusedError):
        call("strict")

    picky, strict = state("picky", "hook"), state("strict", "hook")
    assert (picky.evaluation["result"], picky.last_triggered_at) == ("NOTHING", None)
    assert "conditions refused" in picky.evaluation["message"]
    assert (strict.evaluation["result"], "POST" in strict.evaluation["message"]) == ("FAILED", True)


def test_a_webhook_that_is_switched_off_takes_no_call() -> None:
    save("called", hook())
    names = {"namespace": NAMESPACE, "flow_id": "called", "trigger_id": "hook"}
    set_trigger_disabled(**names, disabled=True, at=START)

    with pytest.raises(ConflictError):
        call()

    set_trigger_disabled(**names, disabled=False, at=START)
    assert call().execution_id
    assert len(executions("called")) == 1


def test_a_webhook_stops_after_the_state_that_it_names() -> None:
    save("called", hook(stopAfter=["FAILED"]))
    call()

    on_execution_ended(end(executions("called")[0], "FAILED"))

    assert state("called", "hook").disabled


def test_a_batch_says_how_many_calls_wait_and_what_it_became() -> None:
    save("called", {"id": "hook", "type": BATCH, "key": KEY, "eventsCount": 2, "pollingInterval": "PT1M"})
    call()
    waiting = state("called", "hook").evaluation
    call()
    full = state("called", "hook").evaluation
    call()
    set_trigger_disabled(namespace=NAMESPACE, flow_id="called", trigger_id="hook", disabled=True, at=START)

    flushed = flush_due_webhooks(at=START + timedelta(hours=1))

    assert (waiting["result"], waiting["message"]) == ("NOTHING", "1 call waits for the batch.")
    assert (full["executionId"], full["message"]) == (executions("called")[0].pk, "A batch of 2 calls.")
    assert (flushed, WebhookEvent.objects.count()) == (0, 1)


def test_a_flow_trigger_keeps_how_far_its_conditions_are_and_what_it_started() -> None:
    save("report", listen("a", "b"))
    tell("a")
    half = state("report", "after").evaluation
    tell("b", 2)

    row = state("report", "after")
    assert (half["result"], half["message"]) == ("NOTHING", '"after" has 1 of 2 conditions')
    assert row.evaluation["executionId"] == executions("report")[0].pk
    assert row.last_triggered_at == START + timedelta(seconds=2)


def test_a_flow_trigger_that_is_switched_off_does_not_listen() -> None:
    save("report", listen("a"))
    set_trigger_disabled(namespace=NAMESPACE, flow_id="report", trigger_id="after", disabled=True, at=START)

    tell("a")

    assert executions("report") == []


def test_a_restart_forgets_the_conditions_that_are_met() -> None:
    save("report", listen("a", "b"))
    tell("a")

    restart_trigger(namespace=NAMESPACE, flow_id="report", trigger_id="after", at=START)
    tell("b", 2)

    assert executions("report") == []


@pytest.mark.django_db(transaction=True)
def test_a_restart_waits_for_the_event_that_is_weighed_and_forgets_it_too() -> None:
    save("report", listen("a", "b"))
    names = {"namespace": NAMESPACE, "flow_id": "report"}
    outcomes: list[str] = []

    def restart() -> None:
        try:
            restart_trigger(**names, trigger_id="after", at=START)
            outcomes.append("restarted")
        finally:
            connections.close_all()

    thread = threading.Thread(target=restart)
    with transaction.atomic():
        lock_named_trigger(NAMESPACE, "report", "after")
        thread.start()
        eventually(_somebody_waits)
        FlowTriggerWindow.objects.create(
            **names, condition_id="after", starts_at=START, ends_at=START + timedelta(hours=1), results={}
        )
        note_event((NAMESPACE, "report", "after"), {"result": "NOTHING"}, may_skip=False)
    thread.join()

    assert outcomes == ["restarted"]
    assert not FlowTriggerWindow.objects.exists()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


def test_a_rolling_window_outlives_the_minute_in_which_it_was_written() -> None:
    save("report", listen("a", "b", window={"lookback": "PT1H"}))
    tell("a")
    purge_windows(at=START + timedelta(minutes=30))
    tell("b", 1800)

    assert len(executions("report")) == 1
    tell("a", 3600)
    assert purge_windows(at=START + timedelta(hours=3)) == 1
    assert not FlowTriggerWindow.objects.exists()


def test_an_edited_trigger_does_not_count_what_it_no_longer_asks_for() -> None:
    save("report", listen("a", "b"))
    tell("a")
    save("report", listen("c", "b"))
    tell("b", 2)

    assert executions("report") == []
    tell("c", 3)
    assert len(executions("report")) == 1


def test_flows_that_were_saved_before_get_their_rows_once() -> None:
    save("called", hook())
    save("report", listen("a"))
    save("plain", schedule())
    TriggerState.objects.filter(family__in=("webhook", "flow")).delete()

    counts = [add_missing_rows(), add_missing_rows()]

    assert counts == [2, 0]
    assert sorted(TriggerState.objects.values_list("flow_id", flat=True)) == ["called", "plain", "report"]

"""Triggers through the official client: search, switch, backfill, restart, delete."""

from __future__ import annotations

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import ConflictException
from kestrapy.models.delete_triggers_by_query_request import DeleteTriggersByQueryRequest
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.models.trigger_controller_api_trigger_id import TriggerControllerApiTriggerId
from kestrapy.models.trigger_controller_set_disabled_request import TriggerControllerSetDisabledRequest
from kestrapy.query import and_, eq, where

from tests.sdk.conftest import TENANT, SaveFlow

SCHEDULED = """\
tasks:
  - {id: say, type: io.kestra.plugin.core.debug.Return, format: done}
triggers:
  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 1 1 1 *"}
"""


def test_a_trigger_is_found_and_switched(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(SCHEDULED)
    name = {"namespace": namespace, "flowId": "daily", "triggerId": "nightly"}
    mine = where(eq(QueryFilterField.NAMESPACE, namespace))
    found = client.triggers.search_triggers(TENANT, page=1, size=10, filters=mine, date_filter="NEXT_EXECUTION_DATE")
    of_flow = client.triggers.search_triggers_for_flow(TENANT, namespace, "daily")
    off = client.triggers.disable_trigger_by_id(TENANT, {**name, "disabled": True})
    switched_off = where(and_(eq(QueryFilterField.NAMESPACE, namespace), eq(QueryFilterField.TRIGGER_STATE, "DISABLED")))
    disabled = client.triggers.search_triggers(TENANT, filters=switched_off)
    request = TriggerControllerSetDisabledRequest(triggers=[TriggerControllerApiTriggerId(**name)], disabled=False)
    on = client.triggers.disabled_triggers_by_ids(TENANT, request)

    assert found["total"] == of_flow["total"] == 1
    assert found["results"][0]["trigger"]["cron"] == "0 1 1 1 *"
    assert (off["disabled"], disabled["total"], on["count"]) == (True, 1, 1)
    assert client.triggers.search_triggers(TENANT, filters=switched_off)["total"] == 0
    assert namespace in client.triggers.export_triggers(TENANT, filters=mine)


def test_a_backfill_is_made_paused_and_deleted(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(SCHEDULED)
    name = {"namespace": namespace, "flowId": "daily", "triggerId": "nightly"}
    backfill = {"start": "1924-01-01T00:00:00Z", "end": "2024-12-31T00:00:00Z"}
    client.triggers.disable_trigger_by_id(TENANT, {**name, "disabled": True})
    with pytest.raises(ConflictException):
        client.triggers.create_backfill(TENANT, {**name, "backfill": backfill})
    client.triggers.disable_trigger_by_id(TENANT, {**name, "disabled": False})
    made = client.triggers.create_backfill(TENANT, {**name, "backfill": backfill})
    paused = client.triggers.pause_backfill(TENANT, name)
    resumed = client.triggers.unpause_backfill_by_ids(TENANT, [name])
    client.triggers.pause_backfill(TENANT, name)
    ended = client.triggers.delete_backfill(TENANT, name)

    assert made["backfill"]["start"].startswith("1924-01-01") and not made["backfill"]["paused"]
    assert (paused["backfill"]["paused"], resumed["count"]) == (True, 1)
    assert "backfill" not in ended


def test_a_trigger_is_restarted_and_a_free_one_not_unlocked(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(SCHEDULED)
    restarted = client.triggers.restart_trigger(TENANT, namespace, "daily", "nightly")
    skipped = client.triggers.unlock_triggers_by_query(TENANT, filters=where(eq(QueryFilterField.NAMESPACE, namespace)))

    assert (restarted["triggerId"], restarted["disabled"], skipped["count"]) == ("nightly", False, 0)
    with pytest.raises(ConflictException):
        client.triggers.unlock_trigger(TENANT, namespace, "daily", "nightly")
    with pytest.raises(ConflictException):
        client.triggers.delete_trigger(TENANT, namespace, "daily", "nightly")


def test_backfills_are_steered_by_name_and_by_query(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    triggers, mine = client.triggers, where(eq(QueryFilterField.NAMESPACE, namespace))
    save_flow(SCHEDULED)
    name = {"namespace": namespace, "flowId": "daily", "triggerId": "nightly"}
    # So far back that the range cannot be worked off while the test runs.
    backfill = {"start": "1924-01-01T00:00:00Z", "end": "2024-12-31T00:00:00Z", "labels": [{"key": "why", "value": "late"}]}
    triggers.create_backfill(TENANT, {**name, "backfill": backfill})
    paused = [triggers.pause_backfill_by_ids(TENANT, [name])["count"]]
    one = triggers.unpause_backfill(TENANT, name)
    paused.append(triggers.pause_backfill_by_query(TENANT, filters=mine)["count"])
    resumed = triggers.unpause_backfill_by_query(TENANT, filters=mine)
    triggers.pause_backfill(TENANT, name)
    ended = triggers.delete_backfill_by_ids(TENANT, [name])
    triggers.create_backfill(TENANT, {**name, "backfill": backfill})
    ended_all = triggers.delete_backfill_by_query(TENANT, filters=mine)

    assert (paused, resumed["count"]) == ([1, 1], 1)
    assert (one["backfill"]["paused"], one["backfill"]["labels"]) == (False, [{"key": "why", "value": "late"}])
    assert (ended["count"], ended_all["count"]) == (1, 1)
    with pytest.raises(ConflictException):
        triggers.pause_backfill(TENANT, name)


def test_triggers_are_switched_unlocked_and_deleted_in_bulk(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    triggers, mine = client.triggers, where(eq(QueryFilterField.NAMESPACE, namespace))
    for flow_id in ("one", "two"):
        save_flow(SCHEDULED, flow_id)
    names = [{"namespace": namespace, "flowId": flow_id, "triggerId": "nightly"} for flow_id in ("one", "two")]
    off = triggers.disabled_triggers_by_query(TENANT, disabled=True, filters=mine)
    unlocked = triggers.unlock_triggers_by_ids(TENANT, names)
    used = triggers.delete_triggers_by_ids(TENANT, names)
    found = triggers.search_triggers(TENANT, filters=mine, sort=["flowId:desc"])
    none = triggers.delete_triggers_by_query(TENANT, DeleteTriggersByQueryRequest(filters=mine))
    client.logs.delete_logs_from_flow(namespace, "one", "nightly", TENANT)

    assert (off["count"], unlocked["count"]) == (2, 0)
    assert [row["state"]["flowId"] for row in found["results"]] == ["two", "one"]
    # A state that its flow still has stays.
    assert (used["count"], none["count"]) == (0, 0)

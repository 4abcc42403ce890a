"""The list of triggers of every kind, what is kept of it, the cards of a flow's triggers, and looks that start nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.engine.catalog import forget_flows, get_flow
from flows.models import BulkJob, FlowTriggerWindow, Role, TriggerState
from flows.operations.bulk_jobs import run_job_step
from flows.operations.flows import save_flow
from flows.primitives.callers import PLATFORM, acting_as
from flows.triggers.flow_entries import read_flow_trigger
from tests.security.world import add_person

from .conftest import AT, save_execution

KEY = "4wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9"
SOURCE = f"""id: many
namespace: company.team
tasks:
  - {{id: a, type: io.kestra.plugin.core.log.Log, message: x}}
triggers:
  - {{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: {KEY}}}
  - {{id: hidden, type: io.kestra.plugin.core.trigger.Webhook, key: "{{{{ secret('KEY') }}}}"}}
  - {{id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}}
  - {{id: watch, type: io.kestra.plugin.scripts.shell.CommandsTrigger, exitCondition: exit 0, commands: [ls], interval: PT5M}}
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    dependsOn:
      - {{namespace: company.team, flowId: load, states: [SUCCESS]}}
      - {{namespace: company.team, flowId: clean}}
"""
TAB = "/ui/flows/edit/company.team/many/triggers"


@pytest.fixture
def triggers(db: None) -> None:
    """One flow with a trigger of each kind."""
    forget_flows()
    with acting_as(PLATFORM):
        save_flow(SOURCE, at=AT, actor="alice@example.org")


def _let_in_bob(**permissions: list[str]) -> Client:
    """Return a browser in which Bob is signed in, who has these rights in the namespace of the flow."""
    Role.objects.create(id="bob", name="bob", permissions=permissions, created_at=AT, updated_at=AT)
    client = Client()
    client.force_login(add_person("bob@example.org", "bob", "company.team"))
    return client


def _list(client: Client, query: str = "") -> dict[str, dict[str, Any]]:
    return {row["state"].trigger_id: row for row in client.get(f"/ui/triggers?{query or 'q='}").context["rows"]}


def test_every_trigger_is_listed_with_its_kind_and_what_it_waits_for(alice: Client, triggers: None) -> None:
    rows = _list(alice)

    assert {name: (row["kind"], row["words"]) for name, row in rows.items()} == {
        "hook": ("Webhook", "a call of its address"),
        "hidden": ("Webhook", "a call of its address"),
        "nightly": ("Schedule", "at 03:00, UTC"),
        "watch": ("Polling", "looks every 5 minutes"),
        "after": ("Flow", "after company.team.load with SUCCESS and company.team.clean, within the same day"),
    }


@pytest.mark.parametrize(("interval", "words"), [("PT1H", "looks every hour"), ("PT1H30M", "looks every 1 hour and 30 minutes")])
def test_the_time_between_two_looks_is_told_in_words(alice: Client, interval: str, words: str) -> None:
    with acting_as(PLATFORM):
        save_flow(SOURCE.replace("PT5M", interval), at=AT)

    assert _list(alice)["watch"]["words"] == words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=webhook", {"hook", "hidden"}),
        ("kind=flow", {"after"}),
        ("kind=polling&q=wat", {"watch"}),
        ("flow=other", set()),
        ("is=off", {"hidden"}),
        ("kind=nonsense", {"hook", "hidden", "nightly", "watch", "after"}),
    ],
)
def test_filters_hold_for_every_kind(alice: Client, triggers: None, query: str, found: set[str]) -> None:
    TriggerState.objects.filter(trigger_id="hidden").update(disabled=True)

    assert set(_list(alice, query)) == found


def test_filters_stand_as_chips_that_take_them_away(alice: Client, triggers: None) -> None:
    chips = alice.get("/ui/triggers?kind=webhook&is=off").context["filters"].chips

    assert [(chip.text, chip.without_url) for chip in chips] == [
        ("is: switched off", "?kind=webhook"),
        ("kind: webhook", "?is=off"),
    ]


def test_the_last_execution_is_shown_with_its_state(alice: Client, triggers: None) -> None:
    save_execution("e1", state="FAILED", flow_id="many", trigger={"id": "hook", "type": "x"})
    save_execution("e2", flow_id="many", trigger={"id": "hook", "type": "x"}, created_at=AT - timedelta(days=1))
    TriggerState.objects.filter(trigger_id__in=("hook", "after")).update(last_triggered_at=AT)

    rows = _list(alice)

    assert rows["hook"]["execution"].id == "e1"
    assert (rows["after"]["execution"], rows["nightly"]["execution"]) == (None, None)


def test_the_address_of_a_webhook_is_for_those_who_may_read_the_flow(alice: Client, triggers: None) -> None:
    address = f"http://testserver/api/v1/main/executions/webhook/company.team/many/{KEY}"
    bob = _let_in_bob(TRIGGER=["READ"])

    shown, hidden = alice.get("/ui/triggers?q=").content.decode(), bob.get("/ui/triggers?q=").content.decode()

    assert f'data-copy="{address}"' in shown
    assert "hook" in hidden and KEY not in hidden
    assert _list(alice)["hidden"]["address"] == ""


def test_columns_and_filters_are_kept(alice: Client, triggers: None) -> None:
    alice.post("/ui/triggers/view", {"act": "columns", "column": ["next", "kind"], "query": "kind=flow"})
    alice.post("/ui/triggers/view", {"act": "save", "name": "hooks", "query": "kind=webhook", "default": "1"})

    page = alice.get("/ui/triggers?q=")
    away = alice.get("/ui/triggers")

    heads = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)', page.content.decode())
    assert heads == ["Trigger", "Next", "Kind"]
    assert away["Location"] == "/ui/triggers?kind=webhook"
    assert page.context["saved"] == [{"name": "hooks", "query": "kind=webhook", "is_default": True}]


def test_the_file_holds_every_kind(alice: Client, triggers: None) -> None:
    answer = alice.get("/ui/triggers/export?kind=webhook")

    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [line.split(",")[2:4] for line in lines] == [["triggerId", "kind"], ["hidden", "WEBHOOK"], ["hook", "WEBHOOK"]]


def test_the_number_of_statements_does_not_grow_with_the_rows(alice: Client, triggers: None) -> None:
    alice.get("/ui/triggers?q=")
    with CaptureQueriesContext(connection) as few:
        alice.get("/ui/triggers?q=")
    with acting_as(PLATFORM):
        for number in range(8):
            save_flow(SOURCE.replace("id: many", f"id: many{number}").replace(KEY, f"{KEY}{number}"), at=AT, actor="alice")
    alice.get("/ui/triggers?q=")
    with CaptureQueriesContext(connection) as more:
        alice.get("/ui/triggers?q=")

    assert len(more) <= len(few) <= 15


def test_an_action_leads_back_to_the_filtered_list(alice: Client, triggers: None) -> None:
    answer = alice.post(
        "/ui/triggers/company.team/many/hook/act/disable", {"back": "list", "query": "kind=webhook&sort=flow:asc&note=old"}
    )

    assert answer["Location"].startswith("/ui/triggers?kind=webhook&sort=flow%3Aasc&note=Trigger+hook")
    assert TriggerState.objects.get(trigger_id="hook").disabled


def test_the_tab_shows_a_card_for_each_trigger(alice: Client, triggers: None) -> None:
    page = alice.get(TAB).content.decode()

    assert re.findall(r'id="t-(\w+)"', page) == ["after", "hidden", "hook", "nightly", "watch"]
    assert 'aria-label="Copy the address of hook"' in page and KEY in page
    assert "known at run time only" in page
    assert "company.team.load with SUCCESS" in page and "0 of 2 met" in page


def test_the_card_of_a_flow_trigger_shows_which_conditions_are_met(alice: Client, triggers: None) -> None:
    row, at = TriggerState.objects.get(trigger_id="after"), timezone.now()
    trigger = next(one for one in get_flow("company.team", "many").flow.triggers if one.id == "after")
    clean = read_flow_trigger(trigger).groups[0].entries[1]
    met = {clean.key: {"executionId": "upstream1", "flowId": "clean", "at": at.isoformat(), "outputs": {}}}
    FlowTriggerWindow.objects.create(
        namespace=row.namespace,
        flow_id=row.flow_id,
        condition_id="after",
        starts_at=at - timedelta(hours=1),
        ends_at=at + timedelta(hours=1),
        results={"satisfied": met},
    )

    page = alice.get(TAB).content.decode()

    assert "1 of 2 met" in page and "/ui/e/upstream1" in page


def test_triggers_of_flows_from_before_have_a_card_too(alice: Client, triggers: None) -> None:
    TriggerState.objects.filter(family__in=("webhook", "flow")).delete()

    page = alice.get(TAB).content.decode()

    assert sorted(re.findall(r'id="t-(\w+)"', page)) == ["after", "hidden", "hook", "nightly", "watch"]
    assert "many/hook/act/" not in page


def test_the_page_of_a_look_says_what_will_happen(alice: Client, triggers: None) -> None:
    page = alice.get("/ui/triggers/company.team/many/watch/evaluate")

    assert page.status_code == 200
    assert "No execution starts" in page.content.decode() and "Evaluate now" in page.content.decode()
    assert "/many/watch/evaluate" in alice.get(TAB).content.decode()


@pytest.mark.parametrize(("name", "to"), [("nightly", f"{TAB}?dry=nightly"), ("hook", TAB)])
def test_other_triggers_have_no_look(alice: Client, triggers: None, name: str, to: str) -> None:
    assert alice.get(f"/ui/triggers/company.team/many/{name}/evaluate")["Location"] == to


def test_a_viewer_may_not_let_a_worker_look(alice: Client, triggers: None) -> None:
    bob = _let_in_bob(TRIGGER=["READ"], FLOW=["READ"])
    url = "/ui/triggers/company.team/many/watch/evaluate"

    assert "not evaluate it" in bob.get(url).content.decode()
    assert bob.post(url).status_code == 403
    assert "watch/evaluate" not in bob.get(TAB).content.decode()


def test_ticked_triggers_are_changed_by_a_job(alice: Client, triggers: None) -> None:
    ticked = ["company.team/many/hook", "company.team/many/after", "no-trigger"]

    answer = alice.post("/ui/triggers", {"act": "disable", "trigger": ticked, "query": "kind=webhook"})
    job = BulkJob.objects.get()
    run_job_step(job.id)

    assert answer["Location"] == f"/ui/jobs/{job.id}"
    assert (job.kind, job.names) == ("trigger", ticked[:2])
    assert set(TriggerState.objects.filter(disabled=True).values_list("trigger_id", flat=True)) == {"hook", "after"}


def test_what_a_filter_finds_is_changed_by_a_job(alice: Client, triggers: None) -> None:
    page = alice.get("/ui/triggers/bulk?kind=webhook&act=disable")
    alice.post("/ui/triggers/bulk?kind=webhook", {"act": "disable"})
    run_job_step(BulkJob.objects.get().id)

    assert page.context["total"] == "2" and "hook" in page.content.decode()
    assert set(TriggerState.objects.filter(disabled=True).values_list("trigger_id", flat=True)) == {"hook", "hidden"}


def test_a_viewer_is_offered_no_action_on_many(alice: Client, triggers: None) -> None:
    bob = _let_in_bob(TRIGGER=["READ"])

    page = bob.get("/ui/triggers?q=").content.decode()

    assert "data-bulk=" not in page
    assert bob.post("/ui/triggers", {"act": "disable", "trigger": ["company.team/many/hook"]}).status_code == 403


def test_a_trigger_whose_last_evaluation_failed_is_in_error(alice: Client, triggers: None) -> None:
    failed = {"at": AT.isoformat(), "seconds": 0.5, "result": "FAILED", "message": "no route", "executionId": None}
    TriggerState.objects.filter(trigger_id="watch").update(evaluation=failed)
    alice.post("/ui/triggers/view", {"act": "columns", "column": ["state", "took"], "query": ""})

    page = alice.get("/ui/triggers?is=failed").content.decode()

    assert 'title="no route"' in page and ">error</span>" in page and "500 ms" in page

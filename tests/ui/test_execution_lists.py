"""The list of executions: kept filters and columns, export, the usual duration, and actions on all that match."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.models import Flow
from tests.ui.conftest import AT, save_execution

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def _keep(client: Client, **fields: str | list[str]) -> None:
    assert client.post("/ui/executions/view", fields).status_code == 302


def test_a_saved_filter_stands_in_the_list_until_it_is_forgotten(alice: Client, flow: Flow) -> None:
    _keep(alice, act="save", name="Broken", query="state=FAILED")

    assert b'href="?state=FAILED">Broken' in alice.get("/ui/executions?q=").content

    _keep(alice, act="drop", name="Broken")
    assert b"Broken" not in alice.get("/ui/executions?q=").content


def test_a_default_filter_is_applied_when_the_list_opens_and_not_when_it_is_cleared(alice: Client, flow: Flow) -> None:
    _keep(alice, act="save", name="Broken", query="state=FAILED", default="1")

    assert alice.get("/ui/executions")["Location"] == "/ui/executions?state=FAILED"
    assert alice.get("/ui/executions?q=").status_code == 200


def test_the_chosen_columns_are_shown_and_kept(alice: Client, flow: Flow) -> None:
    save_execution(labels=[{"key": "env", "value": "prod"}])
    _keep(alice, act="columns", column=["ended", "labels", "no-such-column"])

    text = alice.get("/ui/executions").content.decode()

    assert '<th scope="col">Ended</th><th scope="col">Labels</th></tr>' in text
    assert '<th scope="col">Namespace</th>' not in text


def test_the_choices_of_one_person_are_not_those_of_another(
    alice: Client, client: Client, flow: Flow, django_user_model: type
) -> None:
    _keep(alice, act="save", name="Mine", query="state=FAILED")
    client.force_login(django_user_model.objects.create_user("bob@example.org"))

    assert b"Mine" not in client.get("/ui/executions?q=").content


def test_a_name_that_is_missing_or_too_long_is_refused(alice: Client) -> None:
    for name in ("", "x" * 61):
        assert alice.post("/ui/executions/view", {"act": "save", "name": name}).status_code == 422


def test_a_long_run_is_shown_beside_the_usual_duration(alice: Client, flow: Flow) -> None:
    for number in range(5):
        start = AT - timedelta(hours=number + 1)
        save_execution(f"quick{number}", created_at=start, ended_at=start + timedelta(seconds=10))
    save_execution("slow")

    text = alice.get("/ui/executions").content.decode()

    assert text.count('class="dur is-slow"') == 1
    assert "usually 10.0 s" in text


def test_the_list_with_medians_costs_a_fixed_number_of_statements(alice: Client, flow: Flow) -> None:
    for number in range(40):
        save_execution(f"run{number}", flow_id=f"flow{number % 7}", state="RUNNING" if number % 2 else "SUCCESS")

    with CaptureQueriesContext(connection) as found:
        alice.get("/ui/executions")

    assert len(found) <= 15


def test_csv_and_lines_of_json_hold_what_matches(alice: Client, flow: Flow) -> None:
    save_execution("good", labels=[{"key": "formula", "value": "x"}])
    save_execution("bad", state="FAILED", trigger={"id": "=HYPERLINK(1)"})

    table = alice.get("/ui/executions/export?form=csv&state=FAILED").getvalue().decode()  # type: ignore[attr-defined]
    lines = alice.get("/ui/executions/export?form=ndjson").getvalue().decode().splitlines()  # type: ignore[attr-defined]

    assert table.splitlines()[0].startswith("id,namespace,flow,revision,state")
    assert "bad,company.team,daily,1,FAILED" in table
    assert "'=HYPERLINK(1)" in table
    assert "good" not in table
    assert {json.loads(line)["id"] for line in lines} == {"good", "bad"}


def test_an_action_on_all_that_match_says_in_numbers_what_it_will_do(alice: Client, flow: Flow) -> None:
    save_execution("bad", state="FAILED")
    save_execution("good")

    text = alice.get("/ui/executions/bulk?state=FAILED&act=kill").content.decode()

    assert "1 execution match" in text
    assert "bad" in text
    assert "There is no filter" in alice.get("/ui/executions/bulk").content.decode()


def test_an_unknown_action_on_many_is_refused(alice: Client) -> None:
    assert alice.post("/ui/executions/bulk", {"act": "explode"}).status_code == 422


def test_hostile_text_in_the_list_stays_text(alice: Client, flow: Flow) -> None:
    save_execution(labels=[{"key": HOSTILE, "value": HOSTILE}], trigger={"id": HOSTILE})
    _keep(alice, act="save", name=HOSTILE, query=f'"><{HOSTILE}')

    for url in ("/ui/executions?q=", f"/ui/executions?q={HOSTILE}", f"/ui/executions/bulk?q={HOSTILE}"):
        assert HOSTILE not in alice.get(url).content.decode()


def test_columns_keep_the_order_in_which_they_were_put(alice: Client, flow: Flow) -> None:
    save_execution()
    alice.post("/ui/executions/view", {"act": "columns", "column": ["revision", "flow"]})

    page = alice.get("/ui/executions").content.decode()
    alice.post("/ui/executions/view", {"act": "columns", "column": ["revision"], "usual": "1"})

    assert page.index(">Revision</th>") < page.index(">Flow</th>")
    assert page.index('value="revision"') < page.index('value="flow"') < page.index('value="namespace"')
    assert ">Namespace</th>" in alice.get("/ui/executions").content.decode()

"""The inbox: questions of executions, oldest first, and their answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.engine.catalog import forget_flows
from flows.models import Execution
from flows.queries.inbox import count_questions, list_questions
from tests.engine.families import settle
from tests.support import driving

pytestmark = pytest.mark.django_db(transaction=True)

APPROVAL = {
    "id": "ask",
    "type": "io.kestra.plugin.core.flow.Approval",
    "description": "Release **now**? <script>alert(1)</script>",
    "commentRequired": "ON_DENY",
    "decisions": {"approve": "Ship it", "deny": "Hold"},
    "inputs": [{"id": "window", "type": "SELECT", "values": ["now", "tonight"], "required": False}],
}
PAUSE = driving.pause("figures", onResume=[{"id": "rate", "type": "FLOAT"}])


def start(*tasks: Mapping[str, object], flow_id: str) -> str:
    """Start an execution that pauses, and return its id."""
    forget_flows()
    driving.save(*tasks, flow_id=flow_id)
    execution_id = driving.start(flow_id)
    driving.visit(execution_id)
    return execution_id


def find_keys(client: Client) -> list[str]:
    """Return the keys of the questions, in their order."""
    return re.findall(r'name="key" value="(\w+)"', client.get("/ui/inbox").content.decode())


def test_questions_stand_oldest_first_with_their_forms(alice: Client) -> None:
    first = start(APPROVAL, flow_id="release")
    second = start(PAUSE, flow_id="close")

    page = alice.get("/ui/inbox").content.decode()

    assert find_keys(alice) == [driving.run_of(first, "ask").id, driving.run_of(second, "figures").id]
    assert "Release <strong>now</strong>?" in page and "<script>alert(1)" not in page
    assert "Ship it" in page and 'name="in.window"' in page
    assert 'name="in.rate"' in page and 'type="number"' in page
    assert len(set(re.findall(r'id="(f-[^"]+)"', page))) == len(re.findall(r'id="(f-[^"]+)"', page))


def test_an_approval_is_answered_with_its_values(alice: Client) -> None:
    execution_id = start(APPROVAL, flow_id="release")

    answer = alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "approve", "in.window": "tonight"})

    outputs = driving.run_of(execution_id, "ask").outputs
    assert answer.status_code == 302
    assert outputs is not None
    assert (outputs["decision"], outputs["by"], outputs["inputs"]) == ("APPROVED", "alice@example.org", {"window": "tonight"})
    assert find_keys(alice) == []


def test_a_refused_answer_keeps_what_was_entered(alice: Client) -> None:
    start(APPROVAL, flow_id="release")

    answer = alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "deny", "in.window": "tonight"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "needs a comment" in page
    assert re.search(r'value="tonight"\s+checked', page)


def test_a_wrong_value_is_told_at_its_field_and_takes_the_focus(alice: Client) -> None:
    wanted = [{"id": "rate", "type": "FLOAT", "max": 5}, {"id": "note", "type": "STRING"}]
    start(driving.pause("figures", onResume=wanted), flow_id="close")
    key = find_keys(alice)[0]

    answer = alice.post("/ui/inbox", {"key": key, "decision": "resume", "in.rate": "7.5"})

    page, card = answer.content.decode(), answer.context["cards"][0]
    field = re.search(rf'<input id="f-{key}-rate"[^>]*>', page)
    assert answer.status_code == 422
    assert [(one.id, one.errors) for one in card.faulty] == [
        (f"{key}-rate", ["Invalid input for `rate`, it must be less than `5`, but received `7.5`"]),
        (f"{key}-note", ["This needs a value."]),
    ]
    assert field is not None
    assert all(part in field[0] for part in ('aria-invalid="true"', f'aria-describedby="s-{key}-rate"', "autofocus", "7.5"))
    assert card.fault == "" and "data-poll" not in page


def test_a_missing_comment_is_told_at_the_comment(alice: Client) -> None:
    start(APPROVAL, flow_id="release")
    key = find_keys(alice)[0]

    page = alice.post("/ui/inbox", {"key": key, "decision": "deny"}).content.decode()

    field = re.search(rf'<input id="comment-{key}"[^>]*>', page)
    assert field is not None
    assert all(part in field[0] for part in ('aria-invalid="true"', f'aria-describedby="say-comment-{key}"', "autofocus"))
    assert f'id="say-comment-{key}"' in page


def test_a_denial_needs_no_values_and_keeps_those_that_can_be_used(alice: Client) -> None:
    wanted = [{"id": "window", "type": "SELECT", "values": ["now", "tonight"]}, {"id": "rate", "type": "FLOAT"}]
    approval = {**APPROVAL, "commentRequired": "NEVER", "inputs": wanted}
    first = start(approval, flow_id="release")
    page = alice.get("/ui/inbox").content.decode()
    alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "deny"})
    second = start(approval, flow_id="release2")

    alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "deny", "in.window": "now", "in.rate": "much"})

    outputs = [driving.run_of(one, "ask").outputs or {} for one in (first, second)]
    assert [(one["decision"], one["inputs"]) for one in outputs] == [("DENIED", {}), ("DENIED", {"window": "now"})]
    assert re.search(r'value="deny"\s+formnovalidate', page)


def test_what_waits_after_the_end_of_an_execution_is_asked_and_answered(alice: Client) -> None:
    driving.save(driving.log("a"), flow_id="report", afterExecution=[PAUSE])
    execution_id = driving.start("report")
    driving.visit(execution_id)
    settle()
    page = alice.get("/ui/inbox").content.decode()
    counted = alice.get("/ui/inbox?count=1").content

    answer = alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "resume", "in.rate": "2"})

    outputs = driving.run_of(execution_id, "figures").outputs
    assert (counted, "this comes after its end" in page) == (b"1", True)
    assert (answer.status_code, outputs and outputs["onResume"]) == (302, {"rate": 2.0})
    assert find_keys(alice) == []


def test_counting_and_listing_questions_cost_few_statements(alice: Client) -> None:
    for number in range(3):
        start(PAUSE, flow_id=f"close{number}")

    # What a process remembers of flows is read once.
    list_questions()
    with CaptureQueriesContext(connection) as counting:
        count = count_questions()
    with CaptureQueriesContext(connection) as listing:
        found = list_questions()

    assert (count, len(found)) == (3, 3)
    assert (len(counting), len(listing) <= 4) == (1, True)


def test_a_pause_is_resumed_with_its_values(alice: Client) -> None:
    execution_id = start(PAUSE, driving.log("after"), flow_id="close")

    wrong = alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "resume", "in.rate": "much"})
    right = alice.post("/ui/inbox", {"key": find_keys(alice)[0], "decision": "resume", "in.rate": "1.25"})

    outputs = driving.run_of(execution_id, "figures").outputs
    assert (wrong.status_code, right.status_code) == (422, 302)
    assert outputs is not None and outputs["onResume"] == {"rate": 1.25}


def test_a_question_of_a_subflow_is_asked_once_and_names_its_caller(alice: Client) -> None:
    driving.save(APPROVAL, flow_id="release")
    start(driving.subflow("call", "release"), flow_id="parent")
    child = Execution.objects.get(flow_id="release")
    driving.visit(child.id)
    driving.visit(Execution.objects.get(flow_id="parent").id)

    page = alice.get("/ui/inbox").content.decode()

    assert find_keys(alice) == [driving.run_of(child.id, "ask").id]
    assert ">parent</a> called" in page


def test_the_count_stands_beside_the_entry_and_is_asked_for_alone(alice: Client) -> None:
    nothing = alice.get("/ui/inbox?count=1").content
    start(PAUSE, flow_id="close")

    assert nothing == b""
    assert alice.get("/ui/inbox?count=1").content == b"1"
    assert '<span class="count" title="wait for a person">1</span>' in alice.get("/ui/flows").content.decode()


def test_somebody_without_the_right_sees_and_answers_nothing(client: Client, alice: Client) -> None:
    start(PAUSE, flow_id="close")
    [key] = find_keys(alice)
    client.force_login(User.objects.create_user("charlie@example.org", password="Correct-horse-1"))

    answer = client.post("/ui/inbox", {"key": key, "decision": "resume", "in.rate": "1"})

    assert find_keys(client) == []
    assert client.get("/ui/inbox?count=1").content == b""
    assert "problem=" in answer["Location"]
    assert Execution.objects.get().state == "PAUSED"


def test_an_answer_that_comes_too_late_is_told_so(alice: Client) -> None:
    answer = alice.post("/ui/inbox", {"key": "gone", "decision": "approve"})

    assert "Somebody+answered+this+meanwhile" in answer["Location"]

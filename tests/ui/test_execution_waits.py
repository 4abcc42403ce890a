"""The page of an execution that waits or failed: for a subflow, an approval, after its own end, for a restart of one task."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.engine.catalog import forget_flows
from tests.engine.families import children_of, settle
from tests.support import driving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker_url")]

ASKS = [{"id": "reason", "type": "STRING"}]


@pytest.fixture
def browser(db: None) -> Client:
    """A browser of the owner."""
    # What a process remembers of flows went away with the rows of another test.
    forget_flows()
    client = Client()
    client.force_login(User.objects.create_superuser("alice@example.org", password="Correct-horse-1"))
    return client


def start_caller(task: dict[str, Any]) -> str:
    driving.save(task, flow_id="child")
    driving.save(driving.subflow("call", "child"))
    return begin()


def begin() -> str:
    execution_id = driving.start()
    driving.visit(execution_id)
    settle()
    return execution_id


def address(execution_id: str, act: str = "") -> str:
    page = f"/ui/executions/{driving.NAMESPACE}/driven/{execution_id}"
    return f"{page}/act/{act}" if act else page


def read(browser: Client, execution_id: str) -> str:
    answer = browser.get(address(execution_id))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_page_of_a_caller_asks_for_the_inputs_of_its_subflow(browser: Client) -> None:
    execution_id = start_caller(driving.pause("wait", onResume=ASKS))
    page = read(browser, execution_id)

    answer = browser.post(address(execution_id, "resume"), {"in.reason": "because"})
    settle()

    assert 'name="in.reason"' in page
    assert answer.status_code == 302 and "problem" not in answer["Location"]
    (child,) = children_of(execution_id)
    assert driving.run_of(child.id, "wait").outputs["onResume"] == {"reason": "because"}
    assert driving.state_of(execution_id) == "SUCCESS"


def test_the_page_of_a_caller_decides_an_approval_of_its_subflow(browser: Client) -> None:
    execution_id = start_caller({"id": "ask", "type": f"{driving.CORE}.flow.Approval"})
    page = read(browser, execution_id)

    browser.post(address(execution_id, "approve"))
    settle()

    assert address(execution_id, "approve") in page
    assert driving.state_of(execution_id) == "SUCCESS"


@pytest.mark.parametrize(("act", "end"), [("resume", "SUCCESS"), ("kill", "KILLED")])
def test_what_waits_after_the_end_is_answered_on_the_page(browser: Client, act: str, end: str) -> None:
    driving.save(driving.log("a"), afterExecution=[driving.pause("wait", onResume=ASKS)])
    execution_id = begin()
    page = read(browser, execution_id)

    browser.post(address(execution_id, act), {"in.reason": "because"})

    assert "which comes after it, waits for a person" in page
    assert 'name="in.reason"' in page
    assert (driving.state_of(execution_id), driving.run_of(execution_id, "wait").state) == ("SUCCESS", end)


def test_one_of_the_failed_task_runs_begins_again_from_its_drawer(browser: Client) -> None:
    once = {"type": f"{driving.CORE}.execution.Fail", "condition": "{{ taskrun.attemptsCount == 0 }}"}
    driving.save(driving.flowable("both", "Parallel", [{"id": "a", **once}, {"id": "b", **once}]))
    execution_id = begin()
    named = driving.run_of(execution_id, "a").id
    drawer = browser.get(address(execution_id), {"task": named}).content.decode()

    browser.post(address(execution_id, "restart"), {"task_run": named})
    settle()

    assert "Restart this one" in drawer
    assert (driving.run_of(execution_id, "a").state, driving.run_of(execution_id, "b").state) == ("SUCCESS", "FAILED")

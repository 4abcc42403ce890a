"""The pages of the console: each opens for Alice, none for a stranger, at a fixed number of queries, and nothing hostile runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from flows.models import Flow
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, save_execution, save_flow, save_log, save_task_run

FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"
EXECUTION = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/exec1"
PAGES = [
    "/ui/",
    "/ui/welcome",
    "/ui/flows",
    "/ui/flows?view=tree",
    "/ui/flows/new",
    "/ui/flows/search?q=hello",
    "/ui/executions",
    "/ui/inbox",
    "/ui/logs",
    "/ui/triggers",
    "/ui/namespaces",
    "/ui/plugins",
    "/ui/plugins/io.kestra.plugin.core.log.Log",
    "/ui/settings",
    "/ui/palette?q=da",
    "/ui/completion",
    FLOW,
    *(f"{FLOW}/{tab}" for tab in ("edit", "executions", "revisions", "triggers", "logs", "dependencies", "execute", "download")),
    EXECUTION,
    *(f"{EXECUTION}/{tab}" for tab in ("gantt", "topology", "logs", "outputs", "metrics", "dependencies")),
    f"/ui/namespaces/{NAMESPACE}",
    *(f"/ui/namespaces/{NAMESPACE}/{tab}" for tab in ("flows", "kv", "files", "secrets", "variables")),
    *(f"/ui/namespaces/{NAMESPACE}/{tab}" for tab in ("plugin-defaults", "dependencies")),
    f"/ui/triggers/{NAMESPACE}/{FLOW_ID}/nightly/backfill?start=2031-05-01T00:00:00Z",
]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("url", PAGES)
def test_each_page_opens(alice: Client, flow: Flow, url: str) -> None:
    save_task_run(save_execution(), "hello")

    response = alice.get(url)

    assert response.status_code == 200


@pytest.mark.parametrize("url", PAGES)
def test_a_stranger_is_sent_to_the_login(client: Client, url: str) -> None:
    response = client.get(url)

    assert response.status_code == 302
    assert response["Location"].startswith("/ui/login?next=%2Fui%2F")


def test_only_signing_in_is_possible_without_a_session(client: Client, alice: Client) -> None:
    routes = [pattern.pattern for pattern in get_resolver("flows.ui.urls").url_patterns]
    open_routes = []
    for pattern in routes:
        path = f"/ui/{pattern}".replace("<str:", "").replace("<path:", "").replace(">", "")
        if client.get(path).status_code not in (302, 405) and client.post(path).status_code != 403:
            open_routes.append(path)

    assert open_routes == ["/ui/login", "/ui/login/oidc", "/ui/login/oidc/callback"]


def test_a_page_of_executions_costs_the_same_for_one_and_for_many(alice: Client, flow: Flow) -> None:
    save_execution("one")
    with CaptureQueriesContext(connection) as few:
        alice.get("/ui/executions")
    for number in range(30):
        save_execution(f"run{number}", state="RUNNING", created_at=AT + timedelta(seconds=number))
    with CaptureQueriesContext(connection) as many:
        alice.get("/ui/executions")

    # One more: the tasks at which the running ones are, for all of them at once.
    assert len(many) == len(few) + 1 <= 9


def test_a_page_of_flows_costs_the_same_for_one_and_for_many(alice: Client, flow: Flow) -> None:
    save_execution()
    with CaptureQueriesContext(connection) as few:
        alice.get("/ui/flows")
    for number in range(30):
        save_flow(flow_id=f"other{number}")
    with CaptureQueriesContext(connection) as many:
        alice.get("/ui/flows")

    # Texts that were not read before come in two statements, however many they are.
    assert len(many) == len(few) <= 11


def test_a_gantt_of_many_task_runs_costs_as_much_as_one_of_few(alice: Client, flow: Flow) -> None:
    execution = save_execution(state="RUNNING")
    save_task_run(execution, "hello")
    alice.get(f"{EXECUTION}/gantt")
    with CaptureQueriesContext(connection) as few:
        alice.get(f"{EXECUTION}/gantt")
    for number in range(1, 60):
        save_task_run(execution, "say", number=number)
    with CaptureQueriesContext(connection) as many:
        alice.get(f"{EXECUTION}/gantt")

    assert len(many) == len(few) <= 15


def test_a_list_pages_through_executions_that_began_together(alice: Client, flow: Flow) -> None:
    for number in range(120):
        save_execution(f"run{number:03d}")

    seen: list[str] = []
    url = "/ui/executions"
    while url:
        context = alice.get(url).context
        seen += [row.id for row in context["slice"].rows]
        url = f"/ui/executions{context['slice'].older_url}" if context["slice"].older_url else ""

    assert seen == [f"run{number:03d}" for number in range(120)]


def test_going_back_to_newer_executions_shows_the_same_page(alice: Client, flow: Flow) -> None:
    for number in range(120):
        save_execution(f"run{number:03d}", created_at=AT + timedelta(seconds=number))
    first = alice.get("/ui/executions").context["slice"]
    second = alice.get(f"/ui/executions{first.older_url}").context["slice"]

    back = alice.get(f"/ui/executions{second.newer_url}").context["slice"]

    assert [row.id for row in back.rows] == [row.id for row in first.rows]


@pytest.mark.parametrize("tab", ["", "/gantt", "/topology", "/logs", "/outputs"])
def test_hostile_text_of_an_execution_stays_text(alice: Client, tab: str) -> None:
    save_flow(SOURCE_WITH_HOSTILE_TEXT)
    execution = save_execution(
        state="FAILED",
        inputs={HOSTILE: HOSTILE},
        outputs={HOSTILE: [{HOSTILE: HOSTILE}]},
        labels=[{"key": HOSTILE, "value": HOSTILE}],
        error=HOSTILE,
        trigger={"id": HOSTILE, "type": HOSTILE, "variables": {HOSTILE: HOSTILE}},
    )
    run = save_task_run(execution, "hello", state="FAILED", value=HOSTILE, outputs={HOSTILE: HOSTILE})
    save_log(execution, HOSTILE, level=4, task_run_id=run.id, task_id=HOSTILE)

    text = alice.get(f"{EXECUTION}{tab}?task={run.id}").content.decode()

    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert" in text


SOURCE_WITH_HOSTILE_TEXT = """id: daily
namespace: company.team
description: "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
inputs:
  - id: name
    type: STRING
    displayName: "<script>alert(1)</script>"
    description: "<img src=x onerror=alert(1)>"
    defaults: "\\"><script>alert(1)</script>"
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "<script>alert(1)</script>"
"""


@pytest.mark.parametrize("tab", ["", "/edit", "/execute", "/revisions"])
def test_hostile_text_of_a_flow_stays_text(alice: Client, tab: str) -> None:
    save_flow(
        SOURCE_WITH_HOSTILE_TEXT, description="<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    )

    text = alice.get(f"{FLOW}{tab}").content.decode()

    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert 'href="javascript' not in text


def test_no_page_holds_what_the_content_policy_forbids(alice: Client, flow: Flow) -> None:
    save_task_run(save_execution(), "hello")

    for url in PAGES:
        response = alice.get(url)
        text = response.content.decode()

        assert " style=" not in text, url
        assert "<script>" not in text, url
        assert " onclick=" not in text, url
        assert "unsafe" not in response["Content-Security-Policy"], url


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/ui/nothing/here", 404),
        (f"/ui/flows/edit/{NAMESPACE}/missing", 404),
        (f"{FLOW}/no-such-tab", 404),
        ("/ui/e/missing", 404),
        (f"/ui/executions/{NAMESPACE}/other/exec1", 404),
        ("/ui/plugins/no.such.Type", 404),
        ("/ui/executions?before=nonsense", 422),
        ("/ui/executions?from=yesterday", 422),
        ("/ui/executions?state=NONSENSE&namespace=%00", 200),
        ("/ui/executions/file/exec1?path=/etc/passwd", 422),
        ("/ui/executions/file/exec1?path=kestra:///other/flow/executions/x/a.txt", 403),
    ],
)
def test_a_wrong_address_is_answered_with_a_page(alice: Client, flow: Flow, url: str, status: int) -> None:
    save_execution()

    response = alice.get(url)

    assert response.status_code == status
    assert b"<title>" in response.content


def test_an_error_page_keeps_the_frame_and_searches_what_is_missing(alice: Client, flow: Flow) -> None:
    page = alice.get(f"/ui/flows/edit/{NAMESPACE}/missing").content.decode()

    for entry in ("Workers &amp; queues", "Users &amp; access", "Audit log", "<h1", "Search flows", 'value="missing"'):
        assert entry in page
    assert "Search executions" not in page


def test_addresses_with_the_tenant_lead_to_the_page(alice: Client) -> None:
    response = alice.get(f"/ui/main/executions/{NAMESPACE}/{FLOW_ID}/exec1?task=x")

    assert response.status_code == 301
    assert response["Location"] == f"{EXECUTION}?task=x"


def test_a_script_gets_the_page_without_its_frame(alice: Client, flow: Flow) -> None:
    text = alice.get("/ui/flows", headers={"X-Fragment": "1"}).content.decode()

    assert 'id="results"' in text
    assert "<nav" not in text


@pytest.mark.parametrize(
    ("text", "found"), [("exec", True), ("DAIL", True), ("any.tea", True), ("env:prod", True), ("env:dev", False), ("zzz", False)]
)
def test_a_text_finds_executions_by_id_flow_namespace_and_label(alice: Client, flow: Flow, text: str, found: bool) -> None:
    save_execution(labels=[{"key": "env", "value": "prod"}])

    rows = alice.get("/ui/executions", {"q": text}).context["slice"].rows

    assert bool(rows) is found

"""Checks 4 to 7 and 30 of the catalogue: requests, downloads, webhooks in batches."""

from __future__ import annotations

from tests.acceptance.building import log, returned, task, trigger
from tests.acceptance.workspace import Workspace
from tests.plugins.core.http_server import LocalServer


def test_ct_04_a_missing_page_fails_unless_that_is_allowed(workspace: Workspace, http_server: LocalServer) -> None:
    address = f"{http_server.url}/missing"
    allowed = task("allowed", "http.Request", uri=address, allowFailed=True)

    run = workspace.run("asking", tasks=[allowed, task("refused", "http.Request", uri=address)])

    assert run.summary() == {"allowed": "SUCCESS", "refused": "FAILED"}
    assert (run.task("allowed").outputs["code"], run.task("allowed").outputs["body"]) == (404, "nothing here")


def test_ct_05_a_file_is_sent_under_the_name_that_was_given(workspace: Workspace, http_server: LocalServer) -> None:
    part = {"name": "orders.csv", "content": "{{ inputs.orders }}"}
    sent = task(
        "sent",
        "http.Request",
        uri=f"{http_server.url}/echo",
        method="POST",
        contentType="multipart/form-data",
        formData={"file": part},
    )
    workspace.load("sending", inputs=[{"id": "orders", "type": "FILE"}], tasks=[sent])

    run = workspace.wait_for(workspace.start_with_file("sending", "orders", "1,apple\n2,pear\n"))

    body = http_server.requests[0].body.decode()
    assert run.state == "SUCCESS"
    assert 'filename="orders.csv"' in body
    assert "1,apple\n2,pear\n" in body


def test_ct_06_an_empty_download_fails_unless_that_is_allowed(workspace: Workspace, http_server: LocalServer) -> None:
    address = f"{http_server.url}/empty"
    allowed = task("allowed", "http.Download", uri=address, failOnEmptyResponse=False)

    run = workspace.run("fetching", tasks=[allowed, task("refused", "http.Download", uri=address)])

    assert run.summary() == {"allowed": "SUCCESS", "refused": "FAILED"}
    assert run.task("allowed").outputs["length"] == 0
    assert "WARN" in [level for level, _ in workspace.logs(run.id, "allowed")]


def test_ct_07_a_download_has_the_encoded_name_that_the_server_gave(workspace: Workspace, http_server: LocalServer) -> None:
    run = workspace.run("fetching", tasks=[task("csv", "http.Download", uri=f"{http_server.url}/file")])

    uri = run.task("csv").outputs["uri"]
    assert run.state == "SUCCESS"
    assert uri.endswith("a%20b.csv")
    assert workspace.read_file(run.id, uri) == "1,2"


def test_ct_30_a_batch_takes_its_events_and_leaves_the_rest(workspace: Workspace) -> None:
    batch = trigger("batch", "BatchWebhook", key="acceptance-30", eventsCount=3)
    workspace.load("batched", tasks=[returned("count", "{{ trigger.count }}")], triggers=[batch])
    address = f"/executions/webhook/{workspace.namespace}/batched/acceptance-30"

    answers = [workspace.status_of("POST", address, {"number": number}) for number in range(4)]
    first = workspace.wait_for_executions("batched", 1)
    more = [workspace.status_of("POST", address, {"number": number})[0] for number in (4, 5)]
    both = workspace.wait_for_executions("batched", 2)

    assert [status for status, _ in answers] + more == [202] * 6
    assert answers[0][1]["eventsBuffered"] == 1
    assert [run.task("count").outputs["value"] for run in first] == ["3"]
    assert [run.task("count").outputs["value"] for run in both] == ["3", "3"]


def test_ct_30_events_that_the_filter_refuses_are_dropped(workspace: Workspace) -> None:
    batch = trigger("batch", "BatchWebhook", key="acceptance-30b", eventsCount=2, eventFilter="{{ trigger.body.keep }}")
    workspace.load("batched", tasks=[log("a")], triggers=[batch])
    address = f"/executions/webhook/{workspace.namespace}/batched/acceptance-30b"

    statuses = [workspace.status_of("POST", address, {"keep": keep})[0] for keep in (True, False)]

    assert statuses == [202, 204]
    assert workspace.executions_of("batched") == []

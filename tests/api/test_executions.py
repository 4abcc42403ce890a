"""Executions over the API: start, read, search, act, and stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows.api.errors import conflict_status
from flows.models import Execution
from tests.api.conftest import Api, MakeExecution

pytestmark = pytest.mark.usefixtures("broker_url")


def test_a_started_execution_has_every_required_field(api: Api, daily: dict[str, Any]) -> None:
    answer = api.send("POST", "/executions/company.team/daily")
    body = answer.json()

    assert answer.status_code == 200, body
    assert body["state"]["current"] == "CREATED"
    assert body["state"]["histories"][0]["state"] == "CREATED"
    assert body["state"]["startDate"] == body["state"]["histories"][0]["date"]
    assert body["state"]["duration"].startswith("PT")
    assert (body["originalId"], body["tenantId"], body["deleted"]) == (body["id"], "main", False)
    assert body["metadata"]["attemptNumber"] == 1 and body["metadata"]["originalCreatedDate"]
    assert {"key": "team", "value": "data"} in body["labels"]
    assert body["url"].endswith(f"/ui/main/executions/company.team/daily/{body['id']}")
    assert len(body["id"]) >= 16 and body["id"].isalnum()


def test_inputs_and_labels_come_from_the_form_and_the_query(api: Api, daily: dict[str, Any]) -> None:
    body = api.post_form(
        "/executions/company.team/daily?labels=who:ann:b&labels=team:ops", {"day": "monday", "other": "x"}
    ).json()

    assert body["inputs"] == {"day": "monday"}
    assert {"key": "who", "value": "ann:b"} in body["labels"]
    assert [label["value"] for label in body["labels"] if label["key"] == "team"] == ["ops"]


@pytest.mark.parametrize(
    "path", ["/executions/company.team/nope", "/executions/foo/bar", "/executions/trigger/company.team/nope"]
)
def test_an_unknown_flow_is_not_found(api: Api, path: str) -> None:
    answer = api.send("POST", path, b"", "multipart/form-data; boundary=x")

    assert answer.status_code == 404
    assert "not found" in answer.json()["message"].lower()


def test_a_disabled_flow_cannot_be_started(api: Api, daily: dict[str, Any]) -> None:
    api.send("POST", "/flows/disable/by-query")

    assert api.send("POST", "/executions/company.team/daily").status_code == 409
    assert not Execution.objects.exists()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("labels=system.label:x", 422),
        ("labels=nocolon", 422),
        ("revision=99", 404),
        ("revision=one", 400),
        ("scheduleDate=tomorrow", 400),
        ("kind=LOOP", 422),
        ("wait=perhaps", 400),
    ],
)
def test_bad_queries_start_nothing_and_say_why(api: Api, daily: dict[str, Any], query: str, status: int) -> None:
    answer = api.send("POST", f"/executions/company.team/daily?{query}")

    assert answer.status_code == status, answer.content
    assert answer.json()["message"]
    assert query == "wait=perhaps" or not Execution.objects.exists()


def test_an_execution_shows_its_task_runs_in_order(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution("SUCCESS", runs={"first": "SUCCESS", "second": "WARNING"})
    body = api.get(f"/executions/{execution.id}").json()
    run = body["taskRunList"][0]

    assert [one["taskId"] for one in body["taskRunList"]] == ["first", "second"]
    assert body["state"]["duration"] == "PT2S"
    assert body["state"]["endDate"] == "2031-05-04T10:00:02Z"
    assert run["outputs"] == {"value": "first"}
    assert (run["executionId"], run["namespace"], run["flowId"]) == (execution.id, "company.team", "daily")
    assert run["attempts"][0]["state"]["current"] == "SUCCESS" and run["attempts"][0]["workerId"] == "worker-1"


def test_an_execution_costs_two_queries(api: Api, make_execution: MakeExecution, django_assert_num_queries: Any) -> None:
    execution = make_execution(runs={f"t{number}": "SUCCESS" for number in range(20)})
    api.get("/executions/search")

    with django_assert_num_queries(2):
        api.get(f"/executions/{execution.id}")


def test_an_unknown_execution_is_not_found_on_every_address(api: Api) -> None:
    for path in ("", "/flow", "/graph", "/follow", "/file?path=kestra:///a", "/file/metas?path=kestra:///a"):
        assert api.call("GET", f"/executions/exec_id_not_found{path}").status_code == 404, path
    for path in ("/outputs/executions/x", "/outputs/tasks/x", "/metrics/x", "/logs/x", "/logs/x/download", "/logs/x/follow"):
        assert api.get(path).status_code == 404, path


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 3),
        ({"state": ["SUCCESS", "FAILED"]}, 2),
        ({"filters[state][IN]": "[SUCCESS,FAILED]"}, 2),
        ({"filters[state][NOT_EQUALS]": "SUCCESS"}, 2),
        ({"namespace": "company"}, 3),
        ({"filters[namespace][PREFIX]": "company"}, 3),
        ({"filters[namespace][PREFIX]": "comp"}, 0),
        ({"flowId": "daily"}, 3),
        ({"labels": "team:data"}, 3),
        ({"filters[labels][EQUALS][team]": "ops"}, 0),
        ({"filters[startDate][GREATER_THAN_OR_EQUAL_TO]": "2031-05-04T10:01Z"}, 2),
        ({"startDate": "2031-05-04T10:00:00Z", "endDate": "2031-05-04T10:01:30Z"}, 2),
        ({"q": "DAIL"}, 3),
        ({"filters[kind][EQUALS]": "LOOP"}, 1),
        ({"filters[childFilter][EQUALS]": "CHILD"}, 1),
        ({"childFilter": "MAIN"}, 2),
        ({"triggerExecutionId": "parentparentparent"}, 1),
        ({"filters[triggerId][EQUALS]": "nightly"}, 1),
        ({"filters[flowRevision][EQUALS]": "1"}, 3),
        ({"filters[and][0][state][EQUALS]": "RUNNING", "filters[and][1][or][0][flowId][EQUALS]": "daily"}, 1),
        ({"filters[scope][EQUALS]": "USER"}, 3),
        ({"timeRange": "P30D"}, 3),
    ],
)
def test_executions_are_found_by_both_kinds_of_filters(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution, query: dict[str, Any], found: int
) -> None:
    make_execution("SUCCESS", trigger={"id": "nightly", "type": "x"})
    make_execution("FAILED", minutes=1, caller_execution_id="parentparentparent")
    make_execution("RUNNING", minutes=2)
    make_execution("SUCCESS", minutes=3, kind="LOOP")

    answer = api.get("/executions/search", **query)

    assert answer.json().get("total") == found, answer.content


def test_rows_of_a_search_are_light_and_newest_first(api: Api, make_execution: MakeExecution) -> None:
    old, new = make_execution(runs={"a": "SUCCESS"}), make_execution(minutes=1)
    rows = api.get("/executions/search").json()["results"]

    assert [row["id"] for row in rows] == [new.id, old.id]
    assert all("taskRunList" not in row and row["metadata"] and row["deleted"] is False for row in rows)


@pytest.mark.parametrize(
    "field", ["id", "namespace", "flowId", "state.current", "state.startDate", "state.endDate", "state.duration"]
)
def test_executions_are_sorted_by_every_documented_field(api: Api, make_execution: MakeExecution, field: str) -> None:
    make_execution()
    make_execution(minutes=1)

    assert len(api.get("/executions/search", sort=[f"{field}:desc", "id:asc"]).json()["results"]) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filters[password][EQUALS]": "x"}, 400),
        ({"filters[state][LIKE]": "x"}, 400),
        ({"filters[state][EQUALS]": "DONE"}, 400),
        ({"filters[state]": "SUCCESS"}, 400),
        ({"filters[startDate][GREATER_THAN]": "soon"}, 400),
        ({"filters[and][0][or][0][and][0][id][EQUALS]": "x"}, 400),
        ({"filters[id][REGEX]": "["}, 422),
        ({"timeRange": "a while"}, 400),
        ({"dateFilter": "BIRTH_DATE"}, 400),
        ({"sort": "id"}, 422),
        ({"sort": "id;drop table:asc"}, 422),
        ({"page": "0"}, 422),
        ({"size": "-1"}, 422),
        ({"size": "ten"}, 400),
        ({"size": "100000"}, 422),
    ],
)
def test_bad_searches_are_refused_with_a_reason(api: Api, query: dict[str, str], status: int) -> None:
    answer = api.get("/executions/search", **query)

    assert answer.status_code == status, answer.content
    assert answer.json()["message"]


INJECTIONS = ("' OR '1'='1", "x'; select pg_sleep(5); --", '") OR 1=1 --', "%' and 1=pg_sleep(5)--", "\\", "%", "_", "{{7*7}}")


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_texts_are_only_values(api: Api, make_execution: MakeExecution, text: str) -> None:
    make_execution()
    for name in ("filters[namespace][EQUALS]", "filters[flowId][CONTAINS]", "filters[labels][EQUALS][team]", "q", "flowId"):
        answer = api.get("/executions/search", **{name: text})

        assert answer.status_code == 200 and answer.json()["total"] == 0, (name, answer.content)
    for name in ("filters[namespace__startswith][EQUALS]", "filters[labels][EQUALS]['; --]", "sort"):
        assert api.get("/executions/search", **{name: text}).status_code in (200, 400, 422)


def test_actions_have_two_address_shapes_in_both_tenant_forms(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution
) -> None:
    execution = make_execution("SUCCESS")
    labels = json.dumps([{"key": "a", "value": "b", "additional_properties": {}}])
    paths = [f"{execution.id}/labels", f"{execution.id}/actions/labels"]
    for path in [f"/api/v1/{form}executions/{one}" for form in ("", "main/") for one in paths]:
        answer = api.call("POST", path, data=labels, content_type="application/json")

        assert answer.status_code == 200, (path, answer.content)
        assert {"key": "a", "value": "b"} in answer.json()["labels"]


def test_an_action_word_behind_a_short_name_means_a_flow(api: Api) -> None:
    answer = api.send("POST", "/executions/company.team/restart")

    assert answer.status_code == 404
    assert "restart" in answer.json()["message"] and "company.team" in answer.json()["message"]


@pytest.mark.parametrize(
    ("action", "status"), [("pause", 422), ("force-run", 422), ("unqueue", 422), ("restart", 422), ("resume", 409)]
)
def test_actions_on_an_ended_execution_are_refused(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution, action: str, status: int
) -> None:
    execution = make_execution("SUCCESS", runs={"hello": "SUCCESS"})
    answer = api.send("POST", f"/executions/{execution.id}/{action}")

    assert answer.status_code == status, answer.content
    assert execution.id in answer.json()["message"] or "restart" in answer.json()["message"]


@pytest.mark.usefixtures("broker_url")
def test_a_restart_takes_the_task_run_that_it_names(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution("FAILED", runs={"hello": "FAILED", "other": "FAILED"})
    unknown = api.send("POST", f"/executions/{execution.id}/restart?taskRunId=nothing")
    named = api.send("POST", f"/executions/{execution.id}/restart?taskRunId={execution.id}run0")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "task-run-not-found")
    assert named.status_code == 200, named.content
    assert {run["taskId"]: run["state"]["current"] for run in named.json()["taskRunList"]} == {
        "hello": "RESTARTED",
        "other": "FAILED",
    }


def test_the_choice_between_409_and_422_is_made_in_one_place() -> None:
    assert [conflict_status(action) for action in ("pause", "resume", "kill", "labels", "")] == [422, 409, 409, 400, 409]


def test_labels_that_belong_to_the_system_are_refused(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution("SUCCESS")
    answer = api.send("POST", f"/executions/{execution.id}/labels", [{"key": "system.label", "value": "x"}])

    assert answer.status_code == 422


def test_an_ended_execution_can_get_another_status(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution("SUCCESS")
    answer = api.send("POST", f"/executions/{execution.id}/change-status?status=WARNING")

    assert answer.json()["state"]["current"] == "WARNING"


def test_a_deleted_execution_is_gone_with_its_log(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution("SUCCESS", logs=[(2, "hello")])

    assert api.call("DELETE", f"/executions/{execution.id}").status_code == 204
    assert api.get(f"/executions/{execution.id}").status_code == 404
    assert api.get(f"/logs/{execution.id}").status_code == 404


def test_a_bulk_request_with_one_unknown_id_touches_nothing(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution
) -> None:
    execution = make_execution("SUCCESS")
    answer = api.send("DELETE", "/executions/by-ids", [execution.id, "nopenopenopenope"])

    assert answer.status_code == 400
    assert answer.json()["invalids"] == [
        {"message": "execution not found", "invalidValue": "nopenopenopenope", "path": "execution"}
    ]
    assert Execution.objects.count() == 1


def test_a_bulk_request_with_one_wrong_state_touches_nothing(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution
) -> None:
    ended, running = make_execution("SUCCESS"), make_execution("RUNNING")
    answer = api.send("POST", "/executions/change-status/by-ids?newStatus=FAILED", [ended.id, running.id])

    assert answer.status_code == 400
    assert Execution.objects.get(pk=ended.id).state == "SUCCESS"


def test_bulk_answers_carry_the_keys_of_all_clients(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    ids = [make_execution("SUCCESS").id, make_execution("FAILED").id]
    body = api.send(
        "POST", "/executions/labels/by-ids", {"executionsId": ids, "executionLabels": [{"key": "a", "value": "b"}]}
    ).json()

    assert (body["count"], body["totalItems"]) == (2, 2) and body["operationId"]


def test_a_bulk_request_by_query_skips_what_cannot_be_done(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution
) -> None:
    make_execution("SUCCESS")
    make_execution("RUNNING")

    assert api.send("DELETE", "/executions/by-query").json()["count"] == 1
    assert Execution.objects.get().state == "RUNNING"


def test_latest_executions_of_flows(api: Api, make_execution: MakeExecution) -> None:
    make_execution("FAILED")
    newest = make_execution("SUCCESS", minutes=5)
    body = api.send(
        "POST", "/executions/latest", [{"namespace": "company.team", "id": "daily", "additional_properties": {}}]
    ).json()

    assert body == [
        {
            "id": newest.id,
            "flowId": "daily",
            "namespace": "company.team",
            "startDate": "2031-05-04T10:05:00Z",
            "status": "SUCCESS",
        }
    ]


def test_outputs_have_addresses_of_their_own(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution(runs={"a": "SUCCESS"}, outputs={"x": 1})
    entry = api.get(f"/outputs/tasks/{execution.id}").json()[0]

    assert api.get(f"/outputs/executions/{execution.id}").json() == {"x": 1}
    assert api.get(f"/outputs/tasks/{execution.id}/{entry['taskRunId']}").json() == {"value": "a"}


def test_an_expression_is_rendered_and_its_fault_is_an_answer(
    api: Api, daily: dict[str, Any], make_execution: MakeExecution
) -> None:
    execution = make_execution(runs={"hello": "SUCCESS"})
    good = api.send("POST", f"/executions/{execution.id}/actions/eval", "{{ execution.id }}", "text/plain")
    bad = api.send("POST", f"/executions/{execution.id}/eval/{execution.id}run0", "{{ missing }}", "text/plain")

    assert good.json() == {"result": execution.id}
    assert bad.status_code == 200 and bad.json()["result"] is None and "missing" in bad.json()["error"]


def test_a_csv_export_makes_formulas_harmless(api: Api, make_execution: MakeExecution) -> None:
    make_execution(labels=[{"key": "=cmd", "value": "x"}])
    text = b"".join(api.get("/executions/export/by-query/csv").streaming_content).decode()

    assert text.splitlines()[0].startswith("id,namespace")
    assert ",'=cmd:x" in text

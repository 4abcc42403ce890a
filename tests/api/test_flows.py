"""Flows over the API: saving, reading, searching, and many at once."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from flows.models import Flow, FlowRevision
from tests.api.conftest import SOURCE, Api

OTHER = SOURCE.replace("id: daily", "id: weekly")


def test_a_saved_flow_comes_back_with_its_exact_text_only_when_asked(api: Api, daily: dict[str, Any]) -> None:
    bare = api.get("/flows/company.team/daily").json()
    whole = api.get("/flows/company.team/daily", source="true").json()

    assert daily["revision"] == bare["revision"] == 1
    assert "source" not in bare and whole["source"] == SOURCE
    assert bare["labels"] == [{"key": "team", "value": "data"}]
    assert (bare["disabled"], bare["deleted"], bare["draft"], bare["tenantId"]) == (False, False, False, "main")
    assert bare["tasks"][0]["id"] == "hello"


def test_both_address_forms_give_the_same_flow(api: Api, daily: dict[str, Any]) -> None:
    old = api.client.get("/api/v1/flows/company.team/daily")

    assert old.json() == api.get("/flows/company.team/daily").json()


def test_creating_a_flow_that_exists_is_refused(api: Api, daily: dict[str, Any]) -> None:
    answer = api.send_yaml("POST", "/flows", SOURCE)

    assert answer.status_code == 422
    assert "company.team/daily" in answer.json()["message"]


def test_saving_the_same_text_keeps_the_revision_and_another_text_makes_one(api: Api, daily: dict[str, Any]) -> None:
    same = api.send_yaml("PUT", "/flows/company.team/daily", SOURCE).json()
    other = api.send_yaml("PUT", "/flows/company.team/daily", SOURCE + "# a remark\n").json()

    assert same["revision"] == 1
    assert other["revision"] == 2


def test_a_save_keeps_its_message_and_the_way_it_came(api: Api, daily: dict[str, Any]) -> None:
    api.send_yaml("PUT", "/flows/company.team/daily?message=A%20remark", SOURCE + "# a remark\n")
    entry = SimpleUploadedFile("more.yaml", (SOURCE + "# another one\n").encode())
    api.client.post("/api/v1/main/flows/import", {"fileUpload": entry})

    rows = FlowRevision.objects.order_by("revision").values_list("origin", "message")

    assert list(rows) == [("API", ""), ("API", "A remark"), ("IMPORT", "")]


def test_an_update_to_another_name_is_refused(api: Api, daily: dict[str, Any]) -> None:
    answer = api.send_yaml("PUT", "/flows/company.team/daily", OTHER)

    assert answer.status_code == 422
    assert "weekly" in answer.json()["message"]


def test_updating_a_flow_that_does_not_exist_is_not_found(api: Api) -> None:
    assert api.send_yaml("PUT", "/flows/company.team/daily", SOURCE).status_code == 404


def test_a_deleted_flow_is_gone_and_counts_on_when_it_comes_back(api: Api, daily: dict[str, Any]) -> None:
    assert api.call("DELETE", "/flows/company.team/daily").status_code == 204

    assert api.get("/flows/company.team/daily").status_code == 404
    assert api.get("/flows/company.team/daily", allowDeleted="true").json()["deleted"] is True
    assert api.send_yaml("POST", "/flows", SOURCE).json()["revision"] == 3


def test_faults_of_a_document_are_all_named_with_their_place(api: Api) -> None:
    broken = SOURCE.replace("core.log.Log", "core.log.Lug").replace("id: hello", "id: not a name")
    answer = api.send_yaml("POST", "/flows", broken)
    errors = answer.json()["_embedded"]["errors"]

    assert answer.status_code == 422
    assert len(errors) >= 2
    assert all({"message", "path", "line", "column"} <= set(error) for error in errors)
    assert any("tasks[0]" in error["path"] for error in errors)


def test_validation_answers_once_per_document_and_stores_nothing(api: Api) -> None:
    answer = api.send_yaml("POST", "/flows/validate", f"{SOURCE}---\nid: 7\n---\n{OTHER}")
    entries = answer.json()

    assert [entry["index"] for entry in entries] == [0, 1, 2]
    assert "constraints" not in entries[0] and "constraints" not in entries[2]
    assert entries[1]["constraints"]
    assert (entries[0]["namespace"], entries[0]["flow"]) == ("company.team", "daily")
    assert not Flow.objects.exists()


def test_validation_notices_an_outdated_document(api: Api, daily: dict[str, Any]) -> None:
    api.send_yaml("PUT", "/flows/company.team/daily", SOURCE + "# newer\n")
    entry = api.send_yaml("POST", "/flows/validate", SOURCE + "revision: 1\n").json()[0]

    assert entry["outdated"] is True


def test_a_json_flow_is_stored_as_yaml(api: Api) -> None:
    body = {"id": "j", "namespace": "company", "tasks": [{"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "x"}]}
    answer = api.send("POST", "/flows", body)

    assert answer.status_code == 200
    assert answer.json()["source"].startswith("id: j\n")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"namespace": "company"}, 2),
        ({"namespace": "comp"}, 0),
        ({"q": "WEEK"}, 1),
        ({"filters[namespace][EQUALS]": "company.team"}, 2),
        ({"filters[flowId][IN]": "daily,weekly"}, 2),
        ({"filters[labels][EQUALS][team]": "data"}, 2),
        ({"filters[labels][NOT_EQUALS][team]": "data"}, 0),
        ({"filters[or][0][flowId][EQUALS]": "daily", "filters[or][1][flowId][EQUALS]": "weekly"}, 2),
        ({"filters[scope][EQUALS]": "SYSTEM"}, 0),
        ({"labels": "team:data"}, 2),
    ],
)
def test_flows_are_found_by_both_kinds_of_filters(api: Api, daily: dict[str, Any], query: dict[str, str], found: int) -> None:
    api.send_yaml("POST", "/flows", OTHER)

    answer = api.get("/flows/search", **query)

    assert answer.json()["total"] == found, answer.content


def test_a_page_past_the_end_is_empty_and_keeps_the_total(api: Api, daily: dict[str, Any]) -> None:
    assert api.get("/flows/search", page="5", size="10").json() == {"results": [], "total": 1}


def test_flows_are_sorted_as_asked(api: Api, daily: dict[str, Any]) -> None:
    api.send_yaml("POST", "/flows", OTHER)
    answer = api.get("/flows/search", sort="id:desc").json()

    assert [flow["id"] for flow in answer["results"]] == ["weekly", "daily"]


def test_updating_a_namespace_deletes_what_is_not_sent(api: Api, daily: dict[str, Any]) -> None:
    answer = api.send_yaml("POST", "/flows/company.team", OTHER)

    assert [(flow["id"], flow["deleted"]) for flow in answer.json()] == [("daily", True), ("weekly", False)]
    assert [flow["id"] for flow in api.get("/flows/company.team").json()] == ["weekly"]


def test_updating_a_namespace_with_a_foreign_flow_changes_nothing(api: Api, daily: dict[str, Any]) -> None:
    foreign = OTHER.replace("company.team", "elsewhere")
    answer = api.send_yaml("POST", "/flows/company.team", f"{OTHER}---\n{foreign}")

    assert answer.status_code == 422
    assert [flow["id"] for flow in api.get("/flows/company.team").json()] == ["daily"]


def test_revisions_come_oldest_first_with_their_text(api: Api, daily: dict[str, Any]) -> None:
    api.send_yaml("PUT", "/flows/company.team/daily", SOURCE + "# newer\n")
    found = api.get("/flows/company.team/daily/revisions").json()

    assert [(one["revision"], one["source"]) for one in found] == [(1, SOURCE), (2, SOURCE + "# newer\n")]


def test_switching_a_flow_off_rewrites_its_source_once(api: Api, daily: dict[str, Any]) -> None:
    names = [{"namespace": "company.team", "id": "daily", "additional_properties": {}}]
    first = api.send("POST", "/flows/disable/by-ids", names).json()
    second = api.send("POST", "/flows/disable/by-ids", names).json()
    flow = api.get("/flows/company.team/daily", source="true").json()

    assert (first["count"], second["count"]) == (1, 0)
    assert flow["disabled"] is True
    assert flow["source"] == SOURCE + "disabled: true\n"
    assert api.send("POST", "/flows/enable/by-query").json()["count"] == 1


def test_one_unknown_name_refuses_a_whole_bulk_request(api: Api, daily: dict[str, Any]) -> None:
    names = [{"namespace": "company.team", "id": "daily"}, {"namespace": "company.team", "id": "nope"}]
    answer = api.send("DELETE", "/flows/delete/by-ids", names)

    assert answer.status_code == 400
    assert answer.json()["invalids"][0]["invalidValue"] == "company.team.nope"
    assert api.get("/flows/company.team/daily").status_code == 200


def test_an_export_can_be_imported_again(api: Api, daily: dict[str, Any]) -> None:
    archive = api.get("/flows/export/by-query").content
    api.send("DELETE", "/flows/delete/by-query")
    answer = api.post_form("/flows/import", {"fileUpload": SimpleUploadedFile("flows.zip", archive)})

    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["company.team.daily.yml"]
    assert answer.json() == []
    assert api.get("/flows/company.team/daily", source="true").json()["source"] == SOURCE


def test_an_import_names_what_failed_and_keeps_the_rest(api: Api) -> None:
    upload = SimpleUploadedFile("flows.yml", f"id: 7\n---\n{SOURCE}".encode())
    answer = api.post_form("/flows/import", {"fileUpload": upload})

    assert answer.json() == ["0"]
    assert api.get("/flows/company.team/daily").status_code == 200


def test_the_graph_of_a_flow_holds_every_task_once(api: Api, daily: dict[str, Any]) -> None:
    graph = api.get("/flows/company.team/daily/graph").json()
    tasks = [node["task"]["id"] for node in graph["nodes"] if "task" in node]
    known = {node["uid"] for node in graph["nodes"]}

    assert tasks == ["hello"]
    assert all(edge["source"] in known and edge["target"] in known for edge in graph["edges"])


def test_a_task_of_a_flow_is_found_by_its_id(api: Api, daily: dict[str, Any]) -> None:
    assert api.get("/flows/company.team/daily/tasks/hello").json()["message"] == "Hello"
    assert api.get("/flows/company.team/daily/tasks/nope").status_code == 404


def test_sources_are_searched_line_by_line(api: Api, daily: dict[str, Any]) -> None:
    found = api.get("/flows/source", q="MESSAGE: hello").json()

    assert found["total"] == 1
    assert found["results"][0]["lines"] == [{"line": 12, "content": "    message: Hello"}]
    assert api.get("/flows/source", q="[", regex="true").status_code == 400


def test_the_names_for_completion_come_from_the_document(api: Api) -> None:
    names = api.send_yaml("POST", "/flows/expressions", SOURCE).json()["categories"]

    assert names["inputs"] == ["inputs.day"] and names["taskOutputs"] == ["outputs.hello"]
    assert "upper" in names["filters"] and "now" in names["functions"]


def test_flows_are_exported_as_a_table(api: Api, daily: dict[str, Any]) -> None:
    lines = b"".join(api.get("/flows/export/by-query/csv").streaming_content).decode().splitlines()

    assert lines[1].startswith("company.team,daily,1,false,")

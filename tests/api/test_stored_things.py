"""Logs, metrics, key-value pairs, namespaces, secrets and files over the API."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from flows.models import KeyValue, Metric
from flows.storage import get_storage
from flows.storage.uri import task_file_address
from tests.api.conftest import AT, Api, MakeExecution, content_of


def test_logs_of_an_execution_are_filtered_by_level(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution(logs=[(1, "quiet"), (2, "hello"), (4, "broken")])
    lines = api.get(f"/logs/{execution.id}", minLevel="INFO").json()

    assert [(line["level"], line["message"]) for line in lines] == [("INFO", "hello"), ("ERROR", "broken")]
    assert lines[0]["timestamp"] == "2031-05-04T10:00:00Z" and lines[0]["attemptNumber"] == 0


def test_an_execution_without_a_line_has_an_empty_log_and_an_empty_file(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution("RUNNING")
    download = api.get(f"/logs/{execution.id}/download")

    assert api.get(f"/logs/{execution.id}").json() == []
    assert download.status_code == 200 and content_of(download) == b""
    assert download["Cache-Control"] == "no-cache"


def test_a_downloaded_log_has_one_line_per_entry(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution(logs=[(2, "hello")])
    download = api.get(f"/logs/{execution.id}/download")

    assert content_of(download) == b"2031-05-04T10:00:00Z INFO hello\n"
    assert download["Content-Disposition"] == f'attachment; filename="{execution.id}.log"'


def test_log_search_counts_all_and_shows_a_page(api: Api, make_execution: MakeExecution) -> None:
    make_execution(logs=[(2, "one"), (3, "two"), (4, "three")])
    body = api.get(
        "/logs/search", **{"filters[level][GREATER_THAN_OR_EQUAL_TO]": "WARN", "size": "1", "sort": "level:desc"}
    ).json()

    assert (body["total"], body["type"]) == (2, "OFFSET")
    assert [line["message"] for line in body["results"]] == ["three"]
    assert api.get("/logs/search", minLevel="ERROR", q="THREE").json()["total"] == 1
    assert api.get("/logs/search", minLevel="LOUD").status_code == 400


def test_chosen_log_lines_are_deleted(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution(logs=[(2, "one"), (4, "two")])

    assert api.call("DELETE", f"/logs/{execution.id}?minLevel=ERROR").status_code == 200
    assert [line["message"] for line in api.get(f"/logs/{execution.id}").json()] == ["one"]


def test_metrics_are_listed_named_and_summed(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution()
    for value in (1, 2):
        Metric.objects.create(
            namespace="company.team", flow_id="daily", execution_id=execution.id, task_id="a", kind="counter", name="rows",
            value=value, timestamp=AT,
        )  # fmt: skip
    total = api.get(
        "/metrics/aggregates/company.team/daily/rows", startDate="2031-05-01T00:00Z", endDate="2031-05-05T00:00Z"
    ).json()

    assert api.get(f"/metrics/{execution.id}").json()["total"] == 2
    assert api.get("/metrics/names/company.team/daily").json() == ["rows"]
    assert api.get("/metrics/tasks/company.team/daily").json() == ["a"]
    assert total == {"groupBy": "day", "aggregations": [{"name": "rows", "value": 3.0, "date": "2031-05-04T00:00:00Z"}]}
    assert api.get("/metrics/aggregates/company.team/daily/rows", aggregation="median").status_code == 400


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('"hi"', "STRING", "hi"),
        ("42", "NUMBER", 42),
        ("true", "BOOLEAN", True),
        ('{"a": [1]}', "JSON", {"a": [1]}),
        ("PT5M", "DURATION", "PT5M"),
    ],
)
def test_the_kind_of_a_value_follows_from_how_it_is_written(api: Api, text: str, kind: str, value: Any) -> None:
    stored = api.send("PUT", "/namespaces/company/kv/key", text, "text/plain")
    found = api.get("/namespaces/company/kv/key").json()

    assert stored.status_code == 200 and stored.content == b""
    assert (found["type"], found["value"]) == (kind, value)


def test_a_missing_an_expired_and_a_bad_key_are_told_apart(api: Api) -> None:
    KeyValue.objects.create(
        namespace="company", key="old", kind="STRING", value="x", expires_at=AT.replace(year=2020), created_at=AT, updated_at=AT
    )

    assert api.get("/namespaces/company/kv/nope").status_code == 404
    assert api.get("/namespaces/company/kv/old").status_code == 410
    assert api.send("PUT", "/namespaces/company/kv/key", "{", "text/plain").status_code == 422
    assert api.send("PUT", "/namespaces/company/kv/key?x", b"\xff", "text/plain").status_code == 422


def test_keys_are_listed_deleted_and_inherited(api: Api) -> None:
    for namespace in ("company", "company.team"):
        api.client.put(
            f"/api/v1/main/namespaces/{namespace}/kv/{namespace}",
            "1",
            content_type="text/plain",
            headers={"ttl": "PT1H", "description": "d"},
        )
    inherited = api.get("/namespaces/company.team/kv/inheritance").json()
    entry = api.get("/kv", **{"filters[namespace][EQUALS]": "company"}).json()["results"][0]

    assert [pair["key"] for pair in inherited] == ["company", "company.team"]
    assert entry["description"] == "d" and entry["expirationDate"] and entry["updateDate"] and entry["revision"] == 1
    assert api.call("DELETE", "/namespaces/company/kv/company").json() is True
    assert api.call("DELETE", "/namespaces/company/kv/company").json() is False
    assert api.send("DELETE", "/namespaces/company.team/kv", {"keys": ["company.team", "nope"]}).json() == {
        "keys": ["company.team"]
    }


def test_namespaces_exist_through_their_flows_and_by_description(api: Api, daily: dict[str, Any]) -> None:
    created = api.send("POST", "/namespaces", {"id": "other", "deleted": False, "description": "d", "variables": {"a": 1}})

    assert created.json()["variables"] == {"a": 1}
    assert [one["id"] for one in api.get("/namespaces/search").json()["results"]] == ["company", "company.team", "other"]
    assert api.get("/namespaces/company.team").json()["deleted"] is False
    assert api.get("/namespaces/nope").status_code == 404
    assert api.send("POST", "/namespaces", {"id": "other"}).status_code in (409, 422)
    assert api.send("PUT", "/namespaces/other", {"id": "elsewhere"}).status_code == 422
    assert api.send("POST", "/namespaces/autocomplete", {"q": "team"}).json() == ["company.team"]
    assert api.call("DELETE", "/namespaces/company.team").status_code == 409
    assert api.call("DELETE", "/namespaces/other").status_code == 204


def test_secrets_never_come_back(api: Api) -> None:
    answers = [
        api.send("PUT", "/namespaces/company/secrets", {"key": "TOKEN", "value": "s3cr3t-value", "description": "d"}),
        api.get("/secrets"),
        api.get("/namespaces/company/secrets"),
        api.get("/namespaces/company/inherited-secrets"),
        api.send("PATCH", "/namespaces/company/secrets/TOKEN", {"description": "new"}),
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert all(b"s3cr3t-value" not in answer.content for answer in answers)
    assert answers[1].json()["results"][0]["key"] == "TOKEN"
    assert api.call("DELETE", "/namespaces/company/secrets/TOKEN").status_code == 204
    assert api.call("DELETE", "/namespaces/company/secrets/TOKEN").status_code == 404


def test_a_namespace_file_is_stored_read_moved_and_deleted(api: Api) -> None:
    base = "/namespaces/company/files"
    stored = api.post_form(f"{base}?path=sql/a.sql", {"fileContent": SimpleUploadedFile("file", b"select 1")})
    content = content_of(api.get(base, path="/sql/a.sql"))
    facts = api.get(f"{base}/stats", path="sql/a.sql").json()

    assert stored.status_code == 200 and content == b"select 1"
    assert (facts["fileName"], facts["type"], facts["size"]) == ("a.sql", "File", 8)
    assert api.get(f"{base}/directory", path="/").json()[0]["type"] == "Directory"
    assert api.get(f"{base}/search", q="A.SQL").json() == ["/sql/a.sql"]
    assert api.call("PUT", f"{base}?from=/sql/a.sql&to=/b.sql").status_code == 200
    assert api.get(f"{base}/revisions", path="/b.sql").json() == [{"revision": 1}]
    assert api.call("DELETE", f"{base}?path=/b.sql").status_code == 200
    assert api.get(base, path="/b.sql").status_code == 404


@pytest.mark.parametrize("path", ["../x", "/a/../../x", "a%2f..%2fx", "..\\x", "a\x01b", ""])
def test_paths_that_leave_their_namespace_are_refused(api: Api, path: str) -> None:
    answer = api.get("/namespaces/company/files", path=path)

    assert 400 <= answer.status_code < 500 and answer.json()["message"]


def test_an_uploaded_archive_is_unpacked(api: Api) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/one.txt", "1")
    api.post_form("/namespaces/company/files?path=all.zip", {"fileContent": SimpleUploadedFile("all.zip", buffer.getvalue())})
    exported = api.get("/namespaces/company/files/export")

    assert api.get("/namespaces/company/files/search").json() == ["/x/one.txt"]
    assert zipfile.ZipFile(io.BytesIO(exported.content)).namelist() == ["x/one.txt"]


def _store(execution_id: str, name: str, content: bytes) -> str:
    uri = str(task_file_address("company.team", "daily", execution_id, task_id="a", task_run_id="r", name=name))
    get_storage().write(uri, content)
    return uri


def test_a_file_of_an_execution_is_downloaded_measured_and_shown(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution()
    uri = _store(execution.id, "rows.txt", b"one\ntwo\nthree")
    download = api.get(f"/executions/{execution.id}/file", path=uri)
    preview = api.get(f"/executions/{execution.id}/file/preview", path=uri, maxRows="2").json()

    assert content_of(download) == b"one\ntwo\nthree"
    assert 'filename="rows.txt"' in download["Content-Disposition"] and download["X-Content-Type-Options"] == "nosniff"
    assert api.get(f"/executions/{execution.id}/file/metas", path=uri).json() == {"size": 13}
    assert (preview["type"], preview["content"], preview["truncated"]) == ("TEXT", "one\ntwo", True)


def test_a_file_of_somebody_else_is_refused_and_one_of_a_child_lies_elsewhere(api: Api, make_execution: MakeExecution) -> None:
    parent = make_execution()
    child = make_execution(caller_execution_id=parent.id)
    foreign = make_execution()
    of_child, of_foreign, of_parent = (_store(one.id, "f", b"x") for one in (child, foreign, parent))
    redirected = api.get(f"/executions/{parent.id}/file", path=of_child)

    assert api.get(f"/executions/{parent.id}/file", path=of_foreign).status_code == 422
    assert content_of(api.get(f"/executions/{child.id}/file", path=of_parent)) == b"x"
    assert redirected.status_code == 307 and child.id in redirected["Location"]
    assert content_of(api.client.get(redirected["Location"])) == b"x"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "file:///etc/passwd", "kestra:///../../etc/passwd", "kestra:///%2e%2e/x", "kestra://host/x", "kestra:///"],
)
def test_addresses_that_are_no_stored_files_are_refused(api: Api, make_execution: MakeExecution, path: str) -> None:
    assert api.get(f"/executions/{make_execution().id}/file", path=path).status_code == 422


def test_a_missing_file_is_not_found(api: Api, make_execution: MakeExecution) -> None:
    execution = make_execution()
    uri = _store(execution.id, "there", b"x").replace("there", "gone")

    assert api.get(f"/executions/{execution.id}/file", path=uri).status_code == 404

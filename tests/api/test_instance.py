"""The installation itself: configuration, health, plugins, unknown addresses, limits and failures."""

from __future__ import annotations

import json
import logging
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from redis import Redis

from flows.api.errors import answer_exception
from flows.conf import get_settings
from flows.queries.health import WORKER_KEY_PREFIX
from tests.api.conftest import SOURCE, Api

LOG = "io.kestra.plugin.core.log.Log"


def test_the_reported_version_makes_clients_choose_the_new_dialect(api: Api) -> None:
    body = api.client.get("/api/v1/configs").json()
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))

    assert body["version"].startswith("2.")
    assert body["platformVersion"] == project["project"]["version"]
    assert body["isBasicAuthInitialized"] is True and isinstance(body["pluginsHash"], int)


@pytest.mark.usefixtures("broker_url")
def test_health_is_up_and_counts_workers_that_report(stranger: Api) -> None:
    with Redis.from_url(str(get_settings().redis_url)) as redis:
        redis.set(f"{WORKER_KEY_PREFIX}one", "x", ex=15)
        answer = stranger.client.get("/health")
        redis.delete(f"{WORKER_KEY_PREFIX}one")

    assert answer.status_code == 200
    assert answer.json()["status"] == "UP"
    assert answer.json()["details"]["workers"] == {"status": "UP", "details": {"count": 1}}
    assert stranger.client.get("/health/liveness").json() == {"status": "UP"}


@pytest.mark.usefixtures("broker_url")
def test_health_is_down_when_the_broker_does_not_answer(stranger: Api, settings: Any) -> None:
    settings.CELESTRA = {**settings.CELESTRA, "redis_url": "redis://127.0.0.1:1/0"}
    answer = stranger.client.get("/health/readiness")

    assert answer.status_code == 503
    assert answer.json()["details"]["broker"] == {"status": "DOWN"}


def test_plugins_are_listed_described_and_drawn(api: Api) -> None:
    groups = api.client.get("/api/v1/plugins").json()
    known = {entry["cls"] for group in groups["results"] for entry in group["tasks"]}
    page = api.client.get(f"/api/v1/plugins/{LOG}").json()

    assert LOG in known and groups["total"] == len(groups["results"])
    assert "message" in page["schema"]["properties"]["properties"] and "# " in page["markdown"]
    assert LOG in api.client.get("/api/v1/plugins/icons").json()
    assert api.client.get(f"/api/v1/plugins/icons/{LOG}/icon.svg")["Content-Type"] == "image/svg+xml"
    assert api.client.get("/api/v1/plugins/io.example.Nope").status_code == 404
    assert api.client.get("/api/v1/plugins/schemas/flow").json()["type"] == "object"
    assert api.client.get("/api/v1/plugins/schemas/sandwich").status_code == 400
    assert any(one["type"] == "STRING" for one in api.client.get("/api/v1/plugins/inputs").json())
    assert api.client.get("/api/v1/plugins/inputs/STRING").status_code == 200
    assert api.client.get("/api/v1/plugins/triggers").json()["total"] > 0


@pytest.mark.parametrize("path", ["/api/v1/main/nope", "/api/v2/x", "/api/", "/api/v1/other/flows/search", "/api/v1/main/people"])
def test_unknown_addresses_answer_in_json(api: Api, path: str) -> None:
    answer = api.client.get(path)

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["title"] == "Not Found"


def test_a_wrong_method_answers_in_json(api: Api) -> None:
    answer = api.call("PATCH", "/flows/search")

    assert answer.status_code == 405 and answer.json()["status"] == 405
    assert "GET" in answer["Allow"]


def test_an_error_has_the_keys_of_all_clients_and_no_type(api: Api) -> None:
    body = api.get("/executions/nope").json()

    assert {"message", "title", "status", "detail", "_links"} <= set(body)
    assert "type" not in body and body["detail"] == body["message"]
    assert body["_links"]["self"]["href"] == "/api/v1/main/executions/nope"


def test_doubled_slashes_and_one_at_the_end_are_tidied_once(api: Api, daily: dict[str, Any]) -> None:
    assert api.client.get("/api/v1//main/flows//search").json()["total"] == 1
    assert api.client.get("/api/v1/main/flows/search/").json()["total"] == 1


def test_no_accept_header_is_ever_refused(api: Api, daily: dict[str, Any]) -> None:
    for accept in ("text/html", "application/octet-stream", "application/yaml", "image/png", "nonsense"):
        assert api.client.get("/api/v1/main/flows/search", headers={"accept": accept}).status_code == 200


def test_a_body_beyond_the_limit_is_refused_by_name(api: Api) -> None:
    answer = api.send_yaml("POST", "/flows", "x" * (get_settings().max_body_bytes + 1))

    assert answer.status_code == 413
    assert "max_body_bytes" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "word"),
    [
        ("POST", "/flows", "", "application/x-yaml", 422, "body"),
        ("POST", "/flows", b"\xff\xfe", "application/x-yaml", 422, "UTF-8"),
        ("POST", "/flows", "a: [", "application/x-yaml", 422, "line"),
        ("POST", "/flows", "{", "application/json", 422, "Invalid json"),
        ("POST", "/flows", "[1]", "application/json", 422, "object"),
        ("POST", "/executions/latest", "{}", "application/json", 422, "list"),
        ("POST", "/executions/latest", "[" * 100_000, "application/json", 422, "Invalid json"),
        ("DELETE", "/executions/by-ids", "[1]", "application/json", 422, "texts"),
        ("PUT", "/triggers/set-disabled", '{"namespace": "a"}', "application/json", 422, "flowId"),
        ("POST", "/executions/0123456789abcdef/state", '{"taskRunId": 1}', "application/json", 422, "taskRunId"),
        ("POST", "/executions/labels/by-ids", '{"executionsId": "x"}', "application/json", 422, "executionsId"),
        ("PUT", "/namespaces/company/secrets", '{"key": 1}', "application/json", 422, "value"),
        ("POST", "/namespaces/company/files?path=a", "x", "text/plain", 422, "fileContent"),
        ("DELETE", "/triggers/delete/by-query", '{"filters": 1}', "application/json", 400, "filters"),
        ("POST", "/executions/a/b", "x", "multipart/form-data", 400, "multipart"),
    ],
)
def test_bad_bodies_get_a_clear_refusal(api: Api, method: str, path: str, body: Any, kind: str, status: int, word: str) -> None:
    answer = api.send(method, path, body, kind)

    assert answer.status_code == status, answer.content
    assert word in answer.json()["message"]


def test_characters_that_cannot_be_stored_are_refused(api: Api) -> None:
    assert api.get("/executions/search?q=%00").status_code == 400
    assert api.get("/namespaces/search?q=a%00").status_code == 400
    assert api.send("PUT", "/namespaces/company/kv/key", '"a\\u0000b"').status_code == 422
    assert api.send("POST", "/namespaces", {"id": "a\0b"}).status_code == 422


def test_a_bug_shows_a_number_and_nothing_else(rf: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = answer_exception(rf.get("/api/v1/main/x"), RuntimeError("select password from /etc/passwd"))
    body = json.loads(answer.content)

    assert answer.status_code == 500
    assert "password" not in answer.content.decode() and "Traceback" not in answer.content.decode()
    assert answer["X-Correlation-Id"] in body["message"]
    assert caplog.records[-1].correlation == answer["X-Correlation-Id"]  # type: ignore[attr-defined]
    assert caplog.records[-1].exc_info


@override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=10)
def test_too_many_parameters_are_refused(api: Api) -> None:
    answer = api.get("/executions/search?" + "&".join(f"a{number}=1" for number in range(20)))

    assert answer.status_code == 413


def test_reading_changes_nothing(api: Api, daily: dict[str, Any]) -> None:
    for path in ("/flows/disable/by-query", "/executions/company.team/daily", "/flows/company.team"):
        assert api.get(path).status_code in (200, 404, 405)

    assert api.get("/flows/company.team/daily", source="true").json()["source"] == SOURCE

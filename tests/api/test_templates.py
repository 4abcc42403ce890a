"""Templates over the API: YAML and JSON in, JSON out."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import Api

SOURCE = """\
id: greeting
namespace: company.team
description: Says hello
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hello
"""


def test_a_template_can_be_saved_read_changed_and_deleted(api: Api) -> None:
    created = api.send_yaml("POST", "/templates", SOURCE)
    changed = api.send_yaml("PUT", "/templates/company.team/greeting", SOURCE + "# a remark\n")
    found = api.get("/templates/company.team/greeting", source="true").json()
    deleted = api.call("DELETE", "/templates/company.team/greeting")

    assert (created.status_code, changed.status_code, deleted.status_code) == (200, 200, 204)
    assert found["revision"] == changed.json()["revision"] == 2
    assert (found["id"], found["namespace"], found["tasks"][0]["id"]) == ("greeting", "company.team", "say")
    assert found["source"] == SOURCE + "# a remark\n"
    assert api.get("/templates/company.team/greeting").status_code == 404


def test_what_was_read_can_be_sent_back_as_json(api: Api) -> None:
    data = api.send_yaml("POST", "/templates", SOURCE).json()
    data["description"] = "Says good day"

    answer = api.call("PUT", "/templates/company.team/greeting", data=json.dumps(data), content_type="application/json")

    assert answer.status_code == 200, answer.content
    assert answer.json()["description"] == "Says good day"


def test_a_search_finds_templates_by_text_and_namespace(api: Api) -> None:
    api.send_yaml("POST", "/templates", SOURCE)
    api.send_yaml("POST", "/templates", SOURCE.replace("greeting", "farewell").replace("company.team", "other"))

    assert [row["id"] for row in api.get("/templates/search").json()["results"]] == ["greeting", "farewell"]
    assert [row["id"] for row in api.get("/templates/search", q="fare").json()["results"]] == ["farewell"]
    assert api.get("/templates/search", namespace="company.team").json()["total"] == 1


@pytest.mark.parametrize(
    ("method", "path", "source", "status"),
    [
        ("POST", "/templates", SOURCE, 422),
        ("POST", "/templates", SOURCE.replace("core.log.Log", "core.log.Lag").replace("greeting", "wrong"), 422),
        ("POST", "/templates", "tasks: []", 422),
        ("POST", "/templates", "- 1", 422),
        ("PUT", "/templates/company.team/greeting", SOURCE.replace("greeting", "other"), 422),
        ("PUT", "/templates/company.team/none", SOURCE.replace("greeting", "none"), 404),
        ("DELETE", "/templates/company.team/none", "", 404),
    ],
)
def test_what_cannot_be_saved_is_refused(api: Api, method: str, path: str, source: str, status: int) -> None:
    api.send_yaml("POST", "/templates", SOURCE)

    answer = api.send_yaml(method, path, source)

    assert answer.status_code == status, answer.content
    assert answer.json()["message"]


def test_a_stranger_sees_no_template(api: Api, stranger: Api) -> None:
    api.send_yaml("POST", "/templates", SOURCE)

    assert stranger.get("/templates/company.team/greeting").status_code == 401
    assert stranger.get("/templates/search").status_code == 401


def test_there_are_no_templates_while_they_are_switched_off(api: Api, settings: pytest.FixtureRequest) -> None:
    api.send_yaml("POST", "/templates", SOURCE)
    settings.CELESTRA = {**settings.CELESTRA, "templates_enabled": False}  # type: ignore[attr-defined]

    assert api.get("/templates/company.team/greeting").status_code == 404
    assert api.get("/templates/search").status_code == 404

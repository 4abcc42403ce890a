"""Search and replace over the sources of flows, and the change of one task."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.api.conftest import SOURCE, Api

COMMENTED = (
    SOURCE.replace("tasks:\n", "tasks:\n  # first of all\n")
    + "  - id: bye # last\n    type: io.kestra.plugin.core.log.Log\n    message: Bye\n"
)


@pytest.fixture(autouse=True)
def _two_flows(alice: User, api: Api) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    api.send_yaml("POST", "/flows", COMMENTED)
    api.send_yaml("POST", "/flows", SOURCE.replace("id: daily", "id: weekly").replace("company.team", "company.other"))


def source_of(api: Api, name: str) -> str:
    return str(api.get(f"/flows/{name}", source="true").json()["source"])


def test_a_preview_shows_the_lines_and_stores_nothing(api: Api) -> None:
    found = api.send("POST", "/flows/source/replace/preview", {"q": "hello", "replacement": "Good day"}).json()

    lines = {one["id"]: [(line["before"].strip(), line["after"].strip()) for line in one["matches"]] for one in found["flows"]}
    assert (found["totalFlows"], found["editableFlowCount"], found["totalMatches"]) == (2, 2, 4)
    assert lines["weekly"] == [("- id: hello", "- id: Good day"), ("message: Hello", "message: Good day")]
    assert "Good day" not in source_of(api, "company.other/weekly")


def test_a_replacement_saves_what_stays_valid_and_says_why_the_rest_does_not(api: Api) -> None:
    body = {"q": "message: Hello", "replacement": "message: Good day", "caseSensitive": True}
    done = api.send("POST", "/flows/source/replace/apply", body).json()
    broken = api.send(
        "POST", "/flows/source/replace/apply", {"q": "io.kestra.plugin.core.log.Log", "replacement": "no.such.Type"}
    )

    assert {(one["id"], one["revision"]) for one in done["updated"]} == {("daily", 2), ("weekly", 2)}
    assert [one["reason"] for one in broken.json()["skipped"]] == ["INVALID_FLOW", "INVALID_FLOW"]
    assert all("no.such.Type" in one["message"] for one in broken.json()["skipped"])
    assert "message: Good day" in source_of(api, "company.team/daily")


def test_a_replacement_stays_in_its_namespace(api: Api) -> None:
    done = api.send(
        "POST",
        "/flows/source/replace/apply",
        {"q": "Hello", "replacement": "Hi", "namespace": "company.team", "caseSensitive": True},
    )

    assert [one["id"] for one in done.json()["updated"]] == ["daily"]


def test_a_replacement_touches_only_the_flows_that_are_named(api: Api) -> None:
    named = [{"namespace": "company.team", "id": "daily"}, {"namespace": "company.team", "id": "unknown"}]
    body = {"query": "message: Hello", "replacement": "message: Hi", "caseSensitive": True, "flows": named}
    done = api.send("POST", "/flows/source/replace/apply", body).json()
    again = api.send("POST", "/flows/source/replace/apply", body).json()

    assert [one["id"] for one in done["updated"]] == ["daily"]
    assert [(one["id"], one["reason"]) for one in done["skipped"]] == [("unknown", "NOT_FOUND")]
    assert [(one["id"], one["reason"]) for one in again["skipped"]] == [("daily", "NO_MATCH"), ("unknown", "NOT_FOUND")]
    assert "message: Hello" in source_of(api, "company.other/weekly")


def test_a_pattern_may_use_its_groups(api: Api) -> None:
    body = {"q": r"message: (\w+)", "replacement": r"message: Oh \1", "regex": True, "namespace": "company.other"}

    api.send("POST", "/flows/source/replace/apply", body)

    assert "message: Oh Hello" in source_of(api, "company.other/weekly")


def test_one_line_can_be_replaced_alone(api: Api) -> None:
    number = COMMENTED.splitlines().index("    message: Bye") + 1
    body = {"q": "message", "replacement": "message", "namespace": "company.team", "flowId": "daily", "line": number}

    refused = api.send("POST", "/flows/source/replace/line", body)
    done = api.send("POST", "/flows/source/replace/line", {**body, "q": "Bye", "replacement": "See you"})

    assert refused.status_code == 422
    assert done.json()["lines"] == [{"line": number, "before": "    message: Bye", "after": "    message: See you"}]


@pytest.mark.parametrize(
    "body", [{}, {"q": "", "replacement": "a"}, {"q": "(", "replacement": "a", "regex": True}, {"q": 1, "replacement": "a"}]
)
def test_a_search_without_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.send("POST", "/flows/source/replace/preview", body).status_code in (400, 422)


def test_one_task_is_replaced_and_comments_stay(api: Api) -> None:
    task = {"id": "hello", "type": "io.kestra.plugin.core.log.Log", "message": "Changed", "level": "WARN"}

    answer = api.send("PATCH", "/flows/company.team/daily/hello", task)

    source = source_of(api, "company.team/daily")
    assert answer.json()["revision"] == 2
    assert "# first of all" in source and "- id: bye # last" in source
    assert [one["id"] for one in answer.json()["tasks"]] == ["hello", "bye"]
    assert answer.json()["tasks"][0]["level"] == "WARN"


def test_a_task_under_another_name_or_of_an_unknown_flow_is_refused(api: Api) -> None:
    task = {"id": "other", "type": "io.kestra.plugin.core.log.Log", "message": "Changed"}

    assert api.send("PATCH", "/flows/company.team/daily/hello", task).status_code == 422
    assert api.send("PATCH", "/flows/company.team/none/other", task).status_code == 404

"""Blueprints, rendered expressions and the recount of slots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from flows.models import Flow
from tests.api.conftest import SOURCE, Api, MakeExecution

HELLO = (Path(settings.BASE_DIR) / "examples" / "hello_world.yaml").read_text()


def test_the_examples_are_offered_as_blueprints(api: Api) -> None:
    page = api.get("/blueprints/community/FLOW", size=100).json()
    row = next(row for row in page["results"] if row["id"] == "hello_world")

    assert page["total"] == len(page["results"]) > 1
    assert row["title"] == HELLO.splitlines()[0].removeprefix("# ")
    assert row["includedTasks"] == sorted(row["includedTasks"]) and len(row["includedTasks"]) > 1
    assert api.get("/blueprints/community/flow", q="HELLO_world").json()["total"] == 1
    assert api.get("/blueprints/community/DASHBOARD").json() == {"results": [], "total": 0}


def test_a_blueprint_shows_its_text_and_graph(api: Api) -> None:
    shown = api.get("/blueprints/community/FLOW/hello_world").json()
    source = api.get("/blueprints/community/flow/hello_world/source")

    assert (shown["id"], shown["source"], shown["kind"]) == ("hello_world", HELLO, "FLOW")
    assert source.content.decode() == HELLO and source["Content-Type"].startswith("application/yaml")
    assert len(api.get("/blueprints/community/FLOW/hello_world/graph").json()["nodes"]) > 2


def test_unknown_blueprints_are_not_found(api: Api) -> None:
    for path in ("FLOW/nope", "APP/hello_world", "SPACESHIP", "FLOW/nope/source", "FLOW/nope/graph"):
        assert api.get(f"/blueprints/community/{path}").status_code == 404, path


def test_several_expressions_are_rendered_in_an_execution(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution(inputs={"day": "monday"})
    body = {"executionId": execution.id, "expressions": ["{{ inputs.day | upper }}", "{{ nope.nope }}", "plain"]}
    answer = api.send("POST", "/expressions/render", body).json()

    assert answer == {"rendered": {"{{ inputs.day | upper }}": "MONDAY", "{{ nope.nope }}": "{{ nope.nope }}", "plain": "plain"}}
    assert api.send("POST", "/expressions/render", {"expressions": "x"}).status_code == 422
    assert api.send("POST", "/expressions/render", {"expressions": []}).status_code == 422


def test_a_wrong_count_of_slots_is_put_right(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    limited = SOURCE.replace("tasks:", "concurrency: {limit: 2, behavior: QUEUE}\ntasks:")
    unlimited = api.send("PUT", "/concurrency-limit/company.team/daily", {"running": 0}).status_code
    api.send_yaml("PUT", "/flows/company.team/daily", limited)
    make_execution("RUNNING", slot_held=True)
    Flow.objects.update(running_count=2)
    answer = api.send("PUT", "/concurrency-limit/company.team/daily", {"running": 0}).json()

    assert unlimited == 409
    assert answer == {"tenantId": "main", "namespace": "company.team", "flowId": "daily", "running": 1, "limit": 2}
    assert api.send("PUT", "/concurrency-limit/company.team/nope", {}).status_code == 404

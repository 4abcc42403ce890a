"""Blueprints through the API: those of the product, those that people save, and templates with blanks."""

from __future__ import annotations

from typing import Any

from flows.queries.blueprints import get_blueprint, list_blueprints
from tests.api.conftest import Api
from tests.blueprints.texts import TEMPLATE

HELLO = get_blueprint("hello_inputs").source
FLOW = """id: saved
namespace: company.team
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "Hello {{ flow.id }}"
"""


def save(api: Api, **changes: Any) -> Any:
    """Send a blueprint and return the answer."""
    return api.send("POST", "/blueprints/flows", {"title": "Saved", "source": FLOW, "tags": ["etl", "mine"], **changes})


def test_the_blueprints_of_the_product_are_listed(api: Api) -> None:
    page = api.get("/blueprints/community/FLOW", size=1000).json()
    row = next(row for row in page["results"] if row["id"] == "hello_inputs")

    assert page["total"] == len(page["results"]) == len(list_blueprints())
    assert row["title"] == "Hello, inputs and outputs" and row["tags"] == ["getting-started"]
    assert row["includedTasks"] == ["io.kestra.plugin.core.debug.Return", "io.kestra.plugin.core.log.Log"]


def test_blueprints_are_found_by_words_and_tags(api: Api) -> None:
    both = api.get("/blueprints/community/flow", q="CSV parquet").json()["results"]
    tagged = api.get("/blueprints/community/flow", tags="sql,quality", size=100).json()["results"]
    filtered = api.client.get("/api/v1/main/blueprints/community/FLOW?filters[q][EQUALS]=parquet&filters[tags][IN]=files").json()

    assert [row["id"] for row in both] == ["csv_to_parquet"] or {row["id"] for row in both} >= {"csv_to_parquet"}
    assert tagged and all({"sql", "quality"} <= set(row["tags"]) for row in tagged)
    assert filtered["total"] >= 1


def test_blueprints_are_sorted_and_paged(api: Api) -> None:
    first = api.get("/blueprints/community/FLOW", sort="title:asc", size=3).json()
    last = api.get("/blueprints/community/FLOW", sort="title:desc", size=1000).json()
    titles = [row["title"].lower() for row in last["results"]]

    assert len(first["results"]) == 3 and first["results"][0]["title"].lower() == titles[-1]
    assert titles == sorted(titles, reverse=True)
    assert api.get("/blueprints/community/FLOW", sort="colour:asc").status_code == 422


def test_a_blueprint_shows_its_text_and_graph(api: Api) -> None:
    shown = api.get("/blueprints/community/FLOW/hello_inputs").json()
    source = api.get("/blueprints/community/flow/hello_inputs/source")

    assert (shown["id"], shown["source"], shown["kind"]) == ("hello_inputs", HELLO, "FLOW")
    assert source.content.decode() == HELLO and source["Content-Type"].startswith("application/yaml")
    assert len(api.get("/blueprints/community/FLOW/hello_inputs/graph").json()["nodes"]) > 2


def test_the_tags_have_names(api: Api) -> None:
    tags = {tag["id"]: tag["name"] for tag in api.get("/blueprints/community/FLOW/tags").json()}

    assert tags["etl"] == "ETL" and tags["getting-started"] == "Getting started"


def test_dashboards_are_blueprints_too_and_there_are_no_apps(api: Api) -> None:
    found = api.get("/blueprints/community/DASHBOARD").json()["results"]

    assert [row["id"] for row in found] == ["operations_overview"]
    assert api.get("/blueprints/community/APP").json() == {"results": [], "total": 0}
    assert api.get("/blueprints/community/DASHBOARD/operations_overview").json()["kind"] == "DASHBOARD"


def test_unknown_blueprints_are_not_found(api: Api) -> None:
    paths = (
        "FLOW/nope",
        "APP/hello_inputs",
        "SPACESHIP",
        "FLOW/nope/source",
        "FLOW/nope/graph",
        "DASHBOARD/operations_overview/graph",
    )
    for path in paths:
        assert api.get(f"/blueprints/community/{path}").status_code == 404, path
    for path in ("flows/nope", "flow/nope", "custom/nope", "custom/nope/source"):
        assert api.get(f"/blueprints/{path}").status_code == 404, path
    assert api.send("DELETE", "/blueprints/custom/nope").status_code == 404
    assert api.send("PUT", "/blueprints/flows/nope", {"title": "x", "source": FLOW}).status_code == 404


def test_a_flow_is_kept_as_a_blueprint_and_read_again(api: Api) -> None:
    saved = save(api, description="Says **hello**.").json()

    shown = api.get(f"/blueprints/flows/{saved['id']}").json()
    assert (
        shown == saved == api.get(f"/blueprints/flow/{saved['id']}").json() == api.get(f"/blueprints/custom/{saved['id']}").json()
    )
    assert (shown["title"], shown["tags"], shown["source"], shown["flow"]) == ("Saved", ["etl", "mine"], FLOW, FLOW)
    assert shown["includedTasks"] == ["io.kestra.plugin.core.log.Log"]
    assert api.get(f"/blueprints/custom/{saved['id']}/source").content.decode() == FLOW
    assert api.get(f"/blueprints/flows/{saved['id']}/graph").json()["nodes"]


def test_own_blueprints_are_searched_changed_and_deleted(api: Api) -> None:
    saved_id = save(api).json()["id"]
    save(api, title="Another", tags=[])

    found = api.get("/blueprints/custom", tags="mine").json()
    changed = api.send("PUT", f"/blueprints/custom/{saved_id}", {"title": "Renamed", "source": FLOW})
    deleted = api.send("DELETE", f"/blueprints/flows/{saved_id}")

    assert [row["id"] for row in found["results"]] == [saved_id] and "source" not in found["results"][0]
    assert (changed.json()["title"], changed.json()["tags"]) == ("Renamed", [])
    assert deleted.status_code == 204
    assert [row["title"] for row in api.get("/blueprints/flows").json()["results"]] == ["Another"]
    assert api.get("/blueprints/community/FLOW", q="another").json()["total"] == len(list_blueprints("another"))


def test_a_blueprint_with_faults_is_refused_with_every_reason(api: Api) -> None:
    broken = save(api, source="id: broken\nnamespace: company.team\ntasks: []\ncolour: red\n")

    assert broken.status_code == 422
    assert len(broken.json()["_embedded"]["errors"]) == 2
    for body in ({"title": "x"}, {"source": FLOW}, {"title": "", "source": FLOW}, {"title": "x" * 151, "source": FLOW}, []):
        assert api.send("POST", "/blueprints/flows", body).status_code == 422, body
    for tags in ("etl", [1], ["x" * 61], [str(number) for number in range(21)]):
        assert save(api, tags=tags).status_code == 422, tags


def test_a_template_is_filled_in_and_leaves_the_expressions_of_the_flow_alone(api: Api) -> None:
    saved = save(api, source=TEMPLATE).json()
    values = {"name": "two_steps", "steps": ["load", "check"]}

    made = api.send("POST", f"/blueprints/flows/{saved['id']}/use-template", {"templateArgumentsInputs": values}).json()

    assert set(saved["template"]["templateArguments"]) == {"name", "steps"}
    assert made["generatedFlowSource"].startswith("id: two_steps\n") and "extend" not in made["generatedFlowSource"]
    assert 'message: "{{ flow.id }} does CHECK"' in made["generatedFlowSource"]
    assert api.send_yaml("POST", "/flows", made["generatedFlowSource"]).status_code == 200


def test_a_template_says_which_argument_is_missing_or_wrong(api: Api) -> None:
    saved_id = save(api, source=TEMPLATE).json()["id"]
    faulty = TEMPLATE.replace("type: STRING}\n", "type: COLOUR}\n", 1)

    missing = api.send("POST", f"/blueprints/flows/{saved_id}/use-template", {"templateArgumentsInputs": {}})
    wrong = api.send("POST", f"/blueprints/flows/{saved_id}/use-template", {"templateArgumentsInputs": [1]})
    blank = save(api, source=TEMPLATE.replace("arg.name", "arg.nothing")).json()["id"]
    unknown = api.send("POST", f"/blueprints/flows/{blank}/use-template", {"templateArgumentsInputs": {"name": "x"}})

    assert missing.status_code == 422 and "name" in missing.json()["message"]
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert save(api, source=faulty).status_code == 422

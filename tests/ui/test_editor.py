"""What the flow editor asks the server: suggestions, explanations, changes of tasks, panels, playground runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.language.source import read_document
from flows.models import Execution, Flow, KeyValue
from flows.operations import namespace_files
from flows.queries.blueprints import list_blueprints
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_execution, save_task_run

HOSTILE = "<script>alert(1)</script>"
WITH_OUTPUTS = SOURCE.replace(
    "  - id: each\n",
    '  - id: after\n    type: io.kestra.plugin.core.debug.Return\n    format: "{{ outputs.hello. }}"\n  - id: each\n',
)

pytestmark = pytest.mark.django_db


def ask(client: Client, url: str, source: str, line: int, column: int, **more: Any) -> Any:
    body = {"source": source, "line": line, "column": column, "flow": f"{NAMESPACE}/{FLOW_ID}", **more}
    return client.post(url, json.dumps(body), content_type="application/json")


def place_of(source: str, text: str) -> tuple[int, int]:
    """Return line and column (from 1) behind a text."""
    before = source[: source.index(text) + len(text)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def shown(answer: Any) -> list[str]:
    return [item[0] for item in answer.json()["items"]]


def test_outputs_of_earlier_tasks_come_with_the_values_of_the_last_run(alice: Client, flow: Flow) -> None:
    save_task_run(save_execution(), "hello", outputs={"rows": 42})

    answer = ask(alice, "/ui/flows/suggest", WITH_OUTPUTS, *place_of(WITH_OUTPUTS, "outputs.hello."))

    assert ["rows", "outputs.hello.rows", "of hello", "last run: 42", 200] in answer.json()["items"]


def test_labels_of_the_text_are_suggested_beside_those_of_the_last_run(alice: Client, flow: Flow) -> None:
    save_execution(labels=[{"key": "ticket", "value": "42"}, {"key": "system.from", "value": "x"}])
    source = SOURCE.replace("inputs:\n", "labels:\n  team: data\ninputs:\n", 1).replace("inputs.name", "labels.")

    items = ask(alice, "/ui/flows/suggest", source, *place_of(source, "{{ labels.")).json()["items"]

    assert [(name, note) for name, _, _, note, _ in items] == [("team", ""), ("ticket", "last run: 42")]


def test_the_expression_under_the_cursor_stands_ready_to_be_evaluated(alice: Client, flow: Flow) -> None:
    save_execution()
    place = place_of(SOURCE, "{{ inputs.na")

    panel = ask(alice, "/ui/flows/panel/docs", SOURCE, *place).content.decode()
    elsewhere = ask(alice, "/ui/flows/panel/docs", SOURCE, 1, 1).content.decode()
    hover = ask(alice, "/ui/flows/explain", SOURCE, *place).content.decode()

    assert ">{{ inputs.name }}</textarea>" in panel
    assert "></textarea>" in elsewhere
    assert 'data-panel="docs"' in hover


def test_the_tasks_of_a_blueprint_come_after_the_one_at_the_cursor(alice: Client, flow: Flow) -> None:
    blueprint = list_blueprints("")[0].id

    source = edit(alice, act="insert", blueprint=blueprint, element="hello").json()["source"]

    ids = [task["id"] for task in read_document(source).data["tasks"]]
    assert (ids[0], ids[-1]) == ("hello", "each")
    assert len(ids) > 2


def test_the_index_of_types_holds_the_texts_of_the_side_box(alice: Client) -> None:
    index = alice.get("/ui/completion").json()

    log = index["types"]["io.kestra.plugin.core.log.Log"]
    properties = {row[0]: row for row in log["p"]}
    assert log["d"].splitlines()[-2:] == ["io.kestra.plugin.core.log.Log", "required: message"]
    assert properties["message"][2] == 1 and ", required" in properties["message"][4]
    chosen = next(row for entry in index["types"].values() for row in entry["p"] if row[3])
    assert chosen[4].splitlines()[-1] == f"One of {', '.join(map(str, chosen[3]))}"
    assert '<option value="io.kestra.plugin.core.log.Log">' in index["add"]


def test_a_later_task_is_not_suggested(alice: Client, flow: Flow) -> None:
    source = WITH_OUTPUTS.replace("outputs.hello.", "outputs.")

    names = shown(ask(alice, "/ui/flows/suggest", source, *place_of(source, "{{ outputs.")))

    assert names == ["hello"]


def test_inputs_keys_functions_and_filters_are_suggested_where_they_fit(alice: Client, flow: Flow) -> None:
    KeyValue.objects.create(namespace="company", key="token_count", kind="NUMBER", value=1, created_at=AT, updated_at=AT)
    for typed, wanted in (("inputs.", "loud"), ("kv('", "token_count"), ("inputs.name | ", "upper"), ("", "outputs")):
        source = SOURCE.replace("hello {{ inputs.name }}", f"{{{{ {typed} }}}}")
        line, column = place_of(source, f"{{{{ {typed}")

        assert wanted in shown(ask(alice, "/ui/flows/suggest", source, line, column))


def test_namespaces_and_flows_are_suggested_outside_expressions(alice: Client, flow: Flow) -> None:
    source = SOURCE + "  - id: x\n    namespace: company.team\n    flowId: d\n"

    assert shown(ask(alice, "/ui/flows/suggest", source, *place_of(source, "flowId: d"))) == [FLOW_ID]
    assert NAMESPACE in shown(ask(alice, "/ui/flows/suggest", source, *place_of(source, "    namespace: company.team")))


def test_hovering_a_type_explains_it_and_hostile_text_stays_text(alice: Client, flow: Flow) -> None:
    place = place_of(SOURCE, "type: io.kestra.plugin.core.log.L")

    known = ask(alice, "/ui/flows/explain", SOURCE, *place)
    hostile = SOURCE.replace("hello {{ inputs.name }}", f"{{{{ {HOSTILE} }}}}")
    answer = ask(alice, "/ui/flows/explain", hostile, *place_of(hostile, "<scr"))

    assert "io.kestra.plugin.core.log.Log" in known.content.decode()
    assert HOSTILE not in answer.content.decode()


def test_hovering_nothing_says_nothing(alice: Client, flow: Flow) -> None:
    assert ask(alice, "/ui/flows/explain", "\n\n", 1, 1).content == b""


def edit(client: Client, source: str = SOURCE, **body: Any) -> Any:
    return client.post("/ui/flows/edit", json.dumps({"source": source, **body}), content_type="application/json")


def test_a_form_changes_only_the_line_of_its_property(alice: Client, flow: Flow) -> None:
    answer = edit(alice, act="form", element="hello", values={"p.message": "bye", "p.id": "hello"}).json()

    assert answer["source"] == SOURCE.replace("hello {{ inputs.name }}", "bye")
    assert answer["message"] == "hello saved: 1 line changed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"act": "add", "element": "hello", "where": "after", "type": "io.kestra.plugin.core.debug.Return"}, "  - id: return\n"),
        ({"act": "add", "element": "each", "where": "inside", "type": "io.kestra.plugin.core.log.Log"}, "      - id: log\n"),
        ({"act": "add", "type": "io.kestra.plugin.core.trigger.Webhook"}, "  - id: webhook\n"),
        ({"act": "duplicate", "element": "hello"}, "  - id: hello_copy\n"),
        ({"act": "disable", "element": "hello"}, "    disabled: true\n"),
        ({"act": "form", "element": "nightly", "kind": "trigger", "values": {"p.cron": "0 4 * * *"}}, '    cron: "0 4 * * *"\n'),
    ],
)
def test_each_change_of_the_node_menu_is_made(alice: Client, flow: Flow, body: dict[str, Any], expected: str) -> None:
    answer = edit(alice, **body)

    assert answer.status_code == 200
    assert expected in answer.json()["source"]
    assert alice.post("/ui/flows/check", answer.json()["source"], content_type="text/plain").status_code == 200


def test_moving_down_and_up_again_gives_the_same_text(alice: Client, flow: Flow) -> None:
    down = edit(alice, act="down", element="hello").json()["source"]

    assert down != SOURCE
    assert edit(alice, down, act="up", element="hello").json()["source"] == SOURCE


@pytest.mark.parametrize(
    "body", [{"act": "form", "element": "nobody"}, {"act": "explode", "element": "hello"}, {"act": "add", "type": "no.Such"}]
)
def test_an_impossible_change_says_why(alice: Client, flow: Flow, body: dict[str, Any]) -> None:
    answer = edit(alice, **body)

    assert answer.status_code == 422
    assert answer.json()["message"]


@pytest.mark.parametrize("panel", ["docs", "form", "inputs", "files", "blueprints", "playground", "difference"])
def test_each_panel_opens_within_its_queries(alice: Client, flow: Flow, panel: str) -> None:
    save_task_run(save_execution(), "hello")
    with CaptureQueriesContext(connection) as queries:
        answer = ask(alice, f"/ui/flows/panel/{panel}", SOURCE, *place_of(SOURCE, "message"), element="hello")

    assert answer.status_code == 200
    assert len(queries) <= 15


def test_a_panel_for_a_broken_text_is_no_error(alice: Client, flow: Flow) -> None:
    for panel in ("docs", "form", "inputs", "files", "blueprints", "playground"):
        assert ask(alice, f"/ui/flows/panel/{panel}", "id: [", 1, 1, element="x").status_code == 200


def test_the_check_offers_a_fix_and_the_lines_of_the_tasks(alice: Client, flow: Flow) -> None:
    answer = alice.post("/ui/flows/check", SOURCE.replace('message: "hello', 'mesage: "hello'), content_type="text/plain").json()

    assert "Change it to message" in [problem["fix"]["title"] for problem in answer["problems"] if "fix" in problem]
    assert [12, "hello", False] in answer["tasks"] or any(task[1] == "hello" for task in answer["tasks"])


@pytest.mark.django_db(transaction=True)
def test_a_playground_run_is_started_and_kept_out_of_the_lists(alice: Client, flow: Flow) -> None:
    answer = ask(alice, "/ui/flows/play", SOURCE, 1, 1, element="hello", inputs="in.name=Ada")

    assert answer.status_code == 200
    execution = Execution.objects.get(pk=answer.json()["id"])
    assert (execution.kind, execution.inputs["name"]) == ("PLAYGROUND", "Ada")
    assert execution.id[:8] not in alice.get("/ui/executions").content.decode()


def test_a_plugin_can_be_tried_in_a_new_flow(alice: Client, flow: Flow) -> None:
    for query in ("plugin=io.kestra.plugin.core.log.Log&example=0", "plugin=io.kestra.plugin.core.trigger.Schedule"):
        assert alice.get(f"/ui/flows/new?{query}").status_code == 200


def test_the_files_of_the_namespace_are_a_tree_and_one_of_them_is_open(alice: Client, flow: Flow) -> None:
    for path, content in (("/scripts/load.py", b"print('<b>')\n"), ("/image.png", b"\x89PNG\0"), ("/data.bin", b"\0<b>")):
        namespace_files.put_file(NAMESPACE, path, content, at=AT)

    def show(**more: Any) -> str:
        return str(ask(alice, "/ui/flows/panel/files", SOURCE, 1, 1, **more).content.decode())

    closed, opened = show(), show(file="scripts/load.py", open=["/scripts/load.py", "/gone.py"])

    assert 'data-file="/scripts/load.py"' in closed and "<textarea" not in closed
    assert "print(&#x27;&lt;b&gt;&#x27;)" in opened
    assert opened.count("data-file-close=") == 1
    assert "no characters" in show(file="/image.png")
    assert '<img src="data:image/png;base64,iVBORwA=" alt="/image.png">' in show(file="/image.png")
    assert "00 3c 62 3e" in show(file="/data.bin") and "<b>" not in show(file="/data.bin").partition("data-file-close")[2][:3000]


def test_a_file_that_is_not_there_opens_nothing(alice: Client, flow: Flow) -> None:
    answer = ask(alice, "/ui/flows/panel/files", SOURCE, 1, 1, file="../../etc/passwd", open="x")

    assert answer.status_code == 200
    assert "<textarea" not in answer.content.decode()


def test_a_very_long_flow_is_drawn_with_its_groups_folded(alice: Client, flow: Flow) -> None:
    group = "  - id: group\n    type: io.kestra.plugin.core.flow.Sequential\n    tasks:\n"
    inner = "      - {id: inside, type: io.kestra.plugin.core.log.Log, message: x}\n"
    short = f"id: long\nnamespace: {NAMESPACE}\ntasks:\n{group}{inner}"

    def draw(source: str) -> str:
        answer = alice.post("/ui/flows/check", source, content_type="text/plain").json()
        return str(answer["picture"])

    assert 'id="n-inside"' in draw(short)
    assert 'id="n-inside"' not in draw(short + "# more\n" * 2001)


def test_the_index_of_dashboards_says_what_may_stand_where(alice: Client) -> None:
    answer = alice.get("/ui/completion?of=dashboard")
    index = answer.json()

    charts = index["shape"][5]["charts"]
    assert charts[2] == 1
    assert charts[5]["data"][5]["columns"][5]["*"][5]["agg"][4] == ["AVG", "COUNT", "MAX", "MIN", "SUM"]
    assert index["options"]["KPI"] == ["numberType"]
    assert "STATE" in index["fields"]["ExecutionsKPI"]
    assert alice.get("/ui/completion?of=dashboard", headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_an_example_of_a_type_is_sent_alone(alice: Client) -> None:
    answer = alice.get("/ui/completion?example=io.kestra.plugin.core.flow.Pause")

    assert answer["Content-Type"].startswith("text/plain")
    assert "type: io.kestra.plugin.core.flow.Pause" in answer.content.decode()
    assert alice.get("/ui/completion?example=nothing").content == b""


def test_tasks_that_stand_in_one_line_are_tasks_as_well(alice: Client, flow: Flow) -> None:
    tasks = "  - {id: one, type: io.kestra.plugin.core.log.Log, message: x}\n  - {type: io.kestra.plugin.core.log.Log, id: two}\n"
    source = f"id: short\nnamespace: {NAMESPACE}\ninputs:\n  - {{id: name, type: STRING}}\ntasks:\n{tasks}"

    answer = alice.post("/ui/flows/check", source, content_type="text/plain").json()

    assert answer["tasks"] == [[6, "one", False], [7, "two", False]]


def test_a_misspelt_required_property_is_renamed_and_not_added_as_well(alice: Client, flow: Flow) -> None:
    source = SOURCE.replace('message: "hello', 'mesage: "hello')

    problems = alice.post("/ui/flows/check", source, content_type="text/plain").json()["problems"]

    assert [problem["fix"]["title"] for problem in problems if "fix" in problem] == ["Change it to message"]


def test_a_task_of_an_unknown_type_is_drawn_with_a_mark_and_one_with_another_fault_is_not(alice: Client, flow: Flow) -> None:
    unknown = SOURCE.replace("io.kestra.plugin.core.log.Log", "com.example.not.Installed")
    misspelt = SOURCE.replace("tasks:", "tusks:", 1)

    answers = [alice.post("/ui/flows/check", text, content_type="text/plain").json() for text in (unknown, misspelt)]

    assert "its type is not installed" in answers[0]["picture"]
    assert {problem["code"] for problem in answers[0]["problems"] if problem["severity"] == "error"} == {"unknown-task-type"}
    assert "picture" not in answers[1]


@pytest.mark.parametrize(
    "url", ["/ui/flows/panel/form", "/ui/flows/panel/inputs", "/ui/flows/edit", "/ui/flows/play", "/ui/flows/save"]
)
@pytest.mark.parametrize(
    "odd",
    [
        {"source": "\ud800"},
        {"element": "\ud800"},
        {"flow": "\ud800/daily"},
        {"values": [1]},
        {"values": "x"},
        {"inputs": {"a": ["\ud800"]}},
        {"message": "\ud800\0", "base": 1, "draft": True},
    ],
)
def test_what_no_browser_sends_is_refused_or_passed_over(alice: Client, flow: Flow, url: str, odd: dict[str, Any]) -> None:
    body = {"act": "form", "element": "hello", "base": 1, **odd}

    assert ask(alice, url, **{"source": SOURCE, "line": 1, "column": 1, **body}).status_code < 500


@pytest.mark.parametrize("url", ["/ui/flows/panel/inputs", "/ui/flows/save"])
def test_a_body_that_is_nested_without_end_is_refused(alice: Client, flow: Flow, url: str) -> None:
    assert alice.post(url, "[" * 100_000, content_type="application/json").status_code == 422


def test_a_form_without_its_boundary_is_refused_in_the_part_of_the_page_that_asked(alice: Client, flow: Flow) -> None:
    answer = alice.post("/ui/flows/panel/inputs", "x", content_type="multipart/form-data", headers={"X-Fragment": "1"})

    assert answer.status_code == 400
    assert b"cannot be read" in answer.content and b"<nav" not in answer.content

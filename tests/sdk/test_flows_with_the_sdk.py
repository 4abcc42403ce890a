"""Flows through the official client: save, read, search, change, move in bulk, delete."""

from __future__ import annotations

import io
import zipfile

import pytest
from kestrapy import IdWithNamespace, KestraClient
from kestrapy.exceptions import NotFoundException, UnprocessableEntityException
from kestrapy.models.flow_with_source import FlowWithSource
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.models.source_search_replace_apply_response import SourceSearchReplaceApplyResponse
from kestrapy.models.source_search_replace_preview_response import SourceSearchReplacePreviewResponse
from kestrapy.query import and_, eq, or_, prefix, where

from tests.sdk.conftest import TENANT, SaveFlow

LOG = """\
labels: {team: data}
inputs:
  - {id: day, type: STRING, required: false}
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: Hello}
  - id: group
    type: io.kestra.plugin.core.flow.Sequential
    tasks:
      - {id: inner, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.day }}"}
"""


def test_a_flow_is_saved_read_changed_and_deleted(client: KestraClient, namespace: str) -> None:
    text = f"id: daily\nnamespace: {namespace}\n{LOG}"
    made = client.flows.create_flow(TENANT, text)
    changed = client.flows.update_flow(namespace, "daily", TENANT, text.replace("Hello", "Good morning"))
    read = client.flows.flow(namespace, "daily", TENANT, source=True)
    revisions = client.flows.list_flow_revisions(namespace, "daily", TENANT)
    old = client.flows.flow(namespace, "daily", TENANT, revision=1, source=True)
    task = client.flows.task_from_flow(namespace, "daily", "inner", TENANT)
    client.flows.delete_flow(namespace, "daily", TENANT)

    assert (made.revision, changed.revision, read.revision) == (1, 2, 2)
    assert "Good morning" in read.source and "Hello" in old.source
    assert [(label.key, label.value) for label in read.labels] == [("team", "data")]
    assert [revision.revision for revision in revisions] == [1, 2]
    assert (task.id, task.type) == ("inner", "io.kestra.plugin.core.debug.Return")
    with pytest.raises(NotFoundException):
        client.flows.flow(namespace, "daily", TENANT)


def test_a_flow_is_saved_from_an_object(client: KestraClient, namespace: str) -> None:
    flow = {"id": "made", "namespace": namespace, "tasks": [{"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "x"}]}
    made = client.flows.create_flow_from_object(TENANT, flow)
    flow["description"] = "Made by a program"
    changed = client.flows.update_flow_from_object(namespace, "made", TENANT, flow)

    assert (made.revision, changed.revision, changed.description) == (1, 2, "Made by a program")


def test_a_draft_is_kept_and_published_from_an_object(client: KestraClient, namespace: str) -> None:
    flow = {"id": "made", "namespace": namespace, "tasks": [{"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "x"}]}
    kept = client.flows.create_flow_from_object(TENANT, flow, draft=True)
    with pytest.raises(UnprocessableEntityException):
        client.executions.create_execution(TENANT, namespace, "made", wait=False)
    published = client.flows.update_flow_from_object(namespace, "made", TENANT, flow)
    again = client.flows.update_flow_from_object(namespace, "made", TENANT, {**flow, "description": "Not yet"}, draft=True)
    revisions = client.flows.list_flow_revisions(namespace, "made", TENANT)

    assert [(one.revision, one.draft) for one in (kept, published, again)] == [(1, True), (2, False), (3, True)]
    assert [one.draft for one in revisions] == [True, False, True]


def test_a_faulty_flow_is_refused_with_its_faults(client: KestraClient, namespace: str) -> None:
    faulty = f"id: faulty\nnamespace: {namespace}\ntasks: []\n"
    checks = client.flows.validate_flows(TENANT, f"{faulty}---\nid: good\nnamespace: {namespace}\n{LOG}")

    assert [check.index for check in checks] == [0, 1]
    assert "tasks" in checks[0].constraints and checks[1].constraints is None
    with pytest.raises(UnprocessableEntityException) as raised:
        client.flows.create_flow(TENANT, faulty)
    assert "Invalid entity" in raised.value.body


def test_a_task_and_a_trigger_are_checked_alone(client: KestraClient) -> None:
    good = client.flows.validate_task("TASKS", TENANT, "id: a\ntype: io.kestra.plugin.core.log.Log\nmessage: x\n")
    bad = client.flows.validate_task("TASKS", TENANT, "id: a\ntype: io.kestra.plugin.core.log.Lag\n")
    trigger = client.flows.validate_trigger(
        TENANT, {"id": "a", "type": "io.kestra.plugin.core.trigger.Schedule", "cron": "0 1 * * *"}
    )

    assert (good.constraints, trigger.constraints) == (None, None)
    assert "io.kestra.plugin.core.log.Log" in bad.constraints


def test_flows_are_found_by_filters_that_nest(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    for flow_id in ("one", "two", "three"):
        save_flow(LOG, flow_id)
    filters = where(
        and_(
            prefix(QueryFilterField.NAMESPACE, "sdk"),
            eq(QueryFilterField.NAMESPACE, namespace),
            or_(eq(QueryFilterField.FLOW_ID, "one"), eq(QueryFilterField.FLOW_ID, "two")),
        )
    )
    page = client.flows.search_flows(TENANT, page=1, size=10, sort=["id:desc"], filters=filters)
    by_text = client.flows.search_flows_by_source_code(TENANT, q="inputs.day", namespace=namespace, size=2)

    assert ([flow.id for flow in page.results], page.total) == (["two", "one"], 2)
    assert (len(by_text.results), by_text.total) == (2, 3)
    assert [flow.id for flow in client.flows.list_flows_by_namespace(namespace, TENANT)] == ["one", "three", "two"]
    assert namespace in client.flows.list_distinct_namespaces(TENANT)


def test_flows_are_moved_and_switched_in_bulk(client: KestraClient, namespace: str) -> None:
    mine = where(eq(QueryFilterField.NAMESPACE, namespace))
    texts = "\n---\n".join(f"id: {name}\nnamespace: {namespace}\n{LOG}" for name in ("one", "two"))
    saved = client.flows.update_flows_in_namespace(namespace, TENANT, texts)
    names = [IdWithNamespace(namespace=namespace, id=name) for name in ("one", "two")]
    off = client.flows.disable_flows_by_ids(TENANT, names)
    on = client.flows.enable_flows_by_query(TENANT, filters=mine)
    archive = client.flows.export_flows_by_ids(TENANT, names)
    table = client.flows.export_flows_by_query_csv(TENANT, filters=mine)
    deleted = client.flows.delete_flows_by_query(TENANT, filters=mine)
    failed = client.flows.import_flows(TENANT, file_content=archive)

    assert [flow.id for flow in saved] == ["one", "two"]
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == [f"{namespace}.one.yml", f"{namespace}.two.yml"]
    assert table.count(namespace) == 2
    assert (off.count, on.count, deleted.count) == (2, 2, 2)
    assert failed == []
    assert client.flows.search_flows(TENANT, filters=mine).total == 2


def test_graphs_and_dependencies_are_read(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(LOG)
    save_flow(
        f"tasks:\n  - {{id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: {namespace}, flowId: daily}}\n", "caller"
    )
    graph = client.flows.generate_flow_graph(namespace, "daily", TENANT)
    drawn = client.flows.generate_flow_graph_from_source(TENANT, f"id: x\nnamespace: {namespace}\n{LOG}")
    topology = client.flows.flow_dependencies(namespace, "caller", TENANT)

    assert len(graph.nodes) == len(drawn.nodes) > 3
    assert {node.id for node in topology.nodes} == {"daily", "caller"}
    assert len(client.flows.flow_dependencies_from_namespace(namespace, TENANT).edges) == 1


def test_a_whole_tree_of_flows_is_brought_in_line(client: KestraClient, namespace: str) -> None:
    flows = client.flows
    texts = [f"id: {name}\nnamespace: {namespace}{below}\n{LOG}" for name, below in (("one", ""), ("two", ".sub"))]
    both = "\n---\n".join(texts)
    saved = flows.bulk_update_flows(TENANT, delete=False, namespace=namespace, allow_namespace_child=True, body=both)
    kept = flows.bulk_update_flows(TENANT, delete=True, namespace=namespace, allow_namespace_child=True, body=texts[0])
    left = flows.search_flows(TENANT, filters=where(prefix(QueryFilterField.NAMESPACE, namespace)))

    assert [(flow.id, flow.revision) for flow in saved] == [("one", 1), ("two", 1)]
    assert {flow.id: flow.deleted for flow in kept} == {"one": False, "two": True}
    assert [flow.id for flow in left.results] == ["one"]


def test_flows_are_switched_exported_and_deleted_by_name_and_by_query(
    client: KestraClient, namespace: str, save_flow: SaveFlow
) -> None:
    flows, mine = client.flows, where(eq(QueryFilterField.NAMESPACE, namespace))
    for flow_id in ("one", "two"):
        save_flow(LOG, flow_id)
    names = [IdWithNamespace(namespace=namespace, id=name) for name in ("one", "two")]
    off = flows.disable_flows_by_query(TENANT, filters=mine)
    on = flows.enable_flows_by_ids(TENANT, names[:1])
    archive = flows.export_flows_by_query(TENANT, filters=mine)
    states = {flow.id: flow.disabled for flow in flows.list_flows_by_namespace(namespace, TENANT)}
    deleted = flows.delete_flows_by_ids(TENANT, names)

    assert (off.count, on.count, deleted.count) == (2, 1, 2)
    assert states == {"one": False, "two": True}
    assert len(zipfile.ZipFile(io.BytesIO(archive)).namelist()) == 2
    assert flows.search_flows(TENANT, filters=mine).total == 0


def test_old_revisions_are_dropped(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow(LOG)
    for word in ("Good morning", "Good day", "Good night"):
        text = f"id: daily\nnamespace: {namespace}\n" + LOG.replace("Hello", word)
        client.flows.update_flow(namespace, "daily", TENANT, text)
    client.flows.delete_revisions(namespace, "daily", TENANT, [1, 3])

    assert [one.revision for one in client.flows.list_flow_revisions(namespace, "daily", TENANT)] == [2, 4]
    with pytest.raises(NotFoundException):
        client.flows.flow(namespace, "daily", TENANT, revision=3)


def test_text_is_replaced_in_many_flows_and_in_one_line(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    flows = client.flows
    for flow_id in ("one", "two"):
        save_flow(LOG, flow_id)
    wanted = {"query": "message: Hello", "replacement": "message: Good day", "namespace": namespace, "caseSensitive": True}
    shown = SourceSearchReplacePreviewResponse.from_dict(flows.preview_replace_by_source_code(TENANT, wanted))
    named = [{"namespace": namespace, "id": flow_id} for flow_id in ("one", "three")]
    done = SourceSearchReplaceApplyResponse.from_dict(flows.apply_replace_by_source_code(TENANT, {**wanted, "flows": named}))
    line = next(number for number, text in enumerate(done.updated[0].source.splitlines(), 1) if "Good day" in text)
    in_line = {
        "query": "Hello",
        "caseSensitive": True,
        "replacement": "Good night",
        "namespace": namespace,
        "id": "two",
        "line": line,
    }
    changed = FlowWithSource.from_dict(flows.replace_line_by_source_code(TENANT, in_line))

    assert (shown.total_matches, shown.total_flows) == (2, 2)
    assert shown.flows[0].matches[0].line == line and "Good day" in shown.flows[0].matches[0].after
    assert [(flow.id, flow.revision) for flow in done.updated] == [("one", 2)]
    assert [(flow.id, flow.reason.value) for flow in done.skipped] == [("three", "NOT_FOUND")]
    assert (changed.id, changed.revision) == ("two", 2) and "Good night" in changed.source


def test_names_for_expressions_and_old_types_are_listed(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    save_flow("tasks:\n  - {id: say, type: io.kestra.core.tasks.log.Log, message: x}\n", "old")
    names = client.flows.expressions(TENANT, f"id: x\nnamespace: {namespace}\n{LOG}", task_id="inner")["categories"]
    old = client.flows.list_deprecated(TENANT, namespace=namespace)

    assert "day" in str(names["inputs"]) and "hello" in str(names["taskOutputs"])
    assert [(one["flowId"], one["revision"]) for one in old] == [("old", 1)]

"""Metrics through the official client: of an execution, their names and tasks, and over time."""

from __future__ import annotations

from kestrapy import KestraClient

from tests.sdk.conftest import TENANT, SaveFlow

MEASURED = """\
tasks:
  - id: count
    type: io.kestra.plugin.core.metric.Publish
    metrics:
      - {type: counter, name: rows, value: 12, tags: {table: orders}}
      - {type: timer, name: load, value: PT1.5S}
  - id: weigh
    type: io.kestra.plugin.core.metric.Publish
    metrics:
      - {type: gauge, name: weight, value: 2.5}
"""


def test_metrics_are_listed_and_summed(client: KestraClient, namespace: str, save_flow: SaveFlow) -> None:
    metrics = client.metrics
    save_flow(MEASURED)
    made = [client.executions.create_execution(TENANT, namespace, "daily", wait=True).id for _ in range(2)]
    page = metrics.execution_metrics(made[0], TENANT, page=1, size=2, task_id="count", sort=["name:desc"])
    summed = metrics.aggregate_flow_metric(namespace, "daily", "rows", TENANT, aggregation="sum")
    mean = metrics.aggregate_task_metric(
        namespace, "daily", "weigh", "weight", TENANT, start_date="2020-01-01T00:00:00Z", aggregation="avg"
    )
    none = metrics.aggregate_task_metric(namespace, "daily", "count", "weight", TENANT)

    assert [(entry["name"], entry["type"], entry["value"]) for entry in page["results"]] == [
        ("rows", "counter", 12),
        ("load", "timer", 1500),
    ]
    assert (page["total"], page["results"][0]["tags"]) == (2, {"table": "orders"})
    assert set(metrics.flow_metric_names(namespace, "daily", TENANT)) == {"load", "rows", "weight"}
    assert metrics.task_metric_names(namespace, "daily", "weigh", TENANT) == ["weight"]
    assert set(metrics.tasks_with_metrics(namespace, "daily", TENANT)) == {"count", "weigh"}
    assert sum(point["value"] or 0 for point in summed["aggregations"]) == 24
    assert max(point["value"] or 0 for point in mean["aggregations"]) == 2.5
    assert not any(point["value"] for point in none["aggregations"])

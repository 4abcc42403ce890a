"""Figures for monitoring, and the small addresses about the installation itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from flows.models import Firing, TriggerState
from flows.queries.prometheus import forget_metrics
from tests.api.conftest import AT, Api, MakeExecution

FLOW = {"tenant_id": "main", "namespace_id": "company.team", "flow_id": "daily"}


@pytest.fixture(autouse=True)
def _no_kept_figures() -> None:
    forget_metrics()


def read_figures(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of the figures by name and tags."""
    answer = api.client.get("/prometheus")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def test_figures_count_executions_task_runs_and_triggers(api: Api, make_execution: MakeExecution) -> None:
    for state in ("SUCCESS", "SUCCESS", "FAILED", "RUNNING"):
        make_execution(state, runs={"hello": state})
    for late in (1, 3):
        Firing.objects.create(
            namespace="company.team", flow_id="daily", trigger_id=f"t{late}", scheduled_at=AT,
            fired_at=AT + timedelta(seconds=late),
            execution_id="x",
        )  # fmt: skip
    TriggerState.objects.create(
        namespace="company.team", flow_id="daily", trigger_id="t", type="x", family="schedule", flow_revision=1,
        next_at=timezone.now() - timedelta(minutes=5),
    )  # fmt: skip
    found = read_figures(api)

    assert found["kestra_executor_execution_started_count_total", frozenset(FLOW.items())] == 4
    assert found["kestra_executor_execution_end_count_total", frozenset({**FLOW, "state": "SUCCESS"}.items())] == 2
    assert found["kestra_executor_execution_duration_seconds_sum", frozenset({**FLOW, "state": "SUCCESS"}.items())] == 4.0
    assert found["kestra_executor_execution_duration_seconds_max", frozenset({**FLOW, "state": "FAILED"}.items())] == 2.0
    assert found["kestra_executor_taskrun_ended_count_total", frozenset({("tenant_id", "main"), ("state", "FAILED")})] == 1
    assert found["kestra_scheduler_trigger_delay_duration_seconds_count", frozenset(FLOW.items())] == 2
    assert found["kestra_scheduler_trigger_delay_duration_seconds_sum", frozenset(FLOW.items())] == 4.0
    assert found["kestra_scheduler_trigger_late", frozenset()] == 1


def test_figures_are_computed_once_for_many_scrapes(api: Api, make_execution: MakeExecution) -> None:
    make_execution()
    first = read_figures(api)
    make_execution()

    assert read_figures(api) == first
    assert api.client.get("/metrics").content == api.client.get("/prometheus").content


def test_figures_are_not_for_strangers(stranger: Api) -> None:
    assert stranger.client.get("/prometheus").status_code == 401
    assert stranger.client.get("/metrics").status_code == 401


def test_names_with_odd_letters_stay_inside_their_quotes(api: Api, make_execution: MakeExecution) -> None:
    make_execution(flow_id='a"b\\c\nd')

    tags = frozenset({**FLOW, "flow_id": 'a"b\\c\nd'}.items())
    assert read_figures(api)["kestra_executor_execution_started_count_total", tags] == 1


def test_the_small_addresses_about_the_installation_answer(api: Api, make_execution: MakeExecution, broker_url: str) -> None:
    make_execution(created_at=timezone.now())
    root = Api("alice@example.org", prefix="/api/v1")
    services = root.get("/instance/services/search").json()["results"]

    assert root.get(f"/instance/services/{services[0]['id']}").json() == services[0]
    assert root.get("/instance/services/nobody").status_code == 404
    assert root.get("/instance/maintenance/status").json()["maintenance"] is False
    assert root.get("/setup").json()["done"] is True
    assert api.get("/worker-selectors/tags").json() == {"tags": []}
    assert api.get("/usages/all").json()["executions"] == {"lastDayCount": 1, "lastDayByState": {"SUCCESS": 1}}
    assert api.client.get("/info").json()["version"].startswith("2.")
    assert api.send("POST", "/basicAuth", {"username": "a@example.org", "password": "x"}).status_code == 409


def test_people_change_their_own_names(api: Api) -> None:
    root = Api("alice@example.org", prefix="/api/v1")
    changed = root.send("PATCH", "/me", {"firstName": "Alice", "lastName": "Example", "email": "other@example.org"}).json()

    assert changed["profile"]["firstName"] == "Alice"
    assert changed["id"] == root.get("/me").json()["id"] == "alice@example.org"
    assert root.send("PATCH", "/me", {"firstName": 7}).status_code == 422

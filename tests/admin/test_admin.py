"""The admin pages: what a caller's rights reach, without secrets, at a fixed number of queries; changes through operations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from flows.models import (
    AuditEntry,
    Binding,
    Execution,
    Flow,
    FlowRevision,
    KeyValue,
    LogEntry,
    Namespace,
    Role,
    Secret,
    TaskRun,
    TriggerState,
)
from flows.models.encryption import encrypt_text
from flows.models.vault import write_secret
from flows.primitives.rights import Resource

from .conftest import AT, address_of

CANARY = "c4n4ry"

pytestmark = pytest.mark.django_db


def _save_execution(execution_id: str = "exec1", **fields: Any) -> Execution:
    facts: dict[str, Any] = {
        "id": execution_id,
        "namespace": "company.team",
        "flow_id": "daily",
        "flow_revision": 1,
        "state": "RUNNING",
        "histories": [["CREATED", AT.isoformat()], ["RUNNING", AT.isoformat()]],
        "created_at": AT,
        "original_created_at": AT,
        "original_id": execution_id,
        "labels": [{"key": "team", "value": "<b>shop</b>"}],
    }
    return Execution.objects.create(**{**facts, **fields})


@pytest.fixture
def bob(client: Client) -> Client:
    """Bob may look at everything and do nothing."""
    user = User.objects.create_user("bob@example.org", is_staff=True)
    permissions = {resource.value: ["READ"] for resource in Resource}
    role = Role.objects.create(id="reader", name="reader", permissions=permissions, created_at=AT, updated_at=AT)
    Binding.objects.create(id="b1", role=role, user=user, created_at=AT)
    client.force_login(user)
    return client


@pytest.fixture
def dora(client: Client) -> Client:
    """Dora is staff, and nobody gave her a role."""
    client.force_login(User.objects.create_user("dora@example.org", is_staff=True))
    return client


@pytest.fixture
def charlie(client: Client) -> Client:
    """Charlie has an account and nothing else."""
    client.force_login(User.objects.create_user("charlie@example.org"))
    return client


MODELS = sorted([*apps.get_app_config("flows").get_models(), User, Group], key=lambda model: model.__name__)
WRITTEN = (Flow, Namespace, KeyValue, Secret, User, Group, Role, Binding)
"""What can be made here; everything else is read, and some of it deleted."""


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_list_for_staff_only(model: type, alice: Client) -> None:
    assert admin.site.is_registered(model)  # type: ignore[arg-type]
    assert alice.get(address_of(model)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_account_that_is_no_staff_sees_no_list(model: type, charlie: Client) -> None:
    page = charlie.get(address_of(model), follow=True)

    assert page.status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_staff_without_a_role_sees_no_list(model: type, dora: Client) -> None:
    assert dora.get(address_of(model)).status_code == 403
    assert dora.get(address_of(model, "add")).status_code == 403


def test_staff_without_a_role_finds_an_empty_overview(dora: Client, flow: Flow) -> None:
    page = dora.get(reverse("admin:index"))

    assert page.status_code == 200
    assert page.context["available_apps"] == []


@pytest.mark.parametrize("model", [model for model in MODELS if model not in WRITTEN], ids=lambda model: model.__name__)
def test_history_cannot_be_made_even_by_the_owner(model: type, alice: Client) -> None:
    assert alice.get(address_of(model, "add")).status_code == 403


@pytest.mark.parametrize("model", WRITTEN, ids=lambda model: model.__name__)
def test_what_can_be_made_has_a_form_for_the_owner_only(model: type, alice: Client) -> None:
    assert alice.get(address_of(model, "add")).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_who_may_only_look_makes_and_deletes_nothing(model: type, bob: Client) -> None:
    page = bob.get(address_of(model))

    assert page.status_code == 200
    assert "delete_selected" not in page.content.decode()
    assert bob.get(address_of(model, "add")).status_code == 403


@pytest.mark.parametrize("model", (Execution, TaskRun, LogEntry, AuditEntry), ids=lambda model: model.__name__)
def test_nobody_deletes_history(model: type, alice: Client) -> None:
    request = alice.get(address_of(model)).wsgi_request  # type: ignore[attr-defined]

    assert not admin.site._registry[model].has_delete_permission(request)  # type: ignore[index]


def test_the_overview_counts_flows_and_executions(alice: Client, flow: Flow) -> None:
    _save_execution()

    page = alice.get(reverse("admin:index")).content.decode()

    assert "Celestra" in page
    assert "?state=RUNNING" in page


def test_the_state_of_an_execution_cannot_be_posted(alice: Client) -> None:
    _save_execution()

    answer = alice.post(address_of(Execution, "change", "exec1"), {"state": "SUCCESS"})

    assert answer.status_code == 403
    assert Execution.objects.get(id="exec1").state == "RUNNING"


def test_the_page_of_an_execution_shows_task_runs_logs_and_escaped_outputs(alice: Client, flow: Flow) -> None:
    _save_execution(outputs={"text": "<script>alert(1)</script>"}, inputs={"token": encrypt_text(CANARY)})
    TaskRun.objects.create(
        id="run1", execution_id="exec1", task_id="hello", state="SUCCESS", created_at=AT, ended_at=AT + timedelta(seconds=1)
    )
    LogEntry.objects.create(
        namespace="company.team",
        flow_id="daily",
        execution_id="exec1",
        task_id="hello",
        level=2,
        timestamp=AT,
        message="<i>line</i>",
    )

    page = alice.get(address_of(Execution, "change", "exec1")).content.decode()

    assert "hello" in page
    assert "&lt;i&gt;line&lt;/i&gt;" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "&lt;b&gt;shop" in page
    assert "(encrypted)" in page
    assert encrypt_text("")["type"] not in page


def test_other_pages_show_their_objects(alice: Client, flow: Flow) -> None:
    _save_execution()
    run = TaskRun.objects.create(
        id="run1", execution_id="exec1", task_id="hello", state="RUNNING", created_at=AT, outputs={"a": 1}
    )
    TriggerState.objects.create(
        namespace="company.team", flow_id="daily", trigger_id="nightly", type="x", family="schedule", flow_revision=1
    )
    revision = FlowRevision.objects.get()

    assert alice.get(address_of(TaskRun, "change", run.pk)).status_code == 200
    assert "hello {{ inputs.name }}" in alice.get(address_of(Flow, "change", flow.pk)).content.decode()
    assert alice.get(address_of(FlowRevision, "change", revision.pk)).status_code == 200
    assert alice.get(address_of(FlowRevision) + f"?flow__id__exact={flow.pk}").status_code == 200
    assert alice.get(address_of(TriggerState, "change", TriggerState.objects.get().pk)).status_code == 200


def test_secrets_show_names_only(alice: Client) -> None:
    row = write_secret("a", "TOKEN", CANARY)

    for address in (address_of(Secret), address_of(Secret, "change", row.pk)):
        page = alice.get(address).content.decode()
        assert "TOKEN" in page
        assert CANARY not in page
        assert row.encrypted not in page


@pytest.mark.parametrize(
    "query",
    [
        "state=RUNNING",
        "namespace=company.team",
        "q=exec1",
        "q=%27;--",
        "state=NONSENSE",
        "p=99999",
        "namespace=%00",
        "created_at__gte=never",
    ],
)
def test_filters_and_searches_answer(alice: Client, flow: Flow, query: str) -> None:
    _save_execution()

    assert alice.get(f"{address_of(Execution)}?{query}", follow=True).status_code == 200


def test_the_list_of_executions_takes_the_same_queries_for_one_and_for_many(
    alice: Client, flow: Flow, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        _save_execution(f"exec{number}")

    with django_assert_max_num_queries(8):
        alice.get(address_of(Execution))


def test_a_namespace_is_described_through_the_operations(alice: Client) -> None:
    fields = {"id": "company.team", "description": "ours", "variables": '{"x": 1}', "plugin_defaults": "[]"}

    answer = alice.post(address_of(Namespace, "add"), fields)

    assert answer.status_code == 302
    assert Namespace.objects.get(id="company.team").variables == {"x": 1}


@pytest.mark.parametrize(
    "fields", [{"variables": "[1]"}, {"plugin_defaults": '{"a": 1}'}, {"variables": "{"}, {"id": "Bad Name"}]
)
def test_a_malformed_namespace_is_shown_again_with_the_fault(alice: Client, fields: dict[str, str]) -> None:
    answer = alice.post(
        address_of(Namespace, "add"), {"id": "a", "description": "", "variables": "{}", "plugin_defaults": "[]", **fields}
    )

    assert answer.status_code == 200
    assert not Namespace.objects.exists()


def test_who_may_only_look_is_offered_no_action(bob: Client) -> None:
    _save_execution()

    page = bob.get(address_of(Execution))

    assert page.status_code == 200
    assert 'name="action"' not in page.content.decode()


def test_a_flow_is_executed_with_its_inputs(alice: Client, flow: Flow) -> None:
    address = reverse("admin:flows_flow_execute", args=[flow.pk])

    form = alice.get(address).content.decode()
    answer = alice.post(address, {"input:name": "Ann", "input:loud": "true"})

    assert "name (STRING)" in form
    execution = Execution.objects.get()
    assert answer.url == address_of(Execution, "change", execution.pk)  # type: ignore[attr-defined]
    assert execution.inputs == {"name": "Ann", "loud": True}


def test_a_wrong_input_is_shown_on_the_form(alice: Client, flow: Flow) -> None:
    answer = alice.post(reverse("admin:flows_flow_execute", args=[flow.pk]), {"input:loud": ""})

    assert answer.status_code == 200
    assert "name" in "".join(answer.context["form"].non_field_errors())
    assert not Execution.objects.exists()


def test_who_may_only_look_cannot_execute(bob: Client, flow: Flow) -> None:
    assert bob.post(reverse("admin:flows_flow_execute", args=[flow.pk]), {"input:name": "Ann"}).status_code == 403
    assert not Execution.objects.exists()


def test_an_action_that_is_refused_says_why_and_changes_nothing(alice: Client, flow: Flow) -> None:
    _save_execution(state="SUCCESS", ended_at=AT)

    page = alice.post(address_of(Execution), {"action": "resume", "_selected_action": ["exec1"]}, follow=True)

    assert "only a paused execution can be resumed" in page.content.decode()
    assert Execution.objects.get().state == "SUCCESS"


def test_flows_are_switched_by_an_action(alice: Client, flow: Flow) -> None:
    alice.post(address_of(Flow), {"action": "disable", "_selected_action": [flow.pk]})

    flow.refresh_from_db()
    assert (flow.disabled, flow.revision) == (True, 2)


def test_triggers_are_switched_by_an_action(alice: Client, flow: Flow) -> None:
    row = TriggerState.objects.create(
        namespace="company.team", flow_id="daily", trigger_id="nightly", type="x", family="schedule", flow_revision=1
    )

    page = alice.post(address_of(TriggerState), {"action": "unlock", "_selected_action": [row.pk]}, follow=True)

    assert "is not locked" in page.content.decode()


def test_a_full_list_of_executions_stays_below_300_kilobytes(alice: Client, flow: Flow) -> None:
    for number in range(50):
        _save_execution(f"exec{number}")

    assert len(alice.get(address_of(Execution)).content) < 300_000


def test_a_flow_is_searched_by_its_whole_name(alice: Client, flow: Flow) -> None:
    _save_execution("exec1")
    _save_execution("exec2", flow_id="other")

    page = alice.get(f"{address_of(Execution)}?q=company.team/daily").content.decode()

    assert "exec1" in page
    assert "exec2" not in page

"""Changes through the admin pages: each is what the console's operation makes of it; a refusal is shown with its reason."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry as HistoryEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from flows.models import (
    ApiToken,
    AuditEntry,
    Binding,
    Execution,
    Flow,
    FlowRevision,
    KeyValue,
    Namespace,
    Role,
    Secret,
    UserSession,
)
from flows.models.vault import read_secret, write_secret
from flows.operations.flows import save_flow
from flows.operations.roles import write_built_in_roles

from .conftest import AT, SOURCE, address_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def eve(client: Client) -> Client:
    """Eve is staff, and an editor of one namespace."""
    user = User.objects.create_user("eve@example.org", is_staff=True)
    write_built_in_roles()
    role = Role.objects.get(name="editor")
    Binding.objects.create(id="b2", role=role, user=user, namespace="company.team", created_at=AT)
    client.force_login(user)
    return client


def _act(client: Client, model: type, action: str, *keys: Any) -> str:
    data = {"action": action, "_selected_action": [str(key) for key in keys]}
    return client.post(address_of(model), data, follow=True).content.decode()


def test_saving_a_flow_makes_a_revision_and_a_line_of_history(alice: Client, flow: Flow) -> None:
    text = SOURCE.replace("hello {{", "good day {{")

    answer = alice.post(address_of(Flow, "change", flow.pk), {"source": text})

    assert answer.status_code == 302
    flow.refresh_from_db()
    assert flow.revision == 2
    assert flow.revisions.get(revision=2).source == text
    assert HistoryEntry.objects.get().object_id == str(flow.pk)
    assert AuditEntry.objects.get(what="flow.save").door == "ADMIN"


def test_faults_of_a_source_are_shown_with_their_lines(alice: Client, flow: Flow) -> None:
    answer = alice.post(address_of(Flow, "change", flow.pk), {"source": SOURCE.replace("message:", "massage:")})

    assert answer.status_code == 200
    assert "Line 12" in answer.content.decode()
    assert FlowRevision.objects.count() == 1


def test_a_source_that_names_another_flow_is_refused_on_the_form(alice: Client, flow: Flow) -> None:
    answer = alice.post(address_of(Flow, "change", flow.pk), {"source": SOURCE.replace("id: daily", "id: other")})

    assert answer.status_code == 200
    assert "cannot change" in answer.content.decode()
    assert not Flow.objects.filter(flow_id="other").exists()


def test_a_new_flow_is_saved_and_can_be_deleted(alice: Client) -> None:
    alice.post(address_of(Flow, "add"), {"source": SOURCE})
    row = Flow.objects.get(flow_id="daily")

    assert alice.get(address_of(Flow, "delete", row.pk)).status_code == 200
    alice.post(address_of(Flow, "delete", row.pk), {"post": "yes"})

    row.refresh_from_db()
    assert row.deleted
    assert alice.get(address_of(Flow, "change", row.pk)).status_code == 200


def test_chosen_flows_are_deleted_by_the_operation(alice: Client, flow: Flow) -> None:
    data = {"action": "delete_selected", "_selected_action": [str(flow.pk)], "post": "yes"}

    alice.post(address_of(Flow), data)

    flow.refresh_from_db()
    assert (flow.deleted, flow.revision) == (True, 2)


def test_flows_are_exported_as_a_zip(alice: Client, flow: Flow) -> None:
    answer = alice.post(address_of(Flow), {"action": "export", "_selected_action": [str(flow.pk)]})

    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["company.team.daily.yml"]


def test_flows_are_validated_by_an_action(alice: Client, flow: Flow) -> None:
    assert "Valid: 1 flows" in _act(alice, Flow, "validate", flow.pk)


def test_an_editor_sees_and_writes_flows_of_the_own_namespace_only(eve: Client, flow: Flow) -> None:
    foreign = Flow.objects.create(namespace="company.teams", flow_id="foreign", created_at=AT, updated_at=AT)
    page = eve.get(address_of(Flow)).content.decode()

    refused = eve.post(address_of(Flow, "add"), {"source": SOURCE.replace("company.team", "company.teams")})

    assert "daily" in page
    assert "foreign" not in page
    assert eve.get(address_of(Flow, "change", foreign.pk)).status_code == 302
    assert refused.status_code == 200
    assert "lacks the right" in refused.content.decode()
    assert AuditEntry.objects.get(what="flow.save").result == "DENIED"
    assert eve.get(address_of(User)).status_code == 403


def test_a_secret_is_replaced_and_never_shown(alice: Client) -> None:
    row = write_secret("a", "TOKEN", "first-value")
    fields = {"new_value": "second-value", "description": "for the shop"}

    answer = alice.post(address_of(Secret, "change", row.pk), fields, follow=True)

    assert read_secret("a", "TOKEN") == "second-value"
    page = answer.content.decode() + alice.get(address_of(Secret, "change", row.pk)).content.decode()
    assert "second-value" not in page
    assert HistoryEntry.objects.get().change_message.count("second-value") == 0


def test_a_secret_without_a_new_value_keeps_the_old_one(alice: Client) -> None:
    row = write_secret("a", "TOKEN", "first-value")

    alice.post(address_of(Secret, "change", row.pk), {"new_value": "", "description": "ours"})

    assert read_secret("a", "TOKEN") == "first-value"
    assert Secret.objects.get().description == "ours"


def test_secrets_are_made_and_deleted(alice: Client) -> None:
    alice.post(address_of(Secret, "add"), {"namespace": "a", "key": "K", "new_value": "v", "description": ""})
    row = Secret.objects.get()

    alice.post(address_of(Secret, "delete", row.pk), {"post": "yes"})

    assert not Secret.objects.exists()


@pytest.mark.parametrize("fields", [{"namespace": "Bad Name"}, {"key": ""}, {"new_value": ""}])
def test_a_secret_that_cannot_be_is_shown_again_with_the_fault(alice: Client, fields: dict[str, str]) -> None:
    given = {"namespace": "a", "key": "K", "new_value": "v", "description": "", **fields}

    assert alice.post(address_of(Secret, "add"), given).status_code == 200
    assert not Secret.objects.exists()


def test_a_pair_is_written_as_text_with_its_type(alice: Client) -> None:
    given = {
        "namespace": "a",
        "key": "k",
        "text": "[1, 2]",
        "description": "",
        "expires_at_0": "2099-01-01",
        "expires_at_1": "00:00",
    }

    alice.post(address_of(KeyValue, "add"), given)

    row = KeyValue.objects.get()
    assert (row.kind, row.value, row.expires_at.year) == ("JSON", [1, 2], 2099)
    assert alice.get(address_of(KeyValue, "change", row.pk)).status_code == 200


def test_only_expired_pairs_are_purged(alice: Client) -> None:
    common: dict[str, Any] = {"namespace": "a", "kind": "NUMBER", "value": 1, "created_at": AT, "updated_at": AT}
    old = KeyValue.objects.create(key="old", expires_at=timezone.now() - timedelta(hours=1), **common)
    new = KeyValue.objects.create(key="new", **common)

    page = _act(alice, KeyValue, "purge_expired", old.pk, new.pk)

    assert "Removed: 1" in page
    assert list(KeyValue.objects.values_list("key", flat=True)) == ["new"]


def test_a_namespace_that_owns_something_is_not_deleted(alice: Client, flow: Flow) -> None:
    Namespace.objects.create(id="company.team")

    page = alice.post(address_of(Namespace, "delete", "company.team"), {"post": "yes"}, follow=True)

    assert page.status_code == 200
    assert Namespace.objects.exists()


@pytest.mark.parametrize(
    ("action", "state", "then"), [("change_to_success", "FAILED", "SUCCESS"), ("change_to_failed", "RUNNING", "RUNNING")]
)
def test_only_an_ended_execution_gets_another_state(alice: Client, flow: Flow, action: str, state: str, then: str) -> None:
    Execution.objects.create(
        id="exec1", namespace="company.team", flow_id="daily", flow_revision=1, state=state, original_id="exec1",
        created_at=AT, original_created_at=AT, ended_at=AT if state == "FAILED" else None,
        histories=[["CREATED", AT.isoformat()], [state, AT.isoformat()]],
    )  # fmt: skip

    page = _act(alice, Execution, action, "exec1")

    assert Execution.objects.get().state == then
    assert ("only an ended execution" in page) == (state == "RUNNING")


def test_a_person_is_made_changed_and_deleted(alice: Client) -> None:
    group = Group.objects.create(name="analysts")
    given = {"name": "Ann@Example.org", "given_name": "Ann", "family_name": "", "password": "", "staff": "on"}
    alice.post(address_of(User, "add"), given)
    user = User.objects.get(username="ann@example.org")
    changed = {"name": "ann@example.org", "given_name": "Anna", "family_name": "", "member_of": [group.pk]}

    alice.post(address_of(User, "change", user.pk), changed)

    user.refresh_from_db()
    assert (user.first_name, user.is_staff, user.is_active, list(user.groups.all())) == ("Anna", False, False, [group])
    alice.post(address_of(User, "delete", user.pk), {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()


def test_the_last_owner_is_not_deleted(alice: Client) -> None:
    owner = User.objects.get()

    page = alice.post(address_of(User, "delete", owner.pk), {"post": "yes"}, follow=True)

    assert "last owner" in page.content.decode()
    assert User.objects.exists()


def test_the_form_of_a_person_shows_no_password(alice: Client) -> None:
    user = User.objects.create_user("ann@example.org", password="Some-long-password-1")

    page = alice.get(address_of(User, "change", user.pk)).content.decode()

    assert user.password not in page


def test_a_group_takes_and_loses_members(alice: Client) -> None:
    ann, ben = User.objects.create_user("ann@example.org"), User.objects.create_user("ben@example.org")
    alice.post(address_of(Group, "add"), {"title": "analysts", "members": [ann.pk]})
    group = Group.objects.get()

    alice.post(address_of(Group, "change", group.pk), {"title": "analysts", "members": [ben.pk]})

    assert list(group.user_set.all()) == [ben]


def test_roles_are_made_given_and_taken(alice: Client) -> None:
    ann = User.objects.create_user("ann@example.org")
    alice.post(address_of(Role, "add"), {"title": "reader", "purpose": "", "permitted": ["FLOW.READ"]})
    role = Role.objects.get(name="reader")
    alice.post(address_of(Binding, "add"), {"given": role.pk, "person": ann.pk, "where": "a.b"})
    binding = Binding.objects.get(role=role)

    assert alice.get(address_of(Role, "change", role.pk)).status_code == 200
    page = alice.post(address_of(Role, "delete", role.pk), {"post": "yes"}, follow=True).content.decode()

    assert "Take it from everybody first" in page
    alice.post(address_of(Binding, "delete", binding.pk), {"post": "yes"})
    assert not Binding.objects.filter(pk=binding.pk).exists()


def test_a_role_is_given_to_one_subject(alice: Client) -> None:
    write_built_in_roles()
    role = Role.objects.get(name="viewer")

    answer = alice.post(address_of(Binding, "add"), {"given": role.pk, "where": ""})

    assert answer.status_code == 200
    assert "choose one of them" in answer.content.decode()


def test_a_token_is_revoked_by_deleting_it(alice: Client) -> None:
    ApiToken.objects.create(
        id="t1",
        user=User.objects.get(),
        name="ci",
        prefix="abc",
        digest="hash-of-it",
        lifetime_seconds=60,
        created_at=AT,
        expires_at=AT,
    )

    page = alice.get(address_of(ApiToken, "change", "t1")).content.decode()
    alice.post(address_of(ApiToken, "delete", "t1"), {"post": "yes"})

    assert "hash-of-it" not in page
    assert AuditEntry.objects.filter(what="token.revoke").exists()
    assert not ApiToken.objects.exists()


def test_a_session_is_ended_by_deleting_it(alice: Client) -> None:
    ann = User.objects.create_user("ann@example.org")
    now = timezone.now()
    UserSession.objects.create(
        digest="0" * 64, user=ann, data="x", started_at=now, seen_at=now, idle_until=now, ends_at=now + timedelta(hours=1)
    )

    alice.post(address_of(UserSession, "delete", "0" * 64), {"post": "yes"})

    assert not UserSession.objects.filter(user=ann).exists()


def test_the_form_of_a_flow_says_that_it_holds_a_draft(alice: Client, flow: Flow) -> None:
    before = alice.get(address_of(Flow, "change", flow.pk)).content.decode()
    save_flow(SOURCE.replace("hello {{", "hi {{"), at=AT, draft=True)

    after = alice.get(address_of(Flow, "change", flow.pk)).content.decode()

    said = "This is a draft, revision 2: saving it here publishes it."
    assert said not in before and said in after

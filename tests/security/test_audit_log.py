"""The audit log: one row for each act and each refusal, nothing secret in it, and nobody changes it afterwards (S-34)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InternalError, ProgrammingError, connection, transaction

from flows.models import AuditEntry, Dashboard
from flows.operations.callers import caller_of
from flows.operations.flows import save_flow
from flows.operations.namespaces import set_secret
from flows.primitives.callers import PLATFORM, Door, acting_as, current_caller

from .conftest import ApiCaller, read_body
from .routes import WRITING, Call, list_calls
from .world import AT, FLOW, Filled, add_person, fill

pytestmark = pytest.mark.django_db

_CALLS = list_calls(WRITING)
_IDS = [f"{name}-{method}-{number}" for number, (name, method, _) in enumerate(_CALLS)]


@pytest.fixture
def place(db: None) -> Filled:
    """One namespace with everything in it, an owner of the installation and somebody who may nothing but look."""
    add_person("owner@example.org", is_superuser=True)
    add_person("viewer@example.org", "viewer", "prod.a")
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return fill("prod.a", "mark0x")


@pytest.mark.parametrize(("name", "method", "call"), _CALLS, ids=_IDS)
def test_every_writing_call_leaves_one_row_and_every_refusal_one(place: Filled, name: str, method: str, call: Call) -> None:
    made = call.make(place.names())
    refused = ApiCaller("viewer@example.org").send(method, **made)
    refusals = list(AuditEntry.objects.values_list("who", "result", "action", "resource"))
    with transaction.atomic():
        done = ApiCaller("owner@example.org").send(method, **call.make(place.names()))
        read_body(done)
        rows = list(AuditEntry.objects.filter(who="owner@example.org").values_list("result", "door", "address"))
        transaction.set_rollback(True)

    assert refused.status_code in (403, 404), refused.content
    assert refusals == [("viewer@example.org", "DENIED", call.action, call.resource)]
    if call.succeeds:
        assert done.status_code < 300, done.content
        assert rows == [("DONE", "API", "127.0.0.1")]
    else:
        assert rows == []


def test_nobody_changes_or_deletes_a_row(place: Filled) -> None:
    ApiCaller("viewer@example.org").send("DELETE", "/flows/prod.a/mark0x-flow")
    entry = AuditEntry.objects.get()

    for statement in ("UPDATE flows_auditentry SET who = 'x'", "DELETE FROM flows_auditentry"):
        with pytest.raises((InternalError, ProgrammingError)), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert AuditEntry.objects.get() == entry


def test_secret_values_never_reach_a_row(place: Filled) -> None:
    owner = ApiCaller("owner@example.org")
    owner.send(
        "PUT", "/namespaces/prod.a/secrets", data=json.dumps({"key": "db", "value": "c4n4ry-1"}), content_type="application/json"
    )
    source = FLOW.format(namespace="prod.a", mark="mark0x") + "variables:\n  db_password: c4n4ry-2\n"
    owner.send("PUT", "/flows/prod.a/mark0x-flow", data=source, content_type="application/x-yaml")
    owner.send("PUT", "/namespaces/prod.a/kv/k", data='"c4n4ry-3"', content_type="application/json")

    rows = list(AuditEntry.objects.values_list("before", "after"))
    assert len(rows) == 3
    assert "c4n4ry" not in json.dumps(rows)
    assert "db_password: ******" in json.dumps(rows)


def test_the_diff_of_a_flow_is_kept_and_cut(place: Filled) -> None:
    with acting_as(caller_of(add_person("o2@example.org", is_superuser=True), door=Door.CONSOLE)):
        source = FLOW.format(namespace="prod.a", mark="mark0x")
        save_flow(source.replace("mark0x hello", "changed"), at=AT)
        save_flow(source + "".join(f"# {'x' * 90}{number}\n" for number in range(1000)), at=AT)

    long, short = AuditEntry.objects.all()
    assert short.before == {"revision": 1}
    assert "-    message: mark0x hello" in short.after["diff"] and "+    message: changed" in short.after["diff"]
    assert len(long.after["diff"].encode()) < 21_000 and long.after["diff"].endswith("cut")


def test_the_engine_writes_no_rows_and_commands_do(place: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    assert current_caller() is PLATFORM
    save_flow(FLOW.format(namespace="prod.b", mark="other"), at=AT)
    set_secret("prod.b", "db", "value-1234", at=AT)
    assert not AuditEntry.objects.exists()

    call_command("kv", "set", "prod.b", "key", "value")

    entry = AuditEntry.objects.get()
    assert (entry.what, entry.door, entry.kind, entry.result) == ("key.set", "COMMAND", "PLATFORM", "DONE")
    assert entry.who


def test_a_start_with_a_key_leaves_one_row_whether_it_is_done_refused_or_repeated(place: Filled) -> None:
    headers = {"Idempotency-Key": "one"}
    for name in ("viewer@example.org", "owner@example.org", "owner@example.org"):
        caller = ApiCaller(name)
        caller.headers |= headers
        caller.send("POST", "/executions/prod.a/mark0x-flow", form={})

    rows = list(AuditEntry.objects.order_by("id").values_list("who", "what", "result"))
    owner = ("owner@example.org", "execution.start", "DONE")
    assert rows == [("viewer@example.org", "execution.start", "DENIED"), owner, owner]


def test_a_refusal_survives_the_transaction_that_it_breaks_off(place: Filled) -> None:
    add_person("editor@example.org", "editor", "prod.a")
    text = FLOW.format(namespace="prod.a", mark="one") + "\n---\n" + FLOW.format(namespace="prod.b", mark="two")
    answer: Any = ApiCaller("editor@example.org").send(
        "POST", "/flows/bulk?delete=false", data=text, content_type="application/x-yaml"
    )

    assert answer.status_code == 403
    assert list(AuditEntry.objects.values_list("result", "namespace")) == [("DENIED", "prod.b")]

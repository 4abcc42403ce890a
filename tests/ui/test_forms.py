"""What the forms of the console do: signing in, saving flows, starting and steering executions, namespaces."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from flows.engine.catalog import forget_flows
from flows.models import Execution, Flow, KeyValue, Secret, TriggerState
from flows.operations.throttle import throttle
from tests.ui.conftest import FLOW_ID, NAMESPACE, SOURCE, save_execution, save_flow, save_log, save_task_run

FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"
EXECUTION = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/exec1"
NEW = "id: fresh\nnamespace: company.team\ntasks:\n  - id: hello\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> User:
    throttle.clear()
    return User.objects.create_user("bob@example.org", password="Correct-horse-1")


def _log_in(client: Client, password: str, **extra: str) -> Any:
    return client.post("/ui/login", {"username": "bob@example.org", "password": password, **extra})


def test_signing_in_leads_to_the_wanted_page(client: Client, account: User) -> None:
    response = _log_in(client, "Correct-horse-1", next="/ui/flows?q=a")

    assert response["Location"] == "/ui/flows?q=a"
    assert client.get("/ui/flows").status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/ui/", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(client: Client, account: User, target: str) -> None:
    assert _log_in(client, "Correct-horse-1", next=target)["Location"] == "/ui/"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(client: Client, account: User) -> None:
    wrong = _log_in(client, "no")
    unknown = client.post("/ui/login", {"username": "nobody@example.org", "password": "no"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.context["error"] == unknown.context["error"]


def test_many_wrong_passwords_make_the_next_try_wait(client: Client, account: User) -> None:
    for _ in range(6):
        _log_in(client, "no")

    assert _log_in(client, "Correct-horse-1").status_code == 429


def test_signing_in_gives_the_session_a_new_key(client: Client, account: User) -> None:
    client.get("/ui/login")
    _log_in(client, "Correct-horse-1")
    first = client.session.session_key
    client.post("/ui/logout")

    _log_in(client, "Correct-horse-1")

    assert client.session.session_key != first


@pytest.mark.parametrize(
    "url", ["/ui/flows/save", f"{FLOW}/execute", f"{FLOW}/act/delete", f"{EXECUTION}/act/kill", "/ui/logout"]
)
def test_a_form_without_its_token_is_refused(account: User, url: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(account)

    assert strict.post(url).status_code == 403


def _save(client: Client, source: str, base: int, **extra: Any) -> Any:
    return client.post("/ui/flows/save", json.dumps({"source": source, "base": base, **extra}), content_type="application/json")


def test_the_check_names_line_and_column_and_draws_nothing_for_a_broken_text(alice: Client) -> None:
    broken = NEW.replace("message: hi", "mesage: hi")

    found = alice.post("/ui/flows/check", broken, content_type="text/plain").json()

    assert "picture" not in found
    assert (6, 5, len("mesage")) in [(problem["line"], problem["column"], problem["length"]) for problem in found["problems"]]


def test_the_check_draws_a_valid_text_with_the_lines_of_its_tasks(alice: Client) -> None:
    found = alice.post("/ui/flows/check", NEW, content_type="text/plain").json()

    assert found["problems"] == []
    assert found["lines"] == {"hello": 4}
    assert 'id="n-hello"' in found["picture"]


def test_saving_a_new_flow_stores_its_first_revision(alice: Client) -> None:
    answer = _save(alice, NEW, 0).json()

    assert answer["revision"] == 1
    assert Flow.objects.get(flow_id="fresh").revisions.get().saved_by == "alice@example.org"


def test_saving_a_broken_flow_tells_every_problem_and_stores_nothing(alice: Client) -> None:
    response = _save(alice, NEW.replace("log.Log", "log.Lg"), 0)

    assert response.status_code == 422
    assert response.json()["problems"][0]["line"] == 5
    assert not Flow.objects.exists()


def test_saving_over_the_revision_of_somebody_else_is_a_conflict_until_it_is_meant(alice: Client) -> None:
    _save(alice, NEW, 0)
    _save(alice, NEW.replace("hi", "hi from Bob"), 1, flow="company.team/fresh")

    refused = _save(alice, NEW.replace("hi", "hi from Alice"), 1, flow="company.team/fresh")
    meant = _save(alice, NEW.replace("hi", "hi from Alice"), 1, flow="company.team/fresh", overwrite=True)

    assert (refused.status_code, refused.json()["code"]) == (409, "edit-conflict")
    assert meant.json()["revision"] == 3


def test_saving_twice_with_two_clicks_is_no_conflict(alice: Client) -> None:
    _save(alice, NEW, 0)
    answers = [_save(alice, NEW.replace("hi", "hi from Bob"), 1, flow="company.team/fresh").json() for _ in range(2)]

    assert [(answer["revision"], answer["changed"]) for answer in answers] == [(2, True), (2, False)]


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"source": 1}', '{"source": "a", "base": "x"}', '{"source": "a", "base": 1e999}', "[" * 100_000]
)
def test_a_save_that_cannot_be_read_is_refused(alice: Client, body: str) -> None:
    assert alice.post("/ui/flows/save", body, content_type="application/json").status_code == 422


def test_restoring_an_old_revision_makes_a_new_one(alice: Client) -> None:
    _save(alice, NEW, 0)
    _save(alice, NEW.replace("hi", "hello"), 1, flow="company.team/fresh")

    alice.post("/ui/flows/edit/company.team/fresh/act/restore", {"revision": "1"})

    row = Flow.objects.get(flow_id="fresh")
    assert row.revision == 3
    assert row.revisions.get(revision=3).source == NEW


def test_the_form_starts_an_execution_with_exactly_what_was_entered(alice: Client, flow: Flow) -> None:
    response = alice.post(f"{FLOW}/execute", {"in.name": "Ada", "in.loud": "true", "labels": "team:data"})

    execution = Execution.objects.get()
    assert response["Location"] == f"/ui/executions/{NAMESPACE}/{FLOW_ID}/{execution.id}"
    assert execution.inputs == {"name": "Ada", "loud": True}
    assert {"key": "team", "value": "data"} in execution.labels


def test_a_missing_input_is_told_at_its_field_and_keeps_the_others(alice: Client, flow: Flow) -> None:
    response = alice.post(f"{FLOW}/execute", {"in.loud": "true"})

    fields = {field.id: field for field in response.context["fields"]}
    assert response.status_code == 422
    assert fields["name"].errors
    assert fields["loud"].value == "true"
    assert not Execution.objects.exists()


def test_a_bad_label_or_start_time_is_told_above_the_form(alice: Client, flow: Flow) -> None:
    label = alice.post(f"{FLOW}/execute", {"in.name": "Ada", "labels": "nonsense"})
    moment = alice.post(f"{FLOW}/execute", {"in.name": "Ada", "schedule": "whenever"})

    assert "key:value" in label.context["error"].message
    assert "date-time" in moment.context["error"].message


EVERY_INPUT = """id: daily
namespace: company.team
inputs:
  - {id: count, type: INT, min: 1, max: 9}
  - {id: kind, type: SELECT, values: [small, large]}
  - {id: tags, type: MULTISELECT, values: [x, y, z]}
  - {id: day, type: DATE}
  - {id: body, type: JSON}
  - {id: data, type: FILE}
  - {id: pass, type: SECRET}
  - {id: extra, type: STRING, required: false, dependsOn: {inputs: [kind], condition: "{{ inputs.kind == 'large' }}"}}
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: hi
"""
ENTERED = {
    "in.count": "4",
    "in.kind": "small",
    "in.tags": ["x", "z"],
    "in.day": "2031-05-04",
    "in.body": '{"a": 1}',
    "in.pass": "hush",
}


def test_every_kind_of_input_can_be_entered(alice: Client) -> None:
    save_flow(EVERY_INPUT)

    response = alice.post(f"{FLOW}/execute", {**ENTERED, "in.data": SimpleUploadedFile("a.csv", b"1,2\n")})

    assert response.status_code == 302
    inputs = Execution.objects.get().inputs
    assert (inputs["count"], inputs["kind"], inputs["tags"], inputs["body"]) == (4, "small", ["x", "z"], {"a": 1})
    assert inputs["data"].startswith("kestra:///")
    assert "hush" not in json.dumps(inputs)


def test_a_secret_is_never_sent_back(alice: Client) -> None:
    save_flow(EVERY_INPUT)

    response = alice.post(f"{FLOW}/execute", {**ENTERED, "in.count": "99"})

    assert response.status_code == 422
    assert "hush" not in response.content.decode()


def test_an_input_appears_when_the_one_it_depends_on_allows_it(alice: Client) -> None:
    save_flow(EVERY_INPUT)

    hidden = alice.post(f"{FLOW}/execute/fields", {"in.kind": "small"}).content.decode()
    shown = alice.post(f"{FLOW}/execute/fields", {"in.kind": "large"}).content.decode()

    assert ('name="in.extra"' in hidden, 'name="in.extra"' in shown) == (False, True)


def test_a_replay_takes_other_inputs_and_keeps_the_rest(alice: Client) -> None:
    save_flow(EVERY_INPUT)
    alice.post(f"{FLOW}/execute", {**ENTERED, "in.data": SimpleUploadedFile("a.csv", b"1,2\n")})
    first = Execution.objects.get()
    Execution.objects.update(state="SUCCESS", ended_at=first.created_at)
    page = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/{first.id}"
    fields = alice.get(page).context["replay_fields"]
    shown = {one.name: one.value for one in fields if one.is_shown and one.control not in ("file", "password")}

    same = alice.post(f"{page}/act/replay", shown)
    other = alice.post(f"{page}/act/replay", {**shown, "in.count": "5", "in.tags": ["x"]})

    again, changed = (Execution.objects.get(pk=answer["Location"].split("/")[-1].split("?")[0]) for answer in (same, other))
    assert (again.parent_id, again.inputs) == (first.id, first.inputs)
    assert {**changed.inputs, "count": 4, "tags": ["x", "z"], "pass": first.inputs["pass"]} == first.inputs
    assert (changed.inputs["count"], changed.inputs["tags"]) == (5, ["x"])


def test_a_replay_with_a_wrong_input_starts_nothing(alice: Client) -> None:
    save_flow(SOURCE.replace("type: BOOL\n    defaults: false", "type: INT\n    defaults: 1"))
    save_execution(inputs={"name": "Grace", "loud": 1})

    answer = alice.post(f"{EXECUTION}/act/replay", {"in.name": "Grace", "in.loud": "perhaps"})

    assert "problem=" in answer["Location"]
    assert Execution.objects.count() == 1


def test_the_inputs_of_an_earlier_execution_fill_the_form(alice: Client, flow: Flow) -> None:
    save_execution(inputs={"name": "Grace", "loud": True})

    fields = {field.id: field.value for field in alice.get(f"{FLOW}/execute?from=exec1").context["fields"]}

    assert fields == {"name": "Grace", "loud": "true"}


def test_the_failure_card_names_task_message_and_what_is_different(alice: Client, flow: Flow) -> None:
    save_execution("good", inputs={"name": "Ada"})
    bad = save_execution(state="FAILED", inputs={"name": "Bob"}, created_at=Execution.objects.get().created_at.replace(year=2032))
    run = save_task_run(bad, "hello", state="FAILED", attempts=[{"state": "FAILED"}, {"state": "FAILED"}])
    for message in ("Traceback (most recent call last):", "KeyError: 'x'"):
        save_log(bad, message, level=4, task_run_id=run.id, task_id="hello")

    failure = alice.get(EXECUTION).context["failure"]

    assert (failure.run.task_id, failure.message, failure.attempt_count, failure.line) == ("hello", "KeyError: 'x'", 2, 11)
    assert failure.changes == ["Inputs that differ from the last success: name."]


def test_an_action_that_is_impossible_now_says_why(alice: Client, flow: Flow) -> None:
    save_execution()

    response = alice.post(f"{EXECUTION}/act/kill", follow=True)

    assert "problem=" in response.redirect_chain[0][0]
    reasons = {action.name: action.reason for action in response.context["actions"]}
    assert reasons["kill"] == "The execution has ended."
    assert reasons["replay"] == ""


def test_killing_by_the_button_kills(alice: Client, flow: Flow) -> None:
    alice.post(f"{FLOW}/execute", {"in.name": "Ada"})
    execution = Execution.objects.get()

    alice.post(f"/ui/executions/{NAMESPACE}/{FLOW_ID}/{execution.id}/act/kill")

    execution.refresh_from_db()
    assert execution.state == "KILLED"


def test_an_unknown_action_changes_nothing(alice: Client, flow: Flow) -> None:
    save_execution()

    assert "problem=" in alice.post(f"{EXECUTION}/act/explode")["Location"]


def test_a_trigger_is_switched_off_and_on(alice: Client) -> None:
    _save(alice, SOURCE, 0)
    url = f"/ui/triggers/{NAMESPACE}/{FLOW_ID}/nightly/act"

    alice.post(f"{url}/disable")
    off = TriggerState.objects.get().disabled
    alice.post(f"{url}/enable")

    assert (off, TriggerState.objects.get().disabled) == (True, False)


def test_keys_and_secrets_of_a_namespace_are_written_and_a_secret_is_never_shown(alice: Client, flow: Flow) -> None:
    url = f"/ui/namespaces/{NAMESPACE}"

    alice.post(f"{url}/act/kv-set", {"key": "limit", "value": "12"})
    alice.post(f"{url}/act/secret-set", {"key": "TOKEN", "value": "s3cr3t-canary"})

    assert KeyValue.objects.get().value == 12
    assert Secret.objects.get().key == "TOKEN"
    assert "s3cr3t-canary" not in alice.get(f"{url}/secrets").content.decode()


def test_a_file_of_a_namespace_is_stored_shown_and_deleted(alice: Client, flow: Flow) -> None:
    url = f"/ui/namespaces/{NAMESPACE}"
    alice.post(f"{url}/act/file-upload", {"file": SimpleUploadedFile("a.sql", b"select '<b>'"), "folder": "sql"})

    shown = alice.get(f"{url}/files?path=/sql/a.sql").content.decode()
    alice.post(f"{url}/act/file-delete", {"path": "/sql/a.sql"})

    assert "select &#x27;&lt;b&gt;&#x27;" in shown
    assert alice.get(f"{url}/files").context["files"] == []


def test_variables_that_are_no_map_are_refused_with_the_reason(alice: Client, flow: Flow) -> None:
    response = alice.post(f"/ui/namespaces/{NAMESPACE}/act/variables-set", {"text": "- a"})

    assert response.status_code == 422
    assert response.context["text"] == "- a"
    assert "must be a map" in response.context["problems"][0].message


def test_the_form_says_how_a_terminal_starts_the_same(alice: Client, db: None) -> None:
    source = "id: daily\nnamespace: company.team\ninputs:\n  - {id: who, type: STRING, defaults: it's me}\n"
    source += (
        "  - {id: by, type: MULTISELECT, values: [mail, post], defaults: [mail]}\n  - {id: no, type: STRING, required: false}\n"
    )
    save_flow(source + "tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}\n")

    call = alice.get(f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/execute").context["call"]

    assert shlex.split(call.replace("\\\n", ""))[6:] == ["-F", "who=it's me", "-F", 'by=["mail"]']


@pytest.fixture(autouse=True)
def _forget() -> None:
    forget_flows()

"""The form of the inputs beside the code: defaults rendered, faults in place, what it never shows, what a run takes from it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import Binding, Execution, Flow, KeyValue
from flows.operations import namespace_files
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE

WITH_INPUTS = SOURCE.replace(
    "inputs:\n  - id: name\n    type: STRING\n",
    """variables:
  greeting: hello
checks:
  - condition: "{{ inputs.name != 'Bob' }}"
    message: Bob may not run this.
    style: ERROR
    behavior: BLOCK_EXECUTION
inputs:
  - id: name
    type: STRING
    defaults: "{{ vars.greeting | upper }}"
  - id: from
    type: STRING
    dependsOn:
      inputs: [name]
    defaults: "{{ inputs.name }} and more"
  - id: day
    type: DATE
    required: false
  - id: colours
    type: MULTISELECT
    values: [red, green]
    required: false
  - id: token
    type: STRING
    defaults: "{{ secret('TOKEN') }}"
  - id: remote
    type: STRING
    defaults: "{{ http(uri='http://127.0.0.1:1/x') }}"
""",
)

pytestmark = pytest.mark.django_db


def entered(**values: str | list[str]) -> str:
    """Return what the form holds after somebody typed into some of its fields."""
    pairs = [(f"in.{name}", one) for name, held in values.items() for one in ([held] if isinstance(held, str) else held)]
    return urlencode([*pairs, *(("touched", f"in.{name}") for name in values)])


def let_in_bob() -> Client:
    """Return a browser in which Bob is signed in, who may write flows in one namespace alone."""
    writer = Client()
    bob = User.objects.create_user("bob@example.org")
    Binding.objects.create(id="b1", role_id="editor", user=bob, namespace=NAMESPACE, created_at=AT)
    writer.force_login(bob)
    writer.cookies["look"] = "theme=system"
    return writer


def show_inputs(client: Client, source: str = WITH_INPUTS, **body: Any) -> str:
    about = {"source": source, "line": 1, "column": 1, "flow": f"{NAMESPACE}/{FLOW_ID}", **body}
    answer = client.post("/ui/flows/panel/inputs", json.dumps(about), content_type="application/json")
    assert answer.status_code == 200
    return answer.content.decode()


def test_defaults_are_rendered_and_follow_what_they_depend_on(alice: Client, flow: Flow) -> None:
    untouched, changed = show_inputs(alice), show_inputs(alice, inputs=entered(name="Ada"))

    assert 'value="HELLO"' in untouched and 'value="HELLO and more"' in untouched
    assert 'value="Ada"' in changed and 'value="Ada and more"' in changed
    assert 'data-touched="in.name"' in changed


def test_a_text_that_was_never_saved_has_rendered_defaults_too(alice: Client) -> None:
    assert 'value="HELLO and more"' in show_inputs(alice)


def test_words_for_a_day_are_resolved_and_faults_stand_at_their_fields(alice: Client, flow: Flow) -> None:
    assert '<time datetime="20' in show_inputs(alice, inputs=entered(day="-1d"))
    assert 'role="alert"' in show_inputs(alice, inputs=entered(day="no day"))
    assert 'role="alert"' not in show_inputs(alice)


def test_checks_of_the_text_are_shown(alice: Client, flow: Flow) -> None:
    assert "Bob may not run this." in show_inputs(alice, inputs=entered(name="Bob"))
    assert "Bob may not run this." not in show_inputs(alice, inputs=entered(name="Ada"))


def test_no_secret_is_read_and_no_host_is_asked_while_somebody_types(alice: Client, flow: Flow) -> None:
    page = show_inputs(alice)

    assert 'value="••••••"' in page
    assert "http(uri" in page


def test_who_may_not_change_the_flow_sees_defaults_as_they_are_written(flow: Flow) -> None:
    KeyValue.objects.create(namespace=NAMESPACE, key="hidden", kind="STRING", value="of others", created_at=AT, updated_at=AT)
    stranger = Client()
    stranger.force_login(User.objects.create_user("charlie@example.org"))
    stranger.cookies["look"] = "theme=system"

    page = show_inputs(stranger, WITH_INPUTS.replace("vars.greeting", "kv('hidden')"))

    assert "of others" not in page.lower()
    assert "needs the rights" in page


def test_values_of_a_namespace_that_is_not_the_writers_are_not_shown(flow: Flow) -> None:
    for namespace in (NAMESPACE, "other.team"):
        KeyValue.objects.create(
            namespace=namespace, key="k", kind="STRING", value=f"of {namespace}", created_at=AT, updated_at=AT
        )
    writer = let_in_bob()

    own = show_inputs(writer, WITH_INPUTS.replace("vars.greeting", "kv('k')"))
    other = show_inputs(writer, WITH_INPUTS.replace("vars.greeting", "kv('k', namespace='other.team')"))

    assert f'value="OF {NAMESPACE.upper()}"' in own
    assert "OF OTHER" not in other


@pytest.mark.parametrize("asked", ["fileExists('plan.txt', namespace='{}')", "fileSize('plan.txt', namespace='{}')"])
def test_files_of_a_namespace_that_is_not_the_writers_are_not_told_of(flow: Flow, asked: str) -> None:
    for namespace in (NAMESPACE, "other.team"):
        namespace_files.put_file(namespace, "/plan.txt", b"x" * 4321, at=AT)
    writer = let_in_bob()

    own = show_inputs(writer, WITH_INPUTS.replace("vars.greeting", asked.format(NAMESPACE)))
    other = show_inputs(writer, WITH_INPUTS.replace("vars.greeting", asked.format("other.team")))

    said = "TRUE" if "Exists" in asked else "4321"
    assert f'value="{said}"' in own
    assert f'value="{said}"' not in other


def test_the_form_asks_again_with_the_text_beside_it(alice: Client, flow: Flow) -> None:
    body = {"source": WITH_INPUTS.replace("\n", "\r\n"), "flow": f"{NAMESPACE}/{FLOW_ID}", "in.name": "Ada", "touched": "in.name"}

    answer = alice.post("/ui/flows/panel/inputs", body)

    assert 'value="Ada and more"' in answer.content.decode()


def test_a_form_with_thousands_of_fields_is_refused(alice: Client, flow: Flow) -> None:
    body = json.dumps({"source": WITH_INPUTS, "inputs": "&".join(["a=1"] * 5000)})

    assert alice.post("/ui/flows/panel/inputs", body, content_type="application/json").status_code < 500
    assert alice.post("/ui/flows/play", body, content_type="application/json").status_code == 422


@pytest.mark.django_db(transaction=True)
def test_a_playground_run_takes_what_was_entered_as_the_form_would(alice: Client, flow: Flow) -> None:
    source = WITH_INPUTS.replace("{{ secret('TOKEN') }}", "x").replace("{{ http(uri='http://127.0.0.1:1/x') }}", "y")
    about = {"source": source, "flow": f"{NAMESPACE}/{FLOW_ID}", "element": "hello"}
    about["inputs"] = entered(name="Ada", day="2031-05-04", colours=["red", "green"])

    answer = alice.post("/ui/flows/play", json.dumps(about), content_type="application/json")

    inputs = Execution.objects.get(pk=answer.json()["id"]).inputs
    assert (inputs["name"], inputs["day"], inputs["colours"]) == ("Ada", "2031-05-04", ["red", "green"])

"""The form that starts a flow: what people may write, what is said while they write, and what happens after it was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.engine.catalog import forget_flows
from flows.models import Execution
from flows.ui.free_text import resolve_text
from tests.security.world import add_person
from tests.ui.conftest import FLOW_ID, NAMESPACE, save_execution, save_flow

AT = datetime(2031, 5, 4, 10, 30, tzinfo=UTC)
PAGE = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/execute"
HEAD = "id: daily\nnamespace: company.team\ninputs:\n"
TASKS = "tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}\n"


@pytest.fixture(autouse=True)
def _forget() -> None:
    forget_flows()


def _save(*inputs: str, more: str = "") -> None:
    save_flow(HEAD + "".join(f"  - {one}\n" for one in inputs) + more + TASKS)


def _fields(response: Any) -> dict[str, Any]:
    return {field.id: field for field in response.context["fields"]}


@pytest.mark.parametrize(
    ("kind", "text", "exact"),
    [
        ("DATE", "today", "2031-05-04"),
        ("DATE", "-1d", "2031-05-03"),
        ("DATE", "tomorrow +1w", "2031-05-12"),
        ("DATETIME", "now", "2031-05-04T10:30:00Z"),
        ("DATETIME", "now - 90m", "2031-05-04T09:00:00Z"),
        ("DATETIME", "tomorrow 9:30", "2031-05-05T09:30:00Z"),
        ("DATETIME", "2031-06-01 8:00", "2031-06-01T08:00:00Z"),
        ("DATETIME", "2031-06-01", "2031-06-01T00:00:00Z"),
        ("TIME", "9:30", "09:30:00"),
        ("TIME", "+2h", "12:30:00"),
        ("DURATION", "1h 30m", "PT1H30M"),
        ("DURATION", "2d", "PT48H"),
    ],
)
def test_words_for_moments_and_durations_become_exact(kind: str, text: str, exact: str) -> None:
    assert resolve_text(kind, text, at=AT) == exact


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("DATE", "someday"),
        ("DATE", "2031-13-01"),
        ("DATETIME", "9:30"),
        ("DATETIME", "tomorrow 25:00"),
        ("DATETIME", "+999999d+1d"),
        ("DATETIME", "+999999w"),
        ("DURATION", "3 moons"),
        ("DURATION", "PT5M"),
        ("STRING", "now"),
        ("DATE", "x" * 500),
    ],
)
def test_anything_else_is_left_for_the_flow_to_judge(kind: str, text: str) -> None:
    assert resolve_text(kind, text, at=AT) == text


@pytest.mark.django_db
def test_words_are_shown_with_what_they_mean_and_sent_in_exact_form(alice: Client) -> None:
    _save("{id: day, type: DATE}", "{id: pause, type: DURATION}")

    shown = _fields(alice.post(f"{PAGE}/fields", {"in.day": "2031-05-04", "in.pause": "90s"}))
    alice.post(PAGE, {"in.day": "today", "in.pause": "90s"})

    assert (shown["pause"].value, shown["pause"].resolved, shown["day"].resolved) == ("90s", "PT1M30S", "")
    assert Execution.objects.get().inputs["pause"] == "PT1M30S"


@pytest.mark.django_db
def test_lists_are_chips_and_take_further_values(alice: Client) -> None:
    _save(
        "{id: tags, type: MULTISELECT, values: [red, green, blue]}",
        "{id: hosts, type: ARRAY, itemType: STRING, defaults: [alpha]}",
        "{id: counts, type: ARRAY, itemType: INT}",
    )

    page = alice.get(PAGE).content.decode()
    alice.post(PAGE, {"in.tags": ["red", "blue"], "in.hosts": "alpha", "in.hosts+": "beta, gamma", "in.counts+": "[1, 2]"})

    assert 'data-add="in.hosts"' in page and 'data-add="in.tags"' not in page
    inputs = Execution.objects.get().inputs
    assert inputs == {"tags": ["red", "blue"], "hosts": ["alpha", "beta", "gamma"], "counts": [1, 2]}


@pytest.mark.django_db
def test_only_what_somebody_has_changed_is_found_fault_with_while_typing(alice: Client) -> None:
    _save('{id: code, type: STRING, validator: "[A-Z]+"}', "{id: other, type: INT}")

    quiet = _fields(alice.post(f"{PAGE}/fields", {"in.code": "abc"}))
    loud = _fields(alice.post(f"{PAGE}/fields", {"in.code": "abc", "touched": "in.code"}))

    assert not quiet["code"].errors
    assert "must match the pattern" in loud["code"].errors[0] and not loud["other"].errors


@pytest.mark.django_db
def test_a_missing_value_is_asked_for_in_plain_words_above_and_at_the_field(alice: Client) -> None:
    _save("{id: code, type: STRING, displayName: Code of the shop}")

    response = alice.post(PAGE, {})

    assert response.status_code == 422
    assert '<a href="#f-code">Code of the shop</a>' in response.content.decode()
    assert _fields(response)["code"].errors == ["This needs a value."]


@pytest.mark.django_db
def test_a_default_follows_the_input_on_which_it_depends_until_it_is_changed(alice: Client) -> None:
    _save(
        "{id: way, type: SELECT, values: [air, sea]}",
        '{id: text, type: STRING, defaults: "by {{ inputs.way }}", dependsOn: {inputs: [way]}}',
    )

    followed = _fields(alice.post(f"{PAGE}/fields", {"in.way": "sea"}))
    kept = _fields(alice.post(f"{PAGE}/fields", {"in.way": "sea", "in.text": "mine"}))

    assert (followed["text"].value, kept["text"].value) == ("by sea", "mine")
    assert (followed["text"].is_given, kept["text"].is_given) == (False, True)


@pytest.mark.django_db
def test_a_form_that_is_sent_twice_starts_one_execution(alice: Client) -> None:
    _save("{id: name, type: STRING}")
    sent = {"in.name": "Ada", "key": "abcdef0123"}

    first, second = alice.post(PAGE, sent), alice.post(PAGE, sent)
    third = alice.post(PAGE, {**sent, "in.name": "Grace"})

    assert first["Location"] == second["Location"] != third["Location"]
    assert Execution.objects.count() == 2


@pytest.mark.django_db
def test_who_stays_sees_the_execution_above_the_form_with_the_same_inputs(alice: Client) -> None:
    _save("{id: name, type: STRING}", "{id: report, type: FILE, required: false}")
    upload = SimpleUploadedFile("a.txt", b"hello")

    response = alice.post(PAGE, {"in.name": "Ada", "in.report": upload, "then": "stay"}, follow=True)

    execution = Execution.objects.get()
    assert response.context["started"] == execution
    assert f'data-url="{PAGE}?started={execution.id}' in response.content.decode()
    assert _fields(response)["name"].value == "Ada"


@pytest.mark.django_db
def test_lists_and_objects_of_an_earlier_run_come_into_the_form(alice: Client) -> None:
    _save("{id: hosts, type: ARRAY, itemType: STRING}", "{id: payload, type: JSON}")
    save_execution(inputs={"hosts": ["a", "b"], "payload": {"x": 1}})

    fields = _fields(alice.get(f"{PAGE}?from=exec1"))

    assert fields["hosts"].value == ["a", "b"]
    assert fields["payload"].value == '{\n  "x": 1\n}'


@pytest.mark.django_db
def test_the_start_time_is_shown_as_the_moment_that_it_means(alice: Client) -> None:
    _save("{id: name, type: STRING}")

    good = alice.post(f"{PAGE}/fields", {"schedule": "2031-05-04 10:00"}).content.decode()
    bad = alice.post(f"{PAGE}/fields", {"schedule": "whenever"}).content.decode()

    assert "2031-05-04 10:00:00 UTC" in good
    assert "must be a date-time" in bad


@pytest.mark.django_db
def test_the_call_for_a_terminal_holds_exact_values_and_no_unrendered_default(alice: Client) -> None:
    _save("{id: pause, type: DURATION}", '{id: text, type: STRING, defaults: "{{ inputs.pause }}"}')

    call = alice.get(f"{PAGE}?in.pause=90s").context["call"]

    assert "pause=PT1M30S" in call and "{{" not in call


@pytest.mark.django_db
def test_who_may_not_start_sees_the_button_disabled_with_the_reason(client: Client) -> None:
    _save("{id: name, type: STRING}")
    client.force_login(add_person("viewer@example.org", "viewer", NAMESPACE))

    page = client.get(PAGE).content.decode()

    assert "You lack the right to start executions" in page and '<button class="btn primary" disabled>' in page


@pytest.mark.django_db
def test_hostile_values_stay_text(alice: Client) -> None:
    _save('{id: tags, type: MULTISELECT, values: ["<b>x", "<script>y"]}', "{id: hosts, type: ARRAY, itemType: STRING}")

    page = alice.post(f"{PAGE}/fields", {"in.hosts": "<script>alert(1)</script>", "touched": "<i>"}).content.decode()

    assert "<script>alert(1)" not in page and "<b>x" not in page


@pytest.mark.django_db
def test_the_form_costs_a_fixed_number_of_statements(alice: Client) -> None:
    _save(*(f"{{id: name{number}, type: STRING, required: false}}" for number in range(30)))
    for number in range(20):
        save_execution(f"exec{number}")

    with CaptureQueriesContext(connection) as found:
        alice.get(PAGE)

    assert len(found) <= 15


@pytest.mark.django_db
def test_a_fault_in_code_is_told_with_its_line_and_marked_there(alice: Client) -> None:
    _save("{id: options, type: JSON}", "{id: extra, type: YAML}", "{id: shape, type: ION}")
    entered = {"in.options": '{\r\n  "a": 1,\r\n  b: 2\r\n}', "in.extra": "a: 1\n b: [", "in.shape": "{a: ["}

    response = alice.post(PAGE, entered)

    fields, page = _fields(response), response.content.decode()
    assert response.status_code == 400 or response.status_code == 422
    assert fields["options"].fault_at == (3, 3)
    assert fields["options"].errors[0].startswith("Line 3, column 3: this is no JSON")
    assert fields["extra"].fault_at is not None and fields["extra"].fault_at[0] == 2
    assert fields["shape"].fault_at is None and "Ion" in fields["shape"].errors[0]
    assert 'data-line="3" data-column="3"' in page
    assert page.count("data-small data-ace=") == 3


@pytest.mark.django_db
def test_the_call_for_a_terminal_has_labels_and_start_time(alice: Client) -> None:
    _save("{id: a, type: STRING, defaults: x}")
    entered = {"labels": "team:data, ticket:4 2", "schedule": "2031-06-01 8:00", "touched": "in.a", "in.a": "y"}

    page = alice.post(f"{PAGE}/fields", entered).context["call"]

    assert "labels=team%3Adata&labels=ticket%3A4+2&scheduleDate=2031-06-01T08%3A00%3A00%2B00%3A00" in page
    assert "-F a=y" in page
    assert "labels" not in alice.post(f"{PAGE}/fields", {"labels": "nonsense"}).context["call"]

"""The pages of one execution in detail: log windows, evaluation, comparison, drawer, metrics, and what they cost."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.models import Dashboard, Execution, Flow, LogEntry, Metric, Role
from tests.security.world import add_person
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_execution, save_flow, save_log, save_task_run

pytestmark = pytest.mark.django_db
EXECUTION = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/exec1"
TABS = ("", "/gantt", "/topology", "/logs", "/outputs", "/metrics", "/dependencies")
HOSTILE = "<script>alert(1)</script>"


def _save_lines(execution: Execution, count: int, **fields: Any) -> list[int]:
    rows = [
        LogEntry(
            namespace=NAMESPACE, flow_id=FLOW_ID, execution_id=execution.id, level=2, message=f"line {number}",
            timestamp=AT + timedelta(milliseconds=number), **fields,
        )
        for number in range(count)
    ]  # fmt: skip
    return [row.id for row in LogEntry.objects.bulk_create(rows)]


def save_metric(execution: Execution, name: str, value: float) -> Metric:
    """Store a counter of the task "hello"."""
    facts = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "execution_id": execution.id, "task_id": "hello", "timestamp": AT}
    return Metric.objects.create(**facts, kind="counter", name=name, value=value)


def _shown(client: Client, query: str = "") -> list[str]:
    text = client.get(f"{EXECUTION}/logs{query}").content.decode()
    return [part.partition("</span>")[0] for part in text.split('<span class="l-text">')[1:]]


@pytest.mark.parametrize("tab", TABS)
def test_no_tab_costs_more_than_fifteen_statements(alice: Client, flow: Flow, tab: str) -> None:
    execution = save_execution(state="FAILED", caller_execution_id="parent")
    save_execution("parent", state="RUNNING")
    for number in range(30):
        run = save_task_run(execution, "say", number=number, state="FAILED", outputs={"value": {"a": [number]}})
        save_log(execution, "x", level=4, task_run_id=run.id)
        save_metric(execution, f"m{number}", 1)
    alice.get(f"{EXECUTION}{tab}?task={run.id}")

    with CaptureQueriesContext(connection) as found:
        assert alice.get(f"{EXECUTION}{tab}?task={run.id}").status_code == 200

    assert len(found) <= 15, [one["sql"][:120] for one in found]


@pytest.mark.parametrize("state", ["CREATED", "QUEUED", "PAUSED", "RETRYING", "RESTARTED", "RUNNING", "KILLING", "BREAKPOINT"])
def test_every_waiting_state_is_told_in_words(alice: Client, flow: Flow, state: str) -> None:
    long_ago = datetime(2021, 5, 4, tzinfo=UTC)
    execution = save_execution(state=state, created_at=long_ago)
    histories = [["CREATED", long_ago.isoformat()]]
    save_task_run(
        execution, "hello", histories=histories, state=state if state in ("PAUSED", "RETRYING", "BREAKPOINT") else "CREATED"
    )

    wait = alice.get(EXECUTION).context["wait"]

    assert wait is not None
    assert len(wait.text) > 15


def test_the_log_opens_at_its_end_and_leads_to_what_was_before(alice: Client, flow: Flow) -> None:
    ids = _save_lines(save_execution(), 500)

    assert _shown(alice)[0] == "line 300"
    assert _shown(alice)[-1] == "line 499"
    assert _shown(alice, f"?before={ids[300]}")[-1] == "line 299"
    assert _shown(alice, f"?later={ids[99]}")[0] == "line 100"
    assert _shown(alice, "?jump=start")[0] == "line 0"


def test_a_link_to_a_line_opens_around_it(alice: Client, flow: Flow) -> None:
    ids = _save_lines(save_execution(), 500)

    response = alice.get(f"{EXECUTION}/logs?line={ids[250]}&through={ids[260]}")

    log = response.context["log"]
    assert (log["marked"], log["marked_through"]) == (ids[250], ids[260])
    assert f'id="l{ids[250]}"' in response.content.decode()


def test_the_log_jumps_to_the_first_error(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    _save_lines(execution, 300)
    error = save_log(execution, "it broke", level=4)
    _save_lines(execution, 300)

    response = alice.get(f"{EXECUTION}/logs?jump=error")

    assert response.context["log"]["marked"] == error.id


def test_the_log_jumps_to_a_moment(alice: Client, flow: Flow) -> None:
    ids = _save_lines(save_execution(), 300)

    response = alice.get(f"{EXECUTION}/logs", {"at": (AT + timedelta(milliseconds=40)).isoformat()})

    assert response.context["log"]["marked"] == ids[40]
    assert alice.get(f"{EXECUTION}/logs", {"at": "yesterday"}).status_code == 422


def test_scripts_get_lines_and_where_their_neighbours_begin(alice: Client, flow: Flow) -> None:
    ids = _save_lines(save_execution(), 500)

    answer = alice.get(f"{EXECUTION}/logs?before={ids[300]}", headers={"X-Fragment": "lines"}).json()

    assert (answer["first"], answer["next"], answer["last"]) == (ids[100], ids[299], ids[299])
    assert [count for count, _ in answer["parts"]] == [50] * 4
    assert "line 100<" in answer["parts"][0][1] and "line 299<" in answer["parts"][3][1]


def test_a_search_can_keep_the_lines_around_and_step_from_hit_to_hit(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    first = save_log(execution, "needle 1")
    _save_lines(execution, 150)
    second = save_log(execution, "needle 2")
    _save_lines(execution, 150)
    query = {"q": "needle", "context": "1"}

    assert len(_shown(alice, "?q=needle")) == 2
    assert "line 149" in _shown(alice, "?q=needle&context=1")
    onwards = alice.get(f"{EXECUTION}/logs", {**query, "jump": "next", "line": first.id}).context["log"]
    back = alice.get(f"{EXECUTION}/logs", {**query, "jump": "previous", "line": second.id}).context["log"]
    assert (onwards["marked"], back["marked"]) == (second.id, first.id)


@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ("line 7", ["line 7", "line 17"]),
        ('"line 7"', ["line 7"]),
        ("/ne 1.$/", [f"line 1{n}" for n in range(10)]),
        ("nothing", []),
    ],
)
def test_the_log_is_searched_by_words_phrase_and_pattern(alice: Client, flow: Flow, searched: str, found: list[str]) -> None:
    _save_lines(save_execution(), 20)

    response = alice.get(f"{EXECUTION}/logs", {"q": searched})

    text = response.content.decode().replace("<mark>", "").replace("</mark>", "")
    assert [part.partition("</span>")[0] for part in text.split('<span class="l-text">')[1:]] == found
    assert response.context["log"]["hit_count"] == str(len(found))


def test_a_pattern_that_cannot_be_read_is_told(alice: Client, flow: Flow) -> None:
    save_log(save_execution(), "x")

    assert alice.get(f"{EXECUTION}/logs", {"q": "/(/"}).status_code in (400, 422)
    assert alice.get(f"{EXECUTION}/logs", {"q": f"/{'a' * 300}/"}).status_code == 422


def test_what_is_filtered_can_be_downloaded(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    save_log(execution, "good", task_id="hello")
    save_log(execution, "bad", level=4, task_id="hello")

    text = alice.get(f"{EXECUTION}/log-lines?level=ERROR").getvalue().decode()  # type: ignore[attr-defined]

    assert text == f"{AT.isoformat()} ERROR [hello] bad\n"


def test_lines_can_be_read_task_by_task(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    for task in ("a", "b", "a"):
        save_log(execution, f"of {task}", task_id=task)

    groups = alice.get(f"{EXECUTION}/logs?order=task").context["groups"]

    assert [name for name, _ in groups] == ["a", "b"]


def test_the_progress_counts_tasks_that_are_sure_to_come(alice: Client, flow: Flow) -> None:
    execution = save_execution(state="RUNNING")
    before = alice.get(EXECUTION).context
    save_task_run(execution, "hello")
    begun = alice.get(EXECUTION).context
    Execution.objects.update(state="SUCCESS")
    ended = alice.get(EXECUTION).context

    # What a loop holds is not known before it begins.
    assert (before["done_count"], before["task_count"]) == (0, 2)
    assert (begun["done_count"], begun["task_count"]) == (1, 2)
    assert (ended["done_count"], ended["task_count"]) == (1, 1)


def test_a_page_follows_until_the_last_task_after_the_end_has_ended(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    run = save_task_run(execution, "hello", state="PAUSED", ended_at=None)
    waiting = alice.get(f"{EXECUTION}/logs?order=task").content.decode()
    run.state = "SUCCESS"
    run.save()

    assert 'data-follow="/ui/live/executions/exec1?tab=logs" data-seen="SUCCESS.' in waiting
    assert "data-follow" not in alice.get(f"{EXECUTION}/logs?order=task").content.decode()


CALLS = """id: daily
namespace: company.team
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: hi}
  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: child}
  - {id: again, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: child}
  - {id: gone, type: io.kestra.plugin.core.flow.Subflow, namespace: company.team, flowId: missing}
"""
CHILD = """id: child
namespace: company.team
tasks:
  - id: graph
    type: io.kestra.plugin.core.flow.Dag
    tasks:
      - task: {id: first, type: io.kestra.plugin.core.log.Log, message: a}
      - task: {id: hello, type: io.kestra.plugin.core.log.Log, message: b}
        dependsOn: [first]
"""


def test_a_called_flow_is_opened_in_the_picture_with_the_states_of_its_execution(alice: Client) -> None:
    save_flow(CALLS)
    save_flow(CHILD, flow_id="child")
    execution = save_execution()
    save_task_run(execution, "hello")
    call = save_task_run(execution, "call", number=2)
    inner = save_execution("exec2", flow_id="child", caller_execution_id="exec1", caller_task_run_id=call.id)
    save_task_run(inner, "first", state="FAILED")

    with CaptureQueriesContext(connection) as queries:
        page = alice.get(f"{EXECUTION}/topology?open=call&open=again&open=gone&open=nothing").content.decode()
    closed = alice.get(f"{EXECUTION}/topology").content.decode()

    assert re.search(r'class="node st-failed" id="n-call/first"', page)
    assert re.search(r'class="node is-unreached" id="n-again/hello"', page)
    assert re.search(r'class="node st-good[^"]*" id="n-hello"', page)
    assert 'aria-label="Fold call"' in page
    assert "open=call" in closed and "n-call/" not in closed
    assert len(queries) <= 15


def test_a_called_flow_that_one_may_not_see_stays_closed(client: Client, alice: Client) -> None:
    save_flow(CALLS.replace("company.team, flowId", "other.team, flowId"))
    save_flow(CHILD.replace("company.team", "other.team"), flow_id="child", namespace="other.team")
    save_task_run(save_execution(), "call")
    client.force_login(add_person("bob@example.org", "viewer", NAMESPACE))

    page = client.get(f"{EXECUTION}/topology?open=call")

    assert page.status_code == 200
    assert "n-call/" not in page.content.decode()


def test_two_executions_are_compared(alice: Client, flow: Flow) -> None:
    first = save_execution(state="FAILED", inputs={"name": "Ada", "same": 1})
    second = save_execution("exec0", inputs={"name": "Bob", "same": 1}, created_at=AT - timedelta(hours=1))
    save_task_run(first, "hello", state="FAILED", outputs={"rows": 1})
    save_task_run(second, "hello", outputs={"rows": 2})

    response = alice.get("/ui/executions/compare?a=exec1")

    assert response.context["b"] == "exec0"
    assert [(row["name"], row["differs"]) for row in response.context["inputs"]] == [("name", True), ("same", False)]
    assert [row["name"] for row in response.context["outputs"]] == ["hello · rows"]
    assert response.context["tasks"][0]["differs"] is True


def test_revisions_that_differ_are_shown_line_by_line(alice: Client) -> None:
    row = save_flow()
    row.revisions.create(revision=2, source=SOURCE.replace("Runs **daily**", "Runs weekly"), created_at=AT)
    save_execution()
    save_execution("exec2", flow_revision=2)

    assert "weekly" in alice.get("/ui/executions/compare?a=exec1&b=exec2").content.decode()


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?a=exec1", 200), ("?a=missing", 404), ("?a=exec1&b=missing", 404)])
def test_a_comparison_of_less_than_two_is_answered(alice: Client, flow: Flow, query: str, status: int) -> None:
    save_execution()

    assert alice.get(f"/ui/executions/compare{query}").status_code == status


def test_hostile_values_in_a_comparison_stay_text(alice: Client, flow: Flow) -> None:
    for name in ("exec1", "exec2"):
        save_task_run(
            save_execution(name, inputs={HOSTILE: HOSTILE + name}), "hello", value=HOSTILE, outputs={HOSTILE: HOSTILE + name}
        )

    assert HOSTILE not in alice.get("/ui/executions/compare?a=exec1&b=exec2").content.decode()


def test_an_expression_is_evaluated_and_a_fault_in_it_is_an_answer(alice: Client, flow: Flow) -> None:
    save_execution()

    good = alice.post(f"{EXECUTION}/evaluate", {"expression": "{{ inputs.name | upper }}"})
    bad = alice.post(f"{EXECUTION}/evaluate", {"expression": "{{ nothing.here }}"})

    assert json.loads(good.content) == {"result": "ADA"}
    assert "nothing" in json.loads(bad.content)["error"]


def test_a_part_of_a_large_value_is_sent_when_it_is_asked_for(alice: Client, flow: Flow) -> None:
    run = save_task_run(save_execution(), "hello", outputs={"rows": {"all": list(range(500))}})

    text = alice.get(f"{EXECUTION}/outputs", {"of": run.id, "at": '["rows","all"]', "start": "450"}).content.decode()

    assert ">499<" in text
    assert ">449<" not in text
    assert alice.get(f"{EXECUTION}/outputs", {"of": run.id, "at": "{}"}).status_code == 422


def test_a_metric_is_compared_with_the_runs_before(alice: Client, flow: Flow) -> None:
    for number, value in enumerate((10, 10, 30)):
        execution = save_execution(f"exec{3 - number}" if number < 2 else "exec1", created_at=AT + timedelta(hours=number))
        save_metric(execution, "rows", value)

    [row] = alice.get(f"{EXECUTION}/metrics").context["metrics"]

    assert (row["metric"].value, row["metric"].median, row["share"]) == (30, 10, "+200%")


def test_the_drawer_shows_the_lines_of_the_task_in_the_source(alice: Client, flow: Flow) -> None:
    run = save_task_run(save_execution(), "say")

    response = alice.get(f"{EXECUTION}/gantt?task={run.id}")

    assert response.context["drawer_source"].splitlines()[0] == "- id: say"
    assert "each" not in response.context["drawer_source"]


def test_neighbours_in_time_are_one_key_away(alice: Client, flow: Flow) -> None:
    save_execution()
    save_execution("before", created_at=AT - timedelta(minutes=1))
    save_execution("after", created_at=AT + timedelta(minutes=1))
    save_execution("other", flow_id="other", created_at=AT + timedelta(seconds=1))

    found = alice.get(EXECUTION).context["neighbours"]

    assert (found.previous, found.following) == ("before", "after")


def test_a_task_that_took_much_longer_than_usual_is_named(alice: Client, flow: Flow) -> None:
    for number in range(3):
        save_task_run(save_execution(f"good{number}", created_at=AT - timedelta(hours=1)), "hello")
    late = [["CREATED", AT.isoformat()], ["FAILED", (AT + timedelta(seconds=30)).isoformat()]]
    save_task_run(save_execution(state="FAILED"), "hello", state="FAILED", histories=late)

    changes = alice.get(EXECUTION).context["failure"].changes

    assert 'Task "hello" took 30.0 s, usually 2.0 s.' in changes


@pytest.mark.parametrize(
    "query", ["?span=x", "?span=9-1", "?rows=0", "?span=1-99999999999999999", "?as=table", "?cut=1", "?critical=1&sort=start"]
)
def test_any_choice_of_the_gantt_is_answered(alice: Client, flow: Flow, query: str) -> None:
    save_task_run(save_execution(), "hello")

    assert alice.get(f"{EXECUTION}/gantt{query}").status_code == 200


def test_two_thousand_task_runs_paint_their_first_rows_only(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    for number in range(260):
        save_task_run(execution, "say", number=number)

    text = alice.get(f"{EXECUTION}/gantt").content.decode()

    assert text.count('class="g-row st-') == 200
    assert "60 more rows" in text


def test_lines_of_all_executions_are_found_marked_and_downloaded(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    save_log(execution, "the warehouse burns", level=4, task_id="hello")
    save_log(execution, "all is well")

    page = alice.get("/ui/logs?q=warehouse").content.decode()
    file = alice.get("/ui/logs/download?q=warehouse").getvalue().decode()  # type: ignore[attr-defined]

    assert "the <mark>warehouse</mark> burns" in page
    assert file == f"{AT.isoformat()} ERROR {NAMESPACE}/{FLOW_ID}/exec1 [hello] the warehouse burns\n"


@pytest.mark.parametrize("page", ["/ui/logs", f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/logs"])
@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ("burns", ["the warehouse burns", "nothing burns in the warehouse"]),
        ("warehouse burns", ["the warehouse burns", "nothing burns in the warehouse"]),
        ("ware burn", ["the warehouse burns", "nothing burns in the warehouse"]),
        ('"warehouse burns"', ["the warehouse burns"]),
        ("/^the .*burns$/", ["the warehouse burns"]),
    ],
)
def test_lines_of_many_executions_are_searched_by_words_phrase_and_pattern(
    alice: Client, flow: Flow, page: str, searched: str, found: list[str]
) -> None:
    execution = save_execution()
    for text in ("the warehouse burns", "nothing burns in the warehouse", "all is well"):
        save_log(execution, text)

    response = alice.get(page, {"q": searched, "from": "2031-01-01T00:00:00Z"})

    assert [entry.message for entry in response.context["log"]["entries"]] == found


def test_a_pattern_without_a_span_of_time_is_looked_for_in_the_last_day_and_says_so(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    save_log(execution, "old fire", timestamp=timezone.now() - timedelta(days=3))
    save_log(execution, "new fire", timestamp=timezone.now())

    response = alice.get("/ui/logs?q=/fire$/")

    assert [entry.message for entry in response.context["log"]["entries"]] == ["new fire"]
    assert "in the last 24 hours" in response.content.decode()
    assert alice.get("/ui/logs?q=/(/").status_code == 422


def test_a_line_leads_to_its_place_in_the_log_of_its_execution(alice: Client, flow: Flow) -> None:
    line = save_log(save_execution(), "x")

    response = alice.get(f"/ui/e/exec1?tab=logs&line={line.id}")

    assert response["Location"] == f"{EXECUTION}/logs?line={line.id}"


def test_the_drawer_renders_the_inputs_of_a_task_when_they_are_asked_for(alice: Client) -> None:
    source = SOURCE.replace(
        'message: "hello {{ inputs.name }}"', 'message: ["hello {{ inputs.name }}", "{{ http(\'http://x\') }}"]'
    )
    save_flow(source.replace('message: "{{ taskrun.value }}"', 'message: "{{ taskrun.value }} of {{ inputs.name }}"'))
    execution = save_execution()
    broken, whole = save_task_run(execution, "hello"), save_task_run(execution, "say", number=1, value="a")

    written = alice.get(f"{EXECUTION}/gantt?task={whole.id}").context
    rendered = alice.get(f"{EXECUTION}/gantt?task={whole.id}&inputs=rendered").context
    refused = alice.get(f"{EXECUTION}/gantt?task={broken.id}&inputs=rendered").context

    assert not written["drawer_inputs"]
    assert [(entry.name, entry.text) for entry in rendered["drawer_inputs"]] == [("message", "a of Ada")]
    assert "not sent again" in dict(refused["drawer_faults"])["message"]


def test_the_failure_card_tells_which_of_the_allowed_attempts_failed(alice: Client) -> None:
    retry = "retry: {type: constant, interval: PT1S, maxAttempt: 3}\n    message: x"
    save_flow(SOURCE.replace('message: "hello {{ inputs.name }}"', retry))
    attempts = [{"state": "FAILED", "startDate": AT.isoformat(), "endDate": AT.isoformat()}] * 3
    save_task_run(save_execution(state="FAILED"), "hello", state="FAILED", attempts=attempts)

    failure = alice.get(EXECUTION).context["failure"]

    assert (failure.attempt_count, failure.attempt_limit) == (3, 3)


def test_staff_find_the_way_to_the_administration(alice: Client, flow: Flow) -> None:
    run = save_task_run(save_execution(), "hello")
    group, role = Group.objects.create(name="team"), Role.objects.first()
    board = Dashboard.objects.create(id="b", title="b", source="title: b", created_at=AT, updated_at=AT)
    person = User.objects.get(username="alice@example.org")
    assert role is not None
    pages = {
        f"{EXECUTION}/gantt?task={run.id}": f"/admin/flows/taskrun/{run.pk}/change/",
        f"/ui/users/{person.pk}": f"/admin/auth/user/{person.pk}/change/",
        f"/ui/groups/{group.pk}": f"/admin/auth/group/{group.pk}/change/",
        f"/ui/roles/{role.name}": f"/admin/flows/role/{role.pk}/change/",
        f"/ui/dashboards/{board.pk}": f"/admin/flows/dashboard/{board.pk}/change/",
    }

    assert [page for page, address in pages.items() if address not in alice.get(page).content.decode()] == []

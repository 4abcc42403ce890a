"""Lists and dashboards that are asked for again: nothing as long as nothing that they show has changed, else all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.engine.catalog import get_flow
from flows.language.dashboards import parse_dashboard
from flows.models import Binding, BulkJob, Dashboard, Execution, Flow, FlowTriggerWindow, LogEntry, TaskRun, TriggerState
from flows.operations.preferences import save_preference
from flows.operations.roles import write_built_in_roles
from flows.triggers.flow_entries import read_flow_trigger
from flows.ui.marks import LONGEST_LIFE
from flows.ui.views.dashboards import _EXAMPLE
from tests.security.world import add_person
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_execution, save_flow, save_log, save_task_run

pytestmark = pytest.mark.django_db

ELSEWHERE = "other.team"
FLOW = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}"
HEARING = """
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    dependsOn:
      - {namespace: company.team, flowId: load, states: [SUCCESS]}
"""
_CHART = """  - id: {source}
    type: io.kestra.plugin.core.dashboard.chart.Table
    data:
      type: io.kestra.plugin.core.dashboard.data.{source}
      columns:
        total: {{field: {field}, agg: COUNT}}
"""

Change = Callable[[], object]


def read_mark(client: Client, path: str) -> str:
    """Load the parts of a page as a script does, and return the mark of what is asked for again."""
    # Figures that were kept for others have no mark.
    cache.clear()
    response = client.get(path, headers={"X-Fragment": "1"})
    assert response.status_code == 200, response.content.decode()[:400]
    [found] = re.findall(r'data-mark="([^"]*)"', response.content.decode())
    return found


def ask(client: Client, path: str, mark: str) -> int:
    """Ask for a page that is there with a mark, and return the status."""
    response = client.get(path, headers={"X-Fragment": "1", "X-Mark": mark})
    assert response.status_code == 200 or response.content == b""
    return response.status_code


@pytest.fixture
def filled(alice: Client, flow: Flow) -> Client:
    """Alice, and something to see on every page: all of it happened some time ago."""
    past = timezone.now() - timedelta(hours=2)
    ended: dict[str, Any] = {"created_at": past, "ended_at": past + timedelta(minutes=1)}
    save_execution("good", labels=[{"key": "env", "value": "prod"}], **ended)
    save_execution("bad", state="FAILED", **ended)
    running = save_execution("busy", state="RUNNING", created_at=past, slot_held=True)
    save_task_run(running, "hello", state="RUNNING")
    save_execution("waiting", state="PAUSED", created_at=past)
    Flow.objects.update(concurrency_limit=2, running_count=1)
    # A running bar grows with the minute, which may end during a test.
    save_flow(SOURCE.replace("id: daily", "id: calm"), flow_id="calm")
    save_execution("calm", flow_id="calm", **ended)
    person = User.objects.get(username="alice@example.org")
    BulkJob.objects.create(id="job1", user=person, kind="execution", act="kill", names=["busy"], total=1, created_at=past)
    Dashboard.objects.create(id="ours", title="Ours", source=f"id: ours\n{_EXAMPLE}", created_at=past, updated_at=past)
    return alice


def _move(execution_id: str, **fields: object) -> Change:
    return lambda: Execution.objects.filter(pk=execution_id).update(**fields)


def _begin(execution_id: str = "new", **fields: object) -> Change:
    return lambda: save_execution(execution_id, **{"created_at": timezone.now(), "state": "RUNNING", **fields})  # type: ignore[arg-type]


def _change_trigger(**fields: object) -> Change:
    return lambda: TriggerState.objects.filter(flow_id=FLOW_ID).update(**fields)


def _change_flow(**fields: object) -> Change:
    return lambda: Flow.objects.filter(flow_id=FLOW_ID).update(**fields)


def _save_another() -> object:
    return save_flow(SOURCE.replace("id: daily", "id: another"), flow_id="another", updated_at=timezone.now())


def _change_job(**fields: object) -> Change:
    return lambda: BulkJob.objects.update(**fields)


PAGES: dict[str, int] = {
    "/ui/executions": 7,
    "/ui/executions?state=FAILED&state=RUNNING": 7,
    f"{FLOW}/executions": 6,
    f"/ui/namespaces/{NAMESPACE}/executions": 5,
    "/ui/flows?q=calm": 6,
    "/ui/flows?q=calm&view=tree": 7,
    "/ui/triggers": 4,
    f"{FLOW.replace(FLOW_ID, 'calm')}": 7,
    f"{FLOW}/triggers": 5,
    f"{FLOW}/concurrency": 8,
    "/ui/inbox": 4,
    "/ui/jobs": 3,
    "/ui/jobs/job1": 3,
    "/ui/": 6,
    "/ui/dashboards/ours": 5,
}
"""Pages, each with the most statements that the answer "unchanged" may take, session and person included."""


@pytest.mark.parametrize("path", PAGES)
def test_an_unchanged_page_is_answered_with_nothing_in_a_few_statements(filled: Client, path: str) -> None:
    mark = read_mark(filled, path)

    with CaptureQueriesContext(connection) as queries:
        status = ask(filled, path, mark)

    assert mark and status == 204
    assert len(queries) <= PAGES[path], "\n".join(one["sql"][:200] for one in queries.captured_queries)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/ui/executions", _begin()),
        ("/ui/executions", _move("busy", state="KILLING")),
        ("/ui/executions", _move("good", labels=[{"key": "env", "value": "test"}])),
        ("/ui/executions", lambda: TaskRun.objects.update(task_id="say")),
        ("/ui/executions", lambda: Execution.objects.filter(pk="good").delete()),
        ("/ui/executions", lambda: save_preference(User.objects.get().pk, name="executions.columns", value=["flow"], at=AT)),
        # The usual duration, beside which the others are shown.
        ("/ui/executions?state=FAILED", _move("good", ended_at=F("created_at") + timedelta(hours=1))),
        ("/ui/executions?state=FAILED", _begin(state="FAILED")),
        ("/ui/executions?range=24h", _move("good", created_at=AT - timedelta(days=9000))),
        (f"{FLOW}/executions", _begin()),
        (f"{FLOW}/executions", _move("busy", state="KILLING")),
        (f"/ui/namespaces/{NAMESPACE}/executions", _begin(namespace=f"{NAMESPACE}.part")),
        (f"/ui/namespaces/{NAMESPACE}/executions", _move("busy", state="KILLING")),
        ("/ui/flows", _begin()),
        ("/ui/flows", _move("bad", state="WARNING")),
        ("/ui/flows", _change_trigger(next_at=AT + timedelta(days=1))),
        ("/ui/flows", _change_flow(disabled=True)),
        ("/ui/flows", _change_flow(draft_revision=2)),
        ("/ui/flows", _save_another),
        ("/ui/flows?view=tree", _save_another),
        ("/ui/triggers", _change_trigger(disabled=True)),
        ("/ui/triggers", _change_trigger(evaluating_since=AT)),
        ("/ui/triggers", _change_trigger(next_at=AT + timedelta(days=1))),
        ("/ui/triggers", _save_another),
        (FLOW, _begin()),
        (FLOW, _move("busy", state="KILLING")),
        (FLOW, _change_trigger(disabled=True)),
        (FLOW, _change_flow(running_count=2)),
        # It might start this one.
        (FLOW, _save_another),
        (f"{FLOW}/triggers", _change_trigger(disabled=True)),
        (f"{FLOW}/triggers", _change_trigger(evaluating_since=AT)),
        (f"{FLOW}/concurrency", _move("waiting", slot_held=True)),
        (f"{FLOW}/concurrency", _begin(state="QUEUED")),
        ("/ui/inbox", _begin(state="PAUSED")),
        ("/ui/inbox", _move("waiting", state="RUNNING")),
        ("/ui/jobs", _change_job(done_count=1)),
        ("/ui/jobs/job1", _change_job(done_count=1)),
        ("/ui/jobs/job1", _change_job(must_stop=True)),
        ("/ui/", _begin()),
        ("/ui/", lambda: Execution.objects.filter(pk="busy").update(state="SUCCESS", ended_at=timezone.now())),
        ("/ui/", _move("busy", state="KILLING")),
        ("/ui/", _change_trigger(next_at=AT + timedelta(days=1))),
        ("/ui/dashboards/ours", _begin()),
        ("/ui/dashboards/ours", _move("busy", state="KILLING")),
        ("/ui/dashboards/ours", lambda: Dashboard.objects.update(source=f"id: ours\n{_EXAMPLE}# new", updated_at=timezone.now())),
    ],
)  # fmt: skip
def test_a_visible_change_brings_the_page_with_a_new_mark(filled: Client, path: str, change: Change) -> None:
    mark = read_mark(filled, path)

    change()

    assert ask(filled, path, mark) == 200
    assert read_mark(filled, path) != mark


def test_the_end_of_the_last_execution_of_a_trigger_shows_in_the_list_of_triggers(filled: Client) -> None:
    save_execution("fired", state="RUNNING", trigger={"id": "nightly", "type": "x"})
    TriggerState.objects.filter(flow_id=FLOW_ID).update(last_triggered_at=AT)
    mark = read_mark(filled, "/ui/triggers")

    Execution.objects.filter(pk="fired").update(state="FAILED", ended_at=AT)

    assert ask(filled, "/ui/triggers", mark) == 200


def test_a_condition_that_is_met_shows_on_the_tab_of_triggers(alice: Client) -> None:
    save_flow(SOURCE + HEARING)
    at = timezone.now()
    mark = read_mark(alice, f"{FLOW}/triggers")
    trigger = next(one for one in get_flow(NAMESPACE, FLOW_ID).flow.triggers if one.id == "after")
    [group] = read_flow_trigger(trigger).groups
    met = {group.entries[0].key: {"executionId": "upstream1", "flowId": "load", "at": at.isoformat(), "outputs": {}}}

    FlowTriggerWindow.objects.create(
        namespace=NAMESPACE,
        flow_id=FLOW_ID,
        condition_id=group.id,
        starts_at=at - timedelta(hours=1),
        ends_at=at + timedelta(hours=1),
        results={"satisfied": met},
    )

    assert ask(alice, f"{FLOW}/triggers", mark) == 200


def test_a_dry_evaluation_is_another_answer_each_time(filled: Client) -> None:
    assert read_mark(filled, f"{FLOW}/triggers?dry=nightly") == ""


def test_a_mark_holds_for_the_filters_with_which_it_was_made(filled: Client) -> None:
    mark = read_mark(filled, "/ui/executions")

    assert ask(filled, "/ui/executions?q=", mark) == 200


@pytest.mark.parametrize("mark", ["", "0", "x.y", "é", "." * 5000, "0.99999999999999999999", f"{'0' * 24}.1"])
@pytest.mark.parametrize("path", ["/ui/executions", "/ui/"])
def test_a_mark_that_nobody_has_made_brings_the_page(filled: Client, path: str, mark: str) -> None:
    assert ask(filled, path, mark) == 200


def _let_bob_see(namespace: str) -> Client:
    write_built_in_roles()
    client = Client()
    client.force_login(add_person("bob@example.org", "viewer", namespace))
    client.cookies["look"] = "theme=system"
    return client


def _change_all(namespace: str) -> None:
    """Let something happen in a namespace that every page would show."""
    save_flow(SOURCE.replace("company.team", namespace), namespace=namespace, updated_at=timezone.now())
    for number, state in enumerate(("RUNNING", "FAILED", "PAUSED", "QUEUED")):
        ended: dict[str, Any] = {"ended_at": timezone.now()} if state == "FAILED" else {}
        execution = save_execution(f"far{number}", state=state, namespace=namespace, created_at=timezone.now(), **ended)
        save_task_run(execution, "hello", state=state)
        save_log(execution, "there", timestamp=timezone.now())


@pytest.mark.parametrize("path", [path for path in PAGES if "jobs" not in path and path != "/ui/dashboards/ours"])
def test_what_somebody_may_not_see_changes_no_mark(filled: Client, path: str) -> None:
    bob = _let_bob_see(NAMESPACE)
    mark = read_mark(bob, path)

    _change_all(ELSEWHERE)

    assert ask(bob, path, mark) == 204
    assert read_mark(bob, path).partition(".")[0] == mark.partition(".")[0]


@pytest.mark.parametrize(
    "path",
    [
        f"/ui/executions?namespace={NAMESPACE}",
        f"/ui/flows?namespace={NAMESPACE}&q=calm",
        f"/ui/triggers?namespace={NAMESPACE}",
        f"/ui/?namespace={NAMESPACE}",
        f"/ui/dashboards/ours?namespace={NAMESPACE}",
    ],
)
def test_what_the_filter_leaves_out_changes_no_mark(filled: Client, path: str) -> None:
    mark = read_mark(filled, path)

    _change_all(ELSEWHERE)

    assert ask(filled, path, mark) == 204


@pytest.mark.parametrize("path", ["/ui/executions", "/ui/flows", "/ui/triggers", "/ui/inbox"])
def test_who_sees_nothing_learns_nothing_from_marks(filled: Client, path: str) -> None:
    nobody = Client()
    nobody.force_login(add_person("charlie@example.org"))
    nobody.cookies["look"] = "theme=system"
    mark = read_mark(nobody, path)

    _change_all(NAMESPACE.replace("team", "other"))

    assert ask(nobody, path, mark) == 204
    assert ask(nobody, path, read_mark(filled, path)) == 200


def test_a_right_that_was_taken_away_counts_at_once(filled: Client) -> None:
    bob = _let_bob_see(NAMESPACE)
    list_mark, flow_mark = read_mark(bob, "/ui/executions"), read_mark(bob, f"{FLOW}/executions")

    Binding.objects.all().delete()

    assert ask(bob, "/ui/executions", list_mark) == 200
    assert bob.get(f"{FLOW}/executions", headers={"X-Fragment": "1", "X-Mark": flow_mark}).status_code in (403, 404)


def test_without_a_session_a_mark_opens_nothing(filled: Client) -> None:
    mark = read_mark(filled, "/ui/executions")

    assert Client().get("/ui/executions", headers={"X-Fragment": "1", "X-Mark": mark}).status_code == 403


def _age(mark: str, by: timedelta) -> str:
    digest, _, made_at = mark.partition(".")
    return f"{digest}.{int(made_at) - int(by.total_seconds())}"


@pytest.mark.parametrize("path", ["/ui/", "/ui/dashboards/ours?range=24h"])
def test_what_leaves_the_time_of_a_dashboard_is_a_change(filled: Client, path: str) -> None:
    started = timezone.now() - timedelta(days=1, minutes=1)
    save_execution("leaving", created_at=started, ended_at=started + timedelta(seconds=1))
    mark = read_mark(filled, path)

    assert ask(filled, path, mark) == 204
    assert ask(filled, path, _age(mark, timedelta(minutes=2))) == 200


@pytest.mark.parametrize("path", ["/ui/", "/ui/dashboards/ours"])
def test_a_dashboard_that_was_made_right_after_a_change_is_made_once_more(filled: Client, path: str) -> None:
    """The last lines of a log may come later than the end, and transactions be seen later than others that began after them."""
    at = timezone.now()
    save_execution("just_now", created_at=at - timedelta(minutes=1), ended_at=at - timedelta(seconds=5))
    mark = read_mark(filled, path)

    assert ask(filled, path, mark) == 200

    Execution.objects.filter(pk="just_now").update(ended_at=at - timedelta(seconds=50))
    assert ask(filled, path, mark) == 204


@pytest.mark.parametrize("path", ["/ui/", "/ui/dashboards/ours"])
def test_the_mark_of_a_dashboard_does_not_live_for_ever(filled: Client, path: str) -> None:
    """A deleted execution leaves no trace by which it could be seen."""
    mark = read_mark(filled, path)

    assert ask(filled, path, _age(mark, LONGEST_LIFE - timedelta(seconds=20))) == 204
    assert ask(filled, path, _age(mark, LONGEST_LIFE)) == 200


def test_a_dashboard_with_figures_that_were_kept_for_others_has_no_mark(filled: Client) -> None:
    mark = read_mark(filled, "/ui/")

    assert mark and b'data-mark=""' in filled.get("/ui/").content
    assert ask(filled, "/ui/", mark) == 204


def test_a_dashboard_with_a_part_that_failed_has_no_mark(filled: Client) -> None:
    where = "      where:\n        - {field: START_DATE, type: GREATER_THAN, value: someday}\n"
    path = _save_dashboard("Executions", "ID", more=where)

    assert read_mark(filled, path) == ""


def _save_dashboard(source: str, field: str, *, more: str = "") -> str:
    at = timezone.now() - timedelta(hours=1)
    text = f"id: own\ntitle: Own\ncharts:\n{_CHART.format(source=source, field=field)}{more}"
    assert parse_dashboard(text)[1] == []
    Dashboard.objects.create(id="own", title="Own", source=text, created_at=at, updated_at=at)
    return "/ui/dashboards/own?range=24h"


@pytest.mark.parametrize(
    ("source", "field", "change"),
    [
        ("Flows", "ID", _save_another),
        ("Triggers", "ID", _change_trigger(disabled=True)),
        ("Logs", "LEVEL", _change_trigger(evaluation={"at": AT.isoformat(), "result": "NOTHING"})),
        ("Logs", "LEVEL", lambda: LogEntry.objects.update(timestamp=timezone.now() - timedelta(days=1, seconds=60))),
        ("Metrics", "VALUE", _begin(state="SUCCESS")),
    ],
)
def test_charts_of_every_kind_see_their_changes(filled: Client, source: str, field: str, change: Change) -> None:
    Execution.objects.filter(pk="busy").update(state="PAUSED")
    save_log(Execution.objects.get(pk="good"), "then")
    path = _save_dashboard(source, field)
    mark = read_mark(filled, path)
    assert ask(filled, path, mark) == 204

    change()

    assert ask(filled, path, _age(mark, timedelta(minutes=2))) == 200


@pytest.mark.parametrize(("source", "field"), [("Logs", "LEVEL"), ("Metrics", "VALUE")])
def test_charts_of_what_running_executions_write_are_made_each_time_while_one_runs(
    filled: Client, source: str, field: str
) -> None:
    path = _save_dashboard(source, field)

    assert ask(filled, path, read_mark(filled, path)) == 200

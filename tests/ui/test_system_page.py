"""The page of the workers and queues: states, actions with their rights, figures of the last day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows.models import AuditEntry, Flow, SystemSample, Worker
from flows.ui.painters.day_lines import Line, draw_day
from tests.ui.conftest import save_execution, save_task_run

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
NAME = "worker@<host>:1"

pytestmark = pytest.mark.django_db


def save_worker(**fields: object) -> Worker:
    """Store a worker that was heard of just now."""
    now = timezone.now()
    facts = {"host": "host", "queues": ["default"], "slots": 2, "processes": [7], "started_at": now, "seen_at": now}
    return Worker.objects.create(**{"name": NAME, **facts, **fields})


def test_workers_stand_with_what_they_run(alice: Client, flow: Flow) -> None:
    save_worker()
    execution = save_execution(state="RUNNING")
    save_task_run(execution, "hello", state="RUNNING", lease_owner="host:7", lease_until=timezone.now())

    page = alice.get("/ui/system").content.decode()

    assert "worker@&lt;host&gt;:1" in page
    assert "1 / 2" in page
    assert 'data-fill-run="exec1-hello-0"' in page


def test_a_silent_worker_is_marked(alice: Client) -> None:
    save_worker(seen_at=timezone.now() - timedelta(minutes=1))

    page = alice.get("/ui/system").content.decode()

    assert ">stale<" in page
    assert "1 worker fell silent" in page
    assert "No worker takes work" in page


def test_a_worker_is_drained_and_takes_work_again(alice: Client) -> None:
    save_worker()

    answer = alice.post("/ui/system/workers/drain", {"worker": NAME})
    asked = Worker.objects.get().drain_asked_by
    page = alice.get("/ui/system").content.decode()
    alice.post("/ui/system/workers/undrain", {"worker": NAME})

    assert answer.status_code == 302
    assert asked == "alice@example.org"
    assert ">draining<" in page and "Take work again" in page
    assert Worker.objects.get().drain_asked_at is None
    assert list(AuditEntry.objects.order_by("id").values_list("what", flat=True)) == ["worker.drain", "worker.undrain"]


@pytest.mark.parametrize("url", ["/ui/system", "/ui/system/workers/drain", "/ui/system/task-runs/cancel"])
def test_the_page_is_for_those_who_govern_the_installation(client: Client, flow: Flow, url: str) -> None:
    save_worker()
    execution = save_execution(state="RUNNING")
    client.force_login(User.objects.create_user("charlie@example.org", password="Correct-horse-1"))

    send = client.get if url == "/ui/system" else client.post
    answer = send(url, {"worker": NAME, "execution": execution.id, "run": "x"})

    assert answer.status_code in (302, 403)
    assert answer.status_code == 403 or "problem=" in answer["Location"]
    assert Worker.objects.get().drain_asked_at is None


@pytest.mark.parametrize(("url", "status"), [("workers/explode", 400), ("workers/drain", 302), ("task-runs/cancel", 302)])
def test_nonsense_is_refused_in_words(alice: Client, url: str, status: int) -> None:
    answer = alice.post(f"/ui/system/{url}", {"worker": "nobody", "execution": "nothing", "run": "nothing"})

    assert answer.status_code == status or (status == 400 and answer.status_code == 422)


def test_the_page_costs_the_same_for_one_worker_and_for_many(alice: Client, flow: Flow) -> None:
    save_worker()
    save_task_run(save_execution(state="RUNNING"), "hello", state="RUNNING", lease_owner="host:7", lease_until=timezone.now())
    with CaptureQueriesContext(connection) as few:
        alice.get("/ui/system")
    for number in range(100, 130):
        save_worker(name=f"worker@host:{number}", processes=[number])
        execution = save_execution(f"exec{number}", state="RUNNING")
        save_task_run(execution, "hello", state="RUNNING", lease_owner=f"host:{number}", lease_until=timezone.now())
        SystemSample.objects.create(at=timezone.now() - timedelta(minutes=number))
    with CaptureQueriesContext(connection) as many:
        alice.get("/ui/system")

    assert len(many) == len(few) <= 15


def test_the_last_day_is_drawn_with_its_gaps() -> None:
    minutes = [*range(30), *range(600, 630)]
    points = [(AT - timedelta(minutes=minute), float(minute)) for minute in reversed(minutes)]

    drawing = draw_day("Load", [Line("tasks", "t-a", points)], at=AT, write=lambda value: f"{value:.0f}", top=4)

    assert drawing.count("M") == drawing.count('class="grid"') + 2
    assert "tasks 0 now, 629 at most" in drawing
    assert ">800<" in drawing


def test_a_day_without_figures_is_drawn_as_well() -> None:
    drawing = draw_day("<Load>", [Line("<tasks>", "t-a", [])], at=AT, write=lambda value: f"{value:.0f}", top=4)

    assert "&lt;tasks&gt; not counted yet" in drawing
    assert "<tasks>" not in drawing

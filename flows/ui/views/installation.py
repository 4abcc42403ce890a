"""The page of the workers and queues: what runs, what waits and since when, how the services are, and the last day in lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.conf import PLATFORM_VERSION, get_settings
from flows.models import SystemSample
from flows.operations import system as operations
from flows.operations.acts import check_right
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError
from flows.primitives.rights import Action, Resource
from flows.queries import system as queries
from flows.ui.page import answer_page, name_of, redirect
from flows.ui.painters.day_lines import Line, draw_day
from flows.ui.wording import write_duration, write_size

LATE_SECONDS = 10.0
"""A lag of so many seconds is shown as a fault."""


_MEGABYTE = 1024.0**2


@dataclass(frozen=True, slots=True)
class Picture:
    """One group of figures of the last day."""

    title: str
    drawing: SafeString


def show_system(request: HttpRequest) -> HttpResponse:
    """Show workers, queues, lags, services and the last day."""
    check_right(Action.READ, Resource.SETTING)
    at = timezone.now()
    workers = queries.list_workers(at=at)
    broker = queries.find_broker()
    try:
        queues, services = queries.list_queues(workers, broker), queries.describe_services(broker)
    finally:
        if broker is not None:
            broker.close()
    serving = [worker for worker in workers if worker.state == "live"]
    samples = queries.list_samples(at=at)
    context = {
        "workers": workers,
        "queues": queues,
        "services": services,
        "parts": queries.list_other_parts() or (),
        "load": queries.measure_load(at=at),
        "late_seconds": LATE_SECONDS,
        "live_count": len(serving),
        "slot_count": sum(worker.row.slots for worker in serving),
        "used_count": sum(worker.used_count for worker in serving),
        "silent": [worker for worker in workers if worker.state == "stale"],
        "may_manage": current_caller().may(Action.UPDATE, Resource.SETTING),
        "version": PLATFORM_VERSION,
        "storage_url": get_settings().storage_url,
        "pictures": draw_pictures(samples, at=at),
        "at": at,
    }
    return answer_page(request, "flows/system.html", context, title="Workers and queues", nav="system")


def draw_pictures(samples: Sequence[SystemSample], *, at: datetime) -> list[Picture]:
    """Return the figures of the last day as pictures; none when nothing was counted yet."""
    if not samples:
        return []

    def draw(title: str, *lines: tuple[str, str, str], write: Callable[[float], str] = _write_count, **axis: float) -> Picture:
        made = [Line(name, tone, [(row.at, float(getattr(row, field))) for row in samples]) for name, tone, field in lines]
        return Picture(title, draw_day(title, made, at=at, write=write, **{"top": 4.0, **axis}))

    return [
        draw("Executions per minute", ("started", "t-a", "started"), ("ended", "t-b", "ended"), ("failed", "t-c", "failed")),
        draw("Task runs", ("slots", "t-d", "slots"), ("in use", "t-a", "running_tasks"), ("waiting", "t-e", "waiting_tasks")),
        draw("Executions", ("running", "t-a", "running_executions"), ("waiting", "t-e", "waiting_executions")),
        draw(
            "Lag",
            ("executor", "t-a", "executor_lag_seconds"),
            ("scheduler", "t-e", "scheduler_lag_seconds"),
            write=_write_seconds,
            top=1.0,
        ),
        draw("Memory of the workers", ("memory", "t-a", "memory_bytes"), write=_write_bytes, top=_MEGABYTE, unit=_MEGABYTE),
        draw("Size of the database", ("database", "t-b", "database_bytes"), write=_write_bytes, top=_MEGABYTE, unit=_MEGABYTE),
    ]


def _write_count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _write_seconds(value: float) -> str:
    return "0 s" if value < 0.001 else write_duration(timedelta(seconds=value))


def _write_bytes(value: float) -> str:
    return write_size(int(value))


def act_on_worker(request: HttpRequest, action: str) -> HttpResponse:
    """Drain a worker, or let it take work again."""
    name = request.POST.get("worker", "")
    try:
        if action == "drain":
            operations.drain_worker(name, at=timezone.now(), actor=name_of(request))
            return redirect("system", note=f"{name} takes no more work within five seconds and finishes what it has")
        if action == "undrain":
            operations.undrain_worker(name)
            return redirect("system", note=f"{name} takes work again within five seconds")
    except ForbiddenError:
        raise
    except FlowsError as error:
        return redirect("system", problem=error.message[:500])
    raise InvalidError(f'A worker has no action "{action[:40]}".', code="unknown-action")


def cancel_task_run(request: HttpRequest) -> HttpResponse:
    """Stop one task run that a worker has."""
    execution_id, run_id = request.POST.get("execution", ""), request.POST.get("run", "")
    try:
        operations.cancel_task_run(execution_id, task_run_id=run_id, at=timezone.now(), actor=name_of(request))
    except ForbiddenError:
        raise
    except FlowsError as error:
        return redirect("system", problem=error.message[:500])
    return redirect("system", note="The task run is being cancelled")

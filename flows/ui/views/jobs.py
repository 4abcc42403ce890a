"""The jobs that a person began: a list, and a page with progress and results of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.models import BulkJob, BulkResult
from flows.operations import bulk_jobs as operations
from flows.operations.bulk_acts import EXECUTION, get_act
from flows.primitives.errors import ConflictError, NotFoundError
from flows.ui.marks import check_mark
from flows.ui.page import Crumb, answer_page, redirect
from flows.ui.views.bulk import describe_act, describe_count

MOST_JOBS = 100
SHOWN_RESULTS = 200
_LOOKS = {
    BulkJob.Phase.WAITING: ("st-waiting", "s-waiting", "waiting"),
    BulkJob.Phase.RUNNING: ("st-running", "s-running", "working"),
    BulkJob.Phase.DONE: ("st-good", "s-good", "done"),
    BulkJob.Phase.STOPPED: ("st-stopped", "s-stopped", "stopped"),
    BulkJob.Phase.FAILED: ("st-failed", "s-failed", "broke off"),
}
_TABS = (
    (BulkResult.Outcome.SKIPPED, "Left out"),
    (BulkResult.Outcome.FAILED, "Failed"),
    (BulkResult.Outcome.DONE, "Done"),
)


@dataclass(frozen=True, slots=True)
class JobCard:
    """What lists and pages show of a job; `percent` is None until the number of objects is known."""

    job: BulkJob
    title: str
    what: str
    look: str
    icon: str
    word: str
    back_url: str
    worked: int
    percent: int | None


def list_jobs(request: HttpRequest) -> HttpResponse:
    """Show the newest jobs of the person."""
    jobs = list(operations.list_jobs()[:MOST_JOBS])
    mark = check_mark(request, [_list_facts(job) for job in jobs])
    cards = [make_card(job) for job in jobs]
    context = {"mark": mark, "cards": cards, "is_moving": any(not card.job.ended_at for card in cards)}
    return answer_page(request, "flows/jobs.html", context, title="Jobs", nav="executions")


def show_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Show how far a job is, and what became of each object."""
    job = operations.get_job(job_id)
    # A result is stored together with its count.
    mark = check_mark(request, _list_facts(job))
    card = make_card(job)
    counts = {"SKIPPED": job.skipped_count, "FAILED": job.failed_count, "DONE": job.done_count}
    wanted = request.GET.get("show", "")
    shown = wanted if counts.get(wanted) else next((name for name, _ in _TABS if counts[name]), BulkResult.Outcome.DONE)
    rows = list(job.results.filter(outcome=shown).order_by("id")[:SHOWN_RESULTS])
    context = {
        "mark": mark,
        "card": card,
        "job": job,
        "tabs": [(name.value, word, counts[name]) for name, word in _TABS],
        "shown": str(shown),
        "rows": [{"id": row.object_id, "url": _address_of(job.kind, row.object_id), "reason": row.reason} for row in rows],
        "more": max(0, counts[shown] - len(rows)),
        "can_undo": operations.can_undo(job),
        "undo_label": get_act(job.kind, get_act(job.kind, job.act).undo).label if operations.can_undo(job) else "",
    }
    # The number becomes known while the page is open, so it stands below, not in the title.
    title = f"{get_act(job.kind, job.act).label}: {job.kind}s"
    crumbs = [Crumb("Jobs", reverse("ui:jobs")), Crumb(title)]
    return answer_page(request, "flows/job.html", context, title=title, nav=f"{job.kind}s", crumbs=crumbs)


def _list_facts(job: BulkJob) -> tuple[Any, ...]:
    """Return what changes of a job while it goes on, without the names that it works on."""
    counts = (job.total, job.done_count, job.skipped_count, job.failed_count)
    return (job.id, job.phase, job.must_stop, job.ended_at, job.undone, job.problem, *counts)


def act(request: HttpRequest, job_id: str, action: str) -> HttpResponse:
    """Stop a job, or begin the one that takes it back."""
    at = timezone.now()
    try:
        if action == "stop":
            return redirect("job", operations.stop_job(job_id, at=at).id)
        if action == "undo":
            return redirect("job", operations.undo_job(job_id, at=at).id)
    except ConflictError as error:
        return redirect("job", job_id, problem=error.message)
    raise NotFoundError(f'A job has no action "{action[:60]}".', code="unknown-action")


def make_card(job: BulkJob) -> JobCard:
    """Return what is shown of a job."""
    look, icon, word = _LOOKS[BulkJob.Phase(job.phase)]
    worked = job.done_count + job.skipped_count + job.failed_count
    percent = None if job.total is None else 100 if not job.total else min(100, worked * 100 // job.total)
    place = reverse(f"ui:{job.kind}s")
    return JobCard(
        job,
        describe_act(job.kind, job.act, job.total),
        describe_count(job.kind, job.total),
        look,
        icon,
        "stopping" if job.must_stop and not job.ended_at else word,
        f"{place}?{job.query}" if job.query else place,
        worked,
        100 if job.phase == BulkJob.Phase.DONE else percent,
    )


def _address_of(kind: str, object_id: str) -> str:
    if kind == EXECUTION:
        return reverse("ui:execution-short", args=[object_id])
    namespace, flow_id, *trigger = object_id.split("/", 2)
    return f"{reverse('ui:flows')}/edit/{quote(namespace)}/{quote(flow_id)}{'/triggers' if trigger else ''}"

"""Actions on many objects that go on after their answer: how far they are, and how to stop them. Everybody sees their own."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_page
from flows.api.describing import PAGING, describes, page_of
from flows.api.endpoint import now
from flows.api.pagination import read_window
from flows.conf import get_settings
from flows.models import BulkJob
from flows.operations.bulk_jobs import get_job, list_jobs, list_results, stop_job
from flows.queries.pages import take_page

MOST_RESULTS = 100


@describes(PAGING, answer=page_of("BulkOperation"))
def search(request: Request) -> HttpResponse:
    """Return the bulk operations that the caller began, newest first."""
    page = take_page(list_jobs(), read_window(request))
    return answer_page([present_job(job) for job in page.results], page.total)


@describes(answer="BulkOperation")
def get(request: Request, operation_id: str) -> HttpResponse:
    """Return how far a bulk operation is, and the first objects that it could not do, with the reasons."""
    return _answer_job(get_job(operation_id))


@describes(answer="BulkOperation")
def stop(request: Request, operation_id: str) -> HttpResponse:
    """Stop a bulk operation after the object in its hands; what was done stays done."""
    return _answer_job(stop_job(operation_id, at=now()))


def _answer_job(job: BulkJob) -> HttpResponse:
    results = [
        {"id": row.object_id, "outcome": row.outcome, "reason": row.reason} for row in list_results(job, limit=MOST_RESULTS)
    ]
    return answer({**present_job(job), "results": results})


def present_job(job: BulkJob) -> dict[str, Any]:
    """Return what a list shows of a job. `total` is missing until somebody has counted."""
    data = {
        "id": job.id,
        "kind": job.kind,
        "action": job.act,
        "state": job.phase,
        "stopping": job.must_stop and job.ended_at is None,
        "total": job.total,
        "done": job.done_count,
        "skipped": job.skipped_count,
        "failed": job.failed_count,
        "problem": job.problem or None,
        "startDate": job.created_at,
        "endDate": job.ended_at,
        "url": f"{get_settings().public_url}/ui/jobs/{job.id}",
    }
    return {name: value for name, value in data.items() if value is not None}

"""
Actions on many objects as jobs: a worker does them step by step in the name of the person, whether or not somebody watches.

A job is a row; messages only ring. A step that a worker lost is taken up again after its lease, so that at worst the one object
in its hands is done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from flows.engine.dispatch import send_job_step
from flows.models import ApiToken, BulkJob, BulkResult
from flows.operations.acts import act_on_many, check_right
from flows.operations.bulk_acts import ACTS, EXECUTION, FLOW, RESOURCES, do_with_one, get_act
from flows.operations.callers import caller_of, find_token_of
from flows.primitives.callers import Caller, Door, acting_as, current_caller
from flows.primitives.errors import ConflictError, FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.rights import EVERYWHERE
from flows.primitives.storable import make_storable
from flows.queries.criteria import Criteria, read_moment
from flows.queries.executions import filter_executions
from flows.queries.flows import filter_flows
from flows.queries.stored_criteria import read_criteria, write_criteria
from flows.queries.triggers import filter_triggers

log = logging.getLogger(__name__)

MOST_NAMES = 5_000
MOST_OPEN = 20
MOST_RESULTS = 1_000

_AT_ONCE = 100
_LEASE = timedelta(seconds=60)
_KEPT = timedelta(days=30)
_PURGE_BATCH = 500
_SCOPE_GONE = "The API token with which this was asked for was revoked or has run out. Ask again with one that is valid."
_OPEN = (BulkJob.Phase.WAITING, BulkJob.Phase.RUNNING)


def start_job(
    *,
    kind: str,
    act: str,
    options: Mapping[str, Any],
    names: Sequence[str] | None = None,
    criteria: Criteria | None = None,
    query: str = "",
    is_counted: bool = False,
    at: datetime,
) -> BulkJob:
    """
    Begin an action on many objects in the name of the caller and return at once; a worker does it.

    Args:
        kind: `execution`, `flow` or `trigger`.
        options: see `do_with_one`; besides, `dates` and `events` of a search for triggers, see `filter_triggers`.
        names: ids of executions, flows as `namespace/id`, triggers as `namespace/flow/id`; without them everything that
            `criteria` matches now.
        query: query string of the list from which it was asked, to lead back there.
        is_counted: whether `total` is known at once; otherwise the worker counts what `criteria` matches.

    Raises:
        ForbiddenError: the caller may do this nowhere, or its API token was revoked meanwhile.
        InvalidError: an unknown action, no name or too many names.
        ConflictError: too many jobs of this person are under way.

    Source: console, 3.2.
    """
    wanted = get_act(kind, act)
    caller = current_caller()
    if caller.user_id is None:
        raise InvalidError("Only somebody who has signed in can start a job.", code="bulk-nobody")
    if caller.list_reached(RESOURCES[kind], wanted.right) == ():
        check_right(wanted.right, RESOURCES[kind], EVERYWHERE, what=f"{kind}.{act}")
    token = find_token_of(caller, at=at)
    if caller.token and token is None:
        raise ForbiddenError(_SCOPE_GONE)
    unique = None if names is None else list(dict.fromkeys(names))
    if unique is not None and not 0 < len(unique) <= MOST_NAMES:
        raise InvalidError(f"Between 1 and {MOST_NAMES:,} objects have to be chosen; got {len(unique):,}.", code="bulk-count")
    with act_on_many(f"{kind}.{act}-many", wanted.right, RESOURCES[kind], atomic=True) as doing:
        # The lock of the earlier jobs is not needed: one job too many does no harm.
        if BulkJob.objects.filter(user_id=caller.user_id, phase__in=_OPEN).count() >= MOST_OPEN:
            raise ConflictError(
                f"{MOST_OPEN} of your jobs are still under way. Wait for one to end, or stop one.", code="bulk-too-many"
            )
        job = BulkJob(
            id=new_id(),
            user_id=caller.user_id,
            address=caller.address[:45],
            door=caller.door,
            token_id=token.pk if token is not None else "",
            kind=kind,
            act=act,
            options=make_storable(dict(options)),
            names=unique,
            criteria=write_criteria(criteria or Criteria()) if unique is None else None,
            query=query[:4000],
            total=len(unique) if unique is not None else None,
            created_at=at,
        )
        if is_counted and unique is None:
            job.total = _select(job).count()
        job.save(force_insert=True)
        doing.object_id = job.id
        doing.after = {"job": job.id, "count": job.total, "criteria": job.criteria, "options": job.options}
        transaction.on_commit(partial(send_job_step, job.id))
    return job


def get_job(job_id: str) -> BulkJob:
    """Return a job of the caller. Those of others do not exist for it. Raises NotFoundError."""
    found = list_jobs().filter(pk=job_id).first()
    if found is None:
        raise NotFoundError(f'You have no job "{job_id[:60]}". Jobs are kept for {_KEPT.days} days.', code="bulk-job-not-found")
    return found


def list_jobs() -> Any:
    """
    Return the jobs of the caller as a queryset, newest first. Whoever comes with an API token sees those begun with this token.

    Source: security, S-09.
    """
    caller = current_caller()
    rows = BulkJob.objects.filter(user_id=caller.user_id or 0)
    if caller.token:
        rows = rows.filter(token_id__in=ApiToken.objects.filter(user_id=caller.user_id or 0, name=caller.token).values("pk"))
    return rows.order_by("-created_at", "id")


def list_results(job: BulkJob, *, limit: int) -> list[BulkResult]:
    """Return the first objects of a job that were not done, those that failed before those that were left out."""
    refused = job.results.exclude(outcome=BulkResult.Outcome.DONE)
    return list(refused.order_by("outcome", "id")[:limit])


def stop_job(job_id: str, *, at: datetime) -> BulkJob:
    """
    Stop a job after the object in its hands; what was done stays done.

    Raises:
        NotFoundError: the caller has no such job.
        ConflictError: it has ended.
    """
    job = get_job(job_id)
    if job.phase not in _OPEN:
        raise ConflictError(f"The job has ended: it is {job.phase}.", code="bulk-job-ended")
    BulkJob.objects.filter(pk=job.pk, phase__in=_OPEN).update(must_stop=True)
    # A job that no worker holds ends here and now.
    free = BulkJob.objects.filter(pk=job.pk, phase__in=_OPEN).filter(Q(leased_until__isnull=True) | Q(leased_until__lt=at))
    free.update(phase=BulkJob.Phase.STOPPED, ended_at=at)
    return get_job(job_id)


def undo_job(job_id: str, *, at: datetime) -> BulkJob:
    """
    Begin the job that takes back what a job did, for those objects for which it was done, and return it.

    Raises:
        NotFoundError: the caller has no such job.
        ConflictError: it cannot be taken back, or was already.
    """
    job = get_job(job_id)
    if not can_undo(job):
        raise ConflictError("This job cannot be taken back.", code="bulk-job-final")
    names = list(job.results.filter(outcome=BulkResult.Outcome.DONE).order_by("id").values_list("object_id", flat=True))
    undoing = start_job(kind=job.kind, act=get_act(job.kind, job.act).undo, options={}, names=names, query=job.query, at=at)
    BulkJob.objects.filter(pk=job.pk).update(undone=True)
    return undoing


def can_undo(job: BulkJob) -> bool:
    """Tell whether a job has ended, did something, and can be taken back whole."""
    wanted = ACTS.get(job.kind, {}).get(job.act)
    is_whole = 0 < job.done_count <= MOST_RESULTS
    return bool(wanted and wanted.undo and is_whole and job.ended_at and not job.undone)


def run_job_step(job_id: str) -> bool:
    """
    Do the next objects of a job and ring for the step after it. Returns whether there is more to do.

    Safe to call while another worker does: the lease lets one in.
    """
    at = timezone.now()
    free = BulkJob.objects.filter(pk=job_id, phase__in=_OPEN).filter(Q(leased_until__isnull=True) | Q(leased_until__lt=at))
    if not free.update(phase=BulkJob.Phase.RUNNING, leased_until=at + _LEASE):
        return False
    job = BulkJob.objects.select_related("user").get(pk=job_id)
    caller = _find_caller(job, at=at)
    if caller is None:
        _end(job, BulkJob.Phase.FAILED, problem=_SCOPE_GONE)
        return False
    with acting_as(caller):
        try:
            is_finished = _do_next(job)
        except FlowsError as error:
            _end(job, BulkJob.Phase.FAILED, problem=error.message)
            return False
    if is_finished:
        _end(job, BulkJob.Phase.STOPPED if job.must_stop else BulkJob.Phase.DONE)
        return False
    BulkJob.objects.filter(pk=job.pk).update(leased_until=None)
    send_job_step(job.pk)
    return True


def _find_caller(job: BulkJob, *, at: datetime) -> Caller | None:
    """Return in whose name a job works, with the rights of now; None when the API token that began it is gone."""
    token = None
    if job.token_id:
        token = ApiToken.objects.filter(pk=job.token_id, user_id=job.user_id, expires_at__gt=at).first()
        if token is None:
            return None
    return caller_of(job.user, door=Door(job.door), token=token, address=job.address)


def _do_next(job: BulkJob) -> bool:
    """Do up to a hundred objects, and write one row of the audit log for them. Returns whether the job is finished."""
    wanted, resource = get_act(job.kind, job.act), RESOURCES[job.kind]
    if job.total is None:
        job.total = _select(job).count()
        BulkJob.objects.filter(pk=job.pk).update(total=job.total)
    found = _list_next(job)
    if not found:
        return True
    with act_on_many(f"{job.kind}.{job.act}", wanted.right, resource, object_id=job.id) as doing:
        done = []
        for position, object_id in found:
            if _is_stopping(job):
                break
            if _do_one(job, object_id, position):
                done.append(object_id)
        doing.after = {"job": job.id, "count": len(done), f"{job.kind}s": done}
    return job.must_stop or len(found) < _AT_ONCE


def _is_stopping(job: BulkJob) -> bool:
    job.must_stop = BulkJob.objects.filter(pk=job.pk).values_list("must_stop", flat=True).get()
    return job.must_stop


def _do_one(job: BulkJob, object_id: str, position: str) -> bool:
    outcome, reason = BulkResult.Outcome.DONE, ""
    try:
        do_with_one(job.kind, job.act, object_id, job.options, at=timezone.now(), actor=job.user.get_username())
    except FlowsError as error:
        outcome, reason = BulkResult.Outcome.SKIPPED, error.message
    except Exception as error:
        # The edge of one unit of work: a fault in one object must not keep the others from being done.
        log.exception("bulk.failed", extra={"job": job.id, "object": object_id})
        outcome, reason = BulkResult.Outcome.FAILED, f"It broke off unexpectedly ({type(error).__name__}); see the server's log."
    column = f"{outcome.lower()}_count"
    with transaction.atomic():
        if getattr(job, column) < MOST_RESULTS:
            BulkResult.objects.create(job=job, object_id=object_id[:400], outcome=outcome, reason=reason[:2000])
        BulkJob.objects.filter(pk=job.pk).update(**{column: F(column) + 1}, cursor=position, leased_until=timezone.now() + _LEASE)
    setattr(job, column, getattr(job, column) + 1)
    job.cursor = position
    return outcome == BulkResult.Outcome.DONE


def _select(job: BulkJob) -> Any:
    """Return what a job on a search works on. What came later is left alone, so that a replay does not replay itself."""
    criteria = read_criteria(job.criteria or {"joiner": "and", "members": []})
    if job.kind == FLOW:
        rows: Any = filter_flows(criteria)
    elif job.kind == EXECUTION:
        rows = filter_executions(criteria, at=job.created_at)
    else:
        dates = str(job.options.get("dates", "NEXT_EXECUTION_DATE"))
        with_events = job.options.get("events") is True
        rows = filter_triggers(criteria, at=job.created_at, date_filter=dates, with_events=with_events)
    return rows.filter(created_at__lte=job.created_at)


def _list_next(job: BulkJob) -> list[tuple[str, str]]:
    """Return the next objects, each as the place to go on from after it, and its id."""
    if job.names is not None:
        first = int(job.cursor or 0)
        return [(str(first + number + 1), name) for number, name in enumerate(job.names[first : first + _AT_ONCE])]
    rows = _select(job)
    if job.kind != EXECUTION:
        columns = ("namespace", "flow_id") if job.kind == FLOW else ("namespace", "flow_id", "trigger_id")
        if job.cursor:
            rows = rows.filter(_come_after(dict(zip(columns, job.cursor.split("/"), strict=True))))
        names = ["/".join(parts) for parts in rows.order_by(*columns).values_list(*columns)[:_AT_ONCE]]
        return list(zip(names, names, strict=True))
    if job.cursor:
        moment, _, key = job.cursor.partition("~")
        at = read_moment(moment, name="cursor")
        rows = rows.filter(created_at__lte=at).exclude(created_at=at, id__lte=key)
    found = rows.order_by("-created_at", "id").values_list("created_at", "id")[:_AT_ONCE]
    return [(f"{at.isoformat().replace('+00:00', 'Z')}~{key}", key) for at, key in found]


def _come_after(place: Mapping[str, str]) -> Q:
    """Return what finds the rows after a place in the order of its columns."""
    found, same = Q(), Q()
    for column, value in place.items():
        found |= same & Q(**{f"{column}__gt": value})
        same &= Q(**{column: value})
    return found


def _end(job: BulkJob, phase: str, *, problem: str = "") -> None:
    BulkJob.objects.filter(pk=job.pk).update(phase=phase, problem=problem, ended_at=timezone.now(), leased_until=None)


def resend_jobs(*, at: datetime) -> int:
    """Ring again for jobs that nobody holds, because a message or a worker was lost. Returns for how many."""
    free = BulkJob.objects.filter(ended_at__isnull=True, created_at__lt=at - timedelta(seconds=10))
    waiting = free.filter(Q(leased_until__isnull=True) | Q(leased_until__lt=at))
    return sum(send_job_step(job_id) for job_id in waiting.order_by("created_at").values_list("pk", flat=True)[:100])


def purge_old_jobs(*, at: datetime) -> int:
    """Delete jobs that ended long ago with their results, some at once, and return how many."""
    old = BulkJob.objects.filter(ended_at__lt=at - _KEPT).values_list("pk", flat=True)[:_PURGE_BATCH]
    return BulkJob.objects.filter(pk__in=list(old)).delete()[0]

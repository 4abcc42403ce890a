"""The tabs of a flow that look at its runs: grid of tasks, metrics, concurrency; and its imports with a dry run before."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.language.changes import describe_changes
from flows.models import Execution, FlowRevision, Metric
from flows.operations import executions as operations
from flows.operations import flows as flow_operations
from flows.operations.flow_bundles import list_import_sources
from flows.operations.flow_checks import check_document
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError
from flows.primitives.problems import Severity
from flows.primitives.states import State
from flows.queries.flows import FlowText, list_flows_by_names, list_newest_sources
from flows.queries.last_runs import list_newest_runs, list_task_states
from flows.queries.topology import find_topology
from flows.queries.visibility import visible
from flows.ui.marks import check_mark
from flows.ui.page import Crumb, answer_page, name_of, redirect
from flows.ui.painters.diff import count_changes, paint_difference, paint_unified
from flows.ui.painters.run_grid import draw_metric, paint_run_grid

GRID_RUNS = 30
MOST_METRICS = 5000
MOST_FILES = 200
_SHOWN = 60
_SLOT_FIELDS = ("id", "namespace", "flow_id", "state", "created_at", "ended_at")
_BEHAVIORS = {"QUEUE": "wait", "CANCEL": "cancelled", "FAIL": "fail"}
"""What becomes of executions over the limit, in a word."""


def make_grid(found: FlowText) -> dict[str, Any]:
    """Return the grid of the newest runs; four statements however many tasks and runs there are."""
    runs = list_newest_runs(found.flow.namespace, found.flow.flow_id, at=timezone.now(), count=GRID_RUNS)[::-1]
    if found.definition is None or not runs:
        return {"grid": ""}
    tasks = [task.id for task in found.definition.all_tasks()][:200]
    return {"grid": paint_run_grid(tasks, runs, list_task_states([run.id for run in runs]))}


def show_metrics(request: HttpRequest, found: FlowText) -> dict[str, Any]:
    """Return each metric as a line over the newest runs, with its least, middle and 95th value."""
    flow, chosen = found.flow, request.GET.get("task", "")
    runs = list_newest_runs(flow.namespace, flow.flow_id, at=timezone.now(), count=GRID_RUNS)
    rows = visible(Metric).filter(execution_id__in=[run.id for run in runs]).order_by("id")
    values: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    tasks: set[str] = set()
    for execution_id, task_id, name, kind, value in rows.values_list("execution_id", "task_id", "name", "kind", "value")[
        :MOST_METRICS
    ]:
        tasks.add(task_id or "")
        if not chosen or chosen == task_id:
            values[name, kind][execution_id] += value
    cards = []
    for (name, kind), by_run in sorted(values.items()):
        points = [
            (
                f"{run.created_at:%b %d %H:%M}",
                by_run[run.id],
                reverse("ui:execution-tab", args=[run.namespace, run.flow_id, run.id, "metrics"]),
            )
            for run in runs[::-1]
            if run.id in by_run
        ]
        numbers = sorted(value for _, value, _ in points)
        cards.append(
            {
                "name": name,
                "kind": kind,
                "picture": draw_metric(name, points),
                "least": numbers[0],
                "median": statistics.median(numbers),
                "high": numbers[min(len(numbers) - 1, int(0.95 * len(numbers)))],
                "count": len(numbers),
            }
        )
    return {"cards": cards, "tasks": sorted(task for task in tasks if task), "chosen": chosen}


def show_concurrency(request: HttpRequest, found: FlowText) -> dict[str, Any]:
    """Return who holds the slots of a flow and who waits for one, oldest first."""
    flow = found.flow
    rows = visible(Execution).filter(namespace=flow.namespace, flow_id=flow.flow_id)
    waiting = rows.filter(state=State.QUEUED).order_by("created_at")
    holders = rows.filter(slot_held=True).order_by("created_at")
    concurrency = found.definition.concurrency if found.definition else None
    shown = {
        "limit": flow.concurrency_limit,
        "behavior": _BEHAVIORS.get(concurrency.behavior, "") if concurrency else "",
        "holders": list(holders.only(*_SLOT_FIELDS)[:_SHOWN]),
        "holder_count": holders.count(),
        "waiting": list(waiting.only(*_SLOT_FIELDS)[:_SHOWN]),
        "waiting_count": waiting.count(),
    }
    return {**shown, "mark": check_mark(request, shown)}


def change_queue(request: HttpRequest, namespace: str, flow_id: str, action: str) -> HttpResponse:
    """Let a queued execution run at once, or cancel it, and come back to the queue."""
    states = {"run": "RUNNING", "cancel": "CANCELLED"}
    if action not in states:
        raise NotFoundError(f'A queue has no action "{action[:40]}".', code="unknown-action")
    execution_id = request.POST.get("execution", "")
    try:
        operations.unqueue_execution(execution_id, state=states[action], at=timezone.now(), actor=name_of(request))
    except FlowsError as error:
        return redirect("flow-tab", namespace, flow_id, "concurrency", problem=error.message[:500])
    said = "starts now" if action == "run" else "is cancelled"
    return redirect("flow-tab", namespace, flow_id, "concurrency", note=f"Execution {execution_id[:8]} {said}")


def describe_revisions(older: str, newer: str, *, in_one_column: bool) -> dict[str, Any]:
    """Return the difference of two texts for the revisions tab: the lines, their counts and the changes in words."""
    added, removed = count_changes(older, newer)
    return {
        "difference": (paint_unified if in_one_column else paint_difference)(older, newer),
        "added": added,
        "removed": removed,
        "words": describe_changes(older, newer),
    }


def list_relations(found: FlowText) -> dict[str, list[tuple[str, str]]]:
    """Return which flows this one starts and which start it."""
    own = (found.flow.namespace, found.flow.flow_id)
    relations = find_topology([own]).relations
    return {
        "starts": [target for source, target, _ in relations if source == own],
        "started_by": [source for source, target, _ in relations if target == own],
    }


def show_import(request: HttpRequest) -> HttpResponse:
    """Show the form that takes files."""
    return _answer_import(request, [], "")


def preview_import(request: HttpRequest) -> HttpResponse:
    """Show for each sent file what storing it would do: create, update with the difference, nothing, or why it is invalid."""
    entries: list[tuple[str, str]] = []
    for upload in request.FILES.getlist("file")[:MOST_FILES]:
        try:
            found = list_import_sources(upload.read(), name=str(upload.name))
        except FlowsError as error:
            return _answer_import(request, [], error.message)
        prefix = f"{upload.name} " if len(found) > 1 else ""
        entries += [
            (f"{prefix}{label}" if label.isdigit() and prefix else label if not label.isdigit() else str(upload.name), text)
            for label, text in found
        ]
    if not entries:
        return _answer_import(request, [], "Choose or drop at least one YAML or ZIP file that holds flows.")
    return _answer_import(request, _judge(entries[:MOST_FILES]), "")


def _judge(entries: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return one row per document. Nothing is written."""
    # A browser sends line breaks in its own way; what is signed must come back the same.
    entries = [(label, "\n".join(text.splitlines()) + "\n") for label, text in entries]
    checks = [(label, text, check_document(text)) for label, text in entries]
    names = [(check.namespace, check.flow_id) for _, _, check in checks if check.namespace and check.flow_id]
    known = {(row.flow.namespace, row.flow.flow_id): row.source for row in list_newest_sources(list_flows_by_names(names))}
    rows = []
    signer = TimestampSigner(salt="flow-import")
    for label, text, check in checks:
        old = known.get((check.namespace or "", check.flow_id or ""))
        errors = check.list_problems(Severity.ERROR)
        row: dict[str, Any] = {"label": label, "name": f"{check.namespace or '?'}/{check.flow_id or '?'}", "errors": errors}
        if errors:
            row["verdict"] = "invalid"
        elif old is None:
            row |= {"verdict": "create", "text": signer.sign(text)}
        elif old == text:
            row["verdict"] = "unchanged"
        else:
            row |= {
                "verdict": "update",
                "text": signer.sign(text),
                "difference": paint_difference(old, text),
                "words": describe_changes(old, text),
            }
        rows.append(row)
    return rows


def _answer_import(request: HttpRequest, rows: list[dict[str, Any]], problem: str) -> HttpResponse:
    crumbs = [Crumb("Flows", reverse("ui:flows")), Crumb("Import")]
    good = [row for row in rows if row["verdict"] in ("create", "update")]
    context = {"rows": rows, "problem": problem, "good": good}
    return answer_page(request, "flows/flow_import.html", context, title="Import flows", nav="flows", crumbs=crumbs)


def store_import(request: HttpRequest) -> HttpResponse:
    """Store the documents that were ticked after the dry run."""
    signer = TimestampSigner(salt="flow-import")
    at, actor = timezone.now(), name_of(request)
    stored, refused = 0, []
    for signed in request.POST.getlist("text")[:MOST_FILES]:
        try:
            text = signer.unsign(signed.replace("\r\n", "\n"), max_age=3600)
        except BadSignature as error:
            raise InvalidError(
                "The dry run is older than an hour or was changed: send the files again.", code="import-stale"
            ) from error
        try:
            stored += flow_operations.save_flow(text, at=at, actor=actor, origin=FlowRevision.Origin.IMPORT).changed
        except FlowsError as error:
            refused.append(error.message)
    note = f"{stored} {'flow' if stored == 1 else 'flows'} stored"
    return redirect("flows", note=note if not refused else f"{note}; {'; '.join(refused)}"[:600])

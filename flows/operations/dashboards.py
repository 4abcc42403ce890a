"""Saving and deleting dashboards."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from flows.language.dashboards import Dashboard as TypedDashboard
from flows.language.dashboards import parse_dashboard
from flows.models import Dashboard
from flows.operations.acts import act
from flows.primitives.errors import InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.problems import Problem, Severity
from flows.primitives.rights import Action, Resource


def create_dashboard(source: str, *, at: datetime) -> Dashboard:
    """
    Store a new dashboard and return its row; a document without an id gets one.

    Raises:
        InvalidError: the document has faults (all of them are in `problems`), or its id is taken.

    Source: REST API, 8.11; catalogue of core tasks, 11.
    """
    with act("dashboard.create", Action.CREATE, Resource.DASHBOARD) as doing:
        typed = read_dashboard(source)
        row = _fill(Dashboard(id=typed.id or new_id(), created_at=at), typed, source, at)
        doing.object_id, doing.after = row.id, {"title": row.title}
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise InvalidError(
                f'A dashboard with the id "{row.id}" exists already. Choose another id, or update it.', code="dashboard-exists"
            ) from error
    return row


def update_dashboard(dashboard_id: str, source: str, *, at: datetime) -> Dashboard:
    """
    Replace the text of a dashboard and return its row.

    Raises:
        InvalidError: the document has faults, or names another id.
        NotFoundError: no such dashboard.
    """
    missing = _no_such_dashboard(dashboard_id)
    with (
        act("dashboard.update", Action.UPDATE, Resource.DASHBOARD, object_id=dashboard_id, missing=missing) as doing,
        transaction.atomic(),
    ):
        row = Dashboard.objects.select_for_update().filter(pk=dashboard_id).first()
        if row is None:
            raise missing
        doing.before = {"title": row.title}
        typed = read_dashboard(source)
        if typed.id is not None and typed.id != dashboard_id:
            raise InvalidError(
                f'The document has the id "{typed.id}", but it was sent to "{dashboard_id}". An id cannot change.',
                code="dashboard-id-mismatch",
            )
        _fill(row, typed, source, at).save()
        doing.after = {"title": row.title}
    return row


def delete_dashboard(dashboard_id: str) -> None:
    """Delete a dashboard. Raises NotFoundError."""
    missing = _no_such_dashboard(dashboard_id)
    with act("dashboard.delete", Action.DELETE, Resource.DASHBOARD, object_id=dashboard_id, missing=missing):
        deleted, _ = Dashboard.objects.filter(pk=dashboard_id).delete()
        if not deleted:
            raise missing


def _no_such_dashboard(dashboard_id: str) -> NotFoundError:
    return NotFoundError(f'Dashboard "{dashboard_id[:100]}" does not exist.', code="dashboard-not-found")


def read_dashboard(source: str) -> TypedDashboard:
    """Return the typed form of a document. Raises InvalidError with every fault of it."""
    typed, problems = parse_dashboard(source)
    if typed is None:
        raise refuse(problems)
    return typed


def refuse(problems: list[Problem]) -> InvalidError:
    """Return the error that names every problem that keeps a document from being used."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    return InvalidError("; ".join(str(error) for error in errors), code="invalid-dashboard", problems=errors)


def _fill(row: Dashboard, typed: TypedDashboard, source: str, at: datetime) -> Dashboard:
    row.title, row.description, row.source, row.updated_at = typed.title, typed.description, source, at
    return row

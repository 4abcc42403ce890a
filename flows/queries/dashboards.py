"""Reads of dashboards."""

from __future__ import annotations

from django.db.models import Q

from flows.models import Dashboard
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Resource
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import can_see

SORTABLE = {"id": "id", "title": "title", "created": "created_at", "updated": "updated_at"}


def get_dashboard(dashboard_id: str) -> Dashboard:
    """Return a dashboard. Raises NotFoundError."""
    found = Dashboard.objects.filter(pk=dashboard_id).first() if can_see(Resource.DASHBOARD) else None
    if found is None:
        raise NotFoundError(f'Dashboard "{dashboard_id[:100]}" does not exist.', code="dashboard-not-found")
    return found


def search_dashboards(text: str, window: Window) -> Page[Dashboard]:
    """Return one page of the dashboards whose title, id or description holds `text`, by title. Raises SortError."""
    rows = Dashboard.objects.all() if can_see(Resource.DASHBOARD) else Dashboard.objects.none()
    if text:
        rows = rows.filter(Q(title__icontains=text) | Q(id__icontains=text) | Q(description__icontains=text))
    return take_page(order_rows(rows, window, SORTABLE, then=("title", "id")), window)

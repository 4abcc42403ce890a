"""Template tags of the admin pages: badges, the counts of the overview; and the way from the console to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.db.models import Count, Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models import Execution, Flow, TriggerState
from flows.primitives.states import TERMINAL, State
from flows.queries.visibility import visible

register = template.Library()

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
COUNTED_HOURS = 1


@register.filter
def state_badge(state: str) -> SafeString:
    """Return a state as a coloured badge."""
    return format_html('<span class="celestra-state celestra-{}">{}</span>', state.lower(), state)


@register.filter
def level_name(level: int) -> str:
    """Return the name of a log level."""
    return LEVELS[level] if 0 <= level < len(LEVELS) else str(level)


@register.simple_tag
def admin_address(request: HttpRequest, row: Model | None = None) -> str:
    """Return where the admin site shows a row, or its overview; empty for who is no staff, and where there is no admin site."""
    if not getattr(request.user, "is_staff", False):
        return ""
    try:
        if row is None:
            return reverse("admin:index")
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


@register.inclusion_tag("admin/flows/partials/counts.html")
def overview_counts() -> dict[str, Any]:
    """Count what the caller sees: flows, triggers, executions that are alive, and those that began in the last hour, by state."""
    alive = [state.value for state in State if state not in TERMINAL]
    since = timezone.now() - timedelta(hours=COUNTED_HOURS)
    executions = visible(Execution).order_by().values_list("state")
    flows = visible(Flow).filter(deleted=False)
    return {
        "flow_count": flows.count(),
        "disabled_flow_count": flows.filter(disabled=True).count(),
        "broken_flow_count": flows.exclude(problem="").count(),
        "trigger_count": visible(TriggerState).count(),
        "alive": dict(executions.filter(state__in=alive).annotate(count=Count("pk"))),
        "recent": dict(executions.filter(created_at__gte=since).annotate(count=Count("pk"))),
    }

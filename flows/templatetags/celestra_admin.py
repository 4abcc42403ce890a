"""Template tags of the admin pages: badges, and the counts of the overview."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.db.models import Count
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models import Execution, Flow, TriggerState
from flows.primitives.states import TERMINAL, State

register = template.Library()

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
COUNTED_HOURS = 24


@register.filter
def state_badge(state: str) -> SafeString:
    """Return a state as a coloured badge."""
    return format_html('<span class="celestra-state celestra-{}">{}</span>', state.lower(), state)


@register.filter
def level_name(level: int) -> str:
    """Return the name of a log level."""
    return LEVELS[level] if 0 <= level < len(LEVELS) else str(level)


@register.inclusion_tag("admin/flows/partials/counts.html")
def overview_counts() -> dict[str, Any]:
    """Count flows, triggers, executions that are alive now, and executions that began in the last 24 hours, by state."""
    alive = [state.value for state in State if state not in TERMINAL]
    since = timezone.now() - timedelta(hours=COUNTED_HOURS)
    by_state = Execution.objects.filter(created_at__gte=since).order_by().values_list("state").annotate(count=Count("pk"))
    flows = Flow.objects.filter(deleted=False)
    return {
        "flow_count": flows.count(),
        "disabled_flow_count": flows.filter(disabled=True).count(),
        "broken_flow_count": flows.exclude(problem="").count(),
        "trigger_count": TriggerState.objects.count(),
        "alive": dict(Execution.objects.filter(state__in=alive).order_by().values_list("state").annotate(count=Count("pk"))),
        "recent": dict(by_state),
        "hours": COUNTED_HOURS,
    }

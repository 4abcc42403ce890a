"""The first page: what to do first on a new system, later what happened lately."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Count
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from flows.models import Execution, Flow, TriggerState
from flows.primitives.states import TERMINAL, State
from flows.queries.blueprints import list_starters
from flows.queries.visibility import visible
from flows.ui.page import answer_page
from flows.ui.painters.charts import draw_history
from flows.ui.views.blueprints import make_card

HOURS = 24
LISTED = 6
KEPT_SECONDS = 10


def show_home(request: HttpRequest) -> HttpResponse:
    """Show the dashboard of the last 24 hours, or the welcome as long as nothing ever ran."""
    if not visible(Execution).exists():
        return show_welcome(request)
    at = timezone.now()
    buckets = _count_by_hour(at)
    totals: Counter[str] = Counter()
    for _, counts in buckets:
        totals.update(counts)
    ended = sum(count for state, count in totals.items() if state in TERMINAL)
    good = totals[State.SUCCESS] + totals[State.WARNING]
    alive = [state.value for state in State if state not in TERMINAL]
    failures = visible(Execution).filter(state=State.FAILED, kind="NORMAL").order_by("-created_at")[:LISTED]
    longest = visible(Execution).filter(state=State.RUNNING, kind="NORMAL").order_by("created_at")[:LISTED]
    due = visible(TriggerState).filter(disabled=False, source_disabled=False, next_at__gte=at, family="schedule")
    context = {
        "total": sum(totals.values()),
        "failed": totals[State.FAILED],
        "ratio": round(100 * good / ended, 1) if ended else None,
        "alive": visible(Execution).filter(state__in=alive, kind="NORMAL").count(),
        "chart": draw_history(buckets, url=f"{reverse('ui:executions')}?", length=timedelta(hours=1)),
        "failures": failures,
        "longest": longest,
        "due": due.order_by("next_at")[:LISTED],
        "hours": HOURS,
    }
    return answer_page(request, "flows/home.html", context, title="Dashboard", nav="home")


def _count_by_hour(at: datetime) -> list[tuple[datetime, dict[str, int]]]:
    """Return the counts by state of each of the last 24 hours. Kept for some seconds: everybody's first page asks for them."""
    found: list[tuple[datetime, dict[str, int]]] | None = cache.get("ui.home.hours")
    if found is not None:
        return found
    first = at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    rows = (
        visible(Execution).filter(created_at__gte=first, kind="NORMAL")
        .order_by()
        .annotate(hour=TruncHour("created_at"))
        .values_list("hour", "state")
        .annotate(count=Count("pk"))
    )
    by_hour: dict[datetime, dict[str, int]] = {first + timedelta(hours=index): {} for index in range(HOURS)}
    for hour, state, count in rows:
        by_hour.setdefault(hour, {})[state] = count
    found = sorted(by_hour.items())
    cache.set("ui.home.hours", found, KEPT_SECONDS)
    return found


def show_welcome(request: HttpRequest) -> HttpResponse:
    """Show what to do first, with what is done ticked."""
    newest = visible(Flow).filter(deleted=False).order_by("-updated_at").first()
    context = {
        "newest": newest,
        "has_run": visible(Execution).exists(),
        "has_trigger": visible(TriggerState).exists(),
        "cards": [make_card(one) for one in list_starters()],
    }
    return answer_page(request, "flows/welcome.html", context, title="Welcome", nav="home")

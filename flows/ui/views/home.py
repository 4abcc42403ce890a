"""The first page: what to do first on a new system, later what happened lately."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from flows.models import Execution, Flow, TriggerState
from flows.queries.blueprints import list_starters
from flows.queries.visibility import visible
from flows.ui.page import answer_page
from flows.ui.views.blueprints import make_card
from flows.ui.views.default_dashboard import show_default


def show_home(request: HttpRequest) -> HttpResponse:
    """Show the default dashboard, or the welcome as long as nothing ever ran."""
    if not visible(Execution).exists():
        return show_welcome(request)
    return show_default(request)


def show_welcome(request: HttpRequest) -> HttpResponse:
    """Show what to do first, with what is done ticked."""
    newest = visible(Flow).filter(deleted=False, revision__gt=0).order_by("-updated_at").first()
    context = {
        "newest": newest,
        "has_run": visible(Execution).exists(),
        "has_trigger": visible(TriggerState).exists(),
        "cards": [make_card(one) for one in list_starters()],
    }
    return answer_page(request, "flows/welcome.html", context, title="Welcome", nav="home")

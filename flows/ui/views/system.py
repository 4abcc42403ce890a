"""The parts that are alive, the settings of the console, and the inbox of executions that wait for a person."""

from __future__ import annotations

import platform

import django
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from flows.conf import get_settings
from flows.models import Execution, TaskRun
from flows.operations.acts import check_right
from flows.operations.preferences import save_preference
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.queries.health import check_parts, list_worker_names
from flows.queries.preferences import find_preferences
from flows.queries.visibility import visible
from flows.ui.page import answer_page

WAITING = (State.CREATED, State.QUEUED, State.RESTARTED)
MOST_ROWS = 100
CHOICES_KEY = "console.look"
CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "nav": ("wide", "narrow"),
    "zone": ("local", "utc"),
    "clock": ("24", "12"),
    "density": ("compact", "comfortable"),
    "editor-keys": ("", "vim", "emacs", "vscode"),
    "editor-size": ("12", "13", "14", "16", "18"),
    "keys": ("on", "off"),
}
"""The settings of the console and their values."""


def show_system(request: HttpRequest) -> HttpResponse:
    """Show which parts answer, which workers live and what they do."""
    check_right(Action.READ, Resource.SETTING)
    running = (
        visible(TaskRun).filter(lease_until__isnull=False).select_related("execution").order_by("lease_owner", "seq")[:MOST_ROWS]
    )
    oldest = visible(Execution).filter(state__in=WAITING).order_by("created_at").first()
    context = {
        "parts": check_parts(),
        "workers": list_worker_names(),
        "running": running,
        "waiting": visible(Execution).filter(state__in=WAITING).count(),
        "oldest": oldest,
        "at": timezone.now(),
    }
    return answer_page(request, "flows/system.html", context, title="Workers and queues", nav="system")


def show_settings(request: HttpRequest) -> HttpResponse:
    """Show the choices of this browser and what this installation is."""
    settings = get_settings()
    context = {
        "facts": [
            ("Address", settings.public_url),
            ("Plugins", f"{len(get_registry())} types"),
            ("Database", "its own" if settings.database_is_embedded else "an external PostgreSQL"),
            ("Broker", "its own" if settings.broker_is_embedded else "an external broker"),
            ("Python", platform.python_version()),
            ("Django", django.get_version()),
        ],
    }
    return answer_page(request, "flows/settings.html", context, title="Settings", nav="settings")


def read_choices(user_id: int | None) -> dict[str, str]:
    """Return what a person chose for the look of the console; settings left at their default are absent."""
    stored = find_preferences(user_id).get(CHOICES_KEY)
    held = stored if isinstance(stored, dict) else {}
    return {name: value for name, value in held.items() if value in CHOICES.get(name, ())}


def send_choices(request: HttpRequest) -> HttpResponse:
    """Answer the stored choices of the caller, which a new browser takes over."""
    return JsonResponse(read_choices(request.user.pk))


def save_choice(request: HttpRequest) -> HttpResponse:
    """Store one choice: `name` and `value` of the form. Raises InvalidError for an unknown one."""
    name, value = request.POST.get("name", ""), request.POST.get("value", "")
    if value not in CHOICES.get(name, ()) or request.user.pk is None:
        raise InvalidError(f'There is no setting "{name[:40]}" with the value "{value[:40]}".', code="setting-unknown")
    kept = {**read_choices(request.user.pk), name: value}
    save_preference(request.user.pk, name=CHOICES_KEY, value=kept, at=timezone.now())
    return HttpResponse(status=204)


def show_inbox(request: HttpRequest) -> HttpResponse:
    """Show the executions that wait for a person, oldest first."""
    rows = visible(Execution).filter(state=State.PAUSED).order_by("created_at")[:MOST_ROWS]
    waiting = visible(TaskRun).filter(execution_id__in=[row.id for row in rows], state=State.PAUSED).order_by("seq")
    tasks = {run.execution_id: run for run in waiting}
    context = {"rows": [{"execution": row, "run": tasks.get(row.id)} for row in rows]}
    return answer_page(request, "flows/inbox.html", context, title="Inbox", nav="inbox")

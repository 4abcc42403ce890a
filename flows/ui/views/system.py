"""The settings of the console."""

from __future__ import annotations

import platform

import django
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.conf import get_settings
from flows.operations.preferences import save_preference
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError
from flows.queries.flows import list_flow_namespaces
from flows.ui.choices import CHOICES_KEY, is_choice, read_choices
from flows.ui.filters import LEVELS
from flows.ui.page import answer_page


def show_settings(request: HttpRequest) -> HttpResponse:
    """Show the choices of this browser and what this installation is."""
    settings = get_settings()
    context = {
        "namespaces": list_flow_namespaces(),
        "levels": LEVELS,
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


def save_choice(request: HttpRequest) -> HttpResponse:
    """Store one choice: `name` and `value` of the form. Raises InvalidError for an unknown one."""
    name, value = request.POST.get("name", ""), request.POST.get("value", "")
    if not is_choice(name, value) or request.user.pk is None:
        raise InvalidError(f'There is no setting "{name[:40]}" with the value "{value[:40]}".', code="setting-unknown")
    kept = {**read_choices(request.user.pk), name: value}
    save_preference(request.user.pk, name=CHOICES_KEY, value=kept, at=timezone.now())
    return HttpResponse(status=204)

"""The settings of the console."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting: its name in `CHOICES`, what it is called, the value without a choice, and values with their words."""

    setting: str
    label: str
    default: str
    options: Sequence[tuple[str, str]]
    control: str = "radio"
    hint: str = ""


LOOK_ROWS = (
    Choice("theme", "Theme", "system", (("system", "as the system"), ("light", "light"), ("dark", "dark"))),
    Choice("nav", "Navigation", "wide", (("wide", "with words"), ("narrow", "icons only"))),
    Choice("density", "Rows", "compact", (("compact", "compact"), ("comfortable", "comfortable"))),
    Choice("announce", "Screen readers", "off", (("on", "announce new errors of a log"),), "checkbox"),
)
TIME_ROWS = (
    Choice("zone", "Time zone", "local", (("local", "that of this browser"), ("utc", "UTC")), "select"),
    Choice(
        "date",
        "Dates",
        "",
        (("", "in words"), ("iso", "2031-05-24"), ("dmy", "24/05/2031"), ("mdy", "05/24/2031")),
    ),
    Choice("clock", "Clock", "24", (("24", "24 hours"), ("12", "12 hours"))),
    Choice(
        "time",
        "Show",
        "absolute",
        (("absolute", "date and time"), ("relative", "how long ago")),
        hint="The other one, and UTC, stand in the tooltip.",
    ),
)
KEY_ROWS = (
    Choice("editor-size", "Letters of the editor", "13", tuple((size, f"{size} px") for size in ("12", "13", "14", "16", "18"))),
    Choice("editor-keys", "Editor keys", "", (("", "usual"), ("vim", "Vim"), ("emacs", "Emacs"), ("vscode", "VS Code"))),
    Choice("keys", "Keys", "on", (("on", "single-letter keys"),), "checkbox"),
)


def list_first_rows() -> list[Choice]:
    """Return the settings that decide what pages show before anybody filters."""
    namespaces = [(name, name) for name in list_flow_namespaces()]
    return [
        Choice(
            "home-namespace",
            "Namespace",
            "",
            [("", "all of them"), *namespaces],
            "select",
            "Flows, executions, triggers and logs open with this filter, and new flows begin in it.",
        ),
        Choice("log-level", "Least level of logs", "", [("", "all levels"), *((level, level) for level in LEVELS)], "select"),
        Choice("log-order", "Log of an execution", "", [("", "by time"), ("task", "by task")]),
    ]


def show_settings(request: HttpRequest) -> HttpResponse:
    """Show the choices of this browser and what this installation is."""
    settings = get_settings()
    context = {
        "look_rows": LOOK_ROWS,
        "time_rows": TIME_ROWS,
        "first_rows": list_first_rows(),
        "key_rows": KEY_ROWS,
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

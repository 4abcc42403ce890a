"""The admin site: who may enter it, how one signs in and out, and how its entries are grouped. No page of an object is here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from flows.admin.theme import IS_STOCK, BaseSite
from flows.conf import get_settings
from flows.operations import sessions
from flows.operations.second_factor import is_enabled
from flows.primitives.callers import Door

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Run", ("Execution", "TaskRun", "LogEntry", "Metric", "TriggerState", "Firing", "FlowTriggerWindow", "WebhookEvent")),
    (
        "Build",
        ("Flow", "FlowRevision", "Namespace", "KeyValue", "Secret", "NamespaceFile", "Template", "TemplateRevision",
         "Blueprint", "Dashboard"),
    ),
    (
        "Operate",
        ("User", "Group", "Role", "Binding", "Account", "ApiToken", "UserSession", "AuditEntry", "IdempotencyKey", "FlowStart",
         "CachedResult", "BulkJob", "BulkResult"),
    ),
)  # fmt: skip
"""The console's groups with the models of each, in order. A model that is not listed comes last in the last group."""

_ICONS = {
    "Execution": "play_circle", "TaskRun": "checklist", "LogEntry": "subject", "Metric": "monitoring", "TriggerState": "bolt",
    "Firing": "notifications_active", "FlowTriggerWindow": "hourglass_top", "WebhookEvent": "webhook", "Flow": "account_tree",
    "FlowRevision": "history", "Namespace": "folder", "KeyValue": "key", "Secret": "lock", "NamespaceFile": "description",
    "Template": "content_copy", "TemplateRevision": "history", "Blueprint": "architecture", "Dashboard": "dashboard",
    "User": "person", "Group": "group", "Role": "badge", "Binding": "link", "Account": "account_circle", "ApiToken": "token",
    "UserSession": "devices", "AuditEntry": "gavel", "IdempotencyKey": "fingerprint", "FlowStart": "speed",
    "CachedResult": "cached", "BulkJob": "checklist_rtl", "BulkResult": "rule",
}  # fmt: skip

_TITLES = {
    "LogEntry": "Log lines",
    "TriggerState": "Triggers",
    "KeyValue": "Key-value pairs",
    "FlowRevision": "Revisions",
    "ApiToken": "API tokens",
    "UserSession": "Sessions",
    "AuditEntry": "Audit log",
    "FlowStart": "Starts under quotas",
    "CachedResult": "Task cache",
}


class ConsoleAdminSite(BaseSite):
    """Takes the session of the console, whose throttle, second factor and audit log hold here, too. Source: security, S-44."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may enter: staff, from a network that may, with a second factor where it is asked."""
        if not super().has_permission(request) or not is_allowed_address(str(request.META.get("REMOTE_ADDR", ""))):
            return False
        if not get_settings().admin_requires_mfa:
            return True
        if not hasattr(request, "has_second_factor"):
            # Asked several times for one page.
            request.has_second_factor = is_enabled(request.user)  # type: ignore[attr-defined,arg-type]  # asked of staff alone
        return bool(request.has_second_factor)  # type: ignore[attr-defined]  # set above

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Mark the pages of the site for the middleware that writes the security policy, besides what the framework does."""

        @wraps(view)
        def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            request.is_themed_admin = not IS_STOCK  # type: ignore[attr-defined]  # for the templates
            return view(request, *args, **kwargs)

        return super().admin_view(marked, cacheable)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send a stranger to the console's sign-in, and tell who has signed in why there is nothing to see."""
        wanted = request.GET.get("next") or reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('ui:login')}?{urlencode({'next': wanted})}")
        context = {
            "layout": "flows/layout.html",
            "title": "You may not do this",
            "status": 403,
            "message": "The administration is for staff, from allowed networks, and with a second factor where it is asked.",
            "code": "forbidden",
        }
        return HttpResponse(render_to_string("flows/error.html", context, request), status=403)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Close the session, which the audit log tells; a mere link cannot do it."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:index"))
        sessions.close_session(request, door=Door.ADMIN)
        return HttpResponseRedirect(reverse("ui:login"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the console's own page, which checks the strength and ends the other sessions."""
        return HttpResponseRedirect(reverse("ui:account"))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Return the models that the caller sees in the console's groups instead of by their packages."""
        if app_label is not None:
            found: list[dict[str, Any]] = super().get_app_list(request, app_label)
            return found
        entries = {entry["object_name"]: entry for app in self._build_app_dict(request).values() for entry in app["models"]}
        groups = []
        for title, names in GROUPS:
            last = title == GROUPS[-1][0]
            for name in names:
                if name in entries and name in _TITLES:
                    entries[name]["name"] = _TITLES[name]
            models = [entries.pop(name) for name in names if name in entries] + (list(entries.values()) if last else [])
            if models:
                label = title.lower()
                groups.append(
                    {"name": title, "app_label": label, "app_url": reverse("admin:index"), "has_module_perms": True,
                     "models": models}
                )  # fmt: skip
        return groups

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the same groups as the theme's side bar wants them."""
        return [
            {
                "title": group["name"],
                "separator": True,
                "items": [
                    {
                        "title": entry["name"],
                        "link": entry["admin_url"],
                        "icon": _ICONS.get(entry["object_name"], "database"),
                        "active": request.path.startswith(entry["admin_url"] or "\0"),
                        "has_permission": True,
                    }
                    for entry in group["models"]
                ],
            }
            for group in self.get_app_list(request)
        ]


def is_allowed_address(address: str) -> bool:
    """Tell whether the admin site may be reached from an address. Anything that is no address only passes where all may."""
    allowed = _read_networks(get_settings().admin_addresses)
    if not allowed:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in allowed)


@lru_cache(maxsize=4)
def _read_networks(texts: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ip_network(text) for text in texts)

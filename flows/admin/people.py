"""People, groups and sessions: read-only here. The console changes them, with the rules and the audit log that belong to it."""

from __future__ import annotations

import django.contrib.auth.admin  # noqa: F401 - registers the framework's pages, so that they can go
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.admin.history import HistoryAdmin
from flows.models import UserSession

# The framework's own pages would change people past the rules: rights beyond one's own, and the last owner.
admin.site.unregister([model for model in (User, Group) if admin.site.is_registered(model)])


@admin.register(User)
class UserAdmin(HistoryAdmin):
    """Who can sign in."""

    list_display = ("username", "is_active", "is_superuser", "is_staff", "last_login", "console_link")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("username__icontains",)
    ordering = ("username",)
    exclude = ("password",)

    @admin.display(description="Console")
    def console_link(self, user: User) -> SafeString:
        """Return the link to the page on which a person is changed."""
        return format_html('<a href="{}">open</a>', reverse("ui:user", args=[str(user.pk)]))


@admin.register(Group)
class GroupAdmin(HistoryAdmin):
    """Groups; what they may do stands in their bindings."""

    list_display = ("name",)
    search_fields = ("name__icontains",)
    exclude = ("permissions",)


@admin.register(UserSession)
class UserSessionAdmin(HistoryAdmin):
    """Browsers that are signed in; neither their keys nor what they hold."""

    list_display = ("user", "address", "agent", "started_at", "seen_at", "ends_at")
    list_select_related = ("user",)
    ordering = ("-seen_at",)
    exclude = ("digest", "data")

"""Templates, dashboards, tokens and the engine's own notes: read-only. Digests of tokens are never shown."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from flows.admin.history import HistoryAdmin, NamespaceFilter, link_to, show_json
from flows.models.access import Account, ApiToken, Binding, Role
from flows.models.audit import AuditEntry
from flows.models.dashboard import Dashboard
from flows.models.execution import Execution
from flows.models.quota import FlowStart
from flows.models.task_cache import CachedResult
from flows.models.template import Template, TemplateRevision


@admin.register(ApiToken)
class ApiTokenAdmin(HistoryAdmin):
    """Who may call the API without a password, and since when; a token is revoked by its owner."""

    list_display = ("name", "prefix", "user", "can_write", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("can_write",)
    search_fields = ("name", "prefix__startswith")
    exclude = ("digest",)


@admin.register(Dashboard)
class DashboardAdmin(HistoryAdmin):
    """Read-only; dashboards are written as text, through the API."""

    list_display = ("id", "title", "updated_at")
    search_fields = ("id__startswith", "title__icontains")


@admin.register(Template)
class TemplateAdmin(HistoryAdmin):
    """Read-only; one line for each template."""

    list_display = ("template_id", "namespace", "revision", "deleted", "updated_at")
    list_filter = ("deleted", NamespaceFilter)
    search_fields = ("template_id__startswith",)


@admin.register(TemplateRevision)
class TemplateRevisionAdmin(HistoryAdmin):
    """Read-only; a saved text is never changed."""

    list_display = ("template", "revision", "saved_by", "created_at")
    list_select_related = ("template",)
    ordering = ("-created_at",)


@admin.register(CachedResult)
class CachedResultAdmin(HistoryAdmin):
    """Results that the task cache keeps."""

    list_display = ("task_id", "namespace", "flow_id", "execution_link", "created_at", "expires_at")
    list_filter = (NamespaceFilter,)
    fields = ("namespace", "flow_id", "task_id", "execution_link", "shown_outputs", "created_at", "expires_at")
    readonly_fields = ("execution_link", "shown_outputs")
    ordering = ("-created_at",)

    @admin.display(description="execution")
    def execution_link(self, row: CachedResult) -> SafeString | str:
        return link_to(Execution, row.execution_id)

    @admin.display(description="outputs")
    def shown_outputs(self, row: CachedResult) -> SafeString | str:
        return show_json(row.outputs)


@admin.register(FlowStart)
class FlowStartAdmin(HistoryAdmin):
    """The starts that quotas count."""

    list_display = ("execution_id", "namespace", "flow_id", "started_at")
    list_filter = (NamespaceFilter,)
    ordering = ("-started_at",)


@admin.register(Role)
class RoleAdmin(HistoryAdmin):
    """What each role permits; roles are written in the console, where the rules for them are checked."""

    list_display = ("name", "description", "is_built_in", "updated_at")
    list_filter = ("is_built_in",)
    search_fields = ("name__startswith",)


@admin.register(Binding)
class BindingAdmin(HistoryAdmin):
    """Who has which role where."""

    list_display = ("role", "user", "group", "namespace", "created_by", "created_at")
    list_select_related = ("role", "user", "group")
    list_filter = ("role",)
    search_fields = ("namespace__startswith", "user__username__startswith")


@admin.register(Account)
class AccountAdmin(HistoryAdmin):
    """What belongs to a person or a service account besides the name. Keys of one-time codes are never shown."""

    list_display = ("user", "kind", "must_use_mfa", "oidc_issuer", "created_at")
    list_select_related = ("user",)
    list_filter = ("kind", "must_use_mfa")
    search_fields = ("user__username__startswith",)
    exclude = ("mfa_secret", "mfa_recovery", "mfa_last_step")


@admin.register(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    """Who did what; the database itself refuses every change of a row."""

    list_display = ("at", "who", "door", "what", "namespace", "object_id", "result")
    list_filter = ("result", "door", "resource")
    search_fields = ("who__startswith", "object_id__startswith")

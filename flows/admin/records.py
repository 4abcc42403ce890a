"""Templates, dashboards, blueprints and the engine's own notes: looked at here, written in the console; some can be deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.base import HistoryAdmin, OperatedAdmin
from flows.admin.display import link_to, show_json, show_text
from flows.admin.paging import FlowSearch, NamespaceFilter
from flows.models import (
    Blueprint,
    BulkJob,
    BulkResult,
    CachedResult,
    Dashboard,
    Execution,
    FlowStart,
    IdempotencyKey,
    SystemSample,
    Template,
    TemplateRevision,
    Worker,
)
from flows.operations import blueprints, dashboards, templates
from flows.primitives.rights import Resource


class DeletableAdmin(OperatedAdmin):
    """Rows that can be deleted here and are written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: the console has the editor for it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: the console has the editor for it."""
        return False


@admin.register(Dashboard)
class DashboardAdmin(DeletableAdmin):
    """Dashboards are written as text, in the console or through the API."""

    resource = Resource.DASHBOARD
    list_display = ("id", "title", "updated_at")
    search_fields = ("id__startswith", "title__icontains")

    def remove(self, request: HttpRequest, obj: Dashboard) -> None:
        """Delete the dashboard."""
        dashboards.delete_dashboard(obj.pk)


@admin.register(Blueprint)
class BlueprintAdmin(DeletableAdmin):
    """Blueprints that people saved; those that ship with the product have no rows."""

    resource = Resource.BLUEPRINT
    list_display = ("title", "id", "saved_by", "updated_at")
    search_fields = ("title__icontains", "id__startswith")
    fields = ("id", "title", "description", "tags", "included_tasks", "source_text", "saved_by", "created_at", "updated_at")
    readonly_fields = ("source_text",)

    def remove(self, request: HttpRequest, obj: Blueprint) -> None:
        """Delete the blueprint."""
        blueprints.delete_blueprint(obj.pk)

    @admin.display(description="source")
    def source_text(self, row: Blueprint) -> SafeString | str:
        return show_text(row.source)


@admin.register(Template)
class TemplateAdmin(DeletableAdmin):
    """One line for each template."""

    resource = Resource.TEMPLATE
    namespace_field = "namespace"
    list_display = ("template_id", "namespace", "revision", "deleted", "updated_at")
    list_filter = ("deleted", NamespaceFilter)
    search_fields = ("template_id__startswith",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the caller may delete the template, which works once."""
        return not (obj is not None and obj.deleted) and super().has_delete_permission(request, obj)

    def remove(self, request: HttpRequest, obj: Template) -> None:
        """Append the revision that deletes the template."""
        templates.delete_template(obj.namespace, obj.template_id, at=timezone.now())


@admin.register(TemplateRevision)
class TemplateRevisionAdmin(HistoryAdmin):
    """Read-only; a saved text is never changed."""

    resource = Resource.TEMPLATE
    namespace_field = "template__namespace"
    list_display = ("template", "revision", "saved_by", "created_at")
    list_select_related = ("template",)
    ordering = ("-created_at",)


@admin.register(CachedResult)
class CachedResultAdmin(HistoryAdmin):
    """Results that the task cache keeps."""

    resource = Resource.EXECUTION
    namespace_field = "namespace"
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
class FlowStartAdmin(FlowSearch, HistoryAdmin):
    """The starts that quotas count."""

    resource = Resource.EXECUTION
    namespace_field = "namespace"
    list_display = ("execution_id", "namespace", "flow_id", "started_at")
    list_filter = (NamespaceFilter,)
    search_fields = ("execution_id__exact",)
    ordering = ("-pk",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(HistoryAdmin):
    """Requests that were answered once and may come again, kept for a day."""

    resource = Resource.SETTING
    list_display = ("created_at", "caller", "execution_link")
    search_fields = ("caller__startswith",)
    fields = ("caller", "created_at", "execution_link")
    ordering = ("-created_at",)

    @admin.display(description="execution")
    def execution_link(self, row: IdempotencyKey) -> SafeString | str:
        return link_to(Execution, row.execution_id)


@admin.register(BulkJob)
class BulkJobAdmin(HistoryAdmin):
    """Actions on many objects at once, kept for a month."""

    resource = Resource.SETTING
    list_display = ("created_at", "user", "kind", "act", "phase", "done_count", "skipped_count", "failed_count")
    list_select_related = ("user",)
    search_fields = ("id__exact",)
    ordering = ("-created_at",)


@admin.register(BulkResult)
class BulkResultAdmin(HistoryAdmin):
    """What became of each object of such an action."""

    resource = Resource.SETTING
    list_display = ("object_id", "outcome", "reason", "job")
    list_select_related = ("job",)
    search_fields = ("object_id__startswith",)
    ordering = ("-pk",)


@admin.register(Worker)
class WorkerAdmin(HistoryAdmin):
    """Workers as they reported; the console drains them."""

    resource = Resource.SETTING
    list_display = ("name", "slots", "started_at", "seen_at", "stopped_at", "is_draining")
    search_fields = ("name__startswith",)
    ordering = ("name",)


@admin.register(SystemSample)
class SystemSampleAdmin(HistoryAdmin):
    """The figures of each minute of the last two days."""

    resource = Resource.SETTING
    list_display = ("at", "workers", "slots", "running_tasks", "waiting_tasks", "started", "ended", "failed")
    ordering = ("-at",)

"""Task runs: read-only, each with its attempts, outputs and logs."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from flows.admin.base import HistoryAdmin
from flows.admin.display import link_to, show_json, show_state
from flows.models import Execution, LogEntry, TaskRun
from flows.primitives.rights import Resource

MAX_LOG_LINES = 500


@admin.register(TaskRun)
class TaskRunAdmin(HistoryAdmin):
    """Read-only; what it ran for stands one level up, at the execution."""

    resource = Resource.EXECUTION
    namespace_field = "execution__namespace"
    list_display = ("id", "task_id", "execution_link", "value", "state_badge", "created_at", "ended_at")
    search_fields = ("id__exact", "execution__id__exact")
    search_help_text = "The id of a task run or of an execution"
    fieldsets = (
        (None, {"fields": ("id", "task_id", "execution_link", "parent_link", "iteration", "value", "state_badge")}),
        ("Times", {"fields": ("created_at", "ended_at", "wake_at", "dispatched_at")}),
        ("Outputs", {"fields": ("output_json",)}),
        ("Attempts", {"fields": ("attempt_json", "loss_count", "lease_owner", "lease_until")}),
        ("Logs", {"fields": ("log_table",)}),
        ("State history", {"fields": ("history_table",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskRun]:
        return super().get_queryset(request).defer("outputs", "attempts", "histories", "plan", "progress")

    @admin.display(description="execution", ordering="execution_id")
    def execution_link(self, row: TaskRun) -> SafeString | str:
        return link_to(Execution, row.execution_id)

    @admin.display(description="parent")
    def parent_link(self, row: TaskRun) -> SafeString | str:
        parent = TaskRun.objects.only("seq", "task_id").filter(id=row.parent_id).first() if row.parent_id else None
        return link_to(TaskRun, parent.pk, parent.task_id) if parent else "-"

    @admin.display(description="state", ordering="state")
    def state_badge(self, row: TaskRun) -> SafeString:
        return show_state(row.state)

    @admin.display(description="outputs")
    def output_json(self, row: TaskRun) -> SafeString | str:
        return show_json(row.outputs)

    @admin.display(description="attempts")
    def attempt_json(self, row: TaskRun) -> SafeString | str:
        return show_json(row.attempts)

    @admin.display(description="logs")
    def log_table(self, row: TaskRun) -> SafeString:
        rows = list(
            LogEntry.objects.filter(execution_id=row.execution_id, task_run_id=row.id).order_by("-id")[: MAX_LOG_LINES + 1]
        )
        context = {"entries": rows[:MAX_LOG_LINES][::-1], "more": len(rows) > MAX_LOG_LINES, "limit": MAX_LOG_LINES}
        return render_to_string("admin/flows/partials/logs.html", context)

    @admin.display(description="state history")
    def history_table(self, row: TaskRun) -> SafeString:
        return render_to_string("admin/flows/partials/histories.html", {"histories": row.histories})

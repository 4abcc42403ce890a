"""Log lines and metrics: read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from flows.admin.base import HistoryAdmin
from flows.admin.display import link_to
from flows.admin.paging import FlowSearch, NamespaceFilter
from flows.models import Execution, LogEntry, Metric
from flows.primitives.rights import Resource

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


class LevelFilter(admin.SimpleListFilter):
    """Filter by the least level that is shown."""

    title = "least level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(number), name) for number, name in enumerate(LEVELS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        value = self.value()
        return queryset.filter(level__gte=int(value)) if value and value.isdigit() else queryset


@admin.register(LogEntry)
class LogEntryAdmin(FlowSearch, HistoryAdmin):
    """Read-only; the newest line first."""

    resource = Resource.EXECUTION
    namespace_field = "namespace"
    list_display = ("timestamp", "level_name", "namespace", "flow_id", "task_id", "execution_link", "short_message")
    list_filter = (LevelFilter, NamespaceFilter)
    search_fields = ("execution_id__exact",)
    ordering = ("-timestamp",)

    @admin.display(description="level", ordering="level")
    def level_name(self, row: LogEntry) -> str:
        return LEVELS[row.level] if row.level < len(LEVELS) else str(row.level)

    @admin.display(description="execution")
    def execution_link(self, row: LogEntry) -> SafeString | str:
        return link_to(Execution, row.execution_id)

    @admin.display(description="message")
    def short_message(self, row: LogEntry) -> str:
        return row.message if len(row.message) <= 200 else f"{row.message[:200]}..."


@admin.register(Metric)
class MetricAdmin(FlowSearch, HistoryAdmin):
    """Read-only; the newest entry first."""

    resource = Resource.EXECUTION
    namespace_field = "namespace"
    list_display = ("timestamp", "kind", "name", "value", "namespace", "flow_id", "task_id", "execution_link")
    list_filter = (NamespaceFilter,)
    search_fields = ("execution_id__exact",)
    ordering = ("-id",)

    @admin.display(description="execution")
    def execution_link(self, row: Metric) -> SafeString | str:
        return link_to(Execution, row.execution_id)

"""Triggers, their firings, open windows and buffered webhook calls: read-only, with the actions of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.base import HistoryAdmin
from flows.admin.display import link_to, show_json
from flows.admin.paging import FlowSearch, NamespaceFilter
from flows.models import Execution, Firing, FlowTriggerWindow, TriggerState, WebhookEvent
from flows.operations import triggers as operations
from flows.primitives.rights import Resource


@admin.register(TriggerState)
class TriggerStateAdmin(HistoryAdmin):
    """Read-only; every action calls an operation of the API."""

    resource = Resource.TRIGGER
    namespace_field = "namespace"
    list_display = ("trigger_id", "namespace", "flow_id", "family", "is_on", "next_at", "last_fired_at", "locked_by")
    list_filter = ("family", "disabled", NamespaceFilter)
    search_fields = ("trigger_id", "flow_id", "namespace")
    actions = ("enable", "disable", "unlock", "pause_backfill", "resume_backfill", "cancel_backfill")
    fieldsets = (
        (
            None,
            {"fields": ("namespace", "flow_id", "trigger_id", "type", "family", "flow_revision", "disabled", "source_disabled")},
        ),
        ("Times", {"fields": ("next_at", "last_fired_at", "last_triggered_at", "evaluating_since", "worker_id")}),
        ("Lock", {"fields": ("locked_by", "locked_at")}),
        ("Details", {"fields": ("stop_after", "backfill_json", "state_json", "created_at", "updated_at")}),
    )

    @admin.display(description="on", boolean=True)
    def is_on(self, row: TriggerState) -> bool:
        return not (row.disabled or row.source_disabled)

    @admin.display(description="locked by")
    def locked_by(self, row: TriggerState) -> SafeString | str:
        return link_to(Execution, row.execution_id)

    @admin.display(description="backfill")
    def backfill_json(self, row: TriggerState) -> SafeString | str:
        return show_json(row.backfill)

    @admin.display(description="kept between polls")
    def state_json(self, row: TriggerState) -> SafeString | str:
        return show_json(row.state)

    @admin.action(description="Enable", permissions=["update"])
    def enable(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Enabled", operations.set_trigger_disabled, disabled=False)

    @admin.action(description="Disable", permissions=["update"])
    def disable(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Disabled", operations.set_trigger_disabled, disabled=True)

    @admin.action(description="Unlock", permissions=["update"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Unlocked", operations.unlock_trigger)

    @admin.action(description="Pause the backfill", permissions=["update"])
    def pause_backfill(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Backfill paused", operations.set_backfill_paused, paused=True)

    @admin.action(description="Go on with the backfill", permissions=["update"])
    def resume_backfill(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Backfill goes on", operations.set_backfill_paused, paused=False)

    @admin.action(description="Cancel the backfill", permissions=["update"])
    def cancel_backfill(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Backfill cancelled", operations.delete_backfill)

    def _operate(
        self, request: HttpRequest, queryset: QuerySet[TriggerState], done: str, operation: Callable[..., Any], **options: Any
    ) -> None:
        """Run one operation per chosen trigger."""
        actor = request.user.get_username()

        def operate(row: TriggerState) -> None:
            names = {"namespace": row.namespace, "flow_id": row.flow_id, "trigger_id": row.trigger_id}
            operation(**names, at=timezone.now(), actor=actor, **options)

        self.run_on_rows(request, queryset, done, operate, lambda row: f"{row.namespace}/{row.flow_id}, {row.trigger_id}")


@admin.register(Firing)
class FiringAdmin(FlowSearch, HistoryAdmin):
    """Read-only; one row per trigger and scheduled date."""

    resource = Resource.TRIGGER
    namespace_field = "namespace"
    list_display = ("scheduled_at", "namespace", "flow_id", "trigger_id", "fired_at", "execution_link")
    list_filter = (NamespaceFilter,)
    search_fields = ("execution_id__exact",)
    ordering = ("-id",)

    @admin.display(description="execution")
    def execution_link(self, row: Firing) -> SafeString | str:
        return link_to(Execution, row.execution_id)


@admin.register(FlowTriggerWindow)
class FlowTriggerWindowAdmin(HistoryAdmin):
    """Read-only; the windows of flow triggers that are open now."""

    resource = Resource.TRIGGER
    namespace_field = "namespace"
    list_display = ("namespace", "flow_id", "condition_id", "starts_at", "ends_at")
    search_fields = ("namespace", "flow_id", "condition_id")


@admin.register(WebhookEvent)
class WebhookEventAdmin(HistoryAdmin):
    """Read-only; calls of batch webhooks that wait. What callers sent is not shown in lists."""

    resource = Resource.TRIGGER
    namespace_field = "namespace"
    list_display = ("received_at", "namespace", "flow_id", "trigger_id")
    search_fields = ("namespace", "flow_id", "trigger_id")
    fields = ("namespace", "flow_id", "trigger_id", "received_at", "payload_json")

    @admin.display(description="payload")
    def payload_json(self, row: WebhookEvent) -> SafeString | str:
        return show_json(row.payload)

"""Triggers, their firings, open windows and buffered webhook calls: read-only, with actions to switch and unlock triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.history import HistoryAdmin, NamespaceFilter, link_to, show_json
from flows.models import Execution, Firing, FlowTriggerWindow, TriggerState, WebhookEvent
from flows.operations import triggers as operations
from flows.primitives.errors import FlowsError


@admin.register(TriggerState)
class TriggerStateAdmin(HistoryAdmin):
    """Read-only; Enable, Disable and Unlock call the operations of the API."""

    list_display = ("trigger_id", "namespace", "flow_id", "family", "is_on", "next_at", "last_fired_at", "locked_by")
    list_filter = ("family", "disabled", NamespaceFilter)
    search_fields = ("trigger_id", "flow_id", "namespace")
    actions = ("enable", "disable", "unlock")
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

    @admin.action(description="Enable", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Enabled", operations.set_trigger_disabled, disabled=False)

    @admin.action(description="Disable", permissions=["operate"])
    def disable(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Disabled", operations.set_trigger_disabled, disabled=True)

    @admin.action(description="Unlock", permissions=["operate"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[TriggerState]) -> None:
        self._operate(request, queryset, "Unlocked", operations.unlock_trigger)

    def _operate(
        self, request: HttpRequest, queryset: QuerySet[TriggerState], done: str, operation: Callable[..., Any], **options: Any
    ) -> None:
        """Run one operation per chosen trigger; a refusal of one does not stop the others."""
        actor, count = request.user.get_username(), 0
        for namespace, flow_id, trigger_id in list(queryset.values_list("namespace", "flow_id", "trigger_id")):
            try:
                operation(namespace=namespace, flow_id=flow_id, trigger_id=trigger_id, at=timezone.now(), actor=actor, **options)
                count += 1
            except FlowsError as error:
                self.message_user(request, f"{namespace}/{flow_id}, {trigger_id}: {error.message}", messages.ERROR)
        if count:
            self.message_user(request, f"{done}: {count} triggers.", messages.SUCCESS)


@admin.register(Firing)
class FiringAdmin(HistoryAdmin):
    """Read-only; one row per trigger and scheduled date."""

    list_display = ("scheduled_at", "namespace", "flow_id", "trigger_id", "fired_at", "execution_link")
    list_filter = (NamespaceFilter,)
    search_fields = ("execution_id__exact", "flow_id__startswith", "trigger_id__startswith")
    ordering = ("-id",)

    @admin.display(description="execution")
    def execution_link(self, row: Firing) -> SafeString | str:
        return link_to(Execution, row.execution_id)


@admin.register(FlowTriggerWindow)
class FlowTriggerWindowAdmin(HistoryAdmin):
    """Read-only; the windows of flow triggers that are open now."""

    list_display = ("namespace", "flow_id", "condition_id", "starts_at", "ends_at")
    search_fields = ("namespace", "flow_id", "condition_id")


@admin.register(WebhookEvent)
class WebhookEventAdmin(HistoryAdmin):
    """Read-only; calls of batch webhooks that wait. What callers sent is not shown in lists."""

    list_display = ("received_at", "namespace", "flow_id", "trigger_id")
    search_fields = ("namespace", "flow_id", "trigger_id")
    fields = ("namespace", "flow_id", "trigger_id", "received_at", "payload_json")

    @admin.display(description="payload")
    def payload_json(self, row: WebhookEvent) -> SafeString | str:
        return show_json(row.payload)

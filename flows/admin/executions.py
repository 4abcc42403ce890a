"""Executions: a list with filters, a page with task runs, logs and outputs, and the actions of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.base import MOST_AT_ONCE, MOST_REASONS, HistoryAdmin
from flows.admin.display import link_to, show_json, show_labels, show_own_labels, show_state
from flows.admin.paging import FlowSearch, NamespaceFilter
from flows.models import Execution, Flow, LogEntry, TaskRun
from flows.operations import executions as operations
from flows.operations.many import run_on_each
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.queries.visibility import visible

MAX_TASK_RUNS = 500
MAX_LOG_LINES = 500
CHOSEN_STATES = (State.SUCCESS, State.WARNING, State.FAILED, State.KILLED, State.CANCELLED)


class StateFilter(admin.SimpleListFilter):
    """Filter by state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Execution]) -> QuerySet[Execution]:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Execution)
class ExecutionAdmin(FlowSearch, HistoryAdmin):
    """Read-only; states change only through the actions, which call the operations of the API."""

    resource = Resource.EXECUTION
    namespace_field = "namespace"
    execution_field = "id"
    list_display = ("id", "namespace", "flow_id", "revision", "state_badge", "created_at", "duration", "own_labels")
    list_filter = (StateFilter, NamespaceFilter, "created_at")
    search_fields = ("id__exact",)
    actions = ("kill", "restart", "replay", "pause", "resume")
    fieldsets = (
        (None, {"fields": ("id", "flow_link", "state_badge", "error", "created_at", "ended_at", "duration", "label_text")}),
        ("Task runs", {"fields": ("task_run_table",)}),
        ("Outputs and inputs", {"fields": ("output_json", "input_json", "variable_json", "trigger_json")}),
        ("Logs", {"fields": ("log_table",)}),
        ("Relations", {"fields": ("kind", "parent_link", "original_link", "caller_link", "children", "schedule_at")}),
        ("State history", {"fields": ("history_table",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Execution]:
        return super().get_queryset(request).defer("histories", "inputs", "variables", "progress", "breakpoints")

    @admin.display(description="revision", ordering="flow_revision")
    def revision(self, row: Execution) -> int:
        return int(row.flow_revision)

    @admin.display(description="state", ordering="state")
    def state_badge(self, row: Execution) -> SafeString:
        return show_state(row.state)

    @admin.display(description="duration")
    def duration(self, row: Execution) -> str:
        ended_at = row.ended_at or timezone.now()
        return f"{(ended_at - row.created_at).total_seconds():.3f} s"

    @admin.display(description="labels")
    def own_labels(self, row: Execution) -> str:
        return show_own_labels(row.labels)

    @admin.display(description="labels")
    def label_text(self, row: Execution) -> str:
        return show_labels(row.labels)

    @admin.display(description="flow")
    def flow_link(self, row: Execution) -> SafeString | str:
        text = f"{row.namespace}/{row.flow_id}, revision {row.flow_revision}"
        key = visible(Flow).filter(namespace=row.namespace, flow_id=row.flow_id).values_list("pk", flat=True).first()
        return link_to(Flow, key, text) if key else text

    @admin.display(description="task runs")
    def task_run_table(self, row: Execution) -> SafeString:
        rows = list(TaskRun.objects.filter(execution_id=row.id).order_by("seq")[: MAX_TASK_RUNS + 1])
        context = {"task_runs": rows[:MAX_TASK_RUNS], "more": len(rows) > MAX_TASK_RUNS, "limit": MAX_TASK_RUNS}
        return render_to_string("admin/flows/partials/task_runs.html", context)

    @admin.display(description="logs")
    def log_table(self, row: Execution) -> SafeString:
        rows = list(LogEntry.objects.filter(execution_id=row.id).order_by("-id")[: MAX_LOG_LINES + 1])
        context = {"entries": rows[:MAX_LOG_LINES][::-1], "more": len(rows) > MAX_LOG_LINES, "limit": MAX_LOG_LINES}
        return render_to_string("admin/flows/partials/logs.html", context)

    @admin.display(description="state history")
    def history_table(self, row: Execution) -> SafeString:
        return render_to_string("admin/flows/partials/histories.html", {"histories": row.histories})

    @admin.display(description="outputs")
    def output_json(self, row: Execution) -> SafeString | str:
        return show_json(row.outputs)

    @admin.display(description="inputs")
    def input_json(self, row: Execution) -> SafeString | str:
        return show_json(row.inputs)

    @admin.display(description="variables")
    def variable_json(self, row: Execution) -> SafeString | str:
        return show_json(row.variables)

    @admin.display(description="trigger")
    def trigger_json(self, row: Execution) -> SafeString | str:
        return show_json(row.trigger)

    @admin.display(description="replayed from")
    def parent_link(self, row: Execution) -> SafeString | str:
        return link_to(Execution, row.parent_id)

    @admin.display(description="original")
    def original_link(self, row: Execution) -> SafeString | str:
        return link_to(Execution, row.original_id if row.original_id != row.id else None)

    @admin.display(description="called by")
    def caller_link(self, row: Execution) -> SafeString | str:
        return link_to(Execution, row.caller_execution_id)

    @admin.display(description="executions it started")
    def children(self, row: Execution) -> SafeString | str:
        rows = list(visible(Execution).filter(caller_execution_id=row.id).order_by("created_at")[:50])
        return render_to_string("admin/flows/partials/executions.html", {"executions": rows}) if rows else "-"

    @admin.action(description="Kill", permissions=["update"])
    def kill(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._operate(request, queryset, "kill", operations.kill_execution)

    @admin.action(description="Restart", permissions=["update"])
    def restart(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._operate(request, queryset, "restart", operations.restart_execution)

    @admin.action(description="Replay as a new execution", permissions=["create"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._operate(request, queryset, "replay", operations.replay_execution, right=Action.CREATE)

    @admin.action(description="Pause", permissions=["update"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._operate(request, queryset, "pause", operations.pause_execution)

    @admin.action(description="Resume", permissions=["update"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self._operate(request, queryset, "resume", operations.resume_execution)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Add one action for each state that an ended execution can be given."""
        found: dict[str, Any] = super().get_actions(request)
        if self.has_update_permission(request):
            for state in CHOSEN_STATES:
                name = f"change_to_{state.lower()}"
                found[name] = (_change_to(state), name, f"Change the state of ended ones to {state}")
        return found

    def _operate(
        self,
        request: HttpRequest,
        queryset: QuerySet[Execution],
        act: str,
        operation: Callable[..., Execution],
        *,
        right: Action = Action.UPDATE,
        **options: Any,
    ) -> None:
        """Run one operation per chosen execution; a refusal of one does not stop the others."""
        ids = list(queryset.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        actor = request.user.get_username()
        done = run_on_each(
            f"execution.{act}",
            right,
            Resource.EXECUTION,
            ids[:MOST_AT_ONCE],
            lambda one: operation(one, at=timezone.now(), actor=actor, **options),
        )
        for execution_id, error in done.refused[:MOST_REASONS]:
            self.message_user(request, f"{execution_id}: {error.message}", messages.ERROR)
        if len(done.refused) > MOST_REASONS:
            self.message_user(request, f"{len(done.refused) - MOST_REASONS} more were refused.", messages.ERROR)
        if len(ids) > MOST_AT_ONCE:
            self.message_user(request, f"Only the first {MOST_AT_ONCE} were taken; do it again for more.", messages.WARNING)
        if done.done:
            self.message_user(request, f"Done ({act.replace('-', ' ')}): {len(done.done)} executions.", messages.SUCCESS)


def _change_to(state: State) -> Callable[..., None]:
    def change(page: ExecutionAdmin, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        page._operate(request, queryset, "change-status", operations.change_execution_status, status=state.value)

    return change

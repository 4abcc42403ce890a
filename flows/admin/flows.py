"""Flows and their revisions: read-only sources, actions to switch flows, and a page that starts an execution."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.admin.execute import ExecuteForm
from flows.admin.history import HistoryAdmin, NamespaceFilter, link_to, link_to_list, show_labels, show_state
from flows.engine.catalog import get_flow
from flows.models import Execution, Flow, FlowRevision
from flows.operations import executions as execution_operations
from flows.operations import flows as operations
from flows.primitives.errors import FlowsError, InvalidError

MAX_RECENT = 10


class ProblemFilter(admin.SimpleListFilter):
    """Filter by whether the stored source can still be used."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("broken", "cannot be used any more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flow]) -> QuerySet[Flow]:
        return queryset.exclude(problem="") if self.value() == "broken" else queryset


@admin.register(Flow)
class FlowAdmin(HistoryAdmin):
    """Read-only; sources are edited in the UI or applied from files."""

    change_form_template = "admin/flows/flow/change_form.html"
    list_display = ("flow_id", "namespace", "revision", "is_on", "is_usable", "running_count", "updated_at", "label_text")
    list_filter = ("disabled", "deleted", ProblemFilter, NamespaceFilter)
    search_fields = ("flow_id", "namespace", "description")
    actions = ("enable", "disable")
    fieldsets = (
        (None, {"fields": ("namespace", "flow_id", "description", "revision", "is_on", "deleted", "problem", "label_text")}),
        ("Executions", {"fields": ("recent_executions", "running_count", "concurrency_limit")}),
        ("Source", {"fields": ("source", "revision_links", "created_at", "updated_at")}),
    )

    @admin.display(description="on", boolean=True)
    def is_on(self, row: Flow) -> bool:
        return not row.disabled

    @admin.display(description="usable", boolean=True)
    def is_usable(self, row: Flow) -> bool:
        return not row.problem

    @admin.display(description="labels")
    def label_text(self, row: Flow) -> str:
        return show_labels(row.labels)

    @admin.display(description="source")
    def source(self, row: Flow) -> SafeString | str:
        text = FlowRevision.objects.filter(flow=row, revision=row.revision).values_list("source", flat=True).first()
        return format_html('<pre class="celestra-json">{}</pre>', text) if text else "-"

    @admin.display(description="revisions")
    def revision_links(self, row: Flow) -> SafeString:
        return link_to_list(FlowRevision, f"All revisions up to {row.revision}", flow__id__exact=row.pk)

    @admin.display(description="last executions")
    def recent_executions(self, row: Flow) -> SafeString:
        newest = Execution.objects.filter(namespace=row.namespace, flow_id=row.flow_id).only("id", "state", "created_at")
        lines = [
            format_html("{} {} {:%Y-%m-%d %H:%M:%S}<br>", link_to(Execution, each.id), show_state(each.state), each.created_at)
            for each in newest.order_by("-created_at")[:MAX_RECENT]
        ]
        everything = link_to_list(Execution, "All executions", namespace=row.namespace, q=row.flow_id)
        return format_html("{}{}", SafeString("".join(lines)), everything)

    @admin.action(description="Enable", permissions=["operate"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Flow]) -> None:
        self._switch(request, queryset, disabled=False)

    @admin.action(description="Disable", permissions=["operate"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Flow]) -> None:
        self._switch(request, queryset, disabled=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Flow], *, disabled: bool) -> None:
        count = 0
        for namespace, flow_id in list(queryset.values_list("namespace", "flow_id")):
            try:
                saved = operations.set_flow_disabled(
                    namespace, flow_id, disabled=disabled, at=timezone.now(), actor=request.user.get_username()
                )
                count += saved is not None
            except FlowsError as error:
                self.message_user(request, f"{namespace}/{flow_id}: {error.message}", messages.ERROR)
        self.message_user(request, f"{'Disabled' if disabled else 'Enabled'}: {count} flows.")

    def get_urls(self) -> list[URLPattern]:
        execute = path("<int:pk>/execute/", self.admin_site.admin_view(self.execute_view), name="flows_flow_execute")
        return [execute, *super().get_urls()]

    def execute_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form with the flow's inputs; a valid one starts an execution and leads to its page."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        row = Flow.objects.filter(pk=pk, deleted=False).first()
        if row is None:
            raise Http404
        try:
            inputs = get_flow(row.namespace, row.flow_id).flow.inputs
        except FlowsError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:flows_flow_change", args=[pk]))
        form = ExecuteForm(inputs, request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                execution = execution_operations.start_execution(
                    namespace=row.namespace,
                    flow_id=row.flow_id,
                    inputs=form.read_inputs(),
                    at=timezone.now(),
                    actor=request.user.get_username(),
                )
            except InvalidError as error:
                for text in [str(problem) for problem in error.problems] or [error.message]:
                    form.add_error(None, text)
            except FlowsError as error:
                form.add_error(None, error.message)
            else:
                return HttpResponseRedirect(reverse("admin:flows_execution_change", args=[execution.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "flow": row,
            "form": form,
            "title": f"Execute {row}",
        }
        return TemplateResponse(request, "admin/flows/flow/execute.html", context)


@admin.register(FlowRevision)
class FlowRevisionAdmin(HistoryAdmin):
    """Read-only sources of all revisions."""

    list_display = ("flow", "revision", "deleted", "saved_by", "created_at")
    list_select_related = ("flow",)
    list_filter = ("deleted",)
    search_fields = ("flow__flow_id", "flow__namespace")
    ordering = ("-id",)
    fields = ("flow", "revision", "deleted", "saved_by", "created_at", "text")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "flow__id__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowRevision]:
        return super().get_queryset(request).defer("source")

    @admin.display(description="source")
    def text(self, row: FlowRevision) -> SafeString:
        return format_html('<pre class="celestra-json">{}</pre>', row.source)

"""Flows and their revisions: sources that are saved like in the console, actions on many flows, and a page that starts one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.admin.base import MOST_AT_ONCE, HistoryAdmin, OperatedAdmin
from flows.admin.display import link_to, link_to_list, show_labels, show_state, show_text
from flows.admin.execute import ExecuteForm
from flows.admin.paging import NamespaceFilter
from flows.admin.source import SourceWidget, list_faults
from flows.engine.catalog import get_flow
from flows.models import Execution, Flow, FlowRevision
from flows.operations import executions as execution_operations
from flows.operations import flow_bulk, flow_bundles
from flows.operations import flows as operations
from flows.operations.flow_checks import check_document
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.problems import Severity
from flows.primitives.rights import Action, Resource
from flows.queries.visibility import visible

MAX_RECENT = 10
NEW_SOURCE = """id: my-flow
namespace: company.team

tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: Hello
"""


class ProblemFilter(admin.SimpleListFilter):
    """Filter by whether the stored source can still be used."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("broken", "cannot be used any more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flow]) -> QuerySet[Flow]:
        return queryset.exclude(problem="") if self.value() == "broken" else queryset


class FlowForm(forms.ModelForm):
    """The source; everything else of a flow follows from it."""

    source = forms.CharField(strip=False, widget=SourceWidget)

    class Meta:
        model = Flow
        fields = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        row = self.instance
        self.initial["source"] = find_source(row) if row.pk else NEW_SOURCE
        # A reader of the saved text alone has no such field.
        if row.draft_revision and "source" in self.fields:
            self.fields["source"].help_text = f"This is a draft, revision {row.draft_revision}: saving it here publishes it."

    def clean_source(self) -> str:
        """Return the text. Its faults stand above the form, where they are seen before the long text."""
        text = str(self.cleaned_data["source"]).replace("\r\n", "\n")
        for fault in list_faults(text):
            self.add_error(None, fault)
        return text


def find_source(row: Flow) -> str:
    """Return the newest text of a flow, empty when it has none."""
    return FlowRevision.objects.filter(flow=row, revision=row.newest_revision).values_list("source", flat=True).first() or ""


@admin.register(Flow)
class FlowAdmin(OperatedAdmin):
    """Saving passes the validator of the console and makes a revision."""

    resource = Resource.FLOW
    namespace_field = "namespace"
    form = FlowForm
    list_display = ("flow_id", "namespace", "revision", "is_on", "is_usable", "running_count", "updated_at", "label_text")
    list_filter = ("disabled", "deleted", ProblemFilter, NamespaceFilter)
    search_fields = ("flow_id", "namespace", "description")
    actions = ("enable", "disable", "export", "validate")
    readonly_fields = ("is_on", "deleted", "problem", "label_text", "recent_executions", "running_count", "concurrency_limit",
                       "revision_links", "created_at", "updated_at", "source_text")  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("source",)}),)
        may_change = self.has_change_permission(request, obj)
        facts = ("is_on", "deleted", "problem", "label_text", "recent_executions", "running_count", "concurrency_limit",
                 "revision_links", "created_at", "updated_at")  # fmt: skip
        return (("Source", {"fields": ("source" if may_change else "source_text",)}), ("Facts", {"fields": facts}))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the caller may write the flow; a deleted one comes back by saving its source as a new flow."""
        return not (obj is not None and obj.deleted) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the caller may delete the flow, which works once."""
        return not (obj is not None and obj.deleted) and super().has_delete_permission(request, obj)

    def store(self, request: HttpRequest, obj: Flow, form: Any, *, is_new: bool) -> Flow:
        """Save the source as a revision, and tell its warnings."""
        saved = operations.save_flow(
            form.cleaned_data["source"],
            at=timezone.now(),
            actor=request.user.get_username(),
            mode="create" if is_new else "update",
            namespace=None if is_new else obj.namespace,
            flow_id=None if is_new else obj.flow_id,
        )
        for problem in saved.warnings:
            self.message_user(request, str(problem), messages.WARNING)
        if not saved.changed:
            self.message_user(request, f"The source is revision {saved.revision.revision} already.", messages.INFO)
        return saved.flow

    def remove(self, request: HttpRequest, obj: Flow) -> None:
        """Append the revision that deletes the flow; its executions stay."""
        operations.delete_flow(obj.namespace, obj.flow_id, at=timezone.now(), actor=request.user.get_username())

    def list_object_links(self, request: HttpRequest, obj: Any) -> list[dict[str, str]]:
        """Add the console's editor and the form that starts an execution."""
        links = super().list_object_links(request, obj)
        if obj.deleted:
            return []
        editor = reverse("ui:flow-tab", args=[obj.namespace, obj.flow_id, "edit"])
        links.append({"link": editor, "title": "Edit in console", "icon": "edit_note"})
        if self._may_execute(obj):
            execute = reverse("admin:flows_flow_execute", args=[obj.pk])
            links.append({"link": execute, "title": "Execute", "icon": "play_arrow"})
        return links

    @staticmethod
    def _may_execute(row: Flow) -> bool:
        return current_caller().may(Action.CREATE, Resource.EXECUTION, row.namespace)

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
    def source_text(self, row: Flow) -> SafeString | str:
        return show_text(find_source(row))

    @admin.display(description="revisions")
    def revision_links(self, row: Flow) -> SafeString:
        return link_to_list(FlowRevision, f"All revisions up to {row.newest_revision}", flow__id__exact=row.pk)

    @admin.display(description="last executions")
    def recent_executions(self, row: Flow) -> SafeString:
        newest = visible(Execution).filter(namespace=row.namespace, flow_id=row.flow_id).only("id", "state", "created_at")
        lines = [
            format_html("{} {} {:%Y-%m-%d %H:%M:%S}<br>", link_to(Execution, each.id), show_state(each.state), each.created_at)
            for each in newest.order_by("-created_at")[:MAX_RECENT]
        ]
        everything = link_to_list(Execution, "All executions", q=f"{row.namespace}/{row.flow_id}")
        return format_html("{}{}", SafeString("".join(lines)), everything)

    @admin.action(description="Enable", permissions=["update"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Flow]) -> None:
        self._switch(request, queryset, disabled=False)

    @admin.action(description="Disable", permissions=["update"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Flow]) -> None:
        self._switch(request, queryset, disabled=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Flow], *, disabled: bool) -> None:
        names = list(queryset.values_list("namespace", "flow_id")[:MOST_AT_ONCE])
        done = flow_bulk.set_flows_disabled(names, disabled=disabled, at=timezone.now(), actor=request.user.get_username())
        for (namespace, flow_id), error in done.refused:
            self.message_user(request, f"{namespace}/{flow_id}: {error.message}", messages.ERROR)
        self.message_user(request, f"{'Disabled' if disabled else 'Enabled'}: {len(done.done)} flows.")

    @admin.action(description="Export as a ZIP of sources", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Flow]) -> HttpResponse:
        content = flow_bundles.export_flows(queryset.filter(deleted=False)[:MOST_AT_ONCE])
        return HttpResponse(
            content, content_type="application/zip", headers={"Content-Disposition": 'attachment; filename="flows.zip"'}
        )

    @admin.action(description="Validate against the installed plugins", permissions=["view"])
    def validate(self, request: HttpRequest, queryset: QuerySet[Flow]) -> None:
        count = 0
        for row in queryset.filter(deleted=False)[:MOST_AT_ONCE]:
            check = check_document(find_source(row))
            count += check.is_valid
            for problem in check.problems:
                level = messages.ERROR if problem.severity is Severity.ERROR else messages.WARNING
                self.message_user(request, f"{row}: {problem}", level)
        self.message_user(request, f"Valid: {count} flows.")

    def get_urls(self) -> list[URLPattern]:
        execute = path("<int:pk>/execute/", self.admin_site.admin_view(self.execute_view), name="flows_flow_execute")
        return [execute, *super().get_urls()]

    def execute_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form with the flow's inputs; a valid one starts an execution and leads to its page."""
        row = self.get_queryset(request).filter(pk=pk, deleted=False).first()
        if row is None:
            raise Http404
        if not self._may_execute(row):
            raise PermissionDenied
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

    resource = Resource.FLOW
    namespace_field = "flow__namespace"
    list_display = ("flow", "revision", "draft", "deleted", "saved_by", "origin", "created_at")
    list_select_related = ("flow",)
    search_fields = ("flow__flow_id", "flow__namespace")
    ordering = ("-id",)
    fields = ("flow", "revision", "draft", "deleted", "saved_by", "origin", "message", "created_at", "text")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "flow__id__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowRevision]:
        return super().get_queryset(request).defer("source")

    @admin.display(description="source")
    def text(self, row: FlowRevision) -> SafeString | str:
        return show_text(row.source)

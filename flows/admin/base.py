"""What all admin pages share: they show what the caller's rights reach, and change nothing but through operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from flows.admin.console import find_console_address
from flows.admin.paging import BoundedPaginator
from flows.admin.theme import OBJECT_LINK_TEMPLATE, BaseModelAdmin
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.rights import EVERYWHERE, OF_NO_NAMESPACE, Action, Resource
from flows.queries.visibility import show_visible

MOST_AT_ONCE = 1000
MOST_REASONS = 10


class _WithoutTransaction(admin.ModelAdmin):
    """
    Stands below the theme and above the framework's own class, which wraps every change into one transaction. Operations have
    their own, and what they write about a refusal must stay when the change does not.
    """

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show or save the form of an object; one that an operation refuses is shown again with the reason."""
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]  # Django's
        except FlowsError as error:
            request.refusal = error  # type: ignore[attr-defined]  # for the second try
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]  # Django's

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask, and delete; an operation's refusal becomes a message."""
        try:
            return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]  # Django's
        except FlowsError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.path.removesuffix("delete/") + "change/")


class ConsoleModelAdmin(BaseModelAdmin, _WithoutTransaction):
    """
    The pages of a model that belong to `resource`. `namespace_field` is the lookup of the namespace that owns a row; without
    it the rows belong to the installation. Source: security, S-02 and S-44.
    """

    resource: Resource
    namespace_field: str | None = None
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 50
    actions_on_bottom = False

    def _may(self, action: Action, obj: Model | None = None) -> bool:
        caller = current_caller()
        if self.resource in OF_NO_NAMESPACE or self.namespace_field is None:
            return caller.may(action, self.resource, EVERYWHERE)
        if obj is None:
            return caller.list_reached(self.resource, action) != ()
        return caller.may(action, self.resource, self.get_namespace(obj))

    def get_namespace(self, obj: Model) -> str:
        """Return the namespace that owns a row."""
        found: Any = obj
        for name in (self.namespace_field or "").split("__"):
            found = getattr(found, name)
        return str(found)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the caller sees any of the rows."""
        return self._may(Action.READ)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the caller may read a row, or any."""
        return self._may(Action.READ, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether the caller may make a row somewhere."""
        return self._may(Action.CREATE)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the caller may change a row, or any."""
        return self._may(Action.UPDATE, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the caller may delete a row, or any."""
        return self._may(Action.DELETE, obj)

    def has_create_permission(self, request: HttpRequest) -> bool:
        """Tell whether the caller may use actions that make something: a replay, for example."""
        return self._may(Action.CREATE)

    def has_update_permission(self, request: HttpRequest) -> bool:
        """Tell whether the caller may use actions that change something."""
        return self._may(Action.UPDATE)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Tell whether the caller may use actions that delete something."""
        return self._may(Action.DELETE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the caller may read."""
        rows = super().get_queryset(request)
        if self.resource in OF_NO_NAMESPACE or self.namespace_field is None:
            return rows if self._may(Action.READ) else rows.none()
        return show_visible(rows, self.resource, field=self.namespace_field)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return a row by its key, None also for a text that no key can be."""
        found: Model | None = None if "\0" in object_id else super().get_object(request, object_id, from_field)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or run an action; what cannot be searched for is told like any other bad filter."""
        try:
            return super().changelist_view(request, extra_context)
        except DataError:
            return HttpResponseRedirect(f"{request.path}?e=1")
        except FlowsError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False, form_url: str = "",
        obj: Model | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Add the links that lead from the object elsewhere."""
        context["object_links"] = self.list_object_links(request, obj) if obj is not None else []
        context["object_link_template"] = OBJECT_LINK_TEMPLATE
        return super().render_change_form(request, context, add, change, form_url, obj)

    def list_object_links(self, request: HttpRequest, obj: Model) -> list[dict[str, str]]:
        """Return links beside the title of an object's page: address, title and icon."""
        address = find_console_address(obj)
        return [{"link": address, "title": "Open in console", "icon": "open_in_new"}] if address else []

    def run_on_rows(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        done: str,
        operation: Callable[[Any], Any],
        name: Callable[[Any], str] = str,
    ) -> None:
        """
        Do something with each chosen row; a refusal of one does not stop the others, and is told with its reason.

        Args:
            done: what the message begins with, for example `Killed`.
            operation: does it, or raises FlowsError.
            name: how a message names a row.
        """
        chosen, count, refused = list(rows), 0, []
        for row in chosen[:MOST_AT_ONCE]:
            try:
                operation(row)
                count += 1
            except FlowsError as error:
                refused.append(f"{name(row)}: {error.message}")
        for text in refused[:MOST_REASONS]:
            self.message_user(request, text, messages.ERROR)
        if len(refused) > MOST_REASONS:
            self.message_user(request, f"{len(refused) - MOST_REASONS} more were refused.", messages.ERROR)
        if len(chosen) > MOST_AT_ONCE:
            self.message_user(request, f"Only the first {MOST_AT_ONCE} were taken; do it again for more.", messages.WARNING)
        if count:
            self.message_user(request, f"{done}: {count} {self.opts.verbose_name_plural}.", messages.SUCCESS)


class HistoryAdmin(ConsoleModelAdmin):
    """A model that people look at and never edit here: nobody adds, changes or deletes its rows, whatever their rights."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


class OperatedAdmin(ConsoleModelAdmin):
    """A model whose rows are made, changed and deleted by the operations that the console and the API call."""

    def store(self, request: HttpRequest, obj: Any, form: Any, *, is_new: bool) -> Model:
        """Do what the form asks for, and return the stored row. Raises FlowsError when the operation refuses."""
        raise NotImplementedError

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row. Raises FlowsError when the operation refuses."""
        raise NotImplementedError

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form class; after a refusal its check fails with the reasons of the operation."""
        base = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return base if refusal is None else type(base.__name__, (base,), {"clean": _refuse_with(base, refusal)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Store the object, and give the framework's history the key that it got."""
        stored = self.store(request, obj, form, is_new=not change)
        obj.__dict__.update({name: value for name, value in stored.__dict__.items() if name != "_state"})
        obj._state.adding = False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the operation stored all of it."""

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> list[Any]:
        """Nothing yet: the history tells a deletion when the operation did it, not before."""
        return []

    def _remove_and_log(self, request: HttpRequest, obj: Model) -> None:
        key = obj.pk
        self.remove(request, obj)
        obj.pk = key
        super().log_deletions(request, [obj])  # type: ignore[arg-type]  # any sequence will do

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete one object."""
        self._remove_and_log(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the chosen objects, each that can be."""
        for obj in list(queryset):
            try:
                self._remove_and_log(request, obj)
            except FlowsError as error:
                self.message_user(request, f"{obj}: {error.message}", messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return the chosen objects alone: what goes with them, or keeps them, is the operation's knowledge."""
        chosen = list(objs)
        lacking = {str(self.opts.verbose_name) for obj in chosen if not self.has_delete_permission(request, obj)}
        return [str(obj) for obj in chosen], {str(self.opts.verbose_name_plural): len(chosen)}, lacking, []


def _refuse_with(base: type[Any], refusal: FlowsError) -> Callable[[Any], Any]:
    texts = [str(problem) for problem in refusal.problems] if isinstance(refusal, InvalidError) else []

    def clean(form: Any) -> Any:
        cleaned = base.clean(form)
        for text in texts or [refusal.message]:
            form.add_error(None, text)
        return cleaned

    return clean

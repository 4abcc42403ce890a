"""Namespaces and what they own. Descriptions can be edited; values are shown, secrets never are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.history import HistoryAdmin, show_json
from flows.models import KeyValue, Namespace, NamespaceFile, Secret
from flows.operations import key_values, namespaces
from flows.primitives.identifiers import NameKind, find_name_fault


class NamespaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """Checks the two JSON fields before the operation does, so that faults appear beside them."""

    class Meta:
        model = Namespace
        fields = ("id", "description", "variables", "plugin_defaults")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # An empty map or list is a value here, and Django would take it for a missing one.
        for name in ("variables", "plugin_defaults"):
            self.fields[name].required = False

    def clean_id(self) -> str:
        """Return the name. Raises ValidationError when no namespace may have it."""
        name = str(self.cleaned_data["id"])
        fault = find_name_fault(NameKind.NAMESPACE, name)
        if fault:
            raise forms.ValidationError(f"A namespace {fault}.")
        return name

    def clean_variables(self) -> dict[str, Any]:
        """Return the variables. Raises ValidationError unless they are a map."""
        value = self.cleaned_data["variables"] or {}
        if not isinstance(value, dict):
            raise forms.ValidationError('Variables must be a map such as {"region": "north"}.')
        return value

    def clean_plugin_defaults(self) -> list[dict[str, Any]]:
        """Return the defaults. Raises ValidationError unless each has a type."""
        value = self.cleaned_data["plugin_defaults"] or []
        if not isinstance(value, list) or not all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in value):
            raise forms.ValidationError('Plugin defaults must be a list of maps such as {"type": "...", "values": {}}.')
        return value


@admin.register(Namespace)
class NamespaceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Description, variables and plugin defaults; saved through the operations."""

    form = NamespaceForm
    list_display = ("id", "description", "updated_at")
    search_fields = ("id", "description")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("id",) if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Namespace, form: Any, change: bool) -> None:
        save = namespaces.update_namespace if change else namespaces.create_namespace
        save(
            obj.id,
            at=timezone.now(),
            actor=request.user.get_username(),
            description=obj.description,
            variables=obj.variables,
            plugin_defaults=obj.plugin_defaults,
        )


@admin.register(KeyValue)
class KeyValueAdmin(HistoryAdmin):
    """Read-only values with an action to delete them."""

    list_display = ("namespace", "key", "kind", "short_value", "revision", "expires_at", "updated_at")
    list_filter = ("kind",)
    search_fields = ("namespace", "key", "description")
    actions = ("delete_pairs",)
    fieldsets = (
        (None, {"fields": ("namespace", "key", "kind", "value_json", "description", "revision")}),
        ("Times", {"fields": ("expires_at", "created_at", "updated_at")}),
    )

    @admin.display(description="value")
    def short_value(self, row: KeyValue) -> str:
        text = str(row.value)
        return text if len(text) <= 80 else f"{text[:80]}..."

    @admin.display(description="value")
    def value_json(self, row: KeyValue) -> SafeString | str:
        return show_json({"value": row.value})

    @admin.action(description="Delete the chosen pairs", permissions=["operate"])
    def delete_pairs(self, request: HttpRequest, queryset: QuerySet[KeyValue]) -> None:
        at, actor = timezone.now(), request.user.get_username()
        for namespace, key in list(queryset.values_list("namespace", "key")):
            key_values.delete_key_value(namespace, key, at=at, actor=actor)
        self.message_user(request, "The chosen pairs were deleted.")


@admin.register(Secret)
class SecretAdmin(HistoryAdmin):
    """Names only; the encrypted value is not even loaded."""

    list_display = ("namespace", "key", "description", "updated_at")
    search_fields = ("namespace", "key", "description")
    fields = ("namespace", "key", "description", "tags", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("encrypted")


@admin.register(NamespaceFile)
class NamespaceFileAdmin(HistoryAdmin):
    """Read-only index of the versions of files."""

    list_display = ("namespace", "path", "version", "is_current", "size_bytes", "created_at")
    list_filter = ("is_current",)
    search_fields = ("namespace", "path")

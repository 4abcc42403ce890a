"""Namespaces and what they own. Values are shown, secrets never are: they are only replaced."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.base import MOST_AT_ONCE, HistoryAdmin, OperatedAdmin
from flows.admin.display import show_json
from flows.admin.theme import PasswordInput, SplitDateTime, Textarea
from flows.models import KeyValue, Namespace, NamespaceFile, Secret
from flows.operations import key_values, namespaces
from flows.primitives.errors import InvalidError
from flows.primitives.identifiers import NameKind, find_name_fault
from flows.primitives.rights import Resource
from flows.primitives.typed_values import parse_value_text

_BARE_KINDS = frozenset({"DATETIME", "DATE", "DURATION"})


class NamespaceForm(forms.ModelForm):
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
class NamespaceAdmin(OperatedAdmin):
    """Description, variables and plugin defaults."""

    resource = Resource.NAMESPACE
    namespace_field = "id"
    form = NamespaceForm
    list_display = ("id", "description", "updated_at")
    search_fields = ("id", "description")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("id",) if obj is not None else ()

    def store(self, request: HttpRequest, obj: Namespace, form: Any, *, is_new: bool) -> Namespace:
        """Make or change the namespace."""
        save = namespaces.create_namespace if is_new else namespaces.update_namespace
        save(
            obj.id,
            at=timezone.now(),
            actor=request.user.get_username(),
            description=obj.description,
            variables=obj.variables,
            plugin_defaults=obj.plugin_defaults,
        )
        return Namespace.objects.get(pk=obj.id)

    def remove(self, request: HttpRequest, obj: Namespace) -> None:
        """Delete the namespace, which must own nothing any more."""
        namespaces.delete_namespace(obj.pk, at=timezone.now(), actor=request.user.get_username())


class KeyValueForm(forms.ModelForm):
    """A pair as text; its type follows from how the value is written."""

    text = forms.CharField(
        label="Value",
        strip=False,
        widget=Textarea,
        help_text='JSON, such as "a text", 12 or [1, 2]; or a bare date, moment or duration.',
    )
    expires_at = forms.SplitDateTimeField(required=False, widget=SplitDateTime, help_text="In UTC; empty for a pair that stays.")

    class Meta:
        model = KeyValue
        fields = ("namespace", "key", "description")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        row = self.instance
        if row.pk:
            self.initial["text"] = row.value if row.kind in _BARE_KINDS else json.dumps(row.value, ensure_ascii=False, indent=2)
            self.initial["expires_at"] = row.expires_at

    def clean_text(self) -> str:
        """Return the text. Raises ValidationError when it is no value."""
        text = str(self.cleaned_data["text"])
        try:
            parse_value_text(text)
        except InvalidError as error:
            raise forms.ValidationError(error.message) from error
        return text


@admin.register(KeyValue)
class KeyValueAdmin(OperatedAdmin):
    """Values with their types, and an action that removes those whose time is over."""

    resource = Resource.KVSTORE
    namespace_field = "namespace"
    form = KeyValueForm
    list_display = ("namespace", "key", "kind", "short_value", "revision", "expires_at", "updated_at")
    list_filter = ("kind",)
    search_fields = ("namespace", "key", "description")
    actions = ("purge_expired",)
    readonly_fields = ("kind", "revision", "value_json", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("namespace", "key", "text", "description", "expires_at")}),)
        may_change = self.has_change_permission(request, obj)
        shown = ("text", "expires_at") if may_change else ("value_json",)
        return (
            (None, {"fields": ("namespace", "key", "kind", *shown, "description")}),
            ("Facts", {"fields": ("revision", "created_at", "updated_at")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(("namespace", "key") if obj is not None else ()))

    def store(self, request: HttpRequest, obj: KeyValue, form: Any, *, is_new: bool) -> KeyValue:
        """Write the value."""
        at, expires_at = timezone.now(), form.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= at:
            raise InvalidError("The end of a pair lies in the future; delete the pair to be rid of it now.", code="key-expiry")
        return key_values.set_key_value_text(
            obj.namespace,
            obj.key,
            form.cleaned_data["text"],
            at=at,
            actor=request.user.get_username(),
            ttl=expires_at - at if expires_at is not None else None,
            description=obj.description,
        )

    def remove(self, request: HttpRequest, obj: KeyValue) -> None:
        """Delete the pair."""
        key_values.delete_key_value(obj.namespace, obj.key, at=timezone.now(), actor=request.user.get_username())

    @admin.display(description="value")
    def short_value(self, row: KeyValue) -> str:
        text = str(row.value)
        return text if len(text) <= 80 else f"{text[:80]}..."

    @admin.display(description="value")
    def value_json(self, row: KeyValue) -> SafeString | str:
        return show_json({"value": row.value})

    @admin.action(description="Remove the expired ones among the chosen", permissions=["remove"])
    def purge_expired(self, request: HttpRequest, queryset: QuerySet[KeyValue]) -> None:
        expired = list(queryset.filter(expires_at__lte=timezone.now())[: MOST_AT_ONCE + 1])
        self.run_on_rows(request, expired, "Removed", lambda row: self.remove(request, row))
        if not expired:
            self.message_user(request, "None of them has expired.")


class SecretForm(forms.ModelForm):
    """A name and a new value. The stored value is not even loaded, so it cannot be shown."""

    new_value = forms.CharField(
        strip=False,
        required=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Replaces the stored value, which nobody can read; empty keeps it.",
    )

    class Meta:
        model = Secret
        fields = ("namespace", "key", "description")

    def clean_new_value(self) -> str:
        """Return the value. Raises ValidationError when a new secret has none."""
        value = str(self.cleaned_data["new_value"])
        if not value and self.instance.pk is None:
            raise forms.ValidationError("A new secret needs a value.")
        return value


@admin.register(Secret)
class SecretAdmin(OperatedAdmin):
    """Names and descriptions; the encrypted value is not even loaded."""

    resource = Resource.SECRET
    namespace_field = "namespace"
    form = SecretForm
    list_display = ("namespace", "key", "description", "updated_at")
    search_fields = ("namespace", "key", "description")
    readonly_fields = ("tags", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        may_write = obj is None or self.has_change_permission(request, obj)
        shown = ("namespace", "key", *(("new_value",) if may_write else ()), "description")
        facts = (("Facts", {"fields": self.readonly_fields}),) if obj is not None else ()
        return ((None, {"fields": shown}), *facts)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(("namespace", "key") if obj is not None else ()))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("encrypted")

    def store(self, request: HttpRequest, obj: Secret, form: Any, *, is_new: bool) -> Secret:
        """Write a new value, or only the description."""
        value, actor, at = form.cleaned_data["new_value"], request.user.get_username(), timezone.now()
        if value:
            stored = namespaces.set_secret(obj.namespace, obj.key, value, at=at, actor=actor, description=obj.description)
        else:
            stored = namespaces.describe_secret(obj.namespace, obj.key, at=at, actor=actor, description=obj.description)
        return Secret.objects.defer("encrypted").get(pk=stored.pk)

    def remove(self, request: HttpRequest, obj: Secret) -> None:
        """Delete the secret."""
        namespaces.delete_secret(obj.namespace, obj.key, at=timezone.now(), actor=request.user.get_username())


@admin.register(NamespaceFile)
class NamespaceFileAdmin(HistoryAdmin):
    """Read-only index of the versions of files."""

    resource = Resource.FILE
    namespace_field = "namespace"
    list_display = ("namespace", "path", "version", "is_current", "size_bytes", "created_at")
    list_filter = ("is_current",)
    search_fields = ("namespace", "path")

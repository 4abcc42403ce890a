"""Roles, who has them where, and the audit log: written through the operations that let nobody give more than they have."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from flows.admin.base import HistoryAdmin, OperatedAdmin
from flows.admin.display import show_json
from flows.admin.theme import CheckboxSelectMultiple, Select, TextInput
from flows.models import AuditEntry, Binding, Role
from flows.operations import bindings, roles
from flows.primitives.rights import Action, Resource

_PERMISSIONS = [(f"{resource}.{action}", f"{resource} {action}") for resource in Resource for action in Action]


class RoleForm(forms.ModelForm):
    """A name, what it is for, and one box for each action on each kind of thing."""

    title = forms.CharField(label="Name", max_length=63, widget=TextInput)
    purpose = forms.CharField(label="Description", required=False, widget=TextInput)
    permitted = forms.MultipleChoiceField(
        label="Permissions", choices=_PERMISSIONS, required=False, widget=CheckboxSelectMultiple
    )

    class Meta:
        model = Role
        fields = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        row = self.instance
        if row.pk:
            permitted = [f"{resource}.{action}" for resource, actions in row.permissions.items() for action in actions]
            self.initial.update({"title": row.name, "purpose": row.description, "permitted": permitted})

    def read_permissions(self) -> dict[str, list[str]]:
        """Return actions by resource."""
        table: dict[str, list[str]] = {}
        for word in self.cleaned_data["permitted"]:
            resource, _, action = word.partition(".")
            table.setdefault(resource, []).append(action)
        return table


@admin.register(Role)
class RoleAdmin(OperatedAdmin):
    """What each role permits; built-in ones can be looked at and copied."""

    resource = Resource.USER
    form = RoleForm
    list_display = ("name", "description", "is_built_in", "updated_at")
    list_filter = ("is_built_in",)
    search_fields = ("name__startswith",)
    readonly_fields = ("name", "description", "permission_table", "is_built_in", "created_at", "updated_at")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return ((None, {"fields": ("title", "purpose", "permitted")}),)
        return ((None, {"fields": self.readonly_fields}),)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the role can be changed: built-in ones cannot."""
        return not (obj is not None and obj.is_built_in) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the role can be deleted: built-in ones cannot."""
        return not (obj is not None and obj.is_built_in) and super().has_delete_permission(request, obj)

    @admin.display(description="permissions")
    def permission_table(self, row: Role) -> SafeString | str:
        return show_json(row.permissions)

    def store(self, request: HttpRequest, obj: Role, form: Any, *, is_new: bool) -> Role:
        """Make or change the role."""
        given, permissions = form.cleaned_data, form.read_permissions()
        if is_new:
            return roles.create_role(given["title"], permissions=permissions, description=given["purpose"], at=timezone.now())
        row = Role.objects.get(pk=obj.pk)
        roles.update_role(row, name=given["title"], permissions=permissions, description=given["purpose"], at=timezone.now())
        return row

    def remove(self, request: HttpRequest, obj: Role) -> None:
        """Delete a role that nobody has any more."""
        roles.delete_role(obj)


class BindingForm(forms.ModelForm):
    """A role, and either an account or a group."""

    given = forms.ModelChoiceField(Role.objects.order_by("name"), label="Role", widget=Select)
    person = forms.ModelChoiceField(User.objects.order_by("username"), label="Account", required=False, widget=Select)
    company = forms.ModelChoiceField(Group.objects.order_by("name"), label="Or group", required=False, widget=Select)
    where = forms.CharField(
        label="Namespace", required=False, max_length=150, widget=TextInput, help_text="And all below it; empty for everywhere."
    )

    class Meta:
        model = Binding
        fields = ()

    def clean(self) -> dict[str, Any]:
        """Return the values. Raises ValidationError unless exactly one subject was chosen."""
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("person")) == bool(cleaned.get("company")):
            raise forms.ValidationError("A role is given to an account or to a group: choose one of them.")
        return cleaned


@admin.register(Binding)
class BindingAdmin(OperatedAdmin):
    """Who has which role where; given and taken, never changed."""

    resource = Resource.USER
    form = BindingForm
    list_display = ("role", "user", "group", "namespace", "created_by", "created_at")
    list_select_related = ("role", "user", "group")
    list_filter = ("role",)
    search_fields = ("namespace__startswith", "user__username__startswith")
    readonly_fields = ("role", "user", "group", "namespace", "created_by", "created_at")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = ("given", "person", "company", "where") if obj is None else self.readonly_fields
        return ((None, {"fields": fields}),)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: a binding is taken, and another one given."""
        return False

    def store(self, request: HttpRequest, obj: Binding, form: Any, *, is_new: bool) -> Binding:
        """Give the role."""
        given = form.cleaned_data
        subject = given["person"] or given["company"]
        return bindings.give_role(given["given"], subject, namespace=given["where"].strip(), at=timezone.now())

    def remove(self, request: HttpRequest, obj: Binding) -> None:
        """Take the role; the last owner keeps it."""
        bindings.take_role(obj)


@admin.register(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    """Who did what; the database itself refuses every change of a row."""

    resource = Resource.AUDITLOG
    list_display = ("at", "who", "door", "what", "namespace", "object_id", "result")
    list_filter = ("at", "resource")
    search_fields = ("who__exact",)
    search_help_text = "The name of who acted"
    readonly_fields = ("before_json", "after_json")
    fields = ("at", "who", "kind", "door", "token", "address", "what", "resource", "action", "namespace", "object_id", "result",
              "before_json", "after_json")  # fmt: skip

    @admin.display(description="before")
    def before_json(self, row: AuditEntry) -> SafeString | str:
        return show_json(row.before)

    @admin.display(description="after")
    def after_json(self, row: AuditEntry) -> SafeString | str:
        return show_json(row.after)

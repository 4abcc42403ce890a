"""People, service accounts and groups: changed through the operations that keep rights from growing and the last owner in."""

from __future__ import annotations

from typing import Any

import django.contrib.auth.admin  # noqa: F401 - registers the framework's pages, so that they can go
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from flows.admin.base import HistoryAdmin, OperatedAdmin
from flows.admin.theme import CheckboxInput, PasswordInput, SelectMultiple, TextInput
from flows.models import Account, ApiToken, UserSession
from flows.operations import accounts, groups, service_accounts, sessions, tokens
from flows.operations.account_rows import account_of
from flows.primitives.rights import Resource

# The framework's own pages would change people past the rules: rights beyond one's own, and the last owner.
admin.site.unregister([User, Group])


class UserForm(forms.ModelForm):
    """What can be set of an account. Its password is set here once, afterwards by the person or by a link of the console."""

    name = forms.CharField(max_length=150, widget=TextInput, help_text="The e-mail address with which the person signs in.")
    password = forms.CharField(
        required=False,
        strip=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Empty for somebody who signs in through a provider only.",
    )
    given_name = forms.CharField(required=False, max_length=150, widget=TextInput)
    family_name = forms.CharField(required=False, max_length=150, widget=TextInput)
    enabled = forms.BooleanField(required=False, initial=True, widget=CheckboxInput, help_text="Without it every session ends.")
    staff = forms.BooleanField(
        required=False, widget=CheckboxInput, help_text="May enter this administration; what it sees follows from its roles."
    )
    must_use_mfa = forms.BooleanField(required=False, label="Must use a second factor", widget=CheckboxInput)
    member_of = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), required=False, label="Groups", widget=SelectMultiple
    )

    class Meta:
        model = User
        fields = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        user = self.instance
        if user.pk:
            self.initial.update(
                {
                    "name": user.username,
                    "given_name": user.first_name,
                    "family_name": user.last_name,
                    "enabled": user.is_active,
                    "staff": user.is_staff,
                    "must_use_mfa": Account.objects.filter(user=user, must_use_mfa=True).exists(),
                    "member_of": user.groups.all(),
                }
            )


@admin.register(User)
class UserAdmin(OperatedAdmin):
    """Who can sign in."""

    resource = Resource.USER
    form = UserForm
    list_display = ("username", "kind", "is_active", "is_superuser", "is_staff", "last_login")
    list_filter = ("is_active", "is_superuser", "is_staff", "account__kind")
    list_select_related = ("account",)
    search_fields = ("username", "first_name", "last_name")
    ordering = ("username",)
    readonly_fields = ("kind", "username", "first_name", "last_name", "is_active", "is_staff", "is_superuser", "last_login",
                       "date_joined")  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        names = ("name", "given_name", "family_name")
        if obj is None:
            return ((None, {"fields": (*names, "password", "staff", "must_use_mfa", "member_of")}),)
        facts = ("kind", "is_superuser", "last_login", "date_joined")
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": ("username", "first_name", "last_name", "is_active", "is_staff", *facts)}),)
        shown = (*names, "enabled", "staff", "must_use_mfa", "member_of")
        return ((None, {"fields": shown}), ("Facts", {"fields": facts}))

    @admin.display(description="kind")
    def kind(self, row: User) -> str:
        return str(row.account.kind) if hasattr(row, "account") else str(Account.Kind.PERSON)

    def store(self, request: HttpRequest, obj: User, form: Any, *, is_new: bool) -> User:
        """Make the account, or change what differs; the first refusal ends it."""
        given = form.cleaned_data
        if is_new:
            user = accounts.create_person(
                given["name"],
                password=given["password"],
                first_name=given["given_name"],
                last_name=given["family_name"],
                groups=[group.name for group in given["member_of"]],
                must_use_mfa=given["must_use_mfa"],
                at=timezone.now(),
            )
            accounts.set_staff(user, is_staff=given["staff"])
            return user
        user = User.objects.get(pk=obj.pk)
        changed = set(form.changed_data)
        if account_of(user).kind == Account.Kind.SERVICE:
            if "name" in changed:
                service_accounts.update_service_account(user, name=given["name"])
        elif changed & {"name", "given_name", "family_name", "must_use_mfa"}:
            accounts.update_person(
                user,
                name=given["name"] if "name" in changed else None,
                first_name=given["given_name"],
                last_name=given["family_name"],
                must_use_mfa=given["must_use_mfa"] if "must_use_mfa" in changed else None,
            )
        if "enabled" in changed:
            (accounts.enable_account if given["enabled"] else accounts.disable_account)(user)
        if "staff" in changed:
            accounts.set_staff(user, is_staff=given["staff"])
        if "member_of" in changed:
            groups.set_groups(user, list(given["member_of"]))
        return user

    def remove(self, request: HttpRequest, obj: User) -> None:
        """Delete the account; the last owner stays."""
        accounts.delete_account(obj)


class GroupForm(forms.ModelForm):
    """A name and its members."""

    title = forms.CharField(label="Name", max_length=150, widget=TextInput)
    members = forms.ModelMultipleChoiceField(User.objects.order_by("username"), required=False, widget=SelectMultiple)

    class Meta:
        model = Group
        fields = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial.update({"title": self.instance.name, "members": User.objects.filter(groups=self.instance)})


@admin.register(Group)
class GroupAdmin(OperatedAdmin):
    """Groups; what they may do stands in their bindings."""

    resource = Resource.USER
    form = GroupForm
    list_display = ("name",)
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("name",)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        may_write = obj is None or self.has_change_permission(request, obj)
        return ((None, {"fields": ("title", "members") if may_write else ("name",)}),)

    def store(self, request: HttpRequest, obj: Group, form: Any, *, is_new: bool) -> Group:
        """Make or rename the group, and let in and out who was ticked."""
        name, wanted = form.cleaned_data["title"], set(form.cleaned_data["members"])
        group = groups.create_group(name) if is_new else Group.objects.get(pk=obj.pk)
        if name != group.name:
            groups.rename_group(group, name)
        present = set(User.objects.filter(groups=group))
        for user in sorted(present - wanted, key=lambda one: one.username):
            groups.remove_member(group, user)
        for user in sorted(wanted - present, key=lambda one: one.username):
            groups.add_member(group, user)
        return group

    def remove(self, request: HttpRequest, obj: Group) -> None:
        """Delete the group; its members lose what it gave them."""
        groups.delete_group(obj)


@admin.register(Account)
class AccountAdmin(HistoryAdmin):
    """What belongs to an account besides its name. Keys of one-time codes are never shown."""

    resource = Resource.USER
    list_display = ("user", "kind", "must_use_mfa", "oidc_issuer", "created_at")
    list_select_related = ("user",)
    list_filter = ("kind", "must_use_mfa")
    search_fields = ("user__username__startswith",)
    fields = ("user", "kind", "description", "must_use_mfa", "oidc_issuer", "oidc_subject", "created_by", "created_at")
    ordering = ("user__username",)


@admin.register(ApiToken)
class ApiTokenAdmin(OperatedAdmin):
    """Who may call the API without a password, and since when. Only the beginning of a token is known."""

    resource = Resource.USER
    list_display = ("name", "prefix", "user", "can_write", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("can_write",)
    search_fields = ("name", "prefix__startswith")
    fields = ("name", "prefix", "user", "description", "can_write", "namespaces", "extends", "created_at", "expires_at",
              "last_used_at")  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: a token is shown once, to its person, in the console."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: what a token may do stays as it was made."""
        return False

    def remove(self, request: HttpRequest, obj: ApiToken) -> None:
        """Revoke the token: the next request with it is refused."""
        tokens.revoke_token(obj.user, obj.pk)


@admin.register(UserSession)
class UserSessionAdmin(OperatedAdmin):
    """Browsers that are signed in; neither their keys nor what they hold. Deleting one signs it out."""

    resource = Resource.USER
    list_display = ("user", "address", "agent", "started_at", "seen_at", "ends_at")
    list_select_related = ("user",)
    search_fields = ("user__username__startswith", "address")
    ordering = ("-seen_at",)
    fields = ("user", "address", "agent", "started_at", "seen_at", "idle_until", "ends_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserSession]:
        return super().get_queryset(request).defer("data")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: signing in makes a session."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        return False

    def remove(self, request: HttpRequest, obj: UserSession) -> None:
        """End the session; one of nobody yet has nothing to end."""
        if obj.user is not None:
            sessions.revoke_session(obj.user, sessions.public_id(obj))

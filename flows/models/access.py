"""Who may call us and what they may do: API tokens, roles and their bindings, accounts. Secrets are never stored in the clear."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """
    A bearer token of one person. `digest` is a keyed hash of the random token; `prefix` is its beginning, which tells a
    person which token a row stands for. Revoking deletes the row, so that the next look finds nothing.
    """

    id = models.CharField(primary_key=True, max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True, default="")
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    can_write = models.BooleanField(default=True)
    namespaces = models.JSONField(default=list, help_text="Namespaces it reaches, with all below them; empty means all.")
    lifetime_seconds = models.BigIntegerField()
    extends = models.BooleanField(default=False, help_text="Each use moves the end of its life.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_per_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class Role(models.Model):
    """
    A named set of permissions: `permissions` maps a resource to actions, as in `flows/primitives/rights.py`. Built-in roles are
    written by a migration and never changed.
    """

    id = models.CharField(primary_key=True, max_length=32)
    name = models.CharField(max_length=63, unique=True)
    description = models.TextField(blank=True, default="")
    permissions = models.JSONField(default=dict)
    is_built_in = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Binding(models.Model):
    """A role given to one person, service account or group, in a namespace and all below it; everywhere when it is empty."""

    id = models.CharField(primary_key=True, max_length=32)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="bindings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="bindings")
    group = models.ForeignKey("auth.Group", null=True, blank=True, on_delete=models.CASCADE, related_name="bindings")
    namespace = models.CharField(max_length=150, blank=True, default="")
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["namespace", "created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=True, group__isnull=False) | models.Q(user__isnull=False, group__isnull=True),
                name="binding_of_one_subject",
            ),
            models.UniqueConstraint(fields=["role", "user", "group", "namespace"], nulls_distinct=False, name="one_binding"),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group} is {self.role} of {self.namespace or 'everything'}"


class Account(models.Model):
    """
    What we keep of a person or a service account besides the framework's user. `mfa_secret` is the encrypted key of one-time
    codes, `mfa_last_step` the last time step that was used, so that a code works once; `oidc_issuer` and `oidc_subject` name
    who signs in through a provider.
    """

    class Kind(models.TextChoices):
        PERSON = "PERSON"
        SERVICE = "SERVICE"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="account")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSON)
    description = models.TextField(blank=True, default="")
    preferences = models.JSONField(default=dict, blank=True)
    mfa_secret = models.TextField(blank=True, default="", editable=False)
    mfa_last_step = models.BigIntegerField(default=0, editable=False)
    mfa_recovery = models.JSONField(default=list, blank=True, editable=False)
    must_use_mfa = models.BooleanField(default=False)
    oidc_issuer = models.CharField(max_length=500, blank=True, default="")
    oidc_subject = models.CharField(max_length=255, blank=True, default="")
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["oidc_issuer", "oidc_subject"], condition=~models.Q(oidc_subject=""), name="one_account_per_subject"
            )
        ]

    def __str__(self) -> str:
        return str(self.user)

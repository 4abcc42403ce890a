"""Reads of API tokens."""

from __future__ import annotations

from django.contrib.auth.models import User

from flows.models import ApiToken


def list_tokens(user: User) -> list[ApiToken]:
    """Return the tokens of a person, newest first, those that ran out included."""
    return list(ApiToken.objects.filter(user=user).order_by("-created_at", "id"))

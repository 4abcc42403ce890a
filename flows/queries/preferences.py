"""What one person chose for the own pages."""

from __future__ import annotations

from typing import Any

from flows.models import Account


def find_preferences(user_id: int | None) -> dict[str, Any]:
    """Return the choices of a person by name; nobody and new people have none."""
    found = Account.objects.filter(user_id=user_id).values_list("preferences", flat=True).first() if user_id else None
    return found if isinstance(found, dict) else {}

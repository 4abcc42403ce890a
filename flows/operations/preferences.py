"""Writes of what one person chose for the own pages: saved filters, columns of tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from flows.models import Account
from flows.primitives.errors import InvalidError

LONGEST_VALUE = 20_000


def save_preference(user_id: int, *, name: str, value: Any, at: datetime) -> None:
    """
    Remember a choice of a person; the other choices stay. Safe to call from several pages at once.

    Args:
        name: what is chosen, such as `executions.columns`.
        value: any JSON value of at most 20,000 characters; None forgets the choice.

    Raises:
        InvalidError: a value that is too large.
    """
    if len(repr(value)) > LONGEST_VALUE:
        raise InvalidError("There are too many saved choices: remove some of them first.", code="preference-size")
    with transaction.atomic():
        Account.objects.get_or_create(user_id=user_id, defaults={"created_at": at})
        account = Account.objects.select_for_update().get(user_id=user_id)
        kept = {key: held for key, held in account.preferences.items() if key != name}
        account.preferences = kept if value is None else {**kept, name: value}
        account.save(update_fields=["preferences"])

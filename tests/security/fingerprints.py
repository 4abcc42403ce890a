"""What the whole database looks like, to tell whether anything in it changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db import connection

# A session notes when it was used last; that says something about the browser and nothing about what it asked for.
_OF_THE_CALL = frozenset({"django_session", "flows_usersession"})


def hash_tables(*, but: Collection[str] = ()) -> dict[str, Any]:
    """Return for each table its count of rows and a hash over all of them; the tables in `but` are left out."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if table not in _OF_THE_CALL and table not in but:
                cursor.execute(
                    f'select count(*), md5(coalesce(string_agg(t::text, $$|$$ order by t::text), $$$$)) from "{table}" t'
                )
                found[table] = cursor.fetchone()
    return found

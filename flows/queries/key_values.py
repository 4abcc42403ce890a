"""Searches of keys over all namespaces. Values are read one by one through the operations."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from flows.models import KeyValue
from flows.queries.criteria import Criteria, build_lookup, match_moment, match_search_text, match_text
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import visible

KEY_FIELDS = frozenset({"q", "namespace", "updated", "expirationDate"})
SORTABLE = {
    "key": "key",
    "namespace": "namespace",
    "updateDate": "updated_at",
    "creationDate": "created_at",
    "expirationDate": "expires_at",
}
_RULES = {
    "q": match_search_text("key", "namespace", "description"),
    "namespace": match_text("namespace"),
    "updated": match_moment("updated_at"),
    "expirationDate": match_moment("expires_at"),
}


def search_key_values(criteria: Criteria, window: Window, *, at: datetime) -> Page[KeyValue]:
    """Return one page of the keys that are not expired. Raises CriteriaError, SortError."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    rows = visible(KeyValue).filter(alive, build_lookup(criteria, _RULES)).defer("value")
    return take_page(order_rows(rows, window, SORTABLE, then=("namespace", "key")), window)

"""Lists that stay fast on huge tables: a paginator that does not count them, filters and searches that indexes answer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from flows.models import Flow
from flows.queries.visibility import visible

# From here on an estimate of the row count is good enough, and much cheaper than counting.
ESTIMATE_FROM = 100_000
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """A paginator that asks the planner for the size of a large table, and counts a filtered list to 10 000 rows only."""

    @cached_property
    def count(self) -> int:
        """The number of rows that can be paged through: exact for small tables and for narrow filters."""
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return int(super().count)
        if not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute("select reltuples::bigint from pg_class where oid = %s::regclass", [rows.model._meta.db_table])
                estimate = cursor.fetchone()[0]
            if estimate >= ESTIMATE_FROM:
                return int(estimate)
        return rows.order_by()[:MOST_COUNTED].count()


class NamespaceFilter(admin.SimpleListFilter):
    """Filter by the namespaces of flows that the caller sees: a short list, also when the filtered table is huge."""

    title = "namespace"
    parameter_name = "namespace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = visible(Flow).order_by("namespace").values_list("namespace", flat=True).distinct()[:500]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(namespace=self.value()) if self.value() else queryset


class FlowSearch:
    """Searches tables of history by what is indexed: a flow as `namespace/id`, a namespace, or the id of an execution."""

    search_help_text: Any = "A flow as namespace/id, or the id of an execution"
    execution_field = "execution_id"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Return the rows that a search finds, each once."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        namespace, slash, flow_id = term.partition("/")
        if slash:
            found = queryset.filter(namespace=namespace)
            return (found.filter(flow_id__startswith=flow_id) if flow_id else found), False
        return queryset.filter(**{self.execution_field: term}), False

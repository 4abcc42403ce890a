"""What the admin pages share: read-only models, links between objects, JSON without secrets, filters and pages that stay fast."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models import Flow
from flows.models.encryption import is_envelope

MAX_JSON_CHARACTERS = 100_000
ENCRYPTED = "(encrypted)"
# From here on an estimate of the row count is good enough, and much cheaper than counting.
ESTIMATE_FROM = 100_000


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator that asks the planner for the size of a large table instead of counting its rows."""

    @cached_property
    def count(self) -> int:
        """The number of rows: exact for filtered lists and small tables."""
        rows = self.object_list
        if isinstance(rows, QuerySet) and not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute("select reltuples::bigint from pg_class where oid = %s::regclass", [rows.model._meta.db_table])
                estimate = cursor.fetchone()[0]
            if estimate >= ESTIMATE_FROM:
                return int(estimate)
        return int(super().count)


class HistoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A model that people look at and never edit here: nobody adds, changes or deletes its rows, whatever their rights."""

    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    actions_on_bottom = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may use the actions of this page: the right to change the model."""
        label = self.opts.app_label
        return bool(request.user.has_perm(f"{label}.change_{self.opts.model_name}"))  # type: ignore[union-attr]


class NamespaceFilter(admin.SimpleListFilter):
    """Filter by the namespaces of flows: a short list, also when the filtered table is huge."""

    title = "namespace"
    parameter_name = "namespace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = Flow.objects.order_by("namespace").values_list("namespace", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(namespace=self.value()) if self.value() else queryset


def link_to(model: type[Model], key: Any, text: str | None = None) -> SafeString | str:
    """Return a link to the page of an object, or a dash without a key."""
    if key in (None, ""):
        return "-"
    address = reverse(f"admin:flows_{model._meta.model_name}_change", args=[key])
    return format_html('<a href="{}">{}</a>', address, key if text is None else text)


def link_to_list(model: type[Model], text: str, **filters: Any) -> SafeString:
    """Return a link to the filtered list of a model."""
    address = reverse(
        f"admin:flows_{model._meta.model_name}_changelist", query={key: str(value) for key, value in filters.items()}
    )
    return format_html('<a href="{}">{}</a>', address, text)


def show_state(state: str) -> SafeString:
    """Return a state as a coloured badge."""
    return format_html('<span class="celestra-state celestra-{}">{}</span>', state.lower(), state)


def show_json(value: Any) -> SafeString | str:
    """Return a value as escaped, indented JSON, with encrypted values hidden and cut after 100 000 characters."""
    if value in (None, {}, []):
        return "-"
    text = json.dumps(hide_encrypted(value), indent=2, ensure_ascii=False, default=str)
    if len(text) > MAX_JSON_CHARACTERS:
        text = f"{text[:MAX_JSON_CHARACTERS]}\n... cut after {MAX_JSON_CHARACTERS} of {len(text)} characters"
    return format_html('<pre class="celestra-json">{}</pre>', text)


def hide_encrypted(value: Any) -> Any:
    """Return the value with every encrypted part replaced by a mark."""
    if is_envelope(value):
        return ENCRYPTED
    if isinstance(value, Mapping):
        return {key: hide_encrypted(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [hide_encrypted(part) for part in value]
    return value


def show_labels(labels: Iterable[Mapping[str, Any]]) -> str:
    """Return labels as `key: value`, joined by commas, or a dash."""
    return ", ".join(f"{label.get('key')}: {label.get('value')}" for label in labels) or "-"

"""Searches of templates."""

from __future__ import annotations

from flows.models import Template, TemplateRevision
from flows.queries.criteria import Criteria, build_lookup, match_search_text, match_text
from flows.queries.pages import Page, Window, order_rows, take_page
from flows.queries.visibility import visible

TEMPLATE_FIELDS = frozenset({"q", "namespace"})
SORTABLE = {"id": "template_id", "namespace": "namespace", "updated": "updated_at"}
_RULES = {"q": match_search_text("template_id", "namespace"), "namespace": match_text("namespace")}


def search_templates(criteria: Criteria, window: Window) -> Page[Template]:
    """Return one page of the templates that are not deleted. Raises CriteriaError, SortError."""
    rows = visible(Template).filter(build_lookup(criteria, _RULES), deleted=False)
    return take_page(order_rows(rows, window, SORTABLE, then=("namespace", "template_id")), window)


def list_newest_texts(rows: list[Template]) -> dict[int, TemplateRevision]:
    """Return the newest revision of each template by the template's key, read with one query."""
    newest = {row.pk: row.revision for row in rows}
    found = visible(TemplateRevision).filter(template__in=rows, revision__in=set(newest.values()))
    return {each.template_id: each for each in found if newest[each.template_id] == each.revision}

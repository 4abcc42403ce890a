"""Whether what dashboards count has changed: small reads by index in place of the counts, narrowed to what the caller may see."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Count, Max, Q, QuerySet, Value
from django.db.models.functions import MD5, Concat

from flows.models import Execution, Flow
from flows.primitives.states import TERMINAL, State
from flows.queries.chart_fields import WINDOW_COLUMNS, list_rows
from flows.queries.visibility import visible

SETTLING = timedelta(seconds=30)
"""
So long after it happened a change may still come to be seen: in transactions that began before it, and in log lines, which
come in batches. A page that was made sooner after a change is made once more.
"""

Span = tuple[datetime, datetime]
"""From a moment to before another, both aware."""

_ALIVE = [state.value for state in State if state not in TERMINAL]
_IDLE = frozenset({State.CREATED, State.QUEUED, State.PAUSED, State.BREAKPOINT})
_WRITING = [state.value for state in State if state not in TERMINAL and state not in _IDLE]
"""The states in which an execution may write log lines and metrics at any moment."""

_OF_EXECUTIONS = frozenset({"Executions", "Logs", "Metrics"})
_TRIGGER_COLUMNS = (
    "id", "namespace", "flow_id", "trigger_id", "type", "disabled", "next_at", "last_triggered_at", "execution_id", "worker_id",
    "evaluation",
)  # fmt: skip


def digest_alive(rows: QuerySet[Execution]) -> str:
    """Return a text that is another one after every move of an execution that has not ended; empty without any. One query."""
    name = Concat("id", Value(" "), "state")
    found = rows.filter(state__in=_ALIVE).order_by().aggregate(digest=MD5(StringAgg(name, ",", order_by="id")))
    return found["digest"] or ""


def have_begun_or_ended(rows: QuerySet[Execution], *, since: datetime, spans: Iterable[Span] = ()) -> bool:
    """
    Tell whether one of the executions began or ended after a moment, or within one of some spans. One query.

    Args:
        since: the time needed to settle is added to it.
        spans: times that a moving window has left, such as the first minute of a day that has become another day.
    """
    looked = [Q(created_at__gte=since - SETTLING), Q(ended_at__gte=since - SETTLING)]
    for begin, end in spans:
        if begin < end:
            looked += [Q(created_at__gte=begin, created_at__lt=end), Q(ended_at__gte=begin, ended_at__lt=end)]
    # Each has an index of its own, and one row is enough.
    parts = [rows.filter(condition).order_by().values_list("pk")[:1] for condition in looked]
    return bool(list(parts[0].union(*parts[1:], all=True)))


def digest_flows() -> tuple[int, datetime | None]:
    """Return how many flows the caller sees and when the last of them was saved, switched, deleted or brought back. One query."""
    found = visible(Flow).aggregate(count=Count("pk", filter=Q(deleted=False)), newest=Max("updated_at"))
    return found["count"], found["newest"]


def list_source_facts(sources: Collection[str], *, namespace: str) -> list[Any]:
    """
    Return what is cheap to read of the sources of charts and differs when what they hold has changed; executions that begin or
    end, and what they write, are left to `have_sources_changed`. At most three queries.

    Args:
        sources: see `chart_data.SOURCES`.
        namespace: this one and what is below, empty for all.
    """
    facts: list[Any] = []
    if _OF_EXECUTIONS & set(sources):
        facts.append(digest_alive(_select("Executions", namespace)))
    if "Flows" in sources:
        facts.append(digest_flows())
    # Triggers write into the log as well, each time that they look.
    if {"Triggers", "Logs"} & set(sources):
        facts.append(list(_select("Triggers", namespace).order_by("id").values_list(*_TRIGGER_COLUMNS)))
    return facts


def have_sources_changed(sources: Collection[str], *, namespace: str, since: datetime, span: Span) -> bool:
    """
    Tell whether charts show something else than at a moment, given that `list_source_facts` is the same.

    Args:
        sources, namespace: as for `list_source_facts`.
        span: what the time window of the charts has left since.
    """
    if not _OF_EXECUTIONS & set(sources):
        return False
    executions = _select("Executions", namespace)
    if {"Logs", "Metrics"} & set(sources) and executions.filter(state__in=_WRITING).exists():
        return True
    if have_begun_or_ended(executions, since=since, spans=[span]):
        return True
    if "Logs" not in sources:
        return False
    column = WINDOW_COLUMNS["Logs"]
    return _select("Logs", namespace).filter(**{f"{column}__gte": span[0], f"{column}__lt": span[1]}).exists()


def _select(source: str, namespace: str) -> QuerySet[Any]:
    rows = list_rows(source)
    return rows.filter(Q(namespace=namespace) | Q(namespace__startswith=f"{namespace}.")) if namespace else rows

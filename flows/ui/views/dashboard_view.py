"""What the filter bar of a dashboard says: a time span, a namespace, a flow, labels; and what every dashboard shows around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils import timezone

from flows.primitives.errors import InvalidError
from flows.queries import overview
from flows.queries.criteria import CriteriaError, read_moment
from flows.queries.dashboards import search_dashboards
from flows.queries.flows import list_flow_namespaces
from flows.queries.pages import Window

RANGES = (
    ("1h", "1 h", timedelta(hours=1)),
    ("24h", "24 h", timedelta(days=1)),
    ("7d", "7 d", timedelta(days=7)),
    ("30d", "30 d", timedelta(days=30)),
)
LONGEST_SPAN = timedelta(days=366)
MOST_LABELS = 10
MOST_DASHBOARDS = 12


@dataclass(frozen=True, slots=True)
class View:
    """
    What the filter bar of a dashboard says. `range` is empty for a span that was written by hand; `has_start` tells whether the
    begin was written, so that the span does not move on with the clock.
    """

    start: datetime
    end: datetime
    range: str
    namespace: str
    flow: str
    labels: tuple[str, ...]
    has_start: bool = False

    @property
    def scope(self) -> overview.Scope:
        """The same for the default dashboard."""
        return overview.Scope(self.start, self.end, overview.make_conditions(self.namespace, self.flow, self.labels))

    def find_start_at(self, moment: datetime) -> datetime:
        """Return where the span began at an earlier moment: one that reaches back from now has moved on since."""
        return self.start if self.has_start else moment - (self.end - self.start)

    @property
    def written_span(self) -> tuple[tuple[str, str], ...]:
        """The span as an address holds it."""
        if self.range:
            return (("range", self.range),)
        return (("from", write_moment(self.start)), ("to", write_moment(self.end)))

    def write_list_query(self, *, with_namespace: bool = True) -> str:
        """Return the query of the executions list for the same filters, without the time span."""
        pairs = [("namespace", self.namespace if with_namespace else ""), ("flow", self.flow)]
        pairs += [("label", label) for label in self.labels]
        return urlencode([pair for pair in pairs if pair[1]])

    def write_span_query(self, *, with_namespace: bool = True) -> str:
        """Return the query of the executions list for the same filters and the same time span."""
        own = self.write_list_query(with_namespace=with_namespace)
        return f"{urlencode(self.written_span)}{'&' if own else ''}{own}"


def write_moment(moment: datetime) -> str:
    """Return a moment as addresses hold it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_view(request: HttpRequest, *, window: timedelta = timedelta(days=1)) -> View:
    """Return the filters of a request; a span that cannot be read is the default one."""
    given, at = request.GET, timezone.now()
    known = {name: length for name, _, length in RANGES}
    usual = next((name for name, length in known.items() if length == window), "")
    chosen = given.get("range", "")
    chosen = chosen if chosen in known else ""
    start, end, has_start = at - known.get(chosen, window), at, False
    if given.get("from"):
        chosen, has_start = "", True
        try:
            start = read_moment(given["from"], name="from")
            end = read_moment(given["to"], name="to") if given.get("to") else at
        except (CriteriaError, InvalidError):
            start, end, chosen, has_start = at - window, at, usual, False
        if not timedelta(0) < end - start <= LONGEST_SPAN:
            start, end, chosen, has_start = at - window, at, usual, False
    else:
        chosen = chosen or usual
    texts = {name: given.get(name, "").replace("\0", "").strip()[:150] for name in ("namespace", "flow")}
    labels = tuple(text[:200] for text in given.getlist("label") if ":" in text and "\0" not in text)[:MOST_LABELS]
    return View(start, end, chosen, texts["namespace"], texts["flow"], labels, has_start)


def describe_bar(view: View) -> dict[str, Any]:
    """Return what the filter bar offers and shows."""
    is_written = not view.range
    return {
        "view": view,
        "ranges": [(name, word) for name, word, _ in RANGES],
        "from_text": write_moment(view.start) if is_written else "",
        "to_text": write_moment(view.end) if is_written else "",
        "namespaces": list_flow_namespaces(),
        "dashboards": search_dashboards("", Window(1, MOST_DASHBOARDS)).results,
    }

"""The stream of an execution's page: the parts and the elements that changed, painted as the page itself paints them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from flows.queries.executions import find_progress, get_execution
from flows.streams import Viewer, answer_stream
from flows.ui.live import Look, follow_changes, write_event
from flows.ui.live_parts import BODY, News, SentParts
from flows.ui.painters.painting import Painting
from flows.ui.views.execution import TABS, make_context

GATHER_SECONDS = 0.1
FRAME_PARTS = ("head", "acts", "dialogs")
"""What stands around the tabs, by the name of its template; its id begins with `live-`."""

_PLACE = SafeString("<!-- the painting -->")


def follow_execution(request: HttpRequest, execution_id: str) -> HttpResponseBase:
    """
    Stream what changes on one tab of an execution: `parts`, `elements`, `alive` now and then, and `end` when all have ended.

    `parts` holds markup by the id of what it replaces. `elements` holds changes of the list in the painting of the tab as
    `[place, count of those that go, markup]`, whose places are those before all of them. The whole is never sent again.

    The address tells `tab`, the `query` of the page, and with `seen` the mark of what the page shows already; without it, or
    when something changed since, all parts come first. Raises NotFoundError.
    """
    viewer = Viewer(get_execution(execution_id).namespace, session_key=request.session.session_key or "")
    tab, seen = request.GET.get("tab", ""), request.GET.get("seen", "")
    tab = tab if tab in dict(TABS) else TABS[0][0]
    # The page's own choices: folds, filters, the part of the axis.
    request.GET = QueryDict(request.GET.get("query", ""))
    sent = SentParts()
    mark: str | None = None

    def look() -> Look:
        nonlocal mark
        progress = find_progress(execution_id)
        if progress is None:
            return Look(has_ended=True)
        if progress.mark == mark:
            return Look(has_ended=progress.is_settled)
        is_shown = mark is None and progress.mark == seen
        mark = progress.mark
        news = _compare(request, execution_id, tab, sent)
        return Look([] if is_shown else write_news(news), has_ended=progress.is_settled)

    return answer_stream(follow_changes(execution_id, look, viewer, gather_seconds=GATHER_SECONDS))


def _compare(request: HttpRequest, execution_id: str, tab: str, sent: SentParts) -> News:
    context = make_context(request, get_execution(execution_id), tab, has_drawer=False)

    def paint(name: str, **changes: Any) -> str:
        return render_to_string(f"flows/execution/live/{name}.html", {**context, **changes}, request)

    parts = {f"live-{name}": paint(name) for name in FRAME_PARTS}
    if tab == "logs" and not context["groups"]:
        # The lines have a stream of their own.
        return sent.compare(parts)
    found = next(((name, value) for name, value in context.items() if isinstance(value, Painting)), None)
    if found is None:
        return sent.compare({**parts, BODY: paint(tab)})
    name, painting = found
    return sent.compare({**parts, BODY: paint(tab)}, paint(tab, **{name: _PLACE}), painting)


def write_news(news: News) -> list[bytes]:
    """Return the events that tell a page what it does not show yet."""
    events = [write_event("parts", news.parts)] if news.parts else []
    return [*events, write_event("elements", news.changes)] if news.changes else events

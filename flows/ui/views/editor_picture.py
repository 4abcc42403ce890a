"""The picture beside the text of the editor: with the groups that the address folds and the calls that it opens."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.safestring import SafeString

from flows.language.flow import Flow
from flows.ui.called_flows import open_calls
from flows.ui.painters.boxes import choose_folds
from flows.ui.painters.topology import draw_topology
from flows.ui.views.execution_page import make_link

LARGE_LINES = 2000
"""Texts with more lines are drawn with their groups folded: thousands of boxes say less than they do."""
MOST_OPENED = 6
"""So many calls can be open at once; each one costs a query or two with every check of the text."""


def draw_edited(request: HttpRequest, flow: Flow, source: str) -> SafeString:
    """Return the picture of a text; `fold`, `unfold` and `open` of the query name groups and calls."""
    query = request.GET
    link = make_link(request)
    shown, opened = open_calls(flow, query.getlist("open"), most=MOST_OPENED)
    groups = {task.id for task in shown.all_tasks() if any(task.branches.values())}
    folds_all = source.count("\n") > LARGE_LINES or bool(choose_folds(shown))
    folded = groups - set(query.getlist("unfold")) if folds_all else groups & set(query.getlist("fold"))
    picture = draw_topology(
        shown,
        folded=folded - set(opened),
        fold_link=lambda task_id: link(**{"unfold" if folds_all else "fold": task_id}),
        opened=opened,
        open_link=lambda task_id: link(open=task_id),
    )
    return picture.markup

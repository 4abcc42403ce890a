"""From a frontier to a Celery canvas: sequences become chains, parallel branches chords. Messages carry ids, rows carry truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import chain, chord, group, signature
from celery.canvas import Signature

from flows.conf import get_settings
from flows.engine.board import Board, Run
from flows.engine.graph import Node
from flows.engine.routing import find_group, list_queues
from flows.engine.transitions import scope_key

VISIT = "flows.visit"

# A longer chain would make every message of it longer than a few hundred bytes of ids; its last link compiles the rest.
_MOST_LINKS = 3
# Publishing a wide chord blocks its producer for seconds; wide fan-outs are joined by the rows alone.
_WIDEST_CHORD = 50

_WORKER_ARRANGEMENTS = frozenset({"working-directory", "split-items", "merge-items"})


def compile_canvas(board: Board, frontier: Sequence[Run]) -> list[Signature]:
    """
    Return the canvases for task runs that wait for a worker, each to be sent once; empty for an empty frontier.

    A run in a sequence becomes a chain with the heavy tasks that follow it; several runs of one parallel scope become the
    header of a chord whose body goes on behind the join. Light tasks and flowables are no links: the visit that reaches
    them runs or expands them. Start, retry, resume, restart, replay and recovery all come through here with another frontier.

    Joins are decided by the rows: a body that comes early, twice or never changes nothing but latency. With a broker that is
    not Redis or Valkey there is no result backend to count a header, so parallel runs become single messages there.
    """
    can_count = get_settings().redis_url is not None
    by_scope: dict[tuple[str | None, int | None], list[Run]] = {}
    for run in frontier:
        by_scope.setdefault(run.scope, []).append(run)
    canvases: list[Signature] = []
    for (parent_id, _), runs in by_scope.items():
        links = [_sequence(board, run) for run in runs]
        # A run that any of several queues may take is asked for in each of them; whoever comes first claims it.
        canvases += [visit for run in runs for visit in _further_visits(board, run)]
        parent = board.runs.get(parent_id) if parent_id else None
        if can_count and parent is not None and 1 < len(links) <= _WIDEST_CHORD and _is_joined(parent):
            canvases.append(
                chord(group(links), visit_signature(board.root.id, scope=scope_key(parent.parent_id, parent.iteration)))
            )
        else:
            canvases += links
    return canvases


def visit_signature(
    execution_id: str, *, scope: str | None = None, task_id: str | None = None, queue: str | None = None
) -> Signature:
    """
    Return the one message that the engine knows: "look here, there may be work".

    `scope` alone means whatever waits in that scope; with `task_id` that task's run; neither the execution itself.
    `queue` names one other than the default.
    """
    arguments: dict[str, Any] = {"execution_id": execution_id}
    if scope is not None:
        arguments["scope"] = scope
    if task_id is not None:
        arguments["task_id"] = task_id
    return signature(VISIT, kwargs=arguments, immutable=True, options={"queue": queue} if queue else {})


def _sequence(board: Board, run: Run) -> Signature:
    scope = scope_key(run.parent_id, run.iteration)
    nodes = [run.node, *_heavy_successors(board, run)][:_MOST_LINKS]
    queue = next(iter(list_queues(run)), None)
    links = [
        visit_signature(board.root.id, scope=scope, task_id=node.id, queue=queue if node is run.node else None)
        for node in nodes
        if node is not None
    ]
    return chain(*links) if len(links) > 1 else links[0]


def _further_visits(board: Board, run: Run) -> list[Signature]:
    scope = scope_key(run.parent_id, run.iteration)
    return [visit_signature(board.root.id, scope=scope, task_id=run.task_id, queue=queue) for queue in list_queues(run)[1:]]


def _heavy_successors(board: Board, run: Run) -> list[Node]:
    """Return the heavy tasks that follow in the same sequence, up to the first one that only run time can expand."""
    node = run.node
    if (
        node is None
        or node.branch in ("errors", "finally")
        or (node.parent is not None and node.parent.arrangement in ("parallel", "dag"))
    ):
        return []
    siblings = node.parent.list_branch(node.branch) if node.parent is not None else board.graph.list_branch(node.branch)
    following: list[Node] = []
    for sibling in siblings[siblings.index(node) + 1 :]:
        if sibling.arrangement is not None and sibling.arrangement not in _WORKER_ARRANGEMENTS:
            break
        if find_group(board.graph.flow, sibling) is not None:
            # Its queue is only known when its turn comes.
            break
        if not sibling.is_light:
            following.append(sibling)
    return following


def _is_joined(parent: Run) -> bool:
    node = parent.node
    return node is not None and node.arrangement in ("parallel", "dag") and not (parent.plan or {}).get("concurrent")

"""The shapes of canvases: which messages are compiled for what waits. No broker is needed to read a signature."""

from __future__ import annotations

import json

from celery.canvas import Signature, _chain, _chord
from hypothesis import given, settings

from flows.engine.board import Board, Run
from flows.engine.canvas import VISIT, compile_canvas, visit_signature
from flows.engine.graph import build_graph
from flows.language.flow import Task

from .flow_strategies import Case, cases
from .rehearsal import AT, group, leaf, make_board, make_flow, make_root

_MOST_BYTES = 1024


def light(task_id: str) -> Task:
    return leaf(task_id, light=True)


def list_messages(canvas: Signature) -> list[Signature]:
    """Return every message of a canvas."""
    if isinstance(canvas, _chord):
        return [message for part in canvas.tasks for message in list_messages(part)] + list_messages(canvas.body)
    if isinstance(canvas, _chain):
        return [message for part in canvas.tasks for message in list_messages(part)]
    return [canvas]


def tasks_of(canvas: Signature) -> list[str | None]:
    return [message.kwargs.get("task_id") for message in list_messages(canvas)]


def put(board: Board, task_id: str, parent: Run | None = None, **more: object) -> Run:
    return board.create(board.graph.nodes[task_id], parent, **more)  # type: ignore[arg-type]


def test_nothing_that_waits_needs_no_canvas() -> None:
    assert compile_canvas(make_board(make_flow(leaf("a"))), []) == []


def test_a_single_task_is_a_single_message() -> None:
    board = make_board(make_flow(leaf("a")))

    (canvas,) = compile_canvas(board, [put(board, "a")])

    assert (canvas.task, canvas.kwargs) == (VISIT, {"execution_id": "execution", "scope": ":", "task_id": "a"})
    assert canvas.immutable


def test_a_sequence_becomes_a_chain_of_its_heavy_tasks() -> None:
    """A light task is no link: the visit behind the link before it runs it."""
    board = make_board(make_flow(leaf("a"), light("b"), leaf("c"), leaf("d"), leaf("e")))

    (canvas,) = compile_canvas(board, [put(board, "a")])

    assert isinstance(canvas, _chain)
    assert tasks_of(canvas) == ["a", "c", "d"]


def test_a_chain_ends_before_what_only_run_time_can_expand() -> None:
    board = make_board(make_flow(leaf("a"), leaf("b"), group("g", "if", [leaf("c")], branch="then"), leaf("d")))

    (canvas,) = compile_canvas(board, [put(board, "a")])

    assert tasks_of(canvas) == ["a", "b"]


def test_parallel_tasks_become_a_flat_chord_whose_body_goes_on_behind_the_join() -> None:
    board = make_board(make_flow(group("outer", "sequence", [group("p", "parallel", [leaf("a"), leaf("b")]), leaf("z")])))
    outer = put(board, "outer")
    parent = put(board, "p", outer)

    (canvas,) = compile_canvas(board, [put(board, "a", parent), put(board, "b", parent)])

    assert isinstance(canvas, _chord)
    assert [type(part).__name__ for part in canvas.tasks] == ["Signature", "Signature"]
    assert canvas.body.kwargs == {"execution_id": "execution", "scope": f"{outer.id}:"}


def test_a_parallel_task_with_a_limit_is_joined_by_the_rows_alone() -> None:
    board = make_board(make_flow(group("p", "parallel", [leaf("a"), leaf("b"), leaf("c")])))
    parent = put(board, "p")
    parent.plan = {"concurrent": 2}

    canvases = compile_canvas(board, [put(board, "a", parent), put(board, "b", parent)])

    assert [tasks_of(canvas) for canvas in canvases] == [["a"], ["b"]]


def test_a_wide_parallel_task_is_no_chord() -> None:
    """Publishing a wide chord blocks the process that does it."""
    children = [leaf(f"h{number}") for number in range(60)]
    board = make_board(make_flow(group("p", "parallel", children)))
    parent = put(board, "p")

    canvases = compile_canvas(board, [put(board, child.id, parent) for child in children])

    assert [type(canvas).__name__ for canvas in canvases] == ["Signature"] * 60


def test_tasks_of_errors_and_finally_are_sent_one_by_one() -> None:
    board = make_board(make_flow(leaf("a"), errors=(leaf("e"), leaf("f"))))

    (canvas,) = compile_canvas(board, [put(board, "e")])

    assert tasks_of(canvas) == ["e"]


def test_a_message_with_the_longest_names_is_below_one_kilobyte() -> None:
    message = visit_signature("x" * 32, scope=f"{'y' * 32}:{10**6}", task_id="t" * 200)

    assert len(json.dumps(message.kwargs)) < _MOST_BYTES


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_every_waiting_task_is_sent_once_in_small_flat_messages(case: Case) -> None:
    """A frontier of any shape: chains have at most three links, chords hold no chord, and nobody is forgotten or sent twice."""
    board = Board(make_root(), build_graph(case.flow), at=AT)
    runs: dict[str, Run] = {}
    for node in board.graph.nodes.values():
        runs[node.id] = board.create(node, runs[node.parent.id] if node.parent else None)
    frontier = [run for run in runs.values() if run.node is not None and run.node.arrangement is None]

    canvases = compile_canvas(board, frontier)

    headers = [part for canvas in canvases for part in (canvas.tasks if isinstance(canvas, _chord) else [canvas])]
    firsts = [list_messages(header)[0].kwargs["task_id"] for header in headers]
    assert sorted(firsts) == sorted(run.task_id for run in frontier)
    assert [header for header in headers if isinstance(header, _chord) or len(list_messages(header)) > 3] == []
    sizes = [len(json.dumps(message.kwargs)) for canvas in canvases for message in list_messages(canvas)]
    assert [size for size in sizes if size >= _MOST_BYTES] == []

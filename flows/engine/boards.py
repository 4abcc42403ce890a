"""Boards outside a turn: for reading and rendering only, never written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.engine.board import Board, Root, Run
from flows.engine.catalog import get_flow
from flows.engine.environment import RunEnvironment
from flows.engine.recording import Recorder
from flows.engine.variables import ExecutionVariables
from flows.expressions import render


def load_board(root: Root, *, at: datetime) -> Board:
    """Return a board with the execution alone, on the graph of its revision (of its iteration for a Loop)."""
    graph = get_flow(root.namespace, root.flow_id, root.flow_revision).graph
    if root.kind == "LOOP" and root.loop:
        graph = graph.iteration_graph(root.loop["taskId"])
    return Board(root, graph, at=at)


def render_in(board: Board, run: Run | None, value: Any, *, typed: bool = False, masked: bool = False) -> Any:
    """
    Render a value as a task run, or the execution when `run` is None, would see it. Raises ExpressionError.

    `masked` hides the secrets that were used in a result that is text.
    """
    variables = ExecutionVariables(board)
    names = variables.for_run(run) if run is not None else variables.for_execution()
    recorder = Recorder()
    result = render(value, names, typed=typed, environment=RunEnvironment(board, recorder))
    return recorder.masker.mask(result) if masked and isinstance(result, str) else result

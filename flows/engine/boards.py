"""Boards outside a turn: for reading and rendering only, never written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.engine.board import Board, Root, Run
from flows.engine.environment import RunEnvironment
from flows.engine.recording import Recorder
from flows.engine.templates import get_graph
from flows.engine.variables import ExecutionVariables
from flows.expressions import render


def load_board(root: Root, *, at: datetime) -> Board:
    """Return a board with the execution alone, on the graph of its revision (of its iteration for a Loop), templates in place."""
    return Board(root, get_graph(root), at=at)


def render_in(board: Board, run: Run | None, value: Any, *, typed: bool = False, masked: bool = False) -> Any:
    """
    Render a value as a task run, or the execution when `run` is None, would see it. Raises ExpressionError.

    `masked` hides the secrets that were used in a result that is text.
    """
    recorder = Recorder()
    variables = ExecutionVariables(board, mask=recorder.masker.add)
    names = variables.for_run(run) if run is not None else variables.for_execution()
    result = render(value, names, typed=typed, environment=RunEnvironment(board, recorder))
    return recorder.masker.mask(result) if masked and isinstance(result, str) else result

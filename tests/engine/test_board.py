"""The board of a visit: every move is checked, recorded, and counted."""

from __future__ import annotations

from itertools import product

import pytest

from flows.engine.board import Board, Run
from flows.primitives.states import EXECUTION_MACHINE, TASK_RUN_MACHINE, TERMINAL, ForbiddenTransitionError, State

from .rehearsal import AT, graph_of, group, leaf, make_board, make_flow, make_root

PAIRS = list(product(State, State))


def add_run(board: Board, task_id: str, state: State, parent: Run | None = None) -> Run:
    """Put a run in a state on the board, as if it had been read."""
    run = board.create(board.graph.nodes[task_id], parent)
    run.state = run.seen = state
    board.recount()
    return run


def test_a_run_makes_exactly_the_moves_of_its_machine() -> None:
    wrong = []
    for before, after in PAIRS:
        board = make_board(make_flow(leaf("a")))
        run = add_run(board, "a", before)
        recorded = len(run.histories)
        try:
            board.move(run, after)
        except ForbiddenTransitionError:
            was_moved = False
        else:
            was_moved = True
        expected = TASK_RUN_MACHINE.allows(before, after)
        if (was_moved, run.state == after, len(run.histories) - recorded) != (
            expected,
            expected or before == after,
            int(expected),
        ):
            wrong.append((before, after))

    assert wrong == []


def test_an_execution_makes_exactly_the_moves_of_its_machine() -> None:
    """The state that it already has is no move and no error."""
    wrong = []
    for before, after in PAIRS:
        board = Board(make_root(before), graph_of(leaf("a")), at=AT)
        try:
            board.move_root(after)
        except ForbiddenTransitionError:
            was_refused = True
        else:
            was_refused = False
        is_move = EXECUTION_MACHINE.allows(before, after)
        expected = (after if is_move else before, 1 + is_move, not is_move and before != after)
        if (board.root.state, len(board.root.histories), was_refused) != expected:
            wrong.append((before, after))

    assert wrong == []


@pytest.mark.parametrize("after", [state for state in State if TASK_RUN_MACHINE.allows(State.RUNNING, state)])
def test_only_an_end_has_a_moment_of_its_own(after: State) -> None:
    board = make_board(make_flow(leaf("a")))
    run = add_run(board, "a", State.RUNNING)
    run.wake_at = AT

    board.move(run, after)

    assert (run.ended_at is not None, run.wake_at is None) == (after in TERMINAL, after in TERMINAL)
    assert run.histories[-1] == [after.value, AT.isoformat()]


def test_a_run_that_is_restarted_has_not_ended_any_more() -> None:
    board = make_board(make_flow(leaf("a")))
    run = add_run(board, "a", State.RUNNING)
    board.move(run, State.FAILED)

    board.move(run, State.RESTARTED)

    assert run.ended_at is None


@pytest.mark.parametrize(
    ("state", "kind"),
    [("CREATED", "live"), ("RUNNING", "live"), ("PAUSED", "paused"), ("BREAKPOINT", "paused"), ("RETRYING", "retrying")],
)
def test_a_leaf_counts_for_the_liveness_of_its_execution(state: str, kind: str) -> None:
    board = make_board(make_flow(leaf("a")))

    add_run(board, "a", State(state))

    counts = {name: board.count_activity(name) for name in ("live", "paused", "retrying")}
    assert counts == {"live": 0, "paused": 0, "retrying": 0, kind: 1}


def test_a_flowable_counts_only_while_it_waits_for_a_moment() -> None:
    board = make_board(make_flow(group("outer", "sequence", [leaf("a")])))
    run = add_run(board, "outer", State.RUNNING)
    before = board.count_activity("live")

    board.set_wake(run, AT)

    assert (before, board.count_activity("live")) == (0, 1)


def test_the_counters_follow_every_move_as_a_recount_would() -> None:
    wrong = []
    for before, after in PAIRS:
        if not TASK_RUN_MACHINE.allows(before, after):
            continue
        for task_id in ("a", "outer"):
            board = make_board(make_flow(leaf("a"), group("outer", "sequence", [leaf("b")])))
            board.move(add_run(board, task_id, before), after)
            counted = dict(board.root.progress)
            board.recount()
            if counted != board.root.progress:
                wrong.append((task_id, before, after, counted))

    assert wrong == []


def test_what_comes_after_the_execution_is_left_out_of_a_recount() -> None:
    board = make_board(make_flow(leaf("a"), after_execution=(group("g", "sequence", [leaf("z")]),)))
    outer = add_run(board, "g", State.RUNNING)

    add_run(board, "z", State.CREATED, outer)

    assert board.count_activity("live") == 0


def test_a_child_knows_its_scope_and_the_values_around_it() -> None:
    board = make_board(make_flow(group("each", "each", [group("inner", "sequence", [leaf("a")])])))
    each = board.create(board.graph.nodes["each"], None)
    inner = board.create(board.graph.nodes["inner"], each, iteration=1, value="x")
    run = board.create(board.graph.nodes["a"], inner)

    assert (inner.scope, run.scope) == ((each.id, 1), (inner.id, None))
    assert (run.value_path, run.value) == (["x"], None)
    assert [other.task_id for other in board.ancestors(run)] == ["inner", "each"]
    assert {other.task_id for other in board.descendants(each)} == {"inner", "a"}


def test_a_run_that_is_removed_is_deleted_only_if_it_was_ever_written() -> None:
    board = make_board(make_flow(leaf("a"), leaf("b")))
    written, new = add_run(board, "a", State.CREATED), board.create(board.graph.nodes["b"], None)

    board.remove(written)
    board.remove(new)

    assert (board.removed, board.runs, board.count_activity("live")) == ([written.id], {}, 0)

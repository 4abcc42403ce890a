"""What happens next in one scope, case by case: a function of the lists and the states of the children."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations, product

import pytest

from flows.engine.decide import Decision, Lists, UnitCount, apply_allowances, count_units_to_start, decide_scope
from flows.engine.graph import Node
from flows.primitives.states import TERMINAL, State

from .rehearsal import graph_of, leaf

_GRAPH = graph_of(*(leaf(task_id) for task_id in ("a", "b", "c", "d", "e1", "e2", "f1", "f2")))


def nodes(*task_ids: str) -> tuple[Node, ...]:
    return tuple(_GRAPH.nodes[task_id] for task_id in task_ids)


def states(**given: str) -> dict[str, State]:
    return {task_id: State(name) for task_id, name in given.items()}


def created(decision: Decision) -> list[str]:
    return [node.id for node in decision.create]


SEQUENCE = Lists(nodes("a", "b"), nodes("e1", "e2"), nodes("f1", "f2"))
PARALLEL = Lists(nodes("a", "b", "c"), nodes("e1"), nodes("f1"), mode="parallel")


@pytest.mark.parametrize(
    ("given", "next_task"),
    [
        (states(), "a"),
        (states(a="SUCCESS"), "b"),
        (states(a="WARNING"), "b"),
        (states(a="SKIPPED"), "b"),
        (states(a="FAILED"), "e1"),
        (states(a="FAILED", e1="SUCCESS"), "e2"),
        (states(a="FAILED", e1="FAILED"), "f1"),
        (states(a="SUCCESS", b="SUCCESS"), "f1"),
        (states(a="KILLED"), "f1"),
        (states(a="CANCELLED"), "f1"),
        (states(a="SUCCESS", b="SUCCESS", f1="SUCCESS"), "f2"),
    ],
)
def test_a_sequence_begins_the_next_task(given: Mapping[str, State], next_task: str) -> None:
    assert created(decide_scope(SEQUENCE, given)) == [next_task]


@pytest.mark.parametrize(
    ("given", "end"),
    [
        (states(a="SUCCESS", b="SUCCESS", f1="SUCCESS", f2="SUCCESS"), State.SUCCESS),
        (states(a="WARNING", b="SUCCESS", f1="SUCCESS", f2="SUCCESS"), State.WARNING),
        (states(a="SUCCESS", b="SUCCESS", f1="FAILED"), State.SUCCESS),
        (states(a="FAILED", e1="SUCCESS", e2="SUCCESS", f1="SUCCESS", f2="WARNING"), State.FAILED),
        (states(a="FAILED", e1="KILLED", f1="SUCCESS", f2="SUCCESS"), State.FAILED),
        (states(a="KILLED", f1="SUCCESS", f2="SUCCESS"), State.KILLED),
    ],
)
def test_only_normal_tasks_make_the_end(given: Mapping[str, State], end: State) -> None:
    assert decide_scope(SEQUENCE, given) == Decision(end=end)


@pytest.mark.parametrize("state", [state for state in State if state not in TERMINAL])
def test_a_sequence_waits_for_a_child_that_has_not_ended(state: State) -> None:
    """A child that waits for its retry is RETRYING, so no errors run before its last attempt."""
    assert decide_scope(SEQUENCE, {"a": state}) == Decision()


def test_a_scope_without_tasks_ends_well() -> None:
    assert decide_scope(Lists(()), {}) == Decision(end=State.SUCCESS)


def test_parallel_tasks_begin_at_once_in_the_written_order() -> None:
    assert created(decide_scope(PARALLEL, {})) == ["a", "b", "c"]


def test_parallel_tasks_begin_up_to_the_limit() -> None:
    limited = Lists(nodes("a", "b", "c", "d"), mode="parallel", concurrent=2)

    assert created(decide_scope(limited, states(a="SUCCESS", b="PAUSED"))) == ["c"]
    assert decide_scope(limited, states(a="RETRYING", b="PAUSED")) == Decision()


def test_after_a_failure_nothing_new_begins_and_the_others_finish() -> None:
    limited = Lists(nodes("a", "b", "c"), nodes("e1"), mode="parallel", concurrent=2)

    assert decide_scope(limited, states(a="FAILED", b="RUNNING")) == Decision()
    assert created(decide_scope(limited, states(a="FAILED", b="SUCCESS"))) == ["e1"]


@pytest.mark.parametrize(("reaction", "state"), [("CANCEL", "CANCELLED"), ("FAIL", "FAILED"), ("KILL", "KILLED")])
def test_a_failure_interrupts_the_siblings_when_the_flow_asks_for_it(reaction: str, state: str) -> None:
    lists = Lists(nodes("a", "b"), mode="parallel", on_child_failure=reaction)

    assert decide_scope(lists, states(a="FAILED", b="RUNNING")) == Decision(interrupt=State(state))
    assert decide_scope(lists, states(a="FAILED", b=state)) == Decision(end=State.FAILED)


def test_a_kill_of_a_sibling_is_not_hidden_by_a_failure() -> None:
    assert decide_scope(PARALLEL, states(a="FAILED", b="KILLED", c="SUCCESS", e1="SUCCESS", f1="SUCCESS")).end == State.KILLED


@pytest.mark.parametrize("ended", [State.SUCCESS, State.WARNING, State.SKIPPED])
def test_a_dag_task_begins_when_all_that_it_waits_for_ended(ended: State) -> None:
    dag = Lists(nodes("a", "b", "c"), mode="dag", depends_on={"c": ("a", "b")})

    assert created(decide_scope(dag, {})) == ["a", "b"]
    assert decide_scope(dag, {"a": ended, "b": State.RUNNING}) == Decision()
    assert created(decide_scope(dag, {"a": ended, "b": ended})) == ["c"]


def test_a_dag_does_not_wait_for_a_disabled_task() -> None:
    dag = Lists(nodes("a", "c"), mode="dag", depends_on={"c": ("disabled", "a")})

    assert created(decide_scope(dag, states(a="SUCCESS"))) == ["c"]


def test_a_dag_waits_for_what_its_disabled_tasks_would_have_waited_for() -> None:
    dag = Lists(nodes("a", "c"), mode="dag", depends_on={"b1": ("a",), "b2": ("b1",), "c": ("b2",)})

    assert created(decide_scope(dag, {})) == ["a"]
    assert created(decide_scope(dag, states(a="SUCCESS"))) == ["c"]


def test_a_stopped_child_of_a_dag_keeps_the_rest_from_beginning() -> None:
    dag = Lists(nodes("a", "b", "c"), nodes("e1"), mode="dag", depends_on={"c": ("a",)})

    assert decide_scope(dag, states(a="KILLED", b="RUNNING")) == Decision()
    assert decide_scope(dag, states(a="KILLED", b="SUCCESS")) == Decision(end=State.KILLED)


@pytest.mark.parametrize("mode", ["sequence", "parallel", "dag"])
def test_every_combination_of_child_states_has_an_answer(mode: str) -> None:
    """No combination is without a step, an end, or a child that will bring the next event."""
    lists = Lists(nodes("a", "b"), nodes("e1"), nodes("f1"), mode=mode, depends_on={"b": ("a",)})
    silent = []
    for chosen in product([None, *State], repeat=4):
        given = {task_id: state for task_id, state in zip(("a", "b", "e1", "f1"), chosen, strict=True) if state}
        decision = decide_scope(lists, given)
        is_waiting = any(state not in TERMINAL for state in given.values())
        if not decision.create and decision.end is None and decision.interrupt is None and not is_waiting:
            silent.append(given)

    assert silent == []


@pytest.mark.parametrize("mode", ["sequence", "parallel", "dag"])
def test_nothing_is_begun_twice(mode: str) -> None:
    lists = Lists(nodes("a", "b"), nodes("e1"), nodes("f1"), mode=mode)
    twice = []
    for chosen in product([None, *State], repeat=4):
        given = {task_id: state for task_id, state in zip(("a", "b", "e1", "f1"), chosen, strict=True) if state}
        twice += [task_id for task_id in created(decide_scope(lists, given)) if task_id in given]

    assert twice == []


def test_the_order_of_ends_does_not_matter_to_a_parallel_scope() -> None:
    ends = {"a": State.SUCCESS, "b": State.FAILED, "c": State.WARNING}
    answers = set()
    for order in permutations(ends):
        given = dict.fromkeys(ends, State.RUNNING)
        for task_id in order:
            given[task_id] = ends[task_id]
            last = decide_scope(PARALLEL, given)
        answers.add(tuple(created(last)))

    assert answers == {("e1",)}


def units(total: int, started: int, ended: int, **by_state: int) -> UnitCount:
    return UnitCount(total, started, ended, by_state)


@pytest.mark.parametrize(
    ("given", "limit", "stops", "count"),
    [
        (units(10, 0, 0), 0, True, 10),
        (units(10, 0, 0), 1, True, 1),
        (units(10, 3, 1), 3, True, 1),
        (units(10, 3, 0), 3, True, 0),
        (units(10, 9, 9, SUCCESS=9), 4, True, 1),
        (units(10, 10, 10, SUCCESS=10), 0, True, 0),
        (units(0, 0, 0), 1, True, 0),
        (units(10, 2, 1, FAILED=1), 5, True, 0),
        (units(10, 2, 1, KILLED=1), 5, True, 0),
        (units(10, 2, 1, CANCELLED=1), 0, True, 0),
        (units(10, 2, 1, FAILED=1), 5, False, 4),
        (units(10, 2, 2, WARNING=2), 5, True, 5),
        (units(10, 5, 0), 3, True, 0),
    ],
)
def test_units_begin_up_to_the_limit_and_not_after_a_failure(given: UnitCount, limit: int, stops: bool, count: int) -> None:
    assert count_units_to_start(given, limit=limit, stop_on_failure=stops) == count


@pytest.mark.parametrize("limit", range(5))
def test_the_limit_of_units_is_never_exceeded_and_all_begin(limit: int) -> None:
    total, started, ended, most = 12, 0, 0, 0
    while ended < total:
        started += count_units_to_start(units(total, started, ended), limit=limit, stop_on_failure=True)
        most = max(most, started - ended)
        ended += 1

    assert (started, most) == (total, limit or total)


@pytest.mark.parametrize(
    ("state", "allow_failure", "allow_warning", "final"),
    [
        ("FAILED", False, False, "FAILED"),
        ("FAILED", True, False, "WARNING"),
        ("FAILED", True, True, "SUCCESS"),
        ("FAILED", False, True, "FAILED"),
        ("WARNING", False, True, "SUCCESS"),
        ("KILLED", True, True, "KILLED"),
        ("CANCELLED", True, True, "CANCELLED"),
    ],
)
def test_allowances_soften_failures_and_warnings_only(state: str, allow_failure: bool, allow_warning: bool, final: str) -> None:
    assert apply_allowances(State(state), allow_failure=allow_failure, allow_warning=allow_warning) == final

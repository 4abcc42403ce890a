"""The two state machines as printed tables: legal moves, final states, and who wakes each state that waits."""

from __future__ import annotations

from itertools import product

import pytest

from flows.primitives.states import (
    ENDED_WELL,
    EXECUTION_MACHINE,
    TASK_RUN_MACHINE,
    TERMINAL,
    UNSUCCESSFUL,
    ForbiddenTransitionError,
    State,
    StateMachine,
    worst_of,
)

MACHINES = [pytest.param(EXECUTION_MACHINE, id="execution"), pytest.param(TASK_RUN_MACHINE, id="task-run")]


def used_states(machine: StateMachine) -> set[State]:
    return set(machine.moves) | {after for targets in machine.moves.values() for after in targets}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_pair_of_states_is_allowed_or_refused_as_the_table_says(machine: StateMachine) -> None:
    wrong = []
    for before, after in product(State, State):
        try:
            machine.check(before, after, name="x")
            was_allowed = True
        except ForbiddenTransitionError:
            was_allowed = False
        if not was_allowed == machine.allows(before, after) == (after in machine.moves.get(before, {})):
            wrong.append((before, after))

    assert wrong == []


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_that_is_not_final_has_somebody_who_wakes_it(machine: StateMachine) -> None:
    assert set(machine.woken_by) == used_states(machine) - TERMINAL
    assert all(machine.woken_by.values())


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_that_is_not_final_has_a_way_out(machine: StateMachine) -> None:
    stuck = [state for state in used_states(machine) - TERMINAL if not machine.moves.get(state)]

    assert stuck == []


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_that_is_not_final_can_be_killed(machine: StateMachine) -> None:
    def reachable(state: State) -> set[State]:
        return {state, *machine.moves.get(state, {})}

    immortal = [state for state in used_states(machine) - TERMINAL if not reachable(state) & {State.KILLED, State.KILLING}]

    assert immortal == []


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_leaves_a_final_state_without_a_person(machine: StateMachine) -> None:
    """A task run may also be opened again because a person restarts one of its children."""
    unasked = [
        (before, after, cause)
        for before, targets in machine.moves.items()
        if before in TERMINAL
        for after, cause in targets.items()
        if not cause.startswith("a person")
    ]

    assert unasked == []


@pytest.mark.parametrize("machine", MACHINES)
def test_no_state_moves_to_itself(machine: StateMachine) -> None:
    assert [state for state in State if machine.allows(state, state)] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_refusal_names_the_object_its_state_and_the_way_out(machine: StateMachine) -> None:
    with pytest.raises(ForbiddenTransitionError) as refusal:
        machine.check(State.SUCCESS, State.CREATED, name="load")

    assert refusal.value.code == "forbidden-transition"
    assert refusal.value.message == f"{machine.subject} load is SUCCESS and cannot go to CREATED. Start a replay instead."


@pytest.mark.parametrize("machine", MACHINES)
def test_the_printed_table_has_a_line_for_every_move(machine: StateMachine) -> None:
    lines = machine.table().splitlines()

    assert len(lines) == 1 + sum(len(targets) for targets in machine.moves.values())


def test_terminal_states_are_those_that_ended_well_or_not() -> None:
    assert ENDED_WELL | UNSUCCESSFUL | {State.RESUBMITTED} == TERMINAL


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (set(), State.SUCCESS),
        ({State.SUCCESS, State.SKIPPED}, State.SUCCESS),
        ({State.SUCCESS, State.WARNING}, State.WARNING),
        ({State.WARNING, State.FAILED}, State.FAILED),
        ({State.FAILED, State.CANCELLED}, State.CANCELLED),
        ({State.CANCELLED, State.KILLED, State.FAILED}, State.KILLED),
    ],
)
def test_a_parent_takes_the_worst_state_of_its_children(states: set[State], expected: State) -> None:
    assert worst_of(states) == expected

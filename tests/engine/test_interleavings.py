"""Random flows under random orders of events: lost and doubled messages, dead workers and kills never change what comes of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from flows.primitives.states import State

from .flow_strategies import Case, cases
from .model import expect
from .rehearsal import Stage, check_stage

# A visit that reads everything asks the (empty) database, too.
pytestmark = pytest.mark.django_db

_FLOWS = 400
_ORDERS = 26
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=_FLOWS, deadline=None, suppress_health_check=_QUIET)
@given(case=cases(), seed=st.integers(0, 2**32))
def test_any_order_of_events_comes_to_the_same_end(case: Case, seed: int) -> None:
    """Together more than 10,000 interleavings a run, each checked against a model that knows no events."""
    expected = expect(case.flow, case.results)
    for number in range(_ORDERS):
        stage = Stage(case.flow, case.end_attempt, random=Random(seed + number))
        note(f"order {seed + number}")

        stage.play(disturb=number > 0)

        check_stage(stage)
        created = stage.list_created()
        assert (stage.state, expected.must - created, created - expected.may) == (expected.state, set(), set())


@settings(max_examples=100, deadline=None, suppress_health_check=_QUIET)
@given(case=cases(), seed=st.integers(0, 2**32), moment=st.integers(0, 30))
def test_a_kill_at_any_moment_ends_everything_and_changes_nothing_that_ended(case: Case, seed: int, moment: int) -> None:
    for number in range(10):
        stage = Stage(case.flow, case.end_attempt, random=Random(seed + number))

        stage.play(kill_after=moment)

        was_killed = "KILLING" in [name for name, _ in stage.board.root.histories]
        check_stage(stage)
        assert (stage.state == State.KILLED) == was_killed

"""Random flows under random orders of events: lost and doubled messages and dead workers never change what comes of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from flows.primitives.states import State

from .flow_strategies import Case, cases
from .model import expect
from .rehearsal import Stage, check_stage, group, leaf, make_flow, outcomes_of

# A visit that reads everything asks the (empty) database, too.
pytestmark = pytest.mark.django_db

_FLOWS = 400
_ORDERS = 26
# Making a failure smaller plays thousands of orders again: worth it by hand, with Phase.shrink, but not in every run.
_OPTIONS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@settings(_OPTIONS, max_examples=_FLOWS)
@given(case=cases(), seed=st.integers(0, 2**32))
def test_any_order_of_events_comes_to_the_same_end(case: Case, seed: int) -> None:
    """Together more than 10,000 interleavings a run, each checked against a model that knows no events."""
    expected = expect(case.flow, case.results)
    for number in range(_ORDERS):
        stage = Stage(case.flow, case.end_attempt, random=Random(seed + number))
        note(f"order {seed + number} of\n{case}")

        stage.play(disturb=number > 0)

        check_stage(stage)
        created = stage.list_created()
        assert (stage.state, expected.must - created, created - expected.may) == (expected.state, set(), set())
        assert expected.sure - stage.list_ends() == set()


@settings(_OPTIONS, max_examples=100)
@given(case=cases(), seed=st.integers(0, 2**32), moment=st.integers(0, 30))
def test_a_kill_at_any_moment_ends_everything_and_changes_nothing_that_ended(case: Case, seed: int, moment: int) -> None:
    for number in range(10):
        stage = Stage(case.flow, case.end_attempt, random=Random(seed + number))

        stage.play(kill_after=moment)

        was_killed = "KILLING" in [name for name, _ in stage.board.root.histories]
        check_stage(stage)
        assert (stage.state == State.KILLED) == was_killed


def test_an_each_parallel_waits_for_every_task_of_a_value() -> None:
    each = group(
        "each", "each", [leaf("a"), leaf("b"), leaf("c")], type="test.EachParallel", properties={"values": ["0"], "concurrent": 0}
    )
    stage = Stage(make_flow(each), outcomes_of({"c": [State.FAILED]}))
    stage.begin()
    runs = {run.task_id: run for run in stage.board.runs.values()}
    for run_id in stage.messages:
        stage.claim(run_id)

    stage.finish(runs["a"])
    stage.finish(runs["b"])

    assert runs["each"].state == State.RUNNING

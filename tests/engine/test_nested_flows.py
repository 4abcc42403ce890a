"""Reliability, R-72: Loops and Subflows nested four deep, under random failures and faults, against the pure model."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from flows.engine import dispatch
from flows.engine.catalog import forget_flows
from tests.support import driving

from .family import Family
from .flow_strategies import Case, calling_cases
from .model import expect

pytestmark = pytest.mark.django_db(transaction=True)

_FLOWS = 500
_OPTIONS = settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck))
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads them here: what a message would cause is called by hand."""
    monkeypatch.setattr(dispatch, "send", lambda *_, **__: None)
    monkeypatch.setattr(dispatch, "send_execution", lambda _: True)


@settings(_OPTIONS, max_examples=20)
@given(case=calling_cases(), seed=st.integers(0, 2**32))
def test_nested_loops_and_subflows_come_to_what_the_model_says(case: Case, seed: int) -> None:
    """Joins are exact, and `errors`, `finally` and `afterExecution` run exactly once, whatever order events come in."""
    note(f"seed {seed} of\n{case}")
    expected = expect(case.flow, case.results, case.flows)
    forget_flows()
    family = Family(case, Random(seed), namespace=f"company.n{next(_numbers)}")

    family.play()

    family.check_rest()
    ends = family.list_ends()
    created = {key for key, _ in ends}
    assert driving.state_of(family.id) == expected.state
    assert (expected.must - created, created - expected.may, expected.sure - set(ends)) == (set(), set(), set())
    assert [pair for pair, count in ends.items() if count > 1] == []

"""Reliability, R-72: Loops and Subflows nested four deep, under random failures and faults, against the pure model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .family import RANDOM_FLOWS, play_and_check, send_nothing
from .flow_strategies import Case, calling_cases

pytestmark = pytest.mark.django_db(transaction=True)


# `make faults` plays five hundred.
@settings(RANDOM_FLOWS, max_examples=150)
@given(case=calling_cases(), seed=st.integers(0, 2**32))
def test_nested_loops_and_subflows_come_to_what_the_model_says(case: Case, seed: int) -> None:
    """Joins are exact, and `errors`, `finally` and `afterExecution` run exactly once, whatever order events come in."""
    with send_nothing():
        play_and_check(case, seed)

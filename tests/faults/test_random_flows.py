"""Reliability, R-72 in full: five hundred random flows with Loops and Subflows nested four deep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.family import RANDOM_FLOWS, play_and_check, send_nothing
from tests.engine.flow_strategies import Case, calling_cases

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


@settings(RANDOM_FLOWS, max_examples=500)
@given(case=calling_cases(), seed=st.integers(0, 2**32))
def test_five_hundred_nested_flows_come_to_what_the_model_says(case: Case, seed: int) -> None:
    with send_nothing():
        play_and_check(case, seed)

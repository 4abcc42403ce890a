"""The random flows of the rehearsals on real rows: every event reads only what it needs and still comes to the same end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .family import RANDOM_FLOWS, play_and_check, send_nothing
from .flow_strategies import Case, cases

pytestmark = pytest.mark.django_db(transaction=True)


@settings(RANDOM_FLOWS, max_examples=25)
@given(case=cases(), seed=st.integers(0, 2**32))
def test_any_order_of_events_on_rows_comes_to_the_same_end(case: Case, seed: int) -> None:
    with send_nothing():
        play_and_check(case, seed)

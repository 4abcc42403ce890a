"""Each test starts with an empty cache of flows: revisions never change in real life, but tests take theirs back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.engine.catalog import forget_flows


@pytest.fixture(autouse=True)
def _fresh_catalogue() -> Iterator[None]:
    forget_flows()
    yield
    forget_flows()

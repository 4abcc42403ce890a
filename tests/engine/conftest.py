"""Tests of the engine: an empty cache of flows for each, and no thread of a worker left at the end of the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flows.engine.catalog import forget_flows
from tests.support import eventually


@pytest.fixture(autouse=True)
def _fresh_catalogue() -> Iterator[None]:
    forget_flows()
    yield
    forget_flows()


@pytest.fixture(scope="session")
def in_process_worker(django_db_setup: None) -> Iterator[None]:
    """For tests that run attempts here: the heartbeat has a connection of its own, which must go before the database does."""
    yield
    eventually(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()), within=15)

"""Real servers for the tests: one PostgreSQL and one Valkey per run, started when first needed and stopped whatever happens."""

from __future__ import annotations

import atexit
from collections.abc import Iterator

import pytest

from flows.conf import get_settings
from tests.support.servers import TestServers

pytest_plugins = ["tests.support.container_engine", "tests.support.systems"]


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    """The servers of this run, started where no address was given from outside."""
    given = get_settings()
    running = TestServers(given)
    # Also when the run is broken off so hard that no fixture is torn down.
    atexit.register(running.stop)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def postgres_url(servers: TestServers) -> str:
    """Address of the running PostgreSQL. Tests with the `db` mark work in Django's test database on it."""
    return servers.postgres_url


@pytest.fixture(scope="session")
def broker_url(servers: TestServers) -> str:
    """Address of the running broker, as Celery understands it."""
    return servers.broker_url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, servers: TestServers) -> None:
    """Have the servers up before the test database is made."""

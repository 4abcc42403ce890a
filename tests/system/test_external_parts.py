"""`up` with a broker that is not its own: nothing else changes, and an unsafe one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from flows.conf import get_settings
from tests.support.system_process import SystemProcess

pytestmark = [pytest.mark.system, pytest.mark.lifecycle]


def test_a_system_with_an_outer_broker_starts_none_of_its_own(home: Path, broker_url: str) -> None:
    system = SystemProcess(home, CELESTRA_BROKER_URL=f"{broker_url}?virtual_host=5").start().wait_ready()

    status, health = system.call("GET", "/health")
    left = system.stop()

    assert (status, left, (home / "valkey").exists()) == (200, 0, False), health


def test_a_broker_that_may_throw_messages_away_is_refused(home: Path, broker_url: str) -> None:
    with redis.Redis.from_url(get_settings().redis_url or "") as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            system = SystemProcess(home, CELESTRA_BROKER_URL=broker_url).start()
            status = system.wait_end()
        finally:
            client.config_set("maxmemory-policy", "noeviction")

    assert status == 1
    assert "maxmemory-policy" in system.output and "[broker-unsafe]" in system.output

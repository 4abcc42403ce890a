"""The start-up checks of the broker name the setting that would lose work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from flows.checks import list_broker_faults
from flows.conf import get_settings


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    """A client of the broker; its settings are put back afterwards."""
    url = get_settings().redis_url
    assert url is not None
    with redis.Redis.from_url(url) as client:
        before = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "timeout")}
        yield client
        for name, value in before.items():
            client.config_set(name, value)


def test_the_embedded_broker_has_no_fault(broker: redis.Redis) -> None:
    assert list_broker_faults(get_settings().redis_url or "") == []


@pytest.mark.parametrize(
    ("name", "value", "code"), [("maxmemory-policy", "allkeys-lru", "flows.E004"), ("timeout", "60", "flows.E005")]
)
def test_a_setting_that_would_lose_work_is_an_error_that_names_it(broker: redis.Redis, name: str, value: str, code: str) -> None:
    broker.config_set(name, value)

    faults = list_broker_faults(get_settings().redis_url or "")

    assert [(fault.id, name in fault.msg) for fault in faults] == [(code, True)]


def test_a_broker_out_of_reach_is_a_warning() -> None:
    faults = list_broker_faults("redis://127.0.0.1:1/0")

    assert [fault.id for fault in faults] == ["flows.W002"]

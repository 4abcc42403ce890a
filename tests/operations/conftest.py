"""A flow to save, and for each test an empty cache of flows: tests take back revisions, which never change in real life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from flows.engine.catalog import forget_flows

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
SOURCE = """\
id: daily
namespace: company.team
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: Hello
"""
NIGHTLY = "triggers:\n  - {id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 1 * * *'}\n"


@pytest.fixture(autouse=True)
def _fresh_catalogue() -> Iterator[None]:
    forget_flows()
    yield
    forget_flows()
